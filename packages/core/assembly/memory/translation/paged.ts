/** Sv39, Sv48 and Sv57, which differ only in the number of levels (Privileged ISA 1.13, 10.3-10.6). */
import {
  EXTENSION_BIT_SVADU,
  EXTENSION_BIT_SVNAPOT,
  EXTENSION_BIT_SVPBMT,
  HART_MENVCFG,
  HART_SATP,
  HART_VM,
  HART_WALK_ADDRESS,
  HART_WALK_LEVEL,
  NO_FRAME,
} from "../../generated/layout";
import { has } from "../../privileged/extensions";
import { MENVCFG_ADUE, MENVCFG_PBMTE } from "../../privileged/fields";
import { machineAddress, prepareWrite } from "../frames";
import { checkPmp, PMP_DENIED } from "../pmp";
import { REGIME_MXR, REGIME_SUM } from "../tlb";
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WITHOUT_EFFECT, ACCESS_WRITE, WALK_ACCESS_FAULT, WALK_NO_FRAME, WALK_OK, WALK_PAGE_FAULT } from "./outcome";
import { secondStage } from "./second-stage";

export const PTE_V: u64 = 1;
export const PTE_R: u64 = 2;
export const PTE_W: u64 = 4;
export const PTE_X: u64 = 8;
const PTE_U: u64 = 16;
const PTE_A: u64 = 64;
const PTE_D: u64 = 128;
export const PTE_N: u64 = 1 << 63;
const PTE_PBMT: u64 = 3 << 61;
const PTE_RESERVED: u64 = 0x1fc0000000000000;
const PTE_NON_LEAF_RESERVED: u64 = PTE_N | PTE_PBMT | PTE_U | PTE_A | PTE_D;

/** Physical addresses have 56 bits. */
const PHYSICAL_MASK: u64 = (1 << 56) - 1;

/** Walks the page table that satp names. */
export function translatePaged(hart: usize, address: u64, access: u32, regime: u32): u32 {
  const satp = load<u64>(hart, HART_SATP);
  const mode = <u32>(satp >> 60);
  let level = mode - 6; // 8: 3 levels, 9: 4, 10: 5
  if (!isCanonical(address, level)) return WALK_PAGE_FAULT;

  let table = (satp & 0xfffffffffff) << 12;
  while (true) {
    let shift = 12 + 9 * level;
    const slot = table + (((address >> shift) & 0x1ff) << 3);
    const machine = pageTableEntry(hart, slot, ACCESS_READ, regime);
    if (machine <= NO_FRAME) return machine == 0 ? WALK_ACCESS_FAULT : WALK_NO_FRAME;
    const pte = load<u64>(machine);
    if ((pte & PTE_V) == 0 || pte & PTE_RESERVED) return WALK_PAGE_FAULT;
    if ((pte & (PTE_R | PTE_W)) == PTE_W) return WALK_PAGE_FAULT;
    let target = ((pte >> 10) & 0xfffffffffff) << 12;
    if ((pte & (PTE_R | PTE_X)) == 0) {
      if (pte & PTE_NON_LEAF_RESERVED || level == 0) return WALK_PAGE_FAULT;
      table = target;
      level -= 1;
      continue;
    }
    if (!permits(pte, access, regime)) return WALK_PAGE_FAULT;
    if (pte & PTE_PBMT && !isMemoryType(hart, pte)) return WALK_PAGE_FAULT;
    if (pte & PTE_N) {
      // Sixteen neighbouring pages whose lowest four page number bits say so (Svnapot).
      if (!has(hart, EXTENSION_BIT_SVNAPOT) || level != 0 || (target & 0xf000) != 0x8000) return WALK_PAGE_FAULT;
      target &= ~0xffff;
      shift = 16;
    }
    const offset = (<u64>1 << shift) - 1;
    if (target & offset) return WALK_PAGE_FAULT;
    const wanted = PTE_A | (access & ACCESS_WRITE ? PTE_D : 0);
    if ((pte & wanted) != wanted) {
      if (!has(hart, EXTENSION_BIT_SVADU) || access & ACCESS_WITHOUT_EFFECT) return WALK_PAGE_FAULT;
      if ((load<u64>(hart, HART_MENVCFG) & MENVCFG_ADUE) == 0) return WALK_PAGE_FAULT;
      if (pageTableEntry(hart, slot, ACCESS_READ | ACCESS_WRITE, regime) == 0) return WALK_ACCESS_FAULT;
      prepareWrite(<usize>load<u32>(hart, HART_VM), machine, 8);
      store<u64>(machine, pte | wanted);
    }
    store<u64>(hart, secondStage(hart, (target | (address & offset)) & PHYSICAL_MASK, regime), HART_WALK_ADDRESS);
    store<u32>(hart, shift, HART_WALK_LEVEL);
    return WALK_OK;
  }
}

/** Whether the bits above those that tables of so many levels, and one, translate equal the top one of them. */
// @ts-ignore: decorator
@inline
export function isCanonical(address: u64, level: u32): bool {
  const unused = 64 - (12 + 9 * (level + 1));
  return <u64>(<i64>(address << unused) >> unused) == address;
}

/** R, W and X as a leaf grants them in a regime; W only once it is marked dirty. What shadow tables hold of it. */
export function leafPermissions(low: u32, regime: u32): u32 {
  const pte = <u64>low;
  const read = permits(pte, ACCESS_READ, regime) ? <u32>PTE_R : 0;
  const write = permits(pte, ACCESS_WRITE, regime) && pte & PTE_D ? <u32>PTE_W : 0;
  return read | write | (permits(pte, ACCESS_EXECUTE, regime) ? <u32>PTE_X : 0);
}

/** Whether a page-based memory type is enabled and none of the reserved ones; memory is coherent, so all are alike (Svpbmt). */
function isMemoryType(hart: usize, pte: u64): bool {
  if (!has(hart, EXTENSION_BIT_SVPBMT) || (load<u64>(hart, HART_MENVCFG) & MENVCFG_PBMTE) == 0) return false;
  return (pte & PTE_PBMT) != PTE_PBMT;
}

/** Where a page table entry lies; 0 if it is not RAM or PMP denies supervisor access to it, NO_FRAME as `machineAddress` gives it. */
function pageTableEntry(hart: usize, address: u64, access: u32, regime: u32): usize {
  const physical = secondStage(hart, address, regime);
  if (checkPmp(hart, physical, 8, access, 1) == PMP_DENIED) return 0;
  return machineAddress(<usize>load<u32>(hart, HART_VM), physical);
}

/** Whether a leaf's permission bits allow an access in a regime; U pages are closed to S but for SUM, and never executed by it. */
function permits(pte: u64, access: u32, regime: u32): bool {
  const supervisor = (regime & 3) == 1;
  if (pte & PTE_U) {
    if (supervisor && ((regime & REGIME_SUM) == 0 || access & ACCESS_EXECUTE)) return false;
  } else if (!supervisor) return false;
  if (access & ACCESS_EXECUTE) return (pte & PTE_X) != 0;
  if (access & ACCESS_WRITE) return (pte & PTE_W) != 0;
  return (pte & PTE_R) != 0 || (regime & REGIME_MXR && (pte & PTE_X) != 0);
}
