/**
 * Where the interpreter spends its time: every so many instructions, where
 * control leaves straight-line code, the block that comes next is counted; and
 * each block, with less weight, where control arrives from translated code. A
 * block that was met often enough is hot, sooner if that was in one burst, and
 * the translator hears of it; so it does of accesses that translated code often
 * leaves to the interpreter.
 */
import {
  BURST_SHARE,
  BURST_SHIFT,
  EXIT_BUDGET,
  HART_DEADLINE_MOVED,
  HART_EXECUTED,
  HART_FETCH_BANK,
  HART_PC,
  HART_REGION_BUDGET,
  HART_TRAP_WAITS,
  HART_SAMPLE_COUNTDOWN,
  HART_VM,
  HOT_BLOCKS,
  HOT_BLOCK_SIZE,
  OP_REGION,
  REGISTER_WINDOW,
  SAMPLE_COUNTS,
  SAMPLE_COUNT_SIZE,
  SAMPLE_WEIGHT,
  SLOT_MISSES,
  SLOT_RS1,
  SLOT_SIZE,
  TLB_FETCH,
  VM_HOT_BATCH,
  VM_HOT_BLOCKS,
  VM_HOT_COUNT,
  VM_MISS_THRESHOLD,
  VM_SAMPLE_COUNTS,
  VM_SAMPLE_INTERVAL,
  VM_SAMPLE_THRESHOLD,
} from "../generated/layout";
import { peekPage } from "../code/fetch";
import { execute } from "../generated/execute";
import { entryOf } from "../memory/tlb";
import { isOverworked } from "../work";

/**
 * Runs about `budget` instructions as `execute` does, with samples taken if there is a translator: `exact` if not more
 * than straight-line code takes beyond them, else translated code may use what the interpreter leaves of the next sample.
 */
export function executeSampled(hart: usize, budget: i32, exact: bool): u32 {
  const vm = <usize>load<u32>(hart, HART_VM);
  const interval = load<i32>(vm, VM_SAMPLE_INTERVAL);
  if (interval == 0) return execute(hart, budget);
  let remaining = budget;
  while (true) {
    const countdown = load<i32>(hart, HART_SAMPLE_COUNTDOWN);
    const left = min<i32>(remaining, countdown);
    const forRegions = exact ? remaining - left : remaining;
    const before = load<u64>(hart, HART_EXECUTED);
    store<i32>(hart, forRegions, HART_REGION_BUDGET);
    const kind = execute(hart, left);
    const executed = <i32>(load<u64>(hart, HART_EXECUTED) - before);
    const interpreted = executed - (forRegions - load<i32>(hart, HART_REGION_BUDGET));
    store<i32>(hart, 0, HART_REGION_BUDGET);
    remaining -= executed;
    if (interpreted < countdown) store<i32>(hart, countdown - interpreted, HART_SAMPLE_COUNTDOWN);
    else {
      store<i32>(hart, interval, HART_SAMPLE_COUNTDOWN);
      if (kind == EXIT_BUDGET) count(hart, vm, load<u64>(hart, HART_PC), SAMPLE_WEIGHT);
    }
    if (kind != EXIT_BUDGET || remaining <= 0 || mustLeave(hart)) return kind;
  }
}

/** Whether a slice ends before its budget does: a deadline moved, a trap waits for it, it did much work, or hot blocks are to be translated first. */
export function mustLeave(hart: usize): bool {
  return load<u32>(hart, HART_DEADLINE_MOVED) != 0 || load<u32>(hart, HART_TRAP_WAITS) != 0 || isOverworked(hart) || hasHotBlocks(hart);
}

/** Whether so many blocks are hot that a module of them is worth its cost. */
export function hasHotBlocks(hart: usize): bool {
  const vm = <usize>load<u32>(hart, HART_VM);
  return load<u32>(vm, VM_HOT_COUNT) >= load<u32>(vm, VM_HOT_BATCH);
}

/**
 * Counts a block where translated code ended for want of a region. Samples alone would miss what is interpreted between
 * one region and the next: it is so short that they mostly come upon its end.
 */
export function countArrival(hart: usize, target: u64): void {
  count(hart, <usize>load<u32>(hart, HART_VM), target, 1);
}

/** Counts an instruction that translated code left to the interpreter: an access, as a rule, for which the TLB had nothing. */
export function countMiss(hart: usize, pc: u64): void {
  const vm = <usize>load<u32>(hart, HART_VM);
  const slot = slotAt(hart, pc);
  const threshold = load<u32>(vm, VM_MISS_THRESHOLD);
  if (slot != 0) countAt(hart, vm, pc, slot | SLOT_MISSES, 1, threshold, threshold);
}

function count(hart: usize, vm: usize, target: u64, weight: u32): void {
  const slot = slotAt(hart, target);
  const threshold = load<u32>(vm, VM_SAMPLE_THRESHOLD) * SAMPLE_WEIGHT;
  if (slot != 0 && load<u16>(slot) != OP_REGION) countAt(hart, vm, target, slot, weight, threshold, threshold / BURST_SHARE);
}

/** The decoded slot of an address that was fetched of late; else 0. */
function slotAt(hart: usize, address: u64): u32 {
  const entry = entryOf(<usize>load<u32>(hart, HART_FETCH_BANK), TLB_FETCH, address);
  if (load<u64>(entry) != (address & ~0xfff)) return 0;
  return load<u32>(entry, 8) + (<u32>address & 0xfff) * <u32>(SLOT_SIZE / 2);
}

/** Counts a slot, as a block's or (SLOT_MISSES) an access's, and reports it when it was met often enough in all, or in one burst. */
function countAt(hart: usize, vm: usize, address: u64, slot: u32, weight: u32, threshold: u32, burstThreshold: u32): void {
  const counter = counterOf(vm, slot);
  const burst = <u32>(load<u64>(hart, HART_EXECUTED) >> BURST_SHIFT);
  const known = load<u32>(counter) == slot;
  let count = (known ? load<u32>(counter, 4) : 0) + weight;
  let inBurst = (known && load<u32>(counter, 8) == burst ? load<u32>(counter, 12) : 0) + weight;
  if (count >= threshold || inBurst >= burstThreshold) {
    count = 0;
    inBurst = 0;
    report(hart, vm, address, slot);
  }
  store<u32>(counter, slot);
  store<u32>(counter, count, 4);
  store<u32>(counter, burst, 8);
  store<u32>(counter, inBurst, 12);
}

/**
 * The counter of a slot, in one of two places; where others are in both, that of the one which was met less often. Slots are
 * told apart by their place in a page, and a little by the page.
 */
function counterOf(vm: usize, slot: u32): usize {
  const first = <usize>load<u32>(vm, VM_SAMPLE_COUNTS) + (((slot >> 4) ^ (slot >> 15)) & (SAMPLE_COUNTS - 1)) * SAMPLE_COUNT_SIZE;
  if (load<u32>(first) == slot) return first;
  const second = first ^ SAMPLE_COUNT_SIZE;
  return load<u32>(second) == slot || load<u32>(second, 4) < load<u32>(first, 4) ? second : first;
}

/** Puts a slot on the translator's list; if that is full, it will come again. */
function report(hart: usize, vm: usize, target: u64, slot: u32): void {
  const n = load<u32>(vm, VM_HOT_COUNT);
  if (n == HOT_BLOCKS) return;
  const entry = <usize>load<u32>(vm, VM_HOT_BLOCKS) + <usize>n * HOT_BLOCK_SIZE;
  store<u64>(entry, target);
  store<u32>(entry, slot, 8);
  store<u32>(entry, <u32>peekPage(hart, target - 0x1000), 12);
  store<u32>(entry, <u32>peekPage(hart, target + 0x1000), 16);
  store<u32>(entry, slot & SLOT_MISSES ? load<u32>(<usize>load<u16>(slot & ~SLOT_MISSES, SLOT_RS1), REGISTER_WINDOW) : 0, 20);
  store<u32>(vm, n + 1, VM_HOT_COUNT);
}
