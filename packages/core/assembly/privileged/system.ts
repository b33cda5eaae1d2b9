/**
 * System instructions. Each takes the hart, whose pc is set, and the decoded
 * slot, and returns a status: 0 to go on behind the instruction.
 */
import {
  ASSIST_CSR,
  ASSIST_FENCE,
  EXIT_HYPERCALL,
  EXIT_SYSCALL,
  EXIT_WAIT,
  HART_CLOCK_MODE,
  HART_COUNTERS_PROGRAMMED,
  HART_DEADLINE_MOVED,
  HART_EXIT_KIND,
  HART_MENVCFG,
  HART_MIP,
  HART_MSTATUS,
  HART_OPTIONS,
  HART_PARAVIRTUAL,
  HART_PC,
  HART_PRIVILEGE,
  HART_REWRITES,
  HART_SENVCFG,
  HART_STATUS,
  HART_VIRTUAL_HART,
  OPTION_HYPERCALLS,
  OPTION_SYSCALLS,
  REGISTER_WINDOW,
  SLOT_IMM,
  SLOT_RD,
  SLOT_RS1,
  SLOT_RS2,
  STATUS_EXIT,
  STATUS_NONE,
  STATUS_RESUME,
  STATUS_TRAP,
  STATUS_YIELD,
} from "../generated/layout";
import {
  CSR_MCOUNTINHIBIT,
  CSR_MHPMCOUNTER3,
  CSR_MHPMCOUNTER31,
  CSR_MHPMEVENT3,
  CSR_MHPMEVENT31,
  CSR_MIP,
  CSR_MSECCFG,
  CSR_PMPADDR15,
  CSR_PMPCFG0,
  CSR_SATP,
  CSR_SIP,
  CSR_STIMECMP,
  isCsrAccessible,
  readCsr,
  writeCsr,
} from "../generated/csrs";
import { checkBlock, zeroBlock } from "../memory/access";
import { fence } from "../memory/tlb";
import { countAssist } from "./counters";
import { reflect } from "../virtualization/in-place";
import { call } from "../virtualization/paravirtual";
import { done, virtualHartAt } from "../virtualization/rewritten";
import { BREAKPOINT, ECALL_FROM_U, ILLEGAL_INSTRUCTION, MENVCFG_CBCFE, MENVCFG_CBIE, MENVCFG_CBZE, MSTATUS_TSR, MSTATUS_TVM, MSTATUS_TW } from "./fields";
import { isOverworked } from "../work";
import { updateTimers } from "./time";
import { isAwake, nextInterrupt, raise, returnFromMachine, returnFromSupervisor } from "./trap";

/** An illegal instruction; the slots of this file's instructions hold the encoding as their immediate. */
function illegal(hart: usize, slot: usize): u32 {
  raise(hart, ILLEGAL_INSTRUCTION, <u64>load<u32>(slot, SLOT_IMM));
  return STATUS_TRAP;
}

/** Goes on behind an instruction that may have let an interrupt in. */
export function next(hart: usize): u32 {
  if (nextInterrupt(hart) < 0) return STATUS_NONE;
  store<u64>(hart, load<u64>(hart, HART_PC) + 4, HART_PC);
  return resume(hart);
}

/** Goes on at the pc in what may be another mode; the slice ends before counters that depend on it count on. */
function resume(hart: usize): u32 {
  if (load<u32>(hart, HART_COUNTERS_PROGRAMMED) == 0) return STATUS_RESUME;
  store<u32>(hart, 1, HART_DEADLINE_MOVED);
  return STATUS_YIELD;
}

export const CSR_WRITE: u32 = 0;
export const CSR_SET: u32 = 1;
export const CSR_CLEAR: u32 = 2;

/** Of a deprivileged guest, privileged instructions that were rewritten are done on its virtual hart: the others trap. */
export function csr(hart: usize, slot: usize, operation: u32, immediate: bool): u32 {
  const instruction = load<u32>(slot, SLOT_IMM);
  const number = instruction >> 20;
  const sourceField = (instruction >> 15) & 31;
  const writes = operation == CSR_WRITE || sourceField != 0;
  if (!isCsrAccessible(hart, number, writes)) {
    const virtual = virtualHartAt(hart, slot);
    return virtual == 0 ? illegal(hart, slot) : done(hart, virtual, csr(virtual, slot, operation, immediate));
  }
  countAssist(hart, ASSIST_CSR);
  const source = immediate ? <u64>sourceField : load<u64>(<usize>load<u16>(slot, SLOT_RS1), REGISTER_WINDOW);
  const register = <usize>load<u16>(slot, SLOT_RD);
  const old = operation == CSR_WRITE && ((instruction >> 7) & 31) == 0 ? 0 : readCsr(hart, number);
  if (writes) {
    // Wires show in mip and sip, but only what software wrote takes part in set and clear (Privileged ISA 3.1.9).
    const base = number == CSR_MIP || number == CSR_SIP ? load<u64>(hart, HART_MIP) : old;
    let value = source;
    if (operation == CSR_SET) value = base | source;
    else if (operation == CSR_CLEAR) value = base & ~source;
    writeCsr(hart, number, value);
  }
  store<u64>(register, old, REGISTER_WINDOW);
  if (!writes) return STATUS_NONE;
  if (movesDeadline(hart, number)) {
    store<u32>(hart, 1, HART_DEADLINE_MOVED);
    resumeBehind(hart);
    return STATUS_YIELD;
  }
  return changesFetch(number) || isOverworked(hart) ? resumeBehind(hart) : next(hart);
}

/** Whether the slice may have to end elsewhere: at a timer, with the virtual clock, or where a counter overflows. */
function movesDeadline(hart: usize, number: u32): bool {
  if (number == CSR_STIMECMP) return load<u32>(hart, HART_CLOCK_MODE) != 0;
  if (load<u32>(hart, HART_COUNTERS_PROGRAMMED) == 0) return false;
  if (number == CSR_MCOUNTINHIBIT || (number >= CSR_MHPMEVENT3 && number <= CSR_MHPMEVENT31)) return true;
  return number >= CSR_MHPMCOUNTER3 && number <= CSR_MHPMCOUNTER31;
}

/** Whether the next instruction must be translated or checked anew: satp, the PMP registers and mseccfg. */
function changesFetch(number: u32): bool {
  return number == CSR_SATP || number == CSR_MSECCFG || (number >= CSR_PMPCFG0 && number <= CSR_PMPADDR15);
}

export function ecall(hart: usize, slot: usize): u32 {
  const privilege = load<u32>(hart, HART_PRIVILEGE);
  if (privilege == 1 && load<u32>(hart, HART_OPTIONS) & OPTION_HYPERCALLS) {
    store<u32>(hart, EXIT_HYPERCALL, HART_EXIT_KIND);
    store<u32>(hart, STATUS_EXIT, HART_STATUS);
    return STATUS_EXIT;
  }
  if (privilege == 0 && load<u32>(hart, HART_OPTIONS) & OPTION_SYSCALLS) {
    const virtual = <usize>load<u32>(hart, HART_VIRTUAL_HART);
    if (virtual == 0 || load<u32>(virtual, HART_PRIVILEGE) == 0) {
      store<u32>(hart, EXIT_SYSCALL, HART_EXIT_KIND);
      store<u32>(hart, STATUS_EXIT, HART_STATUS);
      return STATUS_EXIT;
    }
  }
  if (privilege == 0 && (load<u32>(hart, HART_REWRITES) | load<u32>(hart, HART_PARAVIRTUAL)) != 0) {
    const virtual = <usize>load<u32>(hart, HART_VIRTUAL_HART);
    if (load<u32>(virtual, HART_PRIVILEGE) == 0) return reflect(hart, virtual, ECALL_FROM_U, 0);
    if (load<u32>(hart, HART_PARAVIRTUAL) != 0) return call(hart, virtual);
  }
  raise(hart, ECALL_FROM_U + <u64>privilege, 0);
  return STATUS_TRAP;
}

export function ebreak(hart: usize, slot: usize): u32 {
  raise(hart, BREAKPOINT, load<u64>(hart, HART_PC));
  return STATUS_TRAP;
}

export function mret(hart: usize, slot: usize): u32 {
  if (load<u32>(hart, HART_PRIVILEGE) != 3) return illegal(hart, slot);
  returnFromMachine(hart);
  return resume(hart);
}

export function sret(hart: usize, slot: usize): u32 {
  const privilege = load<u32>(hart, HART_PRIVILEGE);
  if (privilege == 0) {
    const virtual = virtualHartAt(hart, slot);
    return virtual == 0 ? illegal(hart, slot) : done(hart, virtual, sret(virtual, slot));
  }
  if (privilege == 1 && load<u64>(hart, HART_MSTATUS) & MSTATUS_TSR) return illegal(hart, slot);
  returnFromSupervisor(hart);
  return resume(hart);
}

/** U-mode never waits: its limit on waiting (Privileged ISA 3.3.3) is zero, as is S-mode's under TW. */
export function wfi(hart: usize, slot: usize): u32 {
  const privilege = load<u32>(hart, HART_PRIVILEGE);
  if (privilege == 0) {
    const virtual = virtualHartAt(hart, slot);
    return virtual == 0 ? illegal(hart, slot) : done(hart, virtual, wfi(virtual, slot));
  }
  if (privilege == 1 && load<u64>(hart, HART_MSTATUS) & MSTATUS_TW) return illegal(hart, slot);
  updateTimers(hart);
  if (isAwake(hart)) return next(hart);
  store<u32>(hart, EXIT_WAIT, HART_EXIT_KIND);
  store<u32>(hart, STATUS_EXIT, HART_STATUS);
  return STATUS_EXIT;
}

function mayFence(hart: usize): bool {
  const privilege = load<u32>(hart, HART_PRIVILEGE);
  return privilege == 3 || (privilege == 1 && (load<u64>(hart, HART_MSTATUS) & MSTATUS_TVM) == 0);
}

export function sfence_vma(hart: usize, slot: usize): u32 {
  if (!mayFence(hart)) {
    const virtual = virtualHartAt(hart, slot);
    return virtual == 0 ? illegal(hart, slot) : done(hart, virtual, sfence_vma(virtual, slot));
  }
  countAssist(hart, ASSIST_FENCE);
  const rs1 = <usize>load<u16>(slot, SLOT_RS1);
  const rs2 = <usize>load<u16>(slot, SLOT_RS2);
  fence(hart, rs1 != 0, load<u64>(rs1, REGISTER_WINDOW), rs2 != 0, load<u64>(rs2, REGISTER_WINDOW));
  return resumeBehind(hart);
}

/** The fetch of the next instruction is translated anew; that has cost the slice some time. */
function resumeBehind(hart: usize): u32 {
  store<u64>(hart, load<u64>(hart, HART_PC) + 4, HART_PC);
  return isOverworked(hart) ? STATUS_YIELD : STATUS_RESUME;
}

export function sfence_w_inval(hart: usize, slot: usize): u32 {
  return load<u32>(hart, HART_PRIVILEGE) == 0 ? ordering(hart, slot) : STATUS_NONE;
}

export function sfence_inval_ir(hart: usize, slot: usize): u32 {
  return load<u32>(hart, HART_PRIVILEGE) == 0 ? ordering(hart, slot) : STATUS_NONE;
}

/** An instruction that only orders others, in U-mode: legal where a deprivileged guest believes to be in S-mode. */
function ordering(hart: usize, slot: usize): u32 {
  const virtual = virtualHartAt(hart, slot);
  return virtual == 0 || load<u32>(virtual, HART_PRIVILEGE) == 0 ? illegal(hart, slot) : done(hart, virtual, STATUS_NONE);
}

/** Whether the envcfg registers of the levels above grant a cache-block operation (CMO 1.0, 2.4). */
function blockOperationEnabled(hart: usize, bits: u64): bool {
  const privilege = load<u32>(hart, HART_PRIVILEGE);
  if (privilege < 3 && (load<u64>(hart, HART_MENVCFG) & bits) == 0) return false;
  return privilege > 0 || (load<u64>(hart, HART_SENVCFG) & bits) != 0;
}

export function cbo_inval(hart: usize, slot: usize): u32 {
  return blockOperation(hart, slot, MENVCFG_CBIE);
}

export function cbo_clean(hart: usize, slot: usize): u32 {
  return blockOperation(hart, slot, MENVCFG_CBCFE);
}

function blockOperation(hart: usize, slot: usize, enable: u64): u32 {
  if (!blockOperationEnabled(hart, enable)) return illegal(hart, slot);
  return checkBlock(hart, load<u64>(<usize>load<u16>(slot, SLOT_RS1), REGISTER_WINDOW)) ? STATUS_NONE : load<u32>(hart, HART_STATUS);
}

/** Whether cbo.zero is enabled in the present mode. */
export function blockZeroEnabled(hart: usize): bool {
  return blockOperationEnabled(hart, MENVCFG_CBZE);
}

export function cbo_zero(hart: usize, slot: usize): u32 {
  if (!blockZeroEnabled(hart)) return illegal(hart, slot);
  return zeroBlock(hart, load<u64>(<usize>load<u16>(slot, SLOT_RS1), REGISTER_WINDOW)) ? STATUS_NONE : load<u32>(hart, HART_STATUS);
}
