/**
 * The second level of a hart's TLB: one table for reads and writes of all its
 * banks, so large that a walk of page tables is rare, and behind a call. An entry
 * is a bank's if its tag says so and its stamp is the bank's present one; so a
 * bank is emptied by another stamp. It holds nothing that a first level would not.
 */
import { HART_BANKS, HART_BANK_COUNT, HART_BANK_STAMPS, SECOND_ENTRIES, SECOND_LEVEL, TLB_ENTRY_SIZE, TLB_WRITE } from "../generated/layout";

/** Stamps come again after so many: then the table is emptied. */
const STAMPS: u32 = 1 << 24;

/** The tag of a bank's entry for an address. */
@inline
function tagOf(bank: usize, table: u32, address: u64): u64 {
  return (address & ~0xfff) | (<u64>bank << 1) | (table == TLB_WRITE ? 1 : 0);
}

/** Pages at distances of powers of two, such as stacks and what kernels keep for each CPU, do not meet in one entry. */
function entryOf(hart: usize, bank: usize, table: u32, address: u64): usize {
  const page = <usize>(address >> 12);
  const index = page ^ (page >> 13) ^ (bank << 9) ^ (table == TLB_WRITE ? SECOND_ENTRIES / 2 : 0);
  return <usize>load<u32>(hart, HART_BANKS) + SECOND_LEVEL + ((index & (SECOND_ENTRIES - 1)) * TLB_ENTRY_SIZE);
}

@inline
function stampOf(hart: usize, bank: usize): u32 {
  return load<u32>(hart + (bank << 2), HART_BANK_STAMPS);
}

/** Notes an entry of a bank, by its number. */
export function fillSecond(hart: usize, bank: usize, table: u32, address: u64, addend: u32, level: u32): void {
  const entry = entryOf(hart, bank, table, address);
  store<u64>(entry, tagOf(bank, table, address));
  store<u32>(entry, addend, 8);
  store<u32>(entry, (stampOf(hart, bank) << 8) | level, 12);
}

/** A bank's entry for an address; 0 if there is none. */
export function findSecond(hart: usize, bank: usize, table: u32, address: u64): usize {
  const entry = entryOf(hart, bank, table, address);
  return load<u64>(entry) == tagOf(bank, table, address) && load<u32>(entry, 12) >> 8 == stampOf(hart, bank) ? entry : 0;
}

/** Drops all of a bank. */
export function dropSecond(hart: usize, bank: usize): void {
  const stamp = (stampOf(hart, bank) + 1) & (STAMPS - 1);
  store<u32>(hart + (bank << 2), stamp, HART_BANK_STAMPS);
  if (stamp == 0) memory.fill(<usize>load<u32>(hart, HART_BANKS) + SECOND_LEVEL, 0xff, SECOND_ENTRIES * TLB_ENTRY_SIZE);
}

/** Drops all of every bank. */
export function dropSecondLevel(hart: usize): void {
  const count = load<u32>(hart, HART_BANK_COUNT);
  for (let bank: u32 = 0; bank < count; bank++) dropSecond(hart, bank);
}

/** Drops what a bank has for an address. */
export function dropSecondOf(hart: usize, bank: usize, address: u64): void {
  for (let table: u32 = 0; table <= TLB_WRITE; table += TLB_WRITE) {
    const entry = entryOf(hart, bank, table, address);
    if (load<u64>(entry) == tagOf(bank, table, address)) store<u64>(entry, -1);
  }
}
