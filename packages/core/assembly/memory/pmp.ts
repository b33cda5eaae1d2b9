/**
 * Physical memory protection (Privileged ISA 1.13, 3.7 and, for mseccfg, ch. 6): sixteen entries. The
 * check happens when a TLB entry is made; a page on which entries disagree is
 * checked at every access instead.
 */
import { HART_MSECCFG, HART_PMPADDR, HART_PMPCFG } from "../generated/layout";
import { MSECCFG_MML, MSECCFG_MMWP } from "../privileged/fields";

export const PMP_ENTRIES: u32 = 16;

// Bits of a pmpcfg byte.
export const PMP_READ: u32 = 1;
export const PMP_WRITE: u32 = 2;
export const PMP_EXECUTE: u32 = 4;
export const PMP_ANY: u32 = PMP_READ | PMP_WRITE | PMP_EXECUTE;
export const PMP_LOCKED: u32 = 0x80;
const MODE: u32 = 0x18;
const NATURALLY_ALIGNED: u32 = 0x18;

/** In pmpaddr: an aligned range of 2^56 bytes, more than there are. */
const WHOLE_SPACE: u64 = (1 << 54) - 1;

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

@inline
function configuration(hart: usize, n: u32): u32 {
  return load<u8>(hart + <usize>n, HART_PMPCFG);
}

/** What is granted where no entry matches: all to M-mode, but no code under lockdown and nothing under the whitelist policy. */
function unmatched(privilege: u32, security: u64): u32 {
  if (privilege != 3 || security & MSECCFG_MMWP) return 0;
  return security & MSECCFG_MML ? PMP_READ | PMP_WRITE : PMP_ANY;
}

/**
 * What an entry grants under machine-mode lockdown (Smepmp, 2.4): the lock bit makes it M-mode's, else it is for the
 * modes below. Without R but with W, or with all bits, it is shared.
 */
function underLockdown(config: u32, machine: bool): u32 {
  const own = config & PMP_ANY;
  const locked = (config & PMP_LOCKED) != 0;
  if (own == PMP_ANY && locked) return PMP_READ;
  if ((own & (PMP_READ | PMP_WRITE)) != PMP_WRITE) return locked == machine ? own : 0;
  if (locked) return own == PMP_WRITE || !machine ? PMP_EXECUTE : PMP_READ | PMP_EXECUTE;
  return own == PMP_WRITE && !machine ? PMP_READ : PMP_READ | PMP_WRITE;
}

/** What an entry grants to a privilege. */
@inline
function grantedBy(config: u32, privilege: u32, security: u64): u32 {
  if (security & MSECCFG_MML) return underLockdown(config, privilege == 3);
  return privilege != 3 || config & PMP_LOCKED ? config : PMP_ANY;
}

/** Whether the first entry is for all of memory, as firmware leaves it that wants none protected; it then decides alone. */
@inline
function isFirstForAll(hart: usize): bool {
  return (configuration(hart, 0) & MODE) == NATURALLY_ALIGNED && load<u64>(hart, HART_PMPADDR) == WHOLE_SPACE;
}

/** Whether an access may go ahead; `access` is 1 read, 2 write, 4 execute, or several. */
export function checkPmp(hart: usize, address: u64, length: u64, access: u32, privilege: u32): u32 {
  const security = load<u64>(hart, HART_MSECCFG);
  if (isFirstForAll(hart)) return (grantedBy(configuration(hart, 0), privilege, security) & access) == access ? PMP_GRANTED : PMP_DENIED;
  if (load<u64>(hart, HART_PMPCFG) == 0 && load<u64>(hart, HART_PMPCFG + 8) == 0) {
    return (unmatched(privilege, security) & access) == access ? PMP_GRANTED : PMP_DENIED;
  }
  const page = address & ~0xfff;
  let uniform = true;
  for (let n: u32 = 0; n < PMP_ENTRIES; n++) {
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
    if ((grantedBy(config, privilege, security) & access) != access) return PMP_DENIED;
    return uniform ? PMP_GRANTED : PMP_GRANTED_PART;
  }
  if ((unmatched(privilege, security) & access) != access) return PMP_DENIED;
  return uniform ? PMP_GRANTED : PMP_GRANTED_PART;
}
