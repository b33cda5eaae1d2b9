/** Entering and leaving traps, and which interrupt is next (Privileged ISA 1.13, 3.1.6-3.1.9, 10.1). */
import {
  ASSIST_EXCEPTION,
  ASSIST_INTERRUPT,
  HART_COUNTERS_PROGRAMMED,
  HART_INTERRUPT_LINES,
  HART_EXCEPTIONS,
  HART_INTERRUPTS,
  HART_MCAUSE,
  HART_MEDELEG,
  HART_MEPC,
  HART_MIDELEG,
  HART_MIE,
  HART_MIP,
  HART_MSTATUS,
  HART_MTVAL,
  HART_MTVEC,
  HART_PC,
  HART_PRIVILEGE,
  HART_RARE_EXCEPTIONS,
  HART_SCAUSE,
  HART_SEPC,
  HART_SKIP_BREAKPOINT,
  HART_STVAL,
  HART_STVEC,
  HART_STATUS,
  HART_TRAP_CAUSE,
  HART_TRAP_VALUE,
  HART_TRAP_WAITS,
  HART_VIRTUAL_HART,
  STATUS_TRAP,
} from "../generated/layout";
import { selectBanks, selectEmptyFetchBank } from "../memory/tlb";
import { countAssist } from "./counters";
import { changeCounterMode } from "./performance-counters";
import { executedNow } from "./time";
import { FETCH_ACCESS_FAULT, MSTATUS_MIE, MSTATUS_MPIE, MSTATUS_MPP, MSTATUS_MPRV, MSTATUS_SIE, MSTATUS_SPIE, MSTATUS_SPP } from "./fields";

const INTERRUPT: u64 = 1 << 63;
const NONE: i32 = -1;

function enter(hart: usize, supervisor: bool, cause: u64, value: u64): void {
  if (cause < 8) {
    const count = hart + <usize>(cause << 3);
    store<u64>(count, load<u64>(count, HART_RARE_EXCEPTIONS) + 1, HART_RARE_EXCEPTIONS);
  }
  const status = load<u64>(hart, HART_MSTATUS);
  const privilege = <u64>load<u32>(hart, HART_PRIVILEGE);
  const pc = load<u64>(hart, HART_PC);
  let vector: u64;
  if (supervisor) {
    store<u64>(hart, pc, HART_SEPC);
    store<u64>(hart, cause, HART_SCAUSE);
    store<u64>(hart, value, HART_STVAL);
    const enabled = status & MSTATUS_SIE ? MSTATUS_SPIE : 0;
    store<u64>(hart, (status & ~(MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP)) | enabled | (privilege << 8), HART_MSTATUS);
    store<u32>(hart, 1, HART_PRIVILEGE);
    vector = load<u64>(hart, HART_STVEC);
  } else {
    store<u64>(hart, pc, HART_MEPC);
    store<u64>(hart, cause, HART_MCAUSE);
    store<u64>(hart, value, HART_MTVAL);
    const enabled = status & MSTATUS_MIE ? MSTATUS_MPIE : 0;
    store<u64>(hart, (status & ~(MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP)) | enabled | (privilege << 11), HART_MSTATUS);
    store<u32>(hart, 3, HART_PRIVILEGE);
    vector = load<u64>(hart, HART_MTVEC);
  }
  const vectored = vector & 1 && cause & INTERRUPT ? (cause & ~INTERRUPT) << 2 : 0;
  store<u64>(hart, (vector & ~3) + vectored, HART_PC);
  selectBanks(hart);
  changeCounterMode(hart, executedNow(hart)); // where counters depend on it, this is between slices
}

/** Number of the interrupt that the hart takes next, or -1. */
export function nextInterrupt(hart: usize): i32 {
  const pending = (load<u64>(hart, HART_MIP) | load<u64>(hart, HART_INTERRUPT_LINES)) & load<u64>(hart, HART_MIE);
  if (pending == 0) return NONE;
  const status = load<u64>(hart, HART_MSTATUS);
  const privilege = load<u32>(hart, HART_PRIVILEGE);
  const delegated = load<u64>(hart, HART_MIDELEG);
  if (privilege < 3 || status & MSTATUS_MIE) {
    const machine = pending & ~delegated;
    if (machine != 0) return highestPriority(machine);
  }
  if (privilege < 1 || (privilege == 1 && status & MSTATUS_SIE)) {
    const supervisor = pending & delegated;
    if (supervisor != 0) return highestPriority(supervisor);
  }
  return NONE;
}

/** External before software before timer, machine before supervisor, overflown counters last (Privileged ISA 3.1.9). */
function highestPriority(pending: u64): i32 {
  if (pending & (1 << 11)) return 11;
  if (pending & (1 << 3)) return 3;
  if (pending & (1 << 7)) return 7;
  if (pending & (1 << 9)) return 9;
  if (pending & (1 << 1)) return 1;
  return pending & (1 << 5) ? 5 : 13;
}

/** Takes the next interrupt if there is one. */
export function takeInterrupt(hart: usize): bool {
  const number = nextInterrupt(hart);
  if (number == NONE) return false;
  countAssist(hart, ASSIST_INTERRUPT);
  store<u64>(hart, load<u64>(hart, HART_INTERRUPTS) + 1, HART_INTERRUPTS);
  store<u32>(hart, 0, HART_SKIP_BREAKPOINT); // the handler comes before the instruction that was to be passed
  const supervisor = load<u32>(hart, HART_PRIVILEGE) != 3 && ((load<u64>(hart, HART_MIDELEG) >> number) & 1) != 0;
  enter(hart, supervisor, INTERRUPT | <u64>number, 0);
  return true;
}

/** Whether wfi goes on: an enabled interrupt is pending, whatever the global enables say. */
export function isAwake(hart: usize): bool {
  const pending = load<u64>(hart, HART_MIP) | load<u64>(hart, HART_INTERRUPT_LINES);
  return (pending & load<u64>(hart, HART_MIE)) != 0;
}

export function returnFromMachine(hart: usize): void {
  const status = load<u64>(hart, HART_MSTATUS);
  const previous = <u32>(status >> 11) & 3;
  let next = (status & ~(MSTATUS_MIE | MSTATUS_MPP)) | MSTATUS_MPIE;
  if (status & MSTATUS_MPIE) next |= MSTATUS_MIE;
  if (previous != 3) next &= ~MSTATUS_MPRV;
  leaveTo(hart, next, previous, load<u64>(hart, HART_MEPC));
}

export function returnFromSupervisor(hart: usize): void {
  const status = load<u64>(hart, HART_MSTATUS);
  let next = (status & ~(MSTATUS_SIE | MSTATUS_SPP | MSTATUS_MPRV)) | MSTATUS_SPIE;
  if (status & MSTATUS_SPIE) next |= MSTATUS_SIE;
  leaveTo(hart, next, status & MSTATUS_SPP ? 1 : 0, load<u64>(hart, HART_SEPC));
}

function leaveTo(hart: usize, status: u64, privilege: u32, pc: u64): void {
  store<u64>(hart, status, HART_MSTATUS);
  store<u32>(hart, privilege, HART_PRIVILEGE);
  store<u64>(hart, pc, HART_PC);
  selectBanks(hart);
  changeCounterMode(hart, executedNow(hart) + 1); // the return itself is the mode's that it leaves
}

/** Leaves an exception for the interpreter to take; gives 0, which helpers return where they found no machine address. */
export function raise(hart: usize, cause: u64, value: u64): usize {
  store<u64>(hart, cause, HART_TRAP_CAUSE);
  store<u64>(hart, value, HART_TRAP_VALUE);
  store<u32>(hart, STATUS_TRAP, HART_STATUS);
  return 0;
}

/** For the host: an exception at the hart's pc, such as a device access that nothing answers. */
export function raiseException(hart: usize, cause: u64, value: u64): void {
  store<u64>(hart, cause, HART_TRAP_CAUSE);
  store<u64>(hart, value, HART_TRAP_VALUE);
  deliver(hart, false);
}

/** Whether M-mode, not a mode below it, has failed to fetch M-mode's trap vector: the hart would trap there for ever. */
export function isStuck(hart: usize): bool {
  return (
    load<u32>(hart, HART_TRAP_WAITS) == 0 &&
    load<u32>(hart, HART_PRIVILEGE) == 3 &&
    (load<u64>(hart, HART_MSTATUS) & MSTATUS_MPP) == MSTATUS_MPP &&
    load<u64>(hart, HART_MCAUSE) == FETCH_ACCESS_FAULT &&
    load<u64>(hart, HART_MEPC) == load<u64>(hart, HART_PC)
  );
}

/** Takes the exception that a helper raised within a slice; the instruction did not retire. */
export function deliverException(hart: usize): void {
  deliver(hart, true);
}

/** Between slices: takes the exception that waits, if one does. */
export function takeWaitingException(hart: usize): bool {
  if (load<u32>(hart, HART_TRAP_WAITS) == 0) return false;
  store<u32>(hart, 0, HART_TRAP_WAITS);
  deliver(hart, false);
  return true;
}

/**
 * Where counters depend on the mode, the count of instructions must be known before the mode changes, and what a
 * deprivileged guest does is its monitor's business: then an exception within a slice waits, and the fetch, which finds nothing, ends the slice. The loop calls this, and is slower by a tenth
 * if more of it stands there.
 */
function deliver(hart: usize, inSlice: bool): void {
  if (inSlice && (load<u32>(hart, HART_COUNTERS_PROGRAMMED) | load<u32>(hart, HART_VIRTUAL_HART)) != 0) {
    store<u32>(hart, 1, HART_TRAP_WAITS);
    selectEmptyFetchBank(hart);
    return;
  }
  countAssist(hart, ASSIST_EXCEPTION);
  store<u64>(hart, load<u64>(hart, HART_EXCEPTIONS) + 1, HART_EXCEPTIONS);
  const cause = load<u64>(hart, HART_TRAP_CAUSE);
  const delegated = load<u32>(hart, HART_PRIVILEGE) != 3 && ((load<u64>(hart, HART_MEDELEG) >> cause) & 1) != 0;
  enter(hart, delegated, cause, load<u64>(hart, HART_TRAP_VALUE));
}
