/**
 * Shadow page tables: those of a guest that runs deprivileged, as the monitor
 * rewrote them (`src/virtualization/shadow-tables.ts`). They have the shape of
 * the guest's own scheme; tables lie at machine addresses, leaves hold
 * guest-physical page numbers and what the guest may do in its present mode.
 */
import { HART_SATP, HART_WALK_ADDRESS, HART_WALK_LEVEL } from "../../generated/layout";
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE, WALK_OK, WALK_PAGE_FAULT } from "./outcome";
import { isCanonical, PTE_N, PTE_R, PTE_V, PTE_W, PTE_X } from "./paged";

/** Walks the shadow table that the executor's satp names. A page fault is for the monitor to look into. */
export function translateShadow(hart: usize, address: u64, access: u32): u32 {
  const satp = load<u64>(hart, HART_SATP);
  let level = <u32>(satp >> 60) - 6;
  if (!isCanonical(address, level)) return WALK_PAGE_FAULT;
  let table = <usize>(satp & 0xfffff) << 12;
  while (true) {
    const shift = 12 + 9 * level;
    const entry = load<u64>(table + ((<usize>(address >> shift) & 0x1ff) << 3));
    if ((entry & PTE_V) == 0) return WALK_PAGE_FAULT;
    const target = ((entry >> 10) & 0xfffffffffff) << 12;
    if ((entry & (PTE_R | PTE_W | PTE_X)) == 0) {
      table = <usize>target;
      level -= 1;
      continue;
    }
    if ((entry & wanted(access)) != wanted(access)) return WALK_PAGE_FAULT;
    store<u64>(hart, target | (address & (((<u64>1) << shift) - 1)), HART_WALK_ADDRESS);
    store<u32>(hart, entry & PTE_N ? 16 : shift, HART_WALK_LEVEL); // a piece of a larger page is fenced with it
    return WALK_OK;
  }
}

function wanted(access: u32): u64 {
  return (access & ACCESS_READ ? PTE_R : 0) | (access & ACCESS_WRITE ? PTE_W : 0) | (access & ACCESS_EXECUTE ? PTE_X : 0);
}
