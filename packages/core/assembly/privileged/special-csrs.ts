/** CSRs whose bits act, or lie elsewhere than in a field of their own. */
import {
  EXTENSION_BIT_F,
  EXTENSION_BIT_SSCOFPMF,
  EXTENSION_BIT_SSTC,
  EXTENSION_BIT_SVADU,
  EXTENSION_BIT_SVPBMT,
  EXTENSION_BIT_ZICBOM,
  EXTENSION_BIT_ZICBOZ,
  HART_FFLAGS,
  HART_FRM,
  HART_INTERRUPT_LINES,
  HART_MENVCFG,
  HART_MEPC,
  HART_MIDELEG,
  HART_MIE,
  HART_MIP,
  HART_MISALIGNED_TARGET,
  HART_MSTATUS,
  HART_SATP,
  HART_SENVCFG,
  HART_SEPC,
  HART_STIMECMP,
  HART_VM,
  MSTATUS_CONSTANT,
  MSTATUS_WRITABLE,
  SSTATUS_CONSTANT,
  SSTATUS_WRITABLE,
  VM_MISA,
} from "../generated/layout";
import { has } from "./extensions";
import { dropAllBanks, forgetRegimes, selectBanks } from "../memory/tlb";
import { LCOFIP, MENVCFG_ADUE, MENVCFG_PBMTE, MENVCFG_STCE, MSTATUS_FS, MSTATUS_MPP, SSIP, STIP } from "./fields";
import { floatChanged, updateFloatFast } from "./float-state";
import { settleCounters } from "./performance-counters";
import { executedNow, updateTimers } from "./time";

export { readSeed } from "./entropy";
export {
  readCounter,
  readEvent,
  readScountovf,
  writeCounter,
  writeCounterConfig,
  writeEvent,
  writeMcountinhibit,
} from "./performance-counters";
export { writeMseccfg, writePmpaddr, writePmpcfg0, writePmpcfg2 } from "./pmp-csrs";

export function ignoreWrite(hart: usize, value: u64): void {}

export function readMisa(hart: usize): u64 {
  return load<u64>(<usize>load<u32>(hart, HART_VM), VM_MISA);
}

/** Bits of a return address that can be set: instructions are aligned to four bytes without compressed ones. */
function returnAddress(hart: usize, value: u64): u64 {
  return value & ~(<u64>load<u32>(hart, HART_MISALIGNED_TARGET) | 1);
}

export function writeSepc(hart: usize, value: u64): void {
  store<u64>(hart, returnAddress(hart, value), HART_SEPC);
}

export function writeMepc(hart: usize, value: u64): void {
  store<u64>(hart, returnAddress(hart, value), HART_MEPC);
}

export function readFflags(hart: usize): u64 {
  return <u64>load<u32>(hart, HART_FFLAGS);
}

export function writeFflags(hart: usize, value: u64): void {
  store<u32>(hart, <u32>value & 31, HART_FFLAGS);
  floatChanged(hart);
}

export function readFrm(hart: usize): u64 {
  return <u64>load<u32>(hart, HART_FRM);
}

export function writeFrm(hart: usize, value: u64): void {
  store<u32>(hart, <u32>value & 7, HART_FRM);
  floatChanged(hart);
}

export function readFcsr(hart: usize): u64 {
  return (readFrm(hart) << 5) | readFflags(hart);
}

export function writeFcsr(hart: usize, value: u64): void {
  store<u32>(hart, <u32>(value >> 5) & 7, HART_FRM);
  writeFflags(hart, value);
}

/** SD, the top bit, says that FS is dirty. */
function withSummary(status: u64): u64 {
  return (status & MSTATUS_FS) == MSTATUS_FS ? status | (1 << 63) : status;
}

export function readMstatus(hart: usize): u64 {
  return withSummary(load<u64>(hart, HART_MSTATUS) | MSTATUS_CONSTANT);
}

export function writeMstatus(hart: usize, value: u64): void {
  const old = load<u64>(hart, HART_MSTATUS);
  let next = (old & ~MSTATUS_WRITABLE) | (value & MSTATUS_WRITABLE);
  if (!has(hart, EXTENSION_BIT_F)) next &= ~MSTATUS_FS;
  if ((next & MSTATUS_MPP) == 2 << 11) next = (next & ~MSTATUS_MPP) | (old & MSTATUS_MPP); // no such mode
  store<u64>(hart, next, HART_MSTATUS);
  selectBanks(hart);
  updateFloatFast(hart);
}

export function readSstatus(hart: usize): u64 {
  return withSummary((load<u64>(hart, HART_MSTATUS) & SSTATUS_WRITABLE) | SSTATUS_CONSTANT);
}

export function writeSstatus(hart: usize, value: u64): void {
  writeMstatus(hart, (load<u64>(hart, HART_MSTATUS) & ~SSTATUS_WRITABLE) | (value & SSTATUS_WRITABLE));
}

export function readMip(hart: usize): u64 {
  settleCounters(hart, executedNow(hart)); // one that has overflowed shows
  return load<u64>(hart, HART_MIP) | load<u64>(hart, HART_INTERRUPT_LINES);
}

/** LCOFI, the interrupt of counters that overflow, is there with Sscofpmf. */
function overflowInterrupt(hart: usize): u64 {
  return has(hart, EXTENSION_BIT_SSCOFPMF) ? LCOFIP : 0;
}

export function writeMie(hart: usize, value: u64): void {
  store<u64>(hart, value & (0xaaa | overflowInterrupt(hart)), HART_MIE);
}

export function writeMideleg(hart: usize, value: u64): void {
  store<u64>(hart, value & (0x222 | overflowInterrupt(hart)), HART_MIDELEG);
}

/** SSIP, SEIP and LCOFIP are software's; STIP is, too, while no stimecmp drives it. */
export function writeMip(hart: usize, value: u64): void {
  const writable: u64 = (load<u64>(hart, HART_MENVCFG) & MENVCFG_STCE ? 0x202 : 0x222) | overflowInterrupt(hart);
  store<u64>(hart, (load<u64>(hart, HART_MIP) & ~writable) | (value & writable), HART_MIP);
}

export function readSip(hart: usize): u64 {
  return readMip(hart) & load<u64>(hart, HART_MIDELEG);
}

export function writeSip(hart: usize, value: u64): void {
  const writable = load<u64>(hart, HART_MIDELEG) & (SSIP | LCOFIP);
  store<u64>(hart, (load<u64>(hart, HART_MIP) & ~writable) | (value & writable), HART_MIP);
}

export function readSie(hart: usize): u64 {
  return load<u64>(hart, HART_MIE) & load<u64>(hart, HART_MIDELEG);
}

export function writeSie(hart: usize, value: u64): void {
  const writable = load<u64>(hart, HART_MIDELEG);
  store<u64>(hart, (load<u64>(hart, HART_MIE) & ~writable) | (value & writable), HART_MIE);
}

/** A mode that does not exist leaves the whole register as it was (Privileged ISA 10.1.11). */
export function writeSatp(hart: usize, value: u64): void {
  const mode = value >> 60;
  if (mode != 0 && (mode < 8 || mode > 10)) return;
  store<u64>(hart, mode == 0 ? 0 : value, HART_SATP);
  forgetRegimes(hart);
  selectBanks(hart);
}

export function writeStimecmp(hart: usize, value: u64): void {
  store<u64>(hart, value, HART_STIMECMP);
  updateTimers(hart);
}

const ENVCFG_CBIE_SHIFT: u64 = 4;

/** FIOM; with Zicbom CBIE (10 is reserved: it stays as it was) and CBCFE; with Zicboz CBZE. */
function legalEnvcfg(hart: usize, old: u64, value: u64): u64 {
  let writable: u64 = 1;
  if (has(hart, EXTENSION_BIT_ZICBOM)) writable |= 0x70;
  if (has(hart, EXTENSION_BIT_ZICBOZ)) writable |= 0x80;
  let next = value & writable;
  if (((next >> ENVCFG_CBIE_SHIFT) & 3) == 2) next = (next & ~0x30) | (old & 0x30);
  return next;
}

export function writeSenvcfg(hart: usize, value: u64): void {
  store<u64>(hart, legalEnvcfg(hart, load<u64>(hart, HART_SENVCFG), value), HART_SENVCFG);
}

export function writeMenvcfg(hart: usize, value: u64): void {
  const old = load<u64>(hart, HART_MENVCFG);
  let next = legalEnvcfg(hart, old, value);
  if (has(hart, EXTENSION_BIT_SSTC)) next |= value & MENVCFG_STCE;
  if (has(hart, EXTENSION_BIT_SVADU)) next |= value & MENVCFG_ADUE;
  if (has(hart, EXTENSION_BIT_SVPBMT)) next |= value & MENVCFG_PBMTE;
  store<u64>(hart, next, HART_MENVCFG);
  if (next & MENVCFG_STCE) store<u64>(hart, load<u64>(hart, HART_MIP) & ~STIP, HART_MIP);
  updateTimers(hart);
  if ((old ^ next) & (MENVCFG_ADUE | MENVCFG_PBMTE)) dropAllBanks(hart);
}
