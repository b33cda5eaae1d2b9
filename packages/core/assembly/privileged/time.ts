/** The hart's time and timers. With the virtual clock, time is the count of executed instructions. */
import {
  HART_CLOCK_MODE,
  HART_EXECUTED,
  HART_INTERRUPT_LINES,
  HART_LEFT,
  HART_MENVCFG,
  HART_MTIMECMP,
  HART_OPTIONS,
  HART_SLICE_BUDGET,
  HART_STIMECMP,
  HART_TIME_OFFSET,
  HART_VIRTUAL_IDLE,
  OPTION_HYPERCALLS,
  POLL_INTERVAL,
  VIRTUAL_INSTRUCTIONS_PER_TICK,
} from "../generated/layout";
import { MENVCFG_STCE, MTIP, STIP } from "./fields";

/** What a slow host interprets in a tick: a guess too low only costs looks at the clock. */
const SLOWEST_INSTRUCTIONS_PER_TICK: u64 = 4;

/** The host's clock in ticks of the guest's time base, from a zero of its own. */
@external("host", "ticks")
declare function hostTicks(): f64;

/** Instructions executed before the present one. What is left is negative where straight-line code runs past its budget. */
export function executedNow(hart: usize): u64 {
  return load<u64>(hart, HART_EXECUTED) + <u64>(load<i32>(hart, HART_SLICE_BUDGET) - load<i32>(hart, HART_LEFT));
}

export function timeNow(hart: usize): u64 {
  const offset = load<u64>(hart, HART_TIME_OFFSET);
  if (load<u32>(hart, HART_CLOCK_MODE) == 0) return <u64>hostTicks() + offset;
  return (executedNow(hart) + load<u64>(hart, HART_VIRTUAL_IDLE)) / VIRTUAL_INSTRUCTIONS_PER_TICK + offset;
}

/** stimecmp where it counts; all ones where it does not. */
function supervisorDeadline(hart: usize): u64 {
  // Without Sstc the SBI's timer is the machine's own, and uses the same field.
  const bySbi = load<u32>(hart, HART_OPTIONS) & OPTION_HYPERCALLS;
  return bySbi || load<u64>(hart, HART_MENVCFG) & MENVCFG_STCE ? load<u64>(hart, HART_STIMECMP) : -1;
}

/** The earliest deadline of the hart's timers that lies ahead; all ones if none does. */
export function nextDeadline(hart: usize): u64 {
  const now = timeNow(hart);
  const machine = load<u64>(hart, HART_MTIMECMP);
  const supervisor = supervisorDeadline(hart);
  const next: u64 = machine > now ? machine : -1;
  return supervisor > now ? min<u64>(next, supervisor) : next;
}

/** With the real clock: instructions until the timers are to be looked at again, or `limit` if that is less. */
export function instructionsToLook(hart: usize, limit: u64): u64 {
  const deadline = min<u64>(load<u64>(hart, HART_MTIMECMP), supervisorDeadline(hart));
  if (deadline == -1) return limit;
  const now = timeNow(hart);
  const ahead = deadline > now ? deadline - now : 0;
  if (ahead >= limit) return limit; // and the product would wrap
  return min<u64>(limit, max<u64>(ahead * SLOWEST_INSTRUCTIONS_PER_TICK, POLL_INTERVAL));
}

/** Drives the timer interrupt lines. */
export function updateTimers(hart: usize): void {
  let lines = load<u64>(hart, HART_INTERRUPT_LINES) & ~(MTIP | STIP);
  const machine = load<u64>(hart, HART_MTIMECMP);
  const supervisor = supervisorDeadline(hart);
  if ((machine & supervisor) != -1) {
    const now = timeNow(hart);
    if (now >= machine) lines |= MTIP;
    if (now >= supervisor) lines |= STIP;
  }
  store<u64>(hart, lines, HART_INTERRUPT_LINES);
}

/** With the virtual clock: instructions until the earliest deadline that lies ahead, or `limit` if that is less. */
export function instructionsToDeadline(hart: usize, limit: u64): u64 {
  const now = load<u64>(hart, HART_EXECUTED) + load<u64>(hart, HART_VIRTUAL_IDLE);
  const offset = load<u64>(hart, HART_TIME_OFFSET);
  let instructions = limit;
  for (let n = 0; n < 2; n++) {
    const deadline = n == 0 ? load<u64>(hart, HART_MTIMECMP) : load<u64>(hart, HART_STIMECMP);
    if (deadline == -1) continue;
    const ahead = deadline - offset - now / VIRTUAL_INSTRUCTIONS_PER_TICK;
    if (<i64>ahead <= 0 || ahead > limit) continue;
    instructions = min<u64>(instructions, (deadline - offset) * VIRTUAL_INSTRUCTIONS_PER_TICK - now);
  }
  return instructions;
}
