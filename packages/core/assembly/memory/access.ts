/**
 * What loads and stores do when the TLB does not answer: translate and fill,
 * go by the write guard, put misaligned accesses together, or report a trap or
 * an exit. Each function gives the machine address of the bytes, or 0 with
 * `status` set.
 */
import {
  ASSIST_TLB_SLOW,
  EXIT_ACCESS,
  EXIT_NO_FRAME,
  EXIT_OVERWORKED,
  EXIT_READ,
  EXIT_TABLE_WRITE,
  EXIT_WRITE,
  HART_DATA_BANK,
  HART_EXIT_ADDRESS,
  HART_EXIT_EXTENSION,
  HART_EXIT_KIND,
  HART_EXIT_REGISTER,
  HART_EXIT_VALUE,
  HART_EXIT_VIRTUAL,
  HART_EXIT_WIDTH,
  HART_OPTIONS,
  HART_RESERVATION,
  HART_STAGING,
  HART_STATUS,
  HART_TRAP_ACCESS,
  HART_TRAP_CAUSE,
  HART_TRAP_VALUE,
  HART_VM,
  HART_WALK_ADDRESS,
  HART_WALK_LEVEL,
  NO_FRAME,
  OPTION_TRAP_MISALIGNED,
  STATUS_EXIT,
  TLB_GUARDED,
  TLB_READ,
  TLB_WRITE,
} from "../generated/layout";
import { countAssist, countTlbFill } from "../privileged/counters";
import { LOAD_ACCESS_FAULT, LOAD_MISALIGNED, LOAD_PAGE_FAULT, STORE_ACCESS_FAULT, STORE_MISALIGNED, STORE_PAGE_FAULT } from "../privileged/fields";
import { raise } from "../privileged/trap";
import { isFreeStore, isGuarded, isPinned, isShadowed, isWatched, machineAddress, prepareWrite } from "./frames";
import { isInterposed, isOpen } from "./interposed";
import { checkPmp, PMP_DENIED, PMP_GRANTED } from "./pmp";
import { dataRegime, entryOf, fillEntry, refill } from "./tlb";
import { ACCESS_READ, ACCESS_WITHOUT_EFFECT, ACCESS_WRITE, WALK_ACCESS_FAULT, WALK_NO_FRAME, WALK_OK } from "./translation/outcome";
import { regimePrivilege, translate } from "./translation/translation";
import { charge, isOverworked, WORK_TLB_FILL } from "../work";

/**
 * Resolves bytes that lie within one page. Gives their machine address; 0 with
 * `status` set after a fault; 0 with `status` clear where the address is not
 * RAM, whose guest-physical address is then in the walk fields.
 */
function resolve(hart: usize, address: u64, length: u32, access: u32): usize {
  const write = (access & ACCESS_WRITE) != 0;
  const bank = <usize>load<u32>(hart, HART_DATA_BANK);
  const table = write ? TLB_WRITE : TLB_READ;
  const entry = entryOf(bank, table, address);
  if ((load<u64>(entry) & ~<u64>TLB_GUARDED) == (address & ~0xfff)) return <usize>(<u32>address + load<u32>(entry, 8));

  if (refill(hart, bank, table, address)) return <usize>(<u32>address + load<u32>(entry, 8));
  countTlbFill(hart);
  charge(<usize>load<u32>(hart, HART_VM), WORK_TLB_FILL);
  const regime = dataRegime(hart);
  const outcome = translate(hart, address, access, regime);
  if (outcome != WALK_OK) {
    if (outcome == WALK_NO_FRAME) return leaveUndone(hart, EXIT_NO_FRAME);
    store<u32>(hart, access, HART_TRAP_ACCESS);
    const accessFault = write ? STORE_ACCESS_FAULT : LOAD_ACCESS_FAULT;
    // Page faults are numbered eight above the access faults.
    return raise(hart, outcome == WALK_ACCESS_FAULT ? accessFault : accessFault + (LOAD_PAGE_FAULT - LOAD_ACCESS_FAULT), address);
  }
  const physical = load<u64>(hart, HART_WALK_ADDRESS);
  const permission = checkPmp(hart, physical, length, access, regimePrivilege(regime));
  if (permission == PMP_DENIED) return raise(hart, write ? STORE_ACCESS_FAULT : LOAD_ACCESS_FAULT, address);
  const vm = <usize>load<u32>(hart, HART_VM);
  const machine = machineAddress(vm, physical);
  if (machine <= NO_FRAME) return machine == 0 ? 0 : leaveUndone(hart, EXIT_NO_FRAME);
  if (isInterposed(vm, physical, access)) {
    if (isOpen(hart, vm, physical, access)) return machine;
    return leaveForHost(hart, access, address, length);
  }
  if (permission == PMP_GRANTED) {
    const guarded: u32 = write && isGuarded(vm, machine) ? TLB_GUARDED : 0;
    fillEntry(hart, bank, table, (address & ~0xfff) | guarded, <u32>machine - <u32>address, load<u32>(hart, HART_WALK_LEVEL));
  }
  return machine;
}

/** Where bytes within one page lie; 0 if not in RAM that is free of guards, or if the access would trap or set A or D bits. */
export function peekAddress(hart: usize, address: u64, length: u32, access: u32): usize {
  const bank = <usize>load<u32>(hart, HART_DATA_BANK);
  const table = access & ACCESS_WRITE ? TLB_WRITE : TLB_READ;
  const entry = entryOf(bank, table, address);
  const tag = load<u64>(entry);
  if (tag == (address & ~0xfff)) return <usize>(<u32>address + load<u32>(entry, 8));
  if (tag == ((address & ~0xfff) | TLB_GUARDED)) return 0;
  if (refill(hart, bank, table, address)) return <usize>(<u32>address + load<u32>(entry, 8));
  const regime = dataRegime(hart);
  if (translate(hart, address, access | ACCESS_WITHOUT_EFFECT, regime) != WALK_OK) return 0;
  const physical = load<u64>(hart, HART_WALK_ADDRESS);
  if (checkPmp(hart, physical, length, access, regimePrivilege(regime)) != PMP_GRANTED) return 0;
  const vm = <usize>load<u32>(hart, HART_VM);
  const machine = machineAddress(vm, physical);
  if (machine <= NO_FRAME || (access & ACCESS_WRITE && isGuarded(vm, machine))) return 0;
  if (isInterposed(vm, physical, access)) return 0;
  countTlbFill(hart);
  fillEntry(hart, bank, table, address & ~0xfff, <u32>machine - <u32>address, load<u32>(hart, HART_WALK_LEVEL));
  return machine;
}

/** Leaves with an instruction that has done nothing yet, and is executed again. */
function leaveUndone(hart: usize, kind: u32): usize {
  store<u32>(hart, kind, HART_EXIT_KIND);
  store<u32>(hart, STATUS_EXIT, HART_STATUS);
  return 0;
}

@inline
function crossesPage(address: u64, length: u32): bool {
  return (<u32>address & 0xfff) + length > 0x1000;
}

/** Reports a device access as an exit; devices accept naturally aligned accesses only. */
function leave(hart: usize, kind: u32, address: u64, width: u32): void {
  if (address & (width - 1)) raise(hart, kind == EXIT_READ ? LOAD_ACCESS_FAULT : STORE_ACCESS_FAULT, address);
  else report(hart, kind, address, width);
}

/** Leaves with an access to the guest-physical address in the walk field. */
function report(hart: usize, kind: u32, address: u64, width: u32): void {
  store<u32>(hart, kind, HART_EXIT_KIND);
  store<u32>(hart, width, HART_EXIT_WIDTH);
  store<u64>(hart, load<u64>(hart, HART_WALK_ADDRESS), HART_EXIT_ADDRESS);
  store<u64>(hart, address, HART_EXIT_VIRTUAL);
  store<u32>(hart, STATUS_EXIT, HART_STATUS);
}

/** Leaves with an access to RAM of which the host wants to hear, and with the fault that it is if the host denies it. */
function leaveForHost(hart: usize, access: u32, address: u64, length: u32): usize {
  raise(hart, access & ACCESS_WRITE ? STORE_ACCESS_FAULT : LOAD_ACCESS_FAULT, address);
  store<u32>(hart, access, HART_TRAP_ACCESS);
  report(hart, EXIT_ACCESS, address, length);
  return 0;
}

/** Misaligned accesses never hit in the TLB, so the choice costs the others nothing; it comes before any fault of the page. */
function trapsMisaligned(hart: usize, address: u64, width: u32): bool {
  return (address & (width - 1)) != 0 && (load<u32>(hart, HART_OPTIONS) & OPTION_TRAP_MISALIGNED) != 0;
}

/** A load: `register` is the destination's offset, `extension` how the value becomes a register's. */
export function readAddress(hart: usize, address: u64, width: u32, extension: u32, register: u32): usize {
  if (isOverworked(hart)) return leaveUndone(hart, EXIT_OVERWORKED);
  countAssist(hart, ASSIST_TLB_SLOW);
  if (trapsMisaligned(hart, address, width)) return raise(hart, LOAD_MISALIGNED, address);
  if (crossesPage(address, width)) return readAcross(hart, address, width);
  const machine = resolve(hart, address, width, ACCESS_READ);
  if (machine != 0 || load<u32>(hart, HART_STATUS) != 0) return machine;
  store<u32>(hart, register, HART_EXIT_REGISTER);
  store<u32>(hart, extension, HART_EXIT_EXTENSION);
  leave(hart, EXIT_READ, address, width);
  return 0;
}

/** Collects the two halves of a misaligned load in the staging field. */
function readAcross(hart: usize, address: u64, width: u32): usize {
  const firstLength = 0x1000 - (<u32>address & 0xfff);
  const first = resolve(hart, address, firstLength, ACCESS_READ);
  if (first == 0) return notMemory(hart, LOAD_ACCESS_FAULT, address);
  const second = resolve(hart, address + firstLength, width - firstLength, ACCESS_READ);
  if (second == 0) return notMemory(hart, LOAD_ACCESS_FAULT, address + firstLength);
  const staging = hart + HART_STAGING;
  memory.copy(staging, first, firstLength);
  memory.copy(staging + firstLength, second, width - firstLength);
  return staging;
}

function notMemory(hart: usize, cause: u64, address: u64): usize {
  return load<u32>(hart, HART_STATUS) != 0 ? 0 : raise(hart, cause, address);
}

/**
 * A store of `value`: the caller writes it to the address given, which after a
 * store across pages, done here, is the staging field.
 */
export function writeAddress(hart: usize, address: u64, width: u32, value: u64): usize {
  // Data that shares a page with code or with the watched bytes is common enough to have a way of its own.
  const entry = entryOf(<usize>load<u32>(hart, HART_DATA_BANK), TLB_WRITE, address);
  if (load<u64>(entry) == ((address & (~0xfff | <u64>(width - 1))) | TLB_GUARDED)) {
    const machine = <usize>(<u32>address + load<u32>(entry, 8));
    if (isFreeStore(<usize>load<u32>(hart, HART_VM), machine, width)) return machine;
  }
  if (isOverworked(hart)) return leaveUndone(hart, EXIT_OVERWORKED);
  countAssist(hart, ASSIST_TLB_SLOW);
  if (trapsMisaligned(hart, address, width)) return raise(hart, STORE_MISALIGNED, address);
  store<u64>(hart, value, HART_EXIT_VALUE);
  if (crossesPage(address, width)) return writeAcross(hart, address, width, value);
  const machine = resolve(hart, address, width, ACCESS_WRITE);
  const vm = <usize>load<u32>(hart, HART_VM);
  if (machine != 0 && meetsTable(hart, vm, machine, address, width)) return 0;
  if (machine != 0 && !isWatched(vm, machine, width)) {
    prepareStore(hart, vm, address, machine, width);
    return machine;
  }
  if (load<u32>(hart, HART_STATUS) != 0) return 0;
  if (machine == 0) leave(hart, EXIT_WRITE, address, width);
  else {
    translate(hart, address, ACCESS_WRITE, dataRegime(hart)); // for the guest-physical address
    report(hart, EXIT_WRITE, address, width);
  }
  return 0;
}

/**
 * Whether a write within a page meets a page table: one that is shadowed is the monitor's to look at first, which reports
 * the machine address; one that is pinned cannot be written, whatever the mapping says.
 */
function meetsTable(hart: usize, vm: usize, machine: usize, address: u64, width: u32): bool {
  if (isPinned(vm, machine)) {
    raise(hart, STORE_PAGE_FAULT, address);
    return true;
  }
  if (!isShadowed(hart, vm, machine)) return false;
  store<u64>(hart, <u64>machine, HART_WALK_ADDRESS); // the tables may no longer lead there, only the TLB
  report(hart, EXIT_TABLE_WRITE, address, width);
  return true;
}

/** Goes by the write guard, and lets the TLB answer from now on if nothing is left to guard. */
function prepareStore(hart: usize, vm: usize, address: u64, machine: usize, length: usize): void {
  prepareWrite(vm, machine, length);
  if (isGuarded(vm, machine)) return;
  const entry = entryOf(<usize>load<u32>(hart, HART_DATA_BANK), TLB_WRITE, address);
  if (load<u64>(entry) == ((address & ~0xfff) | TLB_GUARDED)) store<u64>(entry, address & ~0xfff);
}

function writeAcross(hart: usize, address: u64, width: u32, value: u64): usize {
  const firstLength = 0x1000 - (<u32>address & 0xfff);
  const first = resolve(hart, address, firstLength, ACCESS_WRITE);
  if (first == 0) return notMemory(hart, STORE_ACCESS_FAULT, address);
  store<u64>(hart, value >> (firstLength << 3), HART_EXIT_VALUE);
  const second = resolve(hart, address + firstLength, width - firstLength, ACCESS_WRITE);
  if (second == 0) return notMemory(hart, STORE_ACCESS_FAULT, address + firstLength);
  const vm = <usize>load<u32>(hart, HART_VM);
  if (meetsTable(hart, vm, first, address, firstLength)) return 0;
  if (meetsTable(hart, vm, second, address + firstLength, width - firstLength)) return 0;
  const staging = hart + HART_STAGING;
  prepareWrite(vm, first, firstLength);
  prepareWrite(vm, second, width - firstLength);
  store<u64>(staging, value);
  memory.copy(first, staging, firstLength);
  memory.copy(second, staging + firstLength, width - firstLength);
  return staging;
}

/** An atomic access: naturally aligned, and memory only. */
export function atomicAddress(hart: usize, address: u64, width: u32): usize {
  if (isOverworked(hart)) return leaveUndone(hart, EXIT_OVERWORKED);
  if (address & (width - 1)) return raise(hart, STORE_MISALIGNED, address);
  const machine = resolve(hart, address, width, ACCESS_READ | ACCESS_WRITE);
  if (machine == 0) return notMemory(hart, STORE_ACCESS_FAULT, address);
  const vm = <usize>load<u32>(hart, HART_VM);
  if (meetsTable(hart, vm, machine, address, width)) return 0;
  prepareStore(hart, vm, address, machine, width);
  return machine;
}

/** Load-reserved: remembers the address it gives. */
export function reserve(hart: usize, address: u64, width: u32): usize {
  if (isOverworked(hart)) return leaveUndone(hart, EXIT_OVERWORKED);
  if (address & (width - 1)) return raise(hart, LOAD_MISALIGNED, address);
  const machine = resolve(hart, address, width, ACCESS_READ);
  if (machine == 0) return notMemory(hart, LOAD_ACCESS_FAULT, address);
  store<u32>(hart, <u32>machine, HART_RESERVATION);
  return machine;
}

/** Store-conditional: 1 if it stored, 0 if the reservation was gone, -1 with `status` set after a fault. */
export function storeConditional(hart: usize, address: u64, width: u32, value: u64): i32 {
  const reservation = load<u32>(hart, HART_RESERVATION);
  const machine = atomicAddress(hart, address, width);
  if (machine == 0) return -1;
  store<u32>(hart, 0, HART_RESERVATION);
  if (<u32>machine != reservation) return 0;
  if (width == 4) store<u32>(machine, <u32>value);
  else store<u64>(machine, value);
  return 1;
}

const BLOCK_SIZE: u32 = 64;

/** Resolves the block that holds an address; a fault reports the address as it was given (CMO 1.0, 2.5). */
function resolveBlock(hart: usize, address: u64, access: u32): usize {
  if (isOverworked(hart)) return leaveUndone(hart, EXIT_OVERWORKED);
  const block = resolve(hart, address & ~<u64>(BLOCK_SIZE - 1), BLOCK_SIZE, access);
  if (block == 0) store<u64>(hart, address, HART_TRAP_VALUE);
  return block;
}

/** cbo.zero: zeros over the block that holds an address. */
export function zeroBlock(hart: usize, address: u64): bool {
  const entry = entryOf(<usize>load<u32>(hart, HART_DATA_BANK), TLB_WRITE, address);
  if (load<u64>(entry) == (address & ~0xfff)) {
    clearBlock(<usize>((<u32>address & ~(BLOCK_SIZE - 1)) + load<u32>(entry, 8)));
    return true;
  }
  const block = resolveBlock(hart, address, ACCESS_WRITE);
  if (block == 0) {
    notMemory(hart, STORE_ACCESS_FAULT, address);
    return false;
  }
  const vm = <usize>load<u32>(hart, HART_VM);
  if (meetsTable(hart, vm, block, address & ~<u64>(BLOCK_SIZE - 1), BLOCK_SIZE)) {
    store<u64>(hart, address, HART_TRAP_VALUE);
    return false;
  }
  prepareWrite(vm, block, BLOCK_SIZE);
  clearBlock(block);
  return true;
}

/** By stores, for `memory.fill` is a call of the host's. */
function clearBlock(block: usize): void {
  store<u64>(block, 0);
  store<u64>(block, 0, 8);
  store<u64>(block, 0, 16);
  store<u64>(block, 0, 24);
  store<u64>(block, 0, 32);
  store<u64>(block, 0, 40);
  store<u64>(block, 0, 48);
  store<u64>(block, 0, 56);
}

/** cbo.clean, flush and inval: allowed where a load or a store would be; a fault is the store's. */
export function checkBlock(hart: usize, address: u64): bool {
  if (resolveBlock(hart, address, ACCESS_READ) != 0) return true;
  if (load<u32>(hart, HART_STATUS) == 0) return true; // a device: nothing is cached
  const cause = load<u64>(hart, HART_TRAP_CAUSE);
  store<u64>(hart, cause + (STORE_ACCESS_FAULT - LOAD_ACCESS_FAULT), HART_TRAP_CAUSE);
  return false;
}
