/**
 * System instructions that change the mode, or how code is fetched: a region ends with them, and `entry.ts` goes on at the
 * hart's pc with whatever begins there under the new mapping.
 */
import {
  HART_COUNTERS_PROGRAMMED,
  HART_OPTIONS,
  HART_PC,
  HART_PRIVILEGE,
  HART_STATUS,
  HART_VIRTUAL_HART,
  OPTION_SYSCALLS,
  STATUS_NONE,
  STATUS_RESUME,
  STATUS_TRAP,
  WINDOW_HART,
} from "../generated/layout";
import { ECALL_FROM_U } from "../privileged/fields";
import { mret, sfence_vma, sret } from "../privileged/system";
import { raiseException } from "../privileged/trap";
import { csrAt, systemSlot } from "./csr";

const ECALL: u32 = 0x00000073;
const SRET: u32 = 0x10200073;
const MRET: u32 = 0x30200073;
const FUNCT3: u32 = 0x7000;

/** Whether traps and changes of the mode wait for the end of the slice: for counters to be added up, or for the monitor. */
export function waitsForSlice(hart: usize): bool {
  return (load<u32>(hart, HART_COUNTERS_PROGRAMMED) | load<u32>(hart, HART_VIRTUAL_HART)) != 0;
}

/**
 * Executes ecall, a return from a trap, a fence of translations or a write of satp on the registers in the window: 1 if the
 * interpreter must see to it; 0 if done, with HART_STATUS saying how to go on at the hart's pc.
 */
export function systemInRegion(pc: u64, _unused: u64, word: u32): u32 {
  const hart = <usize>load<u32>(WINDOW_HART);
  if (waitsForSlice(hart)) return 1;
  store<u64>(hart, pc, HART_PC);
  if (word == ECALL) {
    if (load<u32>(hart, HART_PRIVILEGE) != 0 || load<u32>(hart, HART_OPTIONS) & OPTION_SYSCALLS) return 1;
    raiseException(hart, ECALL_FROM_U, 0);
    store<u32>(hart, STATUS_RESUME, HART_STATUS);
    return 0;
  }
  const status = execute(hart, systemSlot(hart, word), word);
  store<u32>(hart, status == STATUS_TRAP ? <u32>STATUS_NONE : status, HART_STATUS);
  return status == STATUS_TRAP ? 1 : 0;
}

function execute(hart: usize, slot: usize, word: u32): u32 {
  if (word == SRET) return sret(hart, slot);
  if (word == MRET) return mret(hart, slot);
  if ((word & FUNCT3) == 0) return sfence_vma(hart, slot);
  const status = csrAt(hart, slot);
  if (status != STATUS_NONE) return status;
  store<u64>(hart, load<u64>(hart, HART_PC) + 4, HART_PC);
  return STATUS_RESUME;
}
