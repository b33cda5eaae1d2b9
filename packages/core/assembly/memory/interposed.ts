/**
 * Pages of RAM of which the host wants to hear before they are accessed
 * (`src/interpose/memory-watches.ts`). No TLB entry for such an access exists,
 * so that it comes to where entries are filled, which asks here.
 */
import { HART_ACCESS_OPEN, VM_INTERPOSED, VM_INTERPOSED_PAGES, VM_RAM_BASE } from "../generated/layout";

/** Accesses that one instruction can make: a fetch and data, each on two pages. */
const OPEN_ACCESSES: usize = 4;

/** Whether the host wants to hear of an access to the page of RAM that holds an address. */
// @ts-ignore: decorator
@inline
export function isInterposed(vm: usize, address: u64, access: u32): bool {
  return load<u32>(vm, VM_INTERPOSED) != 0 && (load<u8>(<usize>load<u32>(vm, VM_INTERPOSED_PAGES) + pageOf(vm, address)) & access) != 0;
}

/** Whether the host has heard of an access, and lets the hart's present step make it. */
export function isOpen(hart: usize, vm: usize, address: u64, access: u32): bool {
  const wanted = ((<u32>pageOf(vm, address) + 1) << 3) | access;
  for (let n: usize = 0; n < OPEN_ACCESSES; n++) {
    if (load<u32>(hart + (n << 2), HART_ACCESS_OPEN) == wanted) return true;
  }
  return false;
}

// @ts-ignore: decorator
@inline
function pageOf(vm: usize, address: u64): usize {
  return <usize>((address - load<u64>(vm, VM_RAM_BASE)) >> 12);
}
