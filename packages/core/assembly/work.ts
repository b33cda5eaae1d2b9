/**
 * What guest code makes the machine do beyond its instructions, such as clearing TLB banks, in nanoseconds as a slow host
 * needs them. They do not count as time of the guest's: a slice ends when they are many, so that the host can look at its
 * clock, and goes on behind that as if nothing had been.
 */
import { HART_VM, PATIENCE, VM_WORK } from "./generated/layout";

// What the large pieces of work cost.
export const WORK_TLB_FILL: u32 = 150;
export const WORK_TLB_REFILL: u32 = 40; // from the second level
export const WORK_FRAME: u32 = 2000;
export const WORK_CLEAR_BANK: u32 = 1500;
export const WORK_CLEAR_FETCHES: u32 = 1000; // those of a bank
export const WORK_CLEAR_JUMPS: u32 = 800;
export const WORK_SEARCH_BANK: u32 = 3000;
export const WORK_SEARCH_STORES: u32 = 1000; // those of a bank
export const WORK_CODE_PAGE: u32 = 3000;
export const WORK_ENTROPY: u32 = 1000;
export const WORK_FORGET_REGIONS: u32 = 10_000;

/** A slice begins; gives what was done in the last one. */
export function beginWork(hart: usize): u32 {
  const vm = <usize>load<u32>(hart, HART_VM);
  const work = load<u32>(vm, VM_WORK);
  store<u32>(vm, 0, VM_WORK);
  return work;
}

/** Adds work done for a machine; the functions that clear much at once may pass the limit by far. */
export function charge(vm: usize, work: u32): void {
  store<u32>(vm, load<u32>(vm, VM_WORK) + work, VM_WORK);
}

/** Whether a slice has had its share. */
export function isOverworked(hart: usize): bool {
  return load<u32>(load<u32>(hart, HART_VM), VM_WORK) >= <u32>PATIENCE;
}
