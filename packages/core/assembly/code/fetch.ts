/**
 * From a pc to a decoded slot: translation, decoding in place, instructions
 * that cross a page, single steps and breakpoints. The last three run from the
 * hart's scratch slots, whose neighbours lead back here.
 */
import {
  EXIT_ACCESS,
  EXIT_BREAKPOINT,
  EXIT_NO_FRAME,
  EXIT_OVERWORKED,
  HART_CROSSING,
  HART_EXIT_ADDRESS,
  HART_EXIT_KIND,
  HART_EXIT_VIRTUAL,
  HART_FETCH_BANK,
  HART_FETCH_LEAVES,
  HART_PC,
  HART_REWRITES,
  HART_SINGLE_STEP,
  HART_SKIP_BREAKPOINT,
  HART_SLOT,
  HART_SLOT_DELTA,
  HART_STATUS,
  HART_TRAP_ACCESS,
  HART_TRAP_CAUSE,
  HART_TRAP_VALUE,
  HART_TRAP_WAITS,
  HART_VM,
  HART_WALK_ADDRESS,
  HART_WALK_LEVEL,
  NO_FRAME,
  SLOT_RM,
  SLOT_SIZE,
  STATUS_EXIT,
  STATUS_LOCATED,
  STATUS_NONE,
  TLB_FETCH,
  VM_BREAKPOINTS,
  VM_BREAKPOINT_ADDRESSES,
  VM_EXTENSIONS,
} from "../generated/layout";
import { decode } from "../generated/decode";
import { OP_BREAKPOINT, OP_CROSSING, OP_NEXT_PAGE } from "../generated/operations";
import { frameMetadata, guardCode, machineAddress } from "../memory/frames";
import { isInterposed, isOpen } from "../memory/interposed";
import { checkPmp, PMP_DENIED, PMP_GRANTED } from "../memory/pmp";
import { entryOf, fetchRegime, fillEntry } from "../memory/tlb";
import { ACCESS_EXECUTE, ACCESS_WITHOUT_EFFECT, WALK_ACCESS_FAULT, WALK_NO_FRAME, WALK_OK } from "../memory/translation/outcome";
import { regimePrivilege, translate } from "../memory/translation/translation";
import { countTlbFill } from "../privileged/counters";
import { FETCH_ACCESS_FAULT, FETCH_PAGE_FAULT } from "../privileged/fields";
import { raise } from "../privileged/trap";
import { beginWork, charge, isOverworked, WORK_TLB_FILL } from "../work";
import { codePageOf, frameOfCodePage } from "./pages";

/** Lowest bit of what `fetchPage` gives: PMP treats the page's bytes differently, so each instruction is checked. */
const CHECK_EACH: usize = 1;

/** Decoded slots of the page that holds `address`, perhaps with CHECK_EACH, or 0 with a trap raised. */
function fetchPage(hart: usize, address: u64, access: u32): usize {
  if (load<u32>(hart, HART_TRAP_WAITS) != 0) return CHECK_EACH; // `stopsAt` ends the slice
  const bank = <usize>load<u32>(hart, HART_FETCH_BANK);
  const entry = entryOf(bank, TLB_FETCH, address);
  if (load<u64>(entry) == (address & ~0xfff)) return <usize>load<u32>(entry, 8);

  if (access == ACCESS_EXECUTE) {
    if (isOverworked(hart)) return leaveUndone(hart, access, EXIT_OVERWORKED);
    countTlbFill(hart);
  }
  charge(<usize>load<u32>(hart, HART_VM), WORK_TLB_FILL);
  const regime = fetchRegime(hart);
  const outcome = translate(hart, address, access, regime);
  if (outcome != WALK_OK) {
    if (outcome == WALK_NO_FRAME) return leaveUndone(hart, access, EXIT_NO_FRAME);
    store<u32>(hart, access, HART_TRAP_ACCESS);
    return raise(hart, outcome == WALK_ACCESS_FAULT ? FETCH_ACCESS_FAULT : FETCH_PAGE_FAULT, address);
  }
  const physical = load<u64>(hart, HART_WALK_ADDRESS);
  const permission = checkPmp(hart, physical, 2, ACCESS_EXECUTE, regimePrivilege(regime));
  if (permission == PMP_DENIED) return raise(hart, FETCH_ACCESS_FAULT, address);
  const vm = <usize>load<u32>(hart, HART_VM);
  const machine = machineAddress(vm, physical);
  if (machine == NO_FRAME) return leaveUndone(hart, access, EXIT_NO_FRAME);
  if (machine == 0) return raise(hart, FETCH_ACCESS_FAULT, address);
  const interposed = isInterposed(vm, physical, ACCESS_EXECUTE);
  if (interposed && !isOpen(hart, vm, physical, access)) return leaveForHost(hart, address, access);
  const level = load<u32>(hart, HART_WALK_LEVEL);
  const page = codePageOf(hart, machine);
  if (interposed || permission != PMP_GRANTED) return page | CHECK_EACH;
  fillEntry(hart, bank, TLB_FETCH, address & ~0xfff, <u32>page, level);
  return page;
}

/** Makes what was to be fetched leave, with the fault that it is if the host denies it; there are no slots. */
function leaveForHost(hart: usize, address: u64, access: u32): usize {
  if (access == ACCESS_EXECUTE) {
    store<u64>(hart, FETCH_ACCESS_FAULT, HART_TRAP_CAUSE);
    store<u64>(hart, address, HART_TRAP_VALUE);
    store<u32>(hart, ACCESS_EXECUTE, HART_TRAP_ACCESS);
    store<u64>(hart, load<u64>(hart, HART_WALK_ADDRESS), HART_EXIT_ADDRESS);
    store<u64>(hart, address, HART_EXIT_VIRTUAL);
    store<u32>(hart, EXIT_ACCESS, HART_FETCH_LEAVES);
  }
  return CHECK_EACH;
}

/** Makes what was to be fetched leave, to be fetched again later; there are no slots. */
function leaveUndone(hart: usize, access: u32, kind: u32): usize {
  if (access == ACCESS_EXECUTE) store<u32>(hart, kind, HART_FETCH_LEAVES);
  return CHECK_EACH;
}

/** Decoded slots of the page that holds `address` if it can be fetched without any effect on the guest; else 0. */
export function peekPage(hart: usize, address: u64): usize {
  const page = fetchPage(hart, address, ACCESS_EXECUTE | ACCESS_WITHOUT_EFFECT);
  store<u32>(hart, STATUS_NONE, HART_STATUS);
  return page & CHECK_EACH ? 0 : page;
}

/** Makes `slot` and `slotDelta` stand for the hart's pc; false with a trap raised. */
export function locate(hart: usize): bool {
  const pc = load<u64>(hart, HART_PC);
  const page = fetchPage(hart, pc, ACCESS_EXECUTE);
  if (page == 0) return false;
  const offset = <usize>pc & 0xfff;
  const slot = page + offset * (SLOT_SIZE / 2);
  store<u32>(hart, <u32>slot, HART_SLOT);
  store<u64>(hart, (pc & ~0xfff) - (<u64>page >> 3), HART_SLOT_DELTA);
  const alone = load<u32>(hart, HART_SINGLE_STEP) != 0 || (page & CHECK_EACH) != 0;
  return alone ? stopsAt(hart, pc) || isolate(hart, page) : true;
}

/** Puts a breakpoint into the scratch slots if there is one at the pc that is not to be skipped. */
function stopsAt(hart: usize, pc: u64): bool {
  if (!mustStop(hart, pc)) {
    store<u32>(hart, 0, HART_SKIP_BREAKPOINT);
    return false;
  }
  return stop(hart, pc);
}

/** Puts a breakpoint into the scratch slots. */
function stop(hart: usize, pc: u64): bool {
  const slot = hart + HART_CROSSING;
  store<u16>(slot, OP_BREAKPOINT);
  enterScratch(hart, slot, pc);
  return true;
}

function enterScratch(hart: usize, slot: usize, pc: u64): void {
  store<u32>(hart, <u32>slot, HART_SLOT);
  store<u64>(hart, pc - (<u64>slot >> 3), HART_SLOT_DELTA);
}

/** Decodes an empty slot from the bytes of its frame. */
export function decodeSlot(hart: usize, slot: usize, pc: u64): void {
  const vm = <usize>load<u32>(hart, HART_VM);
  const offset = <usize>pc & 0xfff;
  const frame = frameOfCodePage(vm, slot - offset * (SLOT_SIZE / 2));
  const half = <u32>load<u16>(frame + offset);
  const long = (half & 3) == 3;
  guardCode(vm, frameMetadata(vm, frame), <u32>offset, long && offset != 0xffe ? 4 : 2);
  if (load<u32>(vm, VM_BREAKPOINTS) != 0 && hasBreakpoint(vm, <u64>offset, 0xfff)) store<u16>(slot, OP_BREAKPOINT);
  else if (!long) decode(slot, half, 2, <u32>offset, vm + VM_EXTENSIONS);
  else if (offset == 0xffe) store<u16>(slot, OP_CROSSING);
  else decode(slot, load<u32>(frame + offset), 4, <u32>offset, vm + VM_EXTENSIONS);
}

/** Whether the slice ends before the instruction at the pc: a breakpoint, its page, or an exception that waits for that. */
function mustStop(hart: usize, pc: u64): bool {
  if ((load<u32>(hart, HART_TRAP_WAITS) | load<u32>(hart, HART_FETCH_LEAVES)) != 0) return true;
  return load<u32>(hart, HART_SKIP_BREAKPOINT) == 0 && hasBreakpoint(<usize>load<u32>(hart, HART_VM), pc, -1);
}

function hasBreakpoint(vm: usize, address: u64, mask: u64): bool {
  const addresses = <usize>load<u32>(vm, VM_BREAKPOINT_ADDRESSES);
  for (let n: u32 = 0; n < load<u32>(vm, VM_BREAKPOINTS); n++) {
    if ((load<u64>(addresses + (<usize>n << 3)) & mask) == address) return true;
  }
  return false;
}

/** At a slot that may be a breakpoint, by its offset in the page: stops there if the address is one, else goes past it. */
export function breakpoint(hart: usize): u32 {
  const pc = load<u64>(hart, HART_PC);
  if (mustStop(hart, pc)) {
    const kind = load<u32>(hart, HART_FETCH_LEAVES);
    store<u32>(hart, kind != 0 ? kind : EXIT_BREAKPOINT, HART_EXIT_KIND);
    store<u32>(hart, 0, HART_FETCH_LEAVES);
    store<u32>(hart, STATUS_EXIT, HART_STATUS);
    return STATUS_EXIT;
  }
  store<u32>(hart, 0, HART_SKIP_BREAKPOINT);
  return crossing(hart);
}

/** Runs the instruction at the pc from the scratch slots: it crosses a page, or its slot is taken. */
export function crossing(hart: usize): u32 {
  const page = fetchPage(hart, load<u64>(hart, HART_PC), ACCESS_EXECUTE);
  return page != 0 && isolate(hart, page) ? STATUS_LOCATED : load<u32>(hart, HART_STATUS);
}

/** Decodes the instruction at the pc into the scratch slots, with nothing decoded behind it. */
export function isolate(hart: usize, page: usize): bool {
  const pc = load<u64>(hart, HART_PC);
  if (page == CHECK_EACH) return stop(hart, pc);
  const vm = <usize>load<u32>(hart, HART_VM);
  const offset = <usize>pc & 0xfff;
  const frame = frameOfCodePage(vm, page & ~CHECK_EACH);
  let word = <u32>load<u16>(frame + offset);
  let length: u32 = 2;
  if ((word & 3) == 3) {
    length = 4;
    if (offset != 0xffe && (page & CHECK_EACH) == 0) word = load<u32>(frame + offset);
    else {
      const next = fetchPage(hart, pc + 2, ACCESS_EXECUTE);
      if (next == 0) return false;
      if (next == CHECK_EACH) return stop(hart, pc);
      word |= <u32>load<u16>(frameOfCodePage(vm, next & ~CHECK_EACH) + ((offset + 2) & 0xfff)) << 16;
    }
  }
  const slot = hart + HART_CROSSING;
  // An offset outside the page keeps the decoder from choosing in-page branches.
  decode(slot, word, length, 0x1000, vm + VM_EXTENSIONS);
  if (load<u32>(hart, HART_REWRITES) != 0) keepRewritten(slot, (page & ~CHECK_EACH) + offset * (SLOT_SIZE / 2));
  store<u16>(slot + SLOT_SIZE, OP_NEXT_PAGE);
  store<u16>(slot + 2 * SLOT_SIZE, OP_NEXT_PAGE);
  enterScratch(hart, slot, pc);
  return true;
}

/** An instruction that was rewritten in its own slot is so in the scratch slots, too. */
function keepRewritten(scratch: usize, own: usize): void {
  if (load<u16>(own) == load<u16>(scratch)) store<u8>(scratch, load<u8>(own, SLOT_RM), SLOT_RM);
}

/** The bits of the instruction at the hart's pc, for a trap that reports them; 0 if it can no longer be fetched. */
export function instructionAt(hart: usize): u64 {
  const pc = load<u64>(hart, HART_PC);
  const work = beginWork(hart); // the instruction has been executed, and cannot leave any more
  const first = halfAt(hart, pc);
  const bits = (first & 3) == 3 ? first | (halfAt(hart, pc + 2) << 16) : first;
  charge(<usize>load<u32>(hart, HART_VM), work);
  return bits;
}

function halfAt(hart: usize, address: u64): u64 {
  const page = fetchPage(hart, address, ACCESS_EXECUTE);
  if ((page & ~CHECK_EACH) == 0) return 0;
  const frame = frameOfCodePage(<usize>load<u32>(hart, HART_VM), page & ~CHECK_EACH);
  return <u64>load<u16>(frame + (<usize>address & 0xfff));
}
