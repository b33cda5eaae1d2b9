/**
 * mcycle, minstret and the programmable counters (Privileged ISA 1.13, 3.1.10-3.1.12; Sscofpmf; Smcntrpmf). A counter
 * costs nothing while it counts: its value is what it had when it was last added up, plus what its source has
 * counted since. They are added up before anything changes what counts: registers, and, where it matters, the mode.
 */
import {
  COUNTERS,
  EVENT_CYCLES,
  EVENT_EXCEPTIONS,
  EVENT_INSTRUCTIONS,
  EVENT_INTERRUPTS,
  EVENT_LAST,
  EVENT_NONE,
  EVENT_TLB_FILLS,
  EXTENSION_BIT_SSCOFPMF,
  HART_COUNTERS,
  HART_COUNTERS_PROGRAMMED,
  HART_COUNTERS_RUNNING,
  HART_COUNTER_BASES,
  HART_COUNTER_CONFIGS,
  HART_EXCEPTIONS,
  HART_INTERRUPTS,
  HART_MCOUNTEREN,
  HART_MCOUNTINHIBIT,
  HART_MIP,
  HART_PRIVILEGE,
  HART_SLICE_BUDGET,
  HART_TLB_FILLS,
} from "../generated/layout";
import { has } from "./extensions";
import { LCOFIP } from "./fields";
import { executedNow } from "./time";

const CYCLE: u32 = 0;
const TIME: u32 = 1;
const INSTRET: u32 = 2;
const FIRST_PROGRAMMABLE: u32 = 3;

// Fields of mhpmevent, and but for OF of mcyclecfg and minstretcfg.
const OF: u64 = 1 << 63;
const UINH: u64 = 1 << 60;
/** MINH, SINH and UINH: do not count in that mode. */
const FILTERS: u64 = 7 << 60;
const SELECTOR: u64 = (1 << 58) - 1;

@inline
function counterOf(hart: usize, n: u32): usize {
  return hart + (<usize>n << 3);
}

function configOf(hart: usize, n: u32): u64 {
  return load<u64>(counterOf(hart, n), HART_COUNTER_CONFIGS);
}

function eventOf(hart: usize, n: u32): u32 {
  if (n == CYCLE) return EVENT_CYCLES;
  if (n == INSTRET) return EVENT_INSTRUCTIONS;
  return n == TIME ? EVENT_NONE : <u32>(configOf(hart, n) & SELECTOR);
}

/** How often an event has happened since the hart was made, when so many instructions were executed. */
function sourceOf(hart: usize, event: u32, executed: u64): u64 {
  switch (event) {
    case EVENT_CYCLES:
      return executed;
    case EVENT_INSTRUCTIONS:
      return executed - load<u64>(hart, HART_EXCEPTIONS);
    case EVENT_EXCEPTIONS:
      return load<u64>(hart, HART_EXCEPTIONS);
    case EVENT_INTERRUPTS:
      return load<u64>(hart, HART_INTERRUPTS);
    case EVENT_TLB_FILLS:
      return load<u64>(hart, HART_TLB_FILLS);
  }
  return 0;
}

/** Whether an event happens at most once an instruction, so that an overflow can be foreseen. */
function isSteady(event: u32): bool {
  return event == EVENT_CYCLES || event == EVENT_INSTRUCTIONS;
}

function isRunning(hart: usize, n: u32): bool {
  return ((load<u32>(hart, HART_COUNTERS_RUNNING) >> n) & 1) != 0;
}

function addUp(hart: usize, n: u32, executed: u64): void {
  const counter = counterOf(hart, n);
  const source = sourceOf(hart, eventOf(hart, n), executed);
  const counted = source - load<u64>(counter, HART_COUNTER_BASES);
  if (<i64>counted <= 0) return; // nothing, or the instruction that wrote the counter
  const value = load<u64>(counter, HART_COUNTERS) + counted;
  store<u64>(counter, value, HART_COUNTERS);
  store<u64>(counter, source, HART_COUNTER_BASES);
  if (value < counted) overflow(hart, n);
}

/** The first overflow raises the interrupt; the next ones do once software has cleared OF. */
function overflow(hart: usize, n: u32): void {
  if (n < FIRST_PROGRAMMABLE || !has(hart, EXTENSION_BIT_SSCOFPMF)) return;
  const config = configOf(hart, n);
  if (config & OF) return;
  store<u64>(counterOf(hart, n), config | OF, HART_COUNTER_CONFIGS);
  store<u64>(hart, load<u64>(hart, HART_MIP) | LCOFIP, HART_MIP);
}

/** Adds up what the programmed counters have counted, and notes those that overflow. */
export function settleCounters(hart: usize, executed: u64): void {
  if (load<u32>(hart, HART_COUNTERS_PROGRAMMED) != 0) addUpAll(hart, executed);
}

function addUpAll(hart: usize, executed: u64): void {
  for (let n: u32 = 0; n < COUNTERS; n++) {
    if (isRunning(hart, n)) addUp(hart, n, executed);
  }
}

/** Decides anew which counters run, when so many instructions were executed; they have been added up. */
export function chooseCounters(hart: usize, executed: u64): void {
  const privilege = load<u32>(hart, HART_PRIVILEGE);
  const filter = UINH << <u64>(privilege == 3 ? 2 : privilege);
  const before = load<u32>(hart, HART_COUNTERS_RUNNING);
  const inhibited = <u32>load<u64>(hart, HART_MCOUNTINHIBIT);
  let running: u32 = 0;
  let programmed = false;
  for (let n: u32 = 0; n < COUNTERS; n++) {
    const event = eventOf(hart, n);
    const config = configOf(hart, n);
    if (config & FILTERS || (n >= FIRST_PROGRAMMABLE && event != EVENT_NONE)) programmed = true;
    const bit: u32 = 1 << n;
    if (event == EVENT_NONE || inhibited & bit || config & filter) continue;
    running |= bit;
    if ((before & bit) == 0) store<u64>(counterOf(hart, n), sourceOf(hart, event, executed), HART_COUNTER_BASES);
  }
  store<u32>(hart, running, HART_COUNTERS_RUNNING);
  store<u32>(hart, programmed ? 1 : 0, HART_COUNTERS_PROGRAMMED);
}

/** After the privilege changed, when so many instructions had been executed: what they counted was counted in the mode before. */
export function changeCounterMode(hart: usize, executed: u64): void {
  if (load<u32>(hart, HART_COUNTERS_PROGRAMMED) == 0) return;
  addUpAll(hart, executed);
  chooseCounters(hart, executed);
}

/** Instructions until a counter may overflow, or `limit` if that is less; they have been added up. */
export function instructionsToOverflow(hart: usize, limit: u64): u64 {
  if (load<u32>(hart, HART_COUNTERS_PROGRAMMED) == 0 || !has(hart, EXTENSION_BIT_SSCOFPMF)) return limit;
  let instructions = limit;
  for (let n = FIRST_PROGRAMMABLE; n < COUNTERS; n++) {
    if (!isRunning(hart, n) || !isSteady(eventOf(hart, n)) || configOf(hart, n) & OF) continue;
    const ahead: u64 = 0 - load<u64>(counterOf(hart, n), HART_COUNTERS);
    if (ahead != 0) instructions = min<u64>(instructions, ahead);
  }
  return instructions;
}

export function readCounter(hart: usize, n: u32): u64 {
  if (isRunning(hart, n)) addUp(hart, n, executedNow(hart));
  return load<u64>(counterOf(hart, n), HART_COUNTERS);
}

export function writeCounter(hart: usize, n: u32, value: u64): void {
  const counter = counterOf(hart, n);
  const event = eventOf(hart, n);
  // An instruction that writes the counter does not count towards it; the host is none.
  const writer: u64 = isSteady(event) && load<u32>(hart, HART_SLICE_BUDGET) != 0 ? 1 : 0;
  store<u64>(counter, value, HART_COUNTERS);
  store<u64>(counter, sourceOf(hart, event, executedNow(hart)) + writer, HART_COUNTER_BASES);
}

export function writeMcountinhibit(hart: usize, value: u64): void {
  const executed = executedNow(hart);
  addUpAll(hart, executed);
  store<u64>(hart, value & (((1 << COUNTERS) - 1) & ~(1 << TIME)), HART_MCOUNTINHIBIT);
  chooseCounters(hart, executed);
}

/** mcyclecfg and minstretcfg. */
export function writeCounterConfig(hart: usize, n: u32, value: u64): void {
  const executed = executedNow(hart);
  addUpAll(hart, executed);
  store<u64>(counterOf(hart, n), value & FILTERS, HART_COUNTER_CONFIGS);
  chooseCounters(hart, executed);
}

export function readEvent(hart: usize, n: u32): u64 {
  settleCounters(hart, executedNow(hart));
  return configOf(hart, n);
}

/** A selector that stands for no event here becomes that of none. */
export function writeEvent(hart: usize, n: u32, value: u64): void {
  const executed = executedNow(hart);
  addUpAll(hart, executed);
  const selector = value & SELECTOR;
  let config: u64 = selector <= EVENT_LAST ? selector : EVENT_NONE;
  if (has(hart, EXTENSION_BIT_SSCOFPMF)) config |= value & (OF | FILTERS);
  store<u64>(counterOf(hart, n), config, HART_COUNTER_CONFIGS);
  store<u32>(hart, load<u32>(hart, HART_COUNTERS_RUNNING) & ~(1 << n), HART_COUNTERS_RUNNING); // it begins anew, from another source
  chooseCounters(hart, executed);
}

/** The OF bits by number; below M-mode, those of the counters that mcounteren opens. */
export function readScountovf(hart: usize): u64 {
  settleCounters(hart, executedNow(hart));
  let overflown: u64 = 0;
  for (let n = FIRST_PROGRAMMABLE; n < COUNTERS; n++) {
    if (configOf(hart, n) & OF) overflown |= <u64>1 << n;
  }
  return load<u32>(hart, HART_PRIVILEGE) == 3 ? overflown : overflown & load<u64>(hart, HART_MCOUNTEREN);
}
