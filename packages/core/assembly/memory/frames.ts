/**
 * Guest-physical pages and the frames behind them. Every writer of guest
 * memory (stores, atomics, A/D updates, devices) goes through `prepareWrite`
 * unless a store-TLB entry vouches for the frame, and such an entry exists
 * only while the frame has no guard.
 */
import {
  ABSENT_UNCHANGED,
  ASSIST_CODE_WRITE,
  FRAME_METADATA_SIZE,
  GUARD_CODE,
  GUARD_DIRTY_LOG,
  GUARD_PINNED,
  GUARD_RELEASED,
  GUARD_SHADOW,
  GUARD_TRANSLATED,
  GUARD_WATCH,
  HART_BANKS,
  HART_BANK_COUNT,
  HART_RESERVATION,
  HART_SIZE,
  HART_TABLES_OPEN,
  NO_FRAME,
  SLOT_SIZE,
  VM_CODE_EPOCH,
  TLB_BANK_SIZE,
  TLB_ENTRIES,
  TLB_ENTRY_SIZE,
  TLB_FETCH,
  TLB_WRITE,
  VM_FRAMES_BASE,
  VM_FRAME_METADATA,
  VM_HARTS,
  VM_HART_COUNT,
  VM_PHYSICAL_TO_FRAME,
  VM_RAM_BASE,
  VM_RAM_PAGES,
  VM_WATCH,
  VM_WATCH_LENGTH,
} from "../generated/layout";
import { OP_UNDECODED } from "../generated/operations";
import { countAssist } from "../privileged/counters";
import { charge, WORK_FORGET_REGIONS, WORK_FRAME, WORK_SEARCH_STORES } from "../work";
import { dropSecondLevel } from "./second-level";

/** Tells the translator that lines of a frame were overwritten, or that its code page is gone. */
@external("host", "forgetRegions")
declare function forgetRegions(vm: usize, frame: u32, lines: u64): void;

/** Asks the host for a frame behind a page of RAM that has none; ABSENT if the pool is exhausted. */
@external("host", "supplyFrame")
declare function supplyFrame(vm: usize, page: u32): u32;

/** Where a guest-physical address lies in linear memory; 0 if it is not RAM, NO_FRAME if it is and the pool has no frame for it. */
// @ts-ignore: decorator
@inline
export function machineAddress(vm: usize, address: u64): usize {
  const page = (address - load<u64>(vm, VM_RAM_BASE)) >> 12;
  if (page >= <u64>load<u32>(vm, VM_RAM_PAGES)) return 0;
  const frame = load<u32>(<usize>load<u32>(vm, VM_PHYSICAL_TO_FRAME) + (<usize>page << 2));
  return frame >= ABSENT_UNCHANGED ? suppliedAddress(vm, <u32>page, address) : addressIn(vm, frame, address);
}

@inline
function addressIn(vm: usize, frame: u32, address: u64): usize {
  return <usize>load<u32>(vm, VM_FRAMES_BASE) + (<usize>frame << 12) + (<usize>address & 0xfff);
}

function suppliedAddress(vm: usize, page: u32, address: u64): usize {
  charge(vm, WORK_FRAME);
  const frame = supplyFrame(vm, page);
  return frame >= ABSENT_UNCHANGED ? NO_FRAME : addressIn(vm, frame, address);
}

/** Metadata of the frame that holds a machine address. */
export function frameMetadata(vm: usize, machine: usize): usize {
  const frame = (machine - <usize>load<u32>(vm, VM_FRAMES_BASE)) >> 12;
  return <usize>load<u32>(vm, VM_FRAME_METADATA) + frame * FRAME_METADATA_SIZE;
}

/** Whether a store must ask first. */
export function isGuarded(vm: usize, machine: usize): bool {
  return load<u32>(frameMetadata(vm, machine)) != 0;
}

/**
 * Makes a frame ready for a write of `length` bytes that stay within it:
 * decoded code that they overwrite is forgotten, dirty tracking takes note.
 */
export function prepareWrite(vm: usize, machine: usize, length: usize): void {
  const metadata = frameMetadata(vm, machine);
  const guards = load<u32>(metadata);
  if (guards == 0) return;
  // To log the page dirty is to take that guard away.
  store<u32>(metadata, guards & ~GUARD_DIRTY_LOG);
  if (guards & GUARD_CODE) forgetCode(vm, metadata, <u32>machine & 0xfff, <u32>length);
}

/** Whether a store touches the watched bytes, of which the host wants to hear. */
export function isWatched(vm: usize, machine: usize, length: usize): bool {
  if ((load<u32>(frameMetadata(vm, machine)) & GUARD_WATCH) == 0) return false;
  const start = <usize>load<u32>(vm, VM_WATCH);
  return machine < start + load<u32>(vm, VM_WATCH_LENGTH) && machine + length > start;
}

/** Whether a store within one 64-byte line has nothing to ask for: the line holds no code, nobody watches, the page is logged. */
export function isFreeStore(vm: usize, machine: usize, length: usize): bool {
  const metadata = frameMetadata(vm, machine);
  const guards = load<u32>(metadata);
  if (guards & GUARD_DIRTY_LOG) return false;
  if (guards & GUARD_CODE && (load<u64>(metadata, 8) >> ((<u64>machine >> 6) & 63)) & 1) return false;
  if (guards & (GUARD_SHADOW | GUARD_PINNED)) return false;
  return (guards & GUARD_WATCH) == 0 || !isWatched(vm, machine, length);
}

/** Whether bytes lie in a page table that is shadowed and that the monitor has not opened to the hart's next step. */
export function isShadowed(hart: usize, vm: usize, machine: usize): bool {
  if ((load<u32>(frameMetadata(vm, machine)) & GUARD_SHADOW) == 0) return false;
  const page = <u32>machine & ~0xfff;
  return load<u32>(hart, HART_TABLES_OPEN) != page && load<u32>(hart, HART_TABLES_OPEN + 4) != page;
}

/** Whether bytes lie in a page table that a paravirtual guest has pinned. */
export function isPinned(vm: usize, machine: usize): bool {
  return (load<u32>(frameMetadata(vm, machine)) & GUARD_PINNED) != 0;
}

/**
 * Empties the decoded slots of the 64-byte lines that a write touches. Their
 * operands stay: the instruction that writes may be one of them, and has yet
 * to look up its destination.
 */
function forgetCode(vm: usize, metadata: usize, offset: u32, length: u32): void {
  let lines = load<u64>(metadata, 8);
  const before = lines;
  const page = <usize>load<u32>(metadata, 4);
  const last = (offset + length - 1) >> 6;
  for (let line = offset >> 6; line <= last; line++) {
    if (((lines >> line) & 1) == 0) continue;
    lines &= ~((<u64>1) << line);
    countAssist(<usize>load<u32>(vm, VM_HARTS), ASSIST_CODE_WRITE);
    // An instruction of four bytes may begin two bytes before the line.
    const ahead: u32 = line == 0 ? 0 : 1;
    const end = page + (line + 1) * 32 * SLOT_SIZE;
    for (let slot = page + (line * 32 - ahead) * SLOT_SIZE; slot < end; slot += SLOT_SIZE) store<u16>(slot, OP_UNDECODED);
  }
  store<u64>(metadata, lines, 8);
  if (load<u32>(metadata) & GUARD_TRANSLATED && lines != before) overwritten(vm, metadata, before & ~lines);
  if (lines == 0) store<u32>(metadata, load<u32>(metadata) & ~(GUARD_CODE | GUARD_TRANSLATED));
}

function overwritten(vm: usize, metadata: usize, lines: u64): void {
  store<u32>(vm, load<u32>(vm, VM_CODE_EPOCH) + 1, VM_CODE_EPOCH);
  const frame = (metadata - <usize>load<u32>(vm, VM_FRAME_METADATA)) / FRAME_METADATA_SIZE;
  charge(vm, WORK_FORGET_REGIONS);
  forgetRegions(vm, <u32>frame, lines);
}

/** For the translator: guards the bytes at an offset of a frame, which a region is made of. */
export function guardRegion(vm: usize, frame: u32, offset: u32, length: u32): void {
  const metadata = <usize>load<u32>(vm, VM_FRAME_METADATA) + <usize>frame * FRAME_METADATA_SIZE;
  guardCode(vm, metadata, offset, length);
  store<u32>(metadata, load<u32>(metadata) | GUARD_TRANSLATED);
}

/** Notes that the bytes at an offset of a frame are decoded, and guards the frame. As a call it would slow the interpreter's loop by 12 %. */
@inline
export function guardCode(vm: usize, metadata: usize, offset: u32, length: u32): void {
  let lines = load<u64>(metadata, 8) | ((<u64>1) << (offset >> 6));
  lines |= (<u64>1) << ((offset + length - 1) >> 6);
  store<u64>(metadata, lines, 8);
  const guards = load<u32>(metadata);
  if (guards & GUARD_CODE) return;
  store<u32>(metadata, guards | GUARD_CODE);
  const frame = (metadata - <usize>load<u32>(vm, VM_FRAME_METADATA)) / FRAME_METADATA_SIZE;
  dropStoreEntries(vm, <usize>load<u32>(vm, VM_FRAMES_BASE) + (frame << 12));
}

/** Drops every hart's store-TLB entries of a frame. */
export function dropStoreEntries(vm: usize, frame: usize): void {
  const count = load<u32>(vm, VM_HART_COUNT);
  for (let n: u32 = 0; n < count; n++) {
    const hart = <usize>load<u32>(vm, VM_HARTS) + n * HART_SIZE;
    dropSecondLevel(hart);
    const banks = <usize>load<u32>(hart, HART_BANKS);
    const end = banks + load<u32>(hart, HART_BANK_COUNT) * TLB_BANK_SIZE;
    charge(vm, load<u32>(hart, HART_BANK_COUNT) * WORK_SEARCH_STORES);
    for (let bank = banks; bank < end; bank += TLB_BANK_SIZE) {
      const table = bank + TLB_WRITE;
      for (let entry = table; entry < table + TLB_ENTRIES * TLB_ENTRY_SIZE; entry += TLB_ENTRY_SIZE) {
        const page = (<usize>load<u64>(entry) & ~0xfff) + load<u32>(entry, 8);
        if (page == frame) store<u64>(entry, -1);
      }
    }
  }
}

/** Drops the entries for loads and stores that lead to frames with GUARD_RELEASED, and reservations there, on every hart. */
export function dropReleased(vm: usize): void {
  const count = load<u32>(vm, VM_HART_COUNT);
  const base = <usize>load<u32>(vm, VM_FRAMES_BASE);
  for (let n: u32 = 0; n < count; n++) {
    const hart = <usize>load<u32>(vm, VM_HARTS) + n * HART_SIZE;
    const reserved = <usize>load<u32>(hart, HART_RESERVATION);
    if (reserved >= base && isReleased(vm, reserved)) store<u32>(hart, 0, HART_RESERVATION);
    dropSecondLevel(hart);
    const banks = <usize>load<u32>(hart, HART_BANKS);
    const end = banks + load<u32>(hart, HART_BANK_COUNT) * TLB_BANK_SIZE;
    for (let bank = banks; bank < end; bank += TLB_BANK_SIZE) {
      for (let entry = bank; entry < bank + TLB_FETCH; entry += TLB_ENTRY_SIZE) {
        const tag = load<u64>(entry);
        if (tag != -1 && isReleased(vm, <usize>((<u32>tag & ~0xfff) + load<u32>(entry, 8)))) store<u64>(entry, -1);
      }
    }
  }
}

function isReleased(vm: usize, machine: usize): bool {
  return (load<u32>(frameMetadata(vm, machine)) & GUARD_RELEASED) != 0;
}

/** Forgets a frame's code page, which is about to serve another frame. */
export function detachCodePage(vm: usize, metadata: usize): void {
  if (load<u32>(metadata) & GUARD_TRANSLATED) overwritten(vm, metadata, -1);
  store<u32>(metadata, load<u32>(metadata) & ~(GUARD_CODE | GUARD_TRANSLATED));
  store<u32>(metadata, 0, 4);
  store<u64>(metadata, 0, 8);
}

/** A store-conditional must see that another writer was there (Unprivileged ISA 14.2). */
function dropReservations(vm: usize, machine: usize, length: usize): void {
  const count = load<u32>(vm, VM_HART_COUNT);
  for (let n: u32 = 0; n < count; n++) {
    const hart = <usize>load<u32>(vm, VM_HARTS) + n * HART_SIZE;
    const reserved = <usize>load<u32>(hart, HART_RESERVATION);
    if (reserved + 8 > machine && reserved < machine + length) store<u32>(hart, 0, HART_RESERVATION);
  }
}

/** For the host: makes the frames of a guest-physical range writable; false if the range is not all RAM, or a page of it has no frame. */
export function prepareHostWrite(vm: usize, address: u64, length: u32): bool {
  let done: u64 = 0;
  while (done < <u64>length) {
    const machine = machineAddress(vm, address + done);
    if (machine <= NO_FRAME) return false;
    const room = 0x1000 - (<u64>machine & 0xfff);
    const part = min<u64>(room, <u64>length - done);
    prepareWrite(vm, machine, <usize>part);
    dropReservations(vm, machine, <usize>part);
    done += part;
  }
  return true;
}
