/**
 * What a deprivileged guest's virtual hart comes to without leaving to the monitor: its executor brings it up to date,
 * exceptions and interrupts go to the guest's kernel, and the executor follows it to where it then is. Binary translation
 * and paravirtualization share it.
 */
import {
  ASSIST_INTERRUPT,
  ASSIST_REFLECTED,
  HART_DEADLINE_MOVED,
  HART_EXCEPTIONS,
  HART_EXECUTED,
  HART_INTERRUPTS,
  HART_INTERRUPT_LINES,
  HART_PARAVIRTUAL,
  HART_PC,
  HART_SHADOW_MISSING,
  HART_TRAP_CAUSE,
  HART_TRAP_VALUE,
  HART_VIRTUAL_HART,
  REGISTER_WINDOW,
  STATUS_RESUME,
  STATUS_YIELD,
} from "../generated/layout";
import { countAssist } from "../privileged/counters";
import { STIP } from "../privileged/fields";
import { executedNow, updateTimers } from "../privileged/time";
import { nextInterrupt, raiseException, takeInterrupt } from "../privileged/trap";
import { chooseTables, mirror, mirrorFloat } from "./executor";
import { considerInterrupts, hasNewInterrupt, trapTo } from "./paravirtual";

/** Brings a virtual hart up to what its executor has come to. */
export function attend(executor: usize, virtual: usize): void {
  store<u64>(virtual, load<u64>(executor, HART_PC), HART_PC);
  store<u64>(virtual, executedNow(executor), HART_EXECUTED);
  store<u64>(virtual, load<u64>(executor, HART_EXCEPTIONS), HART_EXCEPTIONS);
  mirrorFloat(virtual, executor);
}

/** Lets the executor go on as the virtual hart now is; the slice ends where its address space has no shadow table. */
export function follow(executor: usize, virtual: usize): void {
  store<u64>(executor, load<u64>(virtual, HART_EXCEPTIONS), HART_EXCEPTIONS);
  store<u64>(executor, load<u64>(virtual, HART_INTERRUPTS), HART_INTERRUPTS);
  mirror(executor, virtual);
  if (chooseTables(executor, virtual)) return;
  store<u32>(executor, 1, HART_SHADOW_MISSING);
  store<u32>(executor, 1, HART_DEADLINE_MOVED);
}

/** Lets the executor go on at the virtual hart's pc; gives the status to do so with. */
export function goOn(executor: usize, virtual: usize): u32 {
  store<u64>(executor, load<u64>(virtual, HART_PC), HART_PC);
  return load<u32>(executor, HART_DEADLINE_MOVED) != 0 ? STATUS_YIELD : STATUS_RESUME;
}

/** Within a slice: brings an exception to the guest's kernel. */
export function reflect(executor: usize, virtual: usize, cause: u64, value: u64): u32 {
  bring(executor, virtual, cause, value, REGISTER_WINDOW);
  return goOn(executor, virtual);
}

/** Between slices: brings the exception that ended the last one to the guest's kernel. */
export function reflectWaiting(executor: usize, cause: u64): void {
  const virtual = <usize>load<u32>(executor, HART_VIRTUAL_HART);
  bring(executor, virtual, cause, load<u64>(executor, HART_TRAP_VALUE), executor);
  store<u64>(executor, load<u64>(virtual, HART_PC), HART_PC);
}

function bring(executor: usize, virtual: usize, cause: u64, value: u64, registers: usize): void {
  countAssist(executor, ASSIST_REFLECTED);
  attend(executor, virtual);
  if (load<u32>(virtual, HART_PARAVIRTUAL) != 0) trapTo(virtual, cause, value, registers);
  else raiseException(virtual, cause, value);
  follow(executor, virtual);
}

/** Between slices: makes the virtual hart's timer pending if it is due, and takes its next interrupt if there is one. */
export function admitInterrupt(executor: usize): void {
  const virtual = <usize>load<u32>(executor, HART_VIRTUAL_HART);
  const isParavirtual = load<u32>(virtual, HART_PARAVIRTUAL) != 0;
  const isDue = nextInterrupt(executor) >= 0;
  if (!isDue && !(isParavirtual ? hasNewInterrupt(virtual) : nextInterrupt(virtual) >= 0)) return;
  attend(executor, virtual);
  if (isDue) updateTimers(virtual);
  if (isParavirtual ? considerInterrupts(virtual, executor) : takeInterrupt(virtual)) countAssist(executor, ASSIST_INTERRUPT);
  follow(executor, virtual);
  store<u64>(executor, load<u64>(virtual, HART_PC), HART_PC);
  // The executor's own timer is never pending while it runs, or it would take it; what falls due meanwhile is seen between slices.
  store<u64>(executor, load<u64>(executor, HART_INTERRUPT_LINES) & ~STIP, HART_INTERRUPT_LINES);
}
