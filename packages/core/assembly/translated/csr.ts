/** CSR instructions of translated code: those that neither read the count of instructions nor change how code is fetched. */
import {
  HART_CLOCK_MODE,
  HART_CROSSING,
  HART_MSTATUS,
  HART_PC,
  HART_REWRITES,
  HART_SINK,
  HART_STATUS,
  SLOT_IMM,
  SLOT_RD,
  SLOT_RS1,
  SLOT_RS2,
  SSTATUS_WRITABLE,
  STATUS_NONE,
  STATUS_TRAP,
  WINDOW_HART,
} from "../generated/layout";
import { CSR_TIME } from "../generated/csrs";
import { MSTATUS_SIE, MSTATUS_SPIE, MSTATUS_SPP } from "../privileged/fields";
import { readSstatus, writeSstatus } from "../privileged/special-csrs";
import { CSR_CLEAR, CSR_SET, csr, next } from "../privileged/system";
import { rewrite } from "../virtualization/rewritten";

/** Bits of sstatus that only interrupts and returns look at. */
const WITHOUT_EFFECT: u64 = MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP;

/** A slot for the system instruction `word`, as the decoder would fill it. */
export function systemSlot(hart: usize, word: u32): usize {
  const slot = hart + HART_CROSSING;
  const rd = (word >> 7) & 31;
  store<u32>(slot, word, SLOT_IMM);
  store<u16>(slot, rd == 0 ? <u32>HART_SINK : rd << 3, SLOT_RD);
  store<u16>(slot, ((word >> 15) & 31) << 3, SLOT_RS1);
  store<u16>(slot, ((word >> 20) & 31) << 3, SLOT_RS2);
  return slot;
}

/** Executes the CSR instruction in a slot. */
export function csrAt(hart: usize, slot: usize): u32 {
  const word = load<u32>(slot, SLOT_IMM);
  return csr(hart, slot, ((word >> 12) & 3) - 1, (word & 0x4000) != 0);
}

/**
 * Executes the CSR instruction `word` on the registers in the window: 0 if done; 1 if the interpreter must see to it; 2 if
 * done, but the interpreter goes on behind it, before any other region: an interrupt comes in there. HART_STATUS says so to it.
 */
export function csrInRegion(pc: u64, _unused: u64, word: u32): u32 {
  const hart = <usize>load<u32>(WINDOW_HART);
  if (word >> 20 == CSR_TIME && load<u32>(hart, HART_CLOCK_MODE) != 0) return 1;
  const slot = systemSlot(hart, word);
  store<u64>(hart, pc, HART_PC);
  if (load<u32>(hart, HART_REWRITES) != 0) rewrite(slot);
  const status = csrAt(hart, slot);
  if (status == STATUS_NONE) return 0;
  const traps = status == STATUS_TRAP;
  store<u32>(hart, traps ? <u32>STATUS_NONE : status, HART_STATUS);
  return traps ? 1 : 2;
}

/** Reads sstatus, in S- or M-mode, and writes, sets or clears its bits. HART_STATUS says if an interrupt comes in behind that. */
export function sstatusInRegion(pc: u64, operation: u32, source: u64): u64 {
  const hart = <usize>load<u32>(WINDOW_HART);
  const old = readSstatus(hart);
  let value = source;
  if (operation == CSR_SET) value = old | source;
  else if (operation == CSR_CLEAR) value = old & ~source;
  if ((old ^ value) & SSTATUS_WRITABLE & ~WITHOUT_EFFECT) writeSstatus(hart, value);
  else store<u64>(hart, (load<u64>(hart, HART_MSTATUS) & ~WITHOUT_EFFECT) | (value & WITHOUT_EFFECT), HART_MSTATUS);
  if (value & MSTATUS_SIE) {
    store<u64>(hart, pc, HART_PC);
    const status = next(hart);
    if (status != STATUS_NONE) store<u32>(hart, status, HART_STATUS);
  }
  return old;
}
