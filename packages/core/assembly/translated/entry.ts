/**
 * From the interpreter into translated code and back. A region is a function
 * of the table: it takes the pc and how deep it may nest, and gives the pc that
 * comes next; with bit 0 set the instruction there is not the region's, or it
 * is done and HART_STATUS says how to go on. Registers lie in the window between
 * regions, the budget in WINDOW_LEFT.
 */
import {
  HART_BANKS,
  HART_BANK_COUNT,
  HART_DEADLINE_MOVED,
  HART_EXECUTED,
  HART_FETCH_BANK,
  HART_PC,
  HART_REGION_BUDGET,
  HART_SIZE,
  HART_STATUS,
  HART_TRANSLATED,
  HART_TRAP_CAUSE,
  HART_TRAP_VALUE,
  HART_VM,
  JUMP_CACHE,
  JUMP_ENTRIES,
  JUMP_PAGES,
  OP_REGION,
  REGION_SIZE,
  REGION_STACK,
  SLOT_IMM,
  SLOT_SIZE,
  STATUS_LOCATED,
  STATUS_NONE,
  STATUS_RESUME,
  STATUS_TRAP,
  STATUS_YIELD,
  TLB_BANK_SIZE,
  TLB_FETCH,
  VM_HARTS,
  VM_HART_COUNT,
  VM_REGIONS,
  WINDOW_HART,
  WINDOW_LEFT,
} from "../generated/layout";
import { isolate, peekPage } from "../code/fetch";
import { entryOf, jumpPagesOf } from "../memory/tlb";
import { nextInterrupt, raiseException } from "../privileged/trap";
import { countArrival, countMiss } from "./profile";
import { waitsForSlice } from "./system";

/**
 * Runs the region whose entry is in `slot`, at the hart's pc, and those that follow, as long as their budget lasts.
 * What they execute is added up here; the interpreter counts one for the slot, which is no instruction.
 */
export function enterRegion(hart: usize, slot: usize): u32 {
  let pc = load<u64>(hart, HART_PC);
  let index = load<u32>(slot, SLOT_IMM);
  const budget = load<i32>(hart, HART_REGION_BUDGET);
  if (budget <= 0 || !admits(hart, index, pc)) {
    account(hart, budget, budget + 1);
    return alone(hart, pc);
  }
  store<u32>(WINDOW_HART, <u32>hart);
  store<i32>(WINDOW_LEFT, budget);
  do {
    pc = call_indirect<u64>(index, pc, REGION_STACK);
    if ((pc & 1) != 0) {
      if (!goesOn(hart, pc & ~1)) break;
      pc = load<u64>(hart, HART_PC);
    }
    if (load<i32>(WINDOW_LEFT) <= 0) break;
    index = enterable(pc, 0, hart);
  } while (index != 0);
  const left = load<i32>(WINDOW_LEFT);
  account(hart, budget, left + 1);
  const status = load<u32>(hart, HART_STATUS);
  if (status == STATUS_NONE) store<u64>(hart, pc & ~1, HART_PC);
  if (left <= 0 || load<u32>(hart, HART_DEADLINE_MOVED) != 0) return STATUS_YIELD;
  if (status != STATUS_NONE) return status; // an interrupt comes before the instruction at the pc
  if ((pc & 1) != 0) {
    countMiss(hart, pc & ~1);
    return alone(hart, pc & ~1);
  }
  countArrival(hart, pc);
  return STATUS_RESUME;
}

/**
 * After a region ended at an instruction that is not its own: whether another may follow, at the hart's pc, since the
 * instruction is done, or its trap taken. Otherwise HART_STATUS is the interpreter's, which executes it if that says nothing.
 */
function goesOn(hart: usize, pc: u64): bool {
  const status = load<u32>(hart, HART_STATUS);
  if (status == STATUS_RESUME && nextInterrupt(hart) < 0) {
    store<u32>(hart, STATUS_NONE, HART_STATUS);
    return true;
  }
  if (status != STATUS_TRAP) return false;
  store<u32>(hart, STATUS_NONE, HART_STATUS);
  const left = load<i32>(WINDOW_LEFT);
  if (left <= 0 || waitsForSlice(hart)) return false;
  store<i32>(WINDOW_LEFT, left - 1);
  store<u64>(hart, pc, HART_PC);
  raiseException(hart, load<u64>(hart, HART_TRAP_CAUSE), load<u64>(hart, HART_TRAP_VALUE));
  return true;
}

/** Adds up what regions executed; of that the interpreter counts one itself. */
function account(hart: usize, before: i32, after: i32): void {
  store<u64>(hart, load<u64>(hart, HART_TRANSLATED) + <u64>(<i64>(before + 1 - after)), HART_TRANSLATED);
  store<u64>(hart, load<u64>(hart, HART_EXECUTED) + <u64>(<i64>(before - after)), HART_EXECUTED);
  store<i32>(hart, after, HART_REGION_BUDGET);
}

/** Leaves the instruction at the pc to the interpreter, even where a region begins. */
function alone(hart: usize, pc: u64): u32 {
  const entry = entryOf(<usize>load<u32>(hart, HART_FETCH_BANK), TLB_FETCH, pc);
  if (load<u64>(entry) != (pc & ~0xfff)) return STATUS_RESUME; // the fetch comes first, then this again
  const page = <usize>load<u32>(entry, 8);
  if (load<u16>(page + (<usize>pc & 0xfff) * (SLOT_SIZE / 2)) != OP_REGION) return STATUS_RESUME;
  isolate(hart, page); // an entry never crosses a page
  return STATUS_LOCATED;
}

/** The region that begins at an address and may be entered now; 0 if there is none. */
export function enterable(pc: u64, _unused: u64, hart: usize): u32 {
  const bank = <usize>load<u32>(hart, HART_FETCH_BANK);
  const cached = jumpEntryOf(bank, pc);
  if (load<u64>(cached) == pc) return load<u32>(cached, 8);
  const page = pageAt(hart, bank, pc & ~0xfff);
  if (page == 0) return 0;
  const slot = page + (<usize>pc & 0xfff) * (SLOT_SIZE / 2);
  if (load<u16>(slot) != OP_REGION) return 0;
  const index = load<u32>(slot, SLOT_IMM);
  return admits(hart, index, pc) ? index : 0;
}

/** Decoded slots of the page at an address; 0 if the interpreter must fetch it. */
function pageAt(hart: usize, bank: usize, address: u64): usize {
  const entry = entryOf(bank, TLB_FETCH, address);
  return load<u64>(entry) == address ? <usize>load<u32>(entry, 8) : peekPage(hart, address);
}

@inline
function jumpEntryOf(bank: usize, pc: u64): usize {
  return bank + JUMP_CACHE + ((<usize>(pc >> 1) & (JUMP_ENTRIES - 1)) << 4);
}

/** Whether the pages of a region are mapped as when it was made; notes it in the jump cache if so. */
function admits(hart: usize, index: u32, pc: u64): bool {
  const bank = <usize>load<u32>(hart, HART_FETCH_BANK);
  const region = <usize>load<u32>(load<u32>(hart, HART_VM), VM_REGIONS) + index * REGION_SIZE;
  const count = load<u32>(region);
  for (let n: u32 = 0; n < count; n++) {
    const assumption = region + (n << 3);
    const address = (pc & ~0xfff) + (<u64>load<i32>(assumption, 4) << 12);
    if (<u32>pageAt(hart, bank, address) != load<u32>(assumption, 8)) return false;
    relyOn(bank, address);
  }
  relyOn(bank, pc);
  const cached = jumpEntryOf(bank, pc);
  store<u64>(cached, pc);
  store<u32>(cached, index, 8);
  return true;
}

function relyOn(bank: usize, address: u64): void {
  const byte = jumpPagesOf(bank, address);
  store<u8>(byte, load<u8>(byte) | (<u8>1 << <u8>((<u32>address >> 12) & 7)));
}

/** Empties every jump cache of the VM: indices of regions are about to serve others. */
export function dropJumpCaches(vm: usize): void {
  const count = load<u32>(vm, VM_HART_COUNT);
  for (let n: u32 = 0; n < count; n++) {
    const hart = <usize>load<u32>(vm, VM_HARTS) + n * HART_SIZE;
    for (let bank: u32 = 0; bank < load<u32>(hart, HART_BANK_COUNT); bank++) {
      memory.fill(<usize>load<u32>(hart, HART_BANKS) + bank * TLB_BANK_SIZE + JUMP_CACHE, 0xff, JUMP_PAGES - JUMP_CACHE);
    }
  }
}
