/**
 * Binary translation of a deprivileged guest: what would leave to the monitor
 * again and again is done in place. A privileged instruction that has trapped
 * REWRITE_AFTER times is rewritten: its slot says so, and from then on it acts on
 * the virtual hart. In translated code every one of them is. System calls and
 * exceptions of the guest's own go to its kernel.
 */
import {
  ASSIST_REWRITTEN,
  HART_DEADLINE_MOVED,
  HART_EXIT_KIND,
  HART_PC,
  HART_REWRITES,
  HART_STATUS,
  HART_TRAP_ACCESS,
  HART_TRAP_CAUSE,
  HART_TRAP_VALUE,
  HART_VIRTUAL_HART,
  SLOT_RM,
  STATUS_EXIT,
  STATUS_NONE,
  STATUS_TRAP,
  STATUS_YIELD,
} from "../generated/layout";
import { WALK_ACCESS_FAULT, WALK_OK } from "../memory/translation/outcome";
import { countAssist } from "../privileged/counters";
import {
  ECALL_FROM_U,
  FETCH_PAGE_FAULT,
  ILLEGAL_INSTRUCTION,
  LOAD_ACCESS_FAULT,
  LOAD_PAGE_FAULT,
  STORE_PAGE_FAULT,
} from "../privileged/fields";
import { nextInterrupt, raise } from "../privileged/trap";
import { walkGuest } from "./executor";
import { attend, follow, goOn, reflectWaiting } from "./in-place";

/** Traps of an instruction before it is rewritten: code that runs once is not worth it. */
const REWRITE_AFTER: u32 = 8;

/** The virtual hart on which the privileged instruction in a slot acts; 0 if it traps, as those of other harts do. */
export function virtualHartAt(executor: usize, slot: usize): usize {
  if (load<u32>(executor, HART_REWRITES) == 0) return 0;
  const traps = <u32>load<u8>(slot, SLOT_RM);
  if (traps < REWRITE_AFTER) {
    store<u8>(slot, traps + 1, SLOT_RM);
    return 0;
  }
  countAssist(executor, ASSIST_REWRITTEN);
  const virtual = <usize>load<u32>(executor, HART_VIRTUAL_HART);
  attend(executor, virtual);
  return virtual;
}

/** Makes a slot that translated code has filled count as rewritten. */
export function rewrite(slot: usize): void {
  store<u8>(slot, REWRITE_AFTER, SLOT_RM);
}

/** What a rewritten instruction comes to for the executor, from what it did to the virtual hart. */
export function done(executor: usize, virtual: usize, status: u32): u32 {
  store<u32>(virtual, STATUS_NONE, HART_STATUS);
  if (status == STATUS_TRAP) {
    raise(executor, load<u64>(virtual, HART_TRAP_CAUSE), load<u64>(virtual, HART_TRAP_VALUE));
    return STATUS_TRAP;
  }
  if (status == STATUS_EXIT) {
    store<u32>(executor, load<u32>(virtual, HART_EXIT_KIND), HART_EXIT_KIND);
    store<u32>(executor, STATUS_EXIT, HART_STATUS);
    return STATUS_EXIT;
  }
  follow(executor, virtual);
  if (status == STATUS_YIELD || nextInterrupt(virtual) >= 0) store<u32>(executor, 1, HART_DEADLINE_MOVED);
  if (status == STATUS_NONE) {
    if (load<u32>(executor, HART_DEADLINE_MOVED) == 0) return STATUS_NONE;
    store<u64>(executor, load<u64>(executor, HART_PC) + 4, HART_PC);
    return STATUS_YIELD;
  }
  return goOn(executor, virtual);
}

/** Between slices: brings an exception to the guest's kernel if it is the guest's own; false where the monitor has to look. */
export function reflectsOwn(executor: usize): bool {
  const cause = load<u64>(executor, HART_TRAP_CAUSE);
  if (cause == ILLEGAL_INSTRUCTION || cause == ECALL_FROM_U) return false;
  if (cause != FETCH_PAGE_FAULT && cause != LOAD_PAGE_FAULT && cause != STORE_PAGE_FAULT) {
    reflectWaiting(executor, cause);
    return true;
  }
  const virtual = <usize>load<u32>(executor, HART_VIRTUAL_HART);
  const outcome = walkGuest(virtual, load<u64>(executor, HART_TRAP_VALUE), load<u32>(executor, HART_TRAP_ACCESS));
  if (outcome == WALK_OK) return false;
  const toAccessFault = cause == FETCH_PAGE_FAULT ? FETCH_PAGE_FAULT - 1 : LOAD_PAGE_FAULT - LOAD_ACCESS_FAULT;
  reflectWaiting(executor, outcome == WALK_ACCESS_FAULT ? cause - toAccessFault : cause);
  return true;
}
