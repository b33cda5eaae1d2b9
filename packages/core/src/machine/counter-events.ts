/** What the programmable counters of a hart can count, for those who tell guests or program counters on their behalf. */
import { CONSTANTS } from "../../isa/layout.js";

/** Selectors of `mhpmevent3` and the following. */
export const CounterEvent = {
  Cycles: CONSTANTS.EVENT_CYCLES,
  Instructions: CONSTANTS.EVENT_INSTRUCTIONS,
  Exceptions: CONSTANTS.EVENT_EXCEPTIONS,
  Interrupts: CONSTANTS.EVENT_INTERRUPTS,
  TlbFills: CONSTANTS.EVENT_TLB_FILLS,
} as const;

/** Numbers of the programmable counters, `mhpmcounter3` being 3. */
export const PROGRAMMABLE_COUNTERS: readonly number[] = Array.from({ length: CONSTANTS.COUNTERS - 3 }, (_, n) => n + 3);
