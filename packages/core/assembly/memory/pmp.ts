/**
 * Physical memory protection (Privileged ISA 1.13, 3.7): sixteen entries. The
 * check happens when a TLB entry is made; a page on which entries disagree is
 * checked at every access instead.
 */
import { HART_PMPADDR, HART_PMPCFG } from "../generated/layout";

const ENTRIES: u32 = 16;
const LOCKED: u32 = 0x80;

export const PMP_DENIED: u32 = 0;
export const PMP_GRANTED: u32 = 1;
/** Granted for these bytes, but not alike for the whole page. */
export const PMP_GRANTED_PART: u32 = 2;

/** First byte of an entry's range; the byte after its last comes from `rangeEnd`. */
function rangeStart(hart: usize, n: u32, mode: u32): u64 {
  const address = load<u64>(hart + (<usize>n << 3), HART_PMPADDR);
  if (mode == 1) return n == 0 ? 0 : load<u64>(hart + (<usize>(n - 1) << 3), HART_PMPADDR) << 2;
  if (mode == 2) return address << 2;
  return (address & (address + 1)) << 2;
}

function rangeEnd(hart: usize, n: u32, mode: u32): u64 {
  const address = load<u64>(hart + (<usize>n << 3), HART_PMPADDR);
  if (mode == 1) return address << 2;
  if (mode == 2) return (address << 2) + 4;
  return ((address | (address + 1)) + 1) << 2; // an all-ones register wraps to 0: the whole space
}

// @ts-ignore: decorator
@inline
function configuration(hart: usize, n: u32): u32 {
  return load<u8>(hart + <usize>n, HART_PMPCFG);
}

/** Whether an access may go ahead; `access` is 1 read, 2 write, 4 execute, or several. */
export function checkPmp(hart: usize, address: u64, length: u64, access: u32, privilege: u32): u32 {
  if (load<u64>(hart, HART_PMPCFG) == 0 && load<u64>(hart, HART_PMPCFG + 8) == 0) {
    return privilege == 3 ? PMP_GRANTED : PMP_DENIED;
  }
  const page = address & ~0xfff;
  let uniform = true;
  for (let n: u32 = 0; n < ENTRIES; n++) {
    const config = configuration(hart, n);
    const mode = (config >> 3) & 3;
    if (mode == 0) continue;
    const start = rangeStart(hart, n, mode);
    const last = rangeEnd(hart, n, mode) - 1; // inclusive, so that the whole space has an end
    if (mode == 1 && last + 1 <= start) continue;
    if (last < page || start > page + 0xfff) continue;
    if (start > page || last < page + 0xfff) uniform = false;
    if (last < address || start > address + length - 1) continue;
    // The lowest-numbered entry that matches any byte decides, and must match all.
    if (start > address || last < address + length - 1) return PMP_DENIED;
    const enforced = privilege != 3 || (config & LOCKED) != 0;
    if (enforced && (config & access) != access) return PMP_DENIED;
    return uniform ? PMP_GRANTED : PMP_GRANTED_PART;
  }
  if (privilege != 3) return PMP_DENIED;
  return uniform ? PMP_GRANTED : PMP_GRANTED_PART;
}
