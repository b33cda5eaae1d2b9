/**
 * The software TLB of a hart: up to sixteen banks, one for each way in which
 * addresses were lately interpreted (regime and satp), so that a trap or a
 * context switch changes banks instead of flushing. A bank has direct-mapped
 * tables for reads, writes and fetches. The addend of an entry turns the low
 * half of a virtual address into a machine address, or, for fetches, is where
 * the page's decoded slots lie. Behind them is a second level, larger and shared
 * by the banks, of what was read and written: it answers in place of a walk.
 */
import {
  ASSIST_BANK_FILL,
  BITMAP_SIZE,
  HART_BANKS,
  HART_BANK_CLOCK,
  HART_BANK_COUNT,
  HART_BANK_KEYS,
  HART_BANK_HUGE,
  HART_BANK_USED,
  HART_DATA_BANK,
  HART_EXECUTOR,
  HART_FETCH_BANK,
  HART_HGATP,
  HART_MSTATUS,
  HART_OPTIONS,
  HART_PRIVILEGE,
  HART_REGIME_BANK,
  HART_SATP,
  HART_VIRTUALIZATION,
  HART_VIRTUAL_HART,
  HART_VM,
  JUMP_CACHE,
  JUMP_PAGES,
  LARGE_REGIONS,
  OPTION_HOST_TRANSLATION,
  TLB_BANKS,
  TLB_BANK_SIZE,
  TLB_ENTRIES,
  TLB_ENTRY_SIZE,
  TLB_FETCH,
  TLB_GUARDED,
  VM_WORK,
} from "../generated/layout";
import { countAssist } from "../privileged/counters";
import { dropSecond, dropSecondOf, fillSecond, findSecond } from "./second-level";
import { MSTATUS_MPRV, MSTATUS_MXR, MSTATUS_SUM } from "../privileged/fields";
import { charge, WORK_CLEAR_BANK, WORK_CLEAR_FETCHES, WORK_CLEAR_JUMPS, WORK_SEARCH_BANK, WORK_TLB_REFILL } from "../work";

/** Regimes: bits 0-1 privilege (0 U, 1 S, 3 M), bit 2 SUM, bit 3 MXR, bit 4 V. */
export const REGIME_SUM: u32 = 4;
export const REGIME_MXR: u32 = 8;
export const REGIME_VIRTUAL_SHIFT: u32 = 4;
export const REGIME_VIRTUAL: u32 = 1 << REGIME_VIRTUAL_SHIFT;

/** A privilege and whether it is a guest's; M-mode never is. */
function plainRegime(hart: usize, privilege: u32): u32 {
  return privilege == 3 ? 3 : privilege | (load<u32>(hart, HART_VIRTUALIZATION) << REGIME_VIRTUAL_SHIFT);
}

/** The regime of fetches, which know no SUM or MXR; sharing the plain one's bank keeps them warm across SUM toggles. */
export function fetchRegime(hart: usize): u32 {
  return plainRegime(hart, load<u32>(hart, HART_PRIVILEGE));
}

/** The regime of loads and stores: that of the privilege, or with MPRV in M-mode that of MPP. */
export function dataRegime(hart: usize): u32 {
  const mstatus = load<u64>(hart, HART_MSTATUS);
  let privilege = load<u32>(hart, HART_PRIVILEGE);
  if (privilege == 3 && mstatus & MSTATUS_MPRV) privilege = <u32>(mstatus >> 11) & 3;
  if (privilege == 3) return 3;
  let regime = plainRegime(hart, privilege);
  if (privilege == 1 && mstatus & MSTATUS_SUM) regime |= REGIME_SUM;
  if (mstatus & MSTATUS_MXR) regime |= REGIME_MXR;
  return regime;
}

/** The hart whose TLB serves a hart's code: a virtual hart has none of its own. */
function executorOf(hart: usize): usize {
  const executor = <usize>load<u32>(hart, HART_EXECUTOR);
  return executor == 0 ? hart : executor;
}

/** Chooses the banks that suit privilege, mstatus and satp; those of a virtual hart are chosen when its code goes on. */
export function selectBanks(hart: usize): void {
  if (load<u32>(hart, HART_EXECUTOR) != 0) return;
  store<u32>(hart, <u32>bankOf(hart, dataRegime(hart)), HART_DATA_BANK);
  store<u32>(hart, <u32>bankOf(hart, fetchRegime(hart)), HART_FETCH_BANK);
}

/** Makes every fetch a miss until the banks are chosen again. */
export function selectEmptyFetchBank(hart: usize): void {
  store<u32>(hart, load<u32>(hart, HART_BANKS) + TLB_BANKS * TLB_BANK_SIZE, HART_FETCH_BANK);
}

/** After satp or the banks changed: the cached choice no longer holds. */
export function forgetRegimes(hart: usize): void {
  memory.fill(hart + HART_REGIME_BANK, 0, 128);
}

function bankOf(hart: usize, regime: u32): usize {
  const cached = hart + HART_REGIME_BANK + (<usize>regime << 2);
  let bank = <usize>load<u32>(cached);
  if (bank == 0) {
    bank = internBank(hart, regime);
    store<u32>(cached, <u32>bank);
  }
  return bank;
}

function bankKey(hart: usize, n: u32): usize {
  return hart + HART_BANK_KEYS + <usize>n * 24;
}

/** Finds the bank of a regime under the present satp and hgatp, or takes the least recently chosen one for it. */
function internBank(hart: usize, regime: u32): usize {
  const satp = regime == 3 ? 0 : load<u64>(hart, HART_SATP);
  const hgatp: u64 = regime & REGIME_VIRTUAL ? load<u64>(hart, HART_HGATP) : 0;
  const banks = <usize>load<u32>(hart, HART_BANKS);
  const count = load<u32>(hart, HART_BANK_COUNT);
  const now = load<u32>(hart, HART_BANK_CLOCK) + 1;
  store<u32>(hart, now, HART_BANK_CLOCK);
  let oldest: u32 = 0;
  for (let n: u32 = 0; n < count; n++) {
    const key = bankKey(hart, n);
    if (load<u64>(key) == <u64>regime && load<u64>(key, 8) == satp && load<u64>(key, 16) == hgatp) {
      store<u32>(hart + (<usize>n << 2), now, HART_BANK_USED);
      return banks + n * TLB_BANK_SIZE;
    }
    if (load<u32>(hart + (<usize>n << 2), HART_BANK_USED) < load<u32>(hart + (<usize>oldest << 2), HART_BANK_USED)) oldest = n;
  }
  let chosen = oldest;
  if (count < TLB_BANKS) {
    chosen = count;
    store<u32>(hart, count + 1, HART_BANK_COUNT);
  } else {
    forgetRegimes(hart); // one of them may be the bank that goes
  }
  const key = bankKey(hart, chosen);
  store<u64>(key, <u64>regime);
  store<u64>(key, satp, 8);
  store<u64>(key, hgatp, 16);
  store<u32>(hart + (<usize>chosen << 2), now, HART_BANK_USED);
  const bank = banks + chosen * TLB_BANK_SIZE;
  clearBank(hart, bank);
  countAssist(hart, ASSIST_BANK_FILL);
  return bank;
}

function clearBank(hart: usize, bank: usize): void {
  memory.fill(bank, 0xff, JUMP_PAGES);
  memory.fill(bank + JUMP_PAGES, 0, TLB_BANK_SIZE - JUMP_PAGES);
  const n = numberOf(hart, bank);
  store<u32>(hart + (n << 2), 0, HART_BANK_HUGE);
  charge(<usize>load<u32>(hart, HART_VM), WORK_CLEAR_BANK);
  dropSecond(hart, n);
}

@inline
function numberOf(hart: usize, bank: usize): usize {
  return (bank - <usize>load<u32>(hart, HART_BANKS)) / TLB_BANK_SIZE;
}

@inline
export function entryOf(bank: usize, table: u32, address: u64): usize {
  return bank + table + ((<usize>(address >> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_SIZE);
}

/** Fills an entry with a tag (an address of the page, or with TLB_GUARDED); `level` is log2 of the size of the page that it is a piece of. */
export function fillEntry(hart: usize, bank: usize, table: u32, tag: u64, addend: u32, level: u32): void {
  const entry = entryOf(bank, table, tag);
  store<u64>(entry, tag);
  store<u32>(entry, addend, 8);
  store<u32>(entry, level, 12);
  if (table != TLB_FETCH && (tag & TLB_GUARDED) == 0) fillSecond(hart, numberOf(hart, bank), table, tag, addend, level);
  if (level <= 12) return;
  const byte = largeRegionsOf(bank, tag);
  store<u8>(byte, load<u8>(byte) | (<u8>1 << <u8>((<u32>(tag >> 21)) & 7)));
  if (level <= 21) return;
  store<u32>(hart + (numberOf(hart, bank) << 2), 1, HART_BANK_HUGE);
}

/** Fills the entry for an address from the second level, if that has it. */
export function refill(hart: usize, bank: usize, table: u32, address: u64): bool {
  const second = findSecond(hart, numberOf(hart, bank), table, address);
  if (second == 0) return false;
  charge(<usize>load<u32>(hart, HART_VM), WORK_TLB_REFILL);
  const entry = entryOf(bank, table, address);
  store<u64>(entry, address & ~0xfff);
  store<u32>(entry, load<u32>(second, 8), 8);
  store<u32>(entry, load<u8>(second, 12), 12);
  return true;
}

/** The byte that holds the bit of an address's 2 MiB. */
function largeRegionsOf(bank: usize, address: u64): usize {
  return bank + LARGE_REGIONS + halfOf(address, 24);
}

/** Which byte of a bitmap holds an address's bit; the upper and the lower half of the address space have half of them each. */
@inline
function halfOf(address: u64, shift: u64): usize {
  return (<usize>(address >> shift) & (BITMAP_SIZE / 2 - 1)) | (<usize>(address >> 63) * (BITMAP_SIZE / 2));
}

/** Whether an address may lie in a superpage of which the bank holds pieces. */
function mayBeLarge(hart: usize, bank: usize, address: u64): bool {
  if (load<u32>(hart + (numberOf(hart, bank) << 2), HART_BANK_HUGE) != 0) return true;
  return ((load<u8>(largeRegionsOf(bank, address)) >> <u8>(<u32>(address >> 21) & 7)) & 1) != 0;
}

/** Drops everything: PMP changed, or physical memory did. */
export function dropAllBanks(ofHart: usize): void {
  const hart = executorOf(ofHart);
  const banks = <usize>load<u32>(hart, HART_BANKS);
  const count = load<u32>(hart, HART_BANK_COUNT);
  for (let n: u32 = 0; n < count; n++) clearBank(hart, banks + n * TLB_BANK_SIZE);
}

/** Drops the fetch tables and jump caches: a code page changes its frame. */
export function dropFetchTables(hart: usize): void {
  const banks = <usize>load<u32>(hart, HART_BANKS);
  const count = load<u32>(hart, HART_BANK_COUNT);
  for (let n: u32 = 0; n < count; n++) {
    memory.fill(banks + n * TLB_BANK_SIZE + TLB_FETCH, 0xff, JUMP_PAGES - TLB_FETCH);
  }
  charge(<usize>load<u32>(hart, HART_VM), count * WORK_CLEAR_FETCHES);
}

/** Forgets which regions begin where, in one bank. */
function dropJumpCache(hart: usize, bank: usize): void {
  charge(<usize>load<u32>(hart, HART_VM), WORK_CLEAR_JUMPS);
  memory.fill(bank + JUMP_CACHE, 0xff, JUMP_PAGES - JUMP_CACHE);
  memory.fill(bank + JUMP_PAGES, 0, BITMAP_SIZE);
}

/** The byte that holds a page's bit among those on which the jump cache relies. */
@inline
export function jumpPagesOf(bank: usize, address: u64): usize {
  return bank + JUMP_PAGES + halfOf(address, 15);
}

/**
 * sfence.vma (Privileged ISA 10.2.1): by address, by address space, by both, or all. Shadow tables know no address
 * spaces, and follow every write to the guest's: there is only the TLB to fence.
 */
export function fence(ofHart: usize, byAddress: bool, address: u64, ofSpace: bool, space: u64): void {
  const hart = executorOf(ofHart);
  const bySpace = ofSpace && load<u32>(hart, HART_VIRTUAL_HART) == 0;
  const banks = <usize>load<u32>(hart, HART_BANKS);
  const count = load<u32>(hart, HART_BANK_COUNT);
  const byHost = (load<u32>(hart, HART_OPTIONS) & OPTION_HOST_TRANSLATION) != 0;
  for (let n: u32 = 0; n < count; n++) {
    const satp = load<u64>(bankKey(hart, n), 8);
    if (satp >> 60 == 0 && !byHost) continue; // untranslated
    if (bySpace && ((satp >> 44) & 0xffff) != (space & 0xffff)) continue;
    const bank = banks + n * TLB_BANK_SIZE;
    if (!byAddress) {
      clearBank(hart, bank);
      continue;
    }
    const large = mayBeLarge(hart, bank, address);
    if (large || (load<u8>(jumpPagesOf(bank, address)) >> ((<u32>address >> 12) & 7)) & 1) dropJumpCache(hart, bank);
    if (large) {
      dropPieces(hart, bank, address);
      dropSecond(hart, n);
    } else {
      dropSecondOf(hart, n, address);
      for (let table: u32 = 0; table < 3; table++) {
        store<u64>(entryOf(bank, table * TLB_ENTRIES * TLB_ENTRY_SIZE, address), -1);
      }
    }
  }
}

/** Beyond this many pages, whole banks are dropped. */
const MAX_PAGES_FENCED_ONE_BY_ONE: u64 = 64;

/**
 * Drops what a hart's TLB holds of a range, or of everything if `size` is all ones or both are zero, as SBI's fences do. As soon
 * as single pages have cost more than whole banks would have, those go.
 */
export function fenceRange(ofHart: usize, start: u64, size: u64, ofSpace: bool, space: u64): void {
  const pages = (size >> 12) + (((size & 0xfff) + (start & 0xfff) + 0xfff) >> 12);
  const vm = <usize>load<u32>(ofHart, HART_VM);
  const enough = load<u32>(vm, VM_WORK) + load<u32>(executorOf(ofHart), HART_BANK_COUNT) * WORK_CLEAR_BANK;
  let all = (start | size) == 0 || pages > MAX_PAGES_FENCED_ONE_BY_ONE;
  for (let page: u64 = 0; page < pages && !all; page++) {
    fence(ofHart, true, start + (page << 12), ofSpace, space);
    all = load<u32>(vm, VM_WORK) > enough;
  }
  if (all) fence(ofHart, false, 0, ofSpace, space);
}

/** Drops every entry that is a piece of the page, of whatever size, that holds an address. */
function dropPieces(hart: usize, bank: usize, address: u64): void {
  charge(<usize>load<u32>(hart, HART_VM), WORK_SEARCH_BANK);
  for (let entry = bank; entry < bank + JUMP_CACHE; entry += TLB_ENTRY_SIZE) {
    const tag = load<u64>(entry);
    if (tag != -1 && ((tag ^ address) >> load<u32>(entry, 12)) == 0) store<u64>(entry, -1);
  }
}
