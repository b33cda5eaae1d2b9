/** The registers of physical memory protection, and mseccfg, which changes their rules (Privileged ISA 1.13, 3.7 and ch. 6). */
import { EXTENSION_BIT_SMEPMP, EXTENSION_BIT_ZKR, HART_MSECCFG, HART_PMPADDR, HART_PMPCFG } from "../generated/layout";
import { PMP_ANY, PMP_ENTRIES, PMP_EXECUTE, PMP_LOCKED, PMP_READ, PMP_WRITE } from "../memory/pmp";
import { dropAllBanks } from "../memory/tlb";
import { has } from "./extensions";
import { MSECCFG_MML, MSECCFG_MMWP, MSECCFG_RLB, MSECCFG_SSEED, MSECCFG_USEED } from "./fields";

const MODE: u32 = 0x18;
const TOP_OF_RANGE: u32 = 0x08;

function isLocked(hart: usize, n: u32): bool {
  return (<u32>load<u8>(hart + <usize>n, HART_PMPCFG) & PMP_LOCKED) != 0;
}

/** Whether the lock bit of an entry binds the entry itself: not under rule locking bypass (Smepmp). */
function isFixed(hart: usize, n: u32): bool {
  return isLocked(hart, n) && (load<u64>(hart, HART_MSECCFG) & MSECCFG_RLB) == 0;
}

/** Under machine-mode lockdown no rule is added that lets M-mode execute, unless locks are bypassed; all ones is for data (Smepmp, 2.4). */
function addsMachineCode(hart: usize, config: u32): bool {
  if ((load<u64>(hart, HART_MSECCFG) & (MSECCFG_MML | MSECCFG_RLB)) != MSECCFG_MML) return false;
  if ((config & PMP_LOCKED) == 0) return false;
  const own = config & PMP_ANY;
  return own != PMP_ANY && ((own & PMP_EXECUTE) != 0 || own == PMP_WRITE);
}

/** Whether an entry would allow writing without reading, which means something under lockdown only. */
function isReserved(hart: usize, config: u32): bool {
  return (config & (PMP_READ | PMP_WRITE)) == PMP_WRITE && (load<u64>(hart, HART_MSECCFG) & MSECCFG_MML) == 0;
}

/** Bytes that may not be written, or not so, stay as they are. */
function writePmpcfg(hart: usize, first: u32, value: u64): void {
  for (let n = first; n < first + 8; n++) {
    const next = <u32>(value >> ((n - first) << 3)) & (PMP_LOCKED | MODE | PMP_ANY);
    if (isFixed(hart, n) || isReserved(hart, next) || addsMachineCode(hart, next)) continue;
    store<u8>(hart + <usize>n, next, HART_PMPCFG);
  }
  dropAllBanks(hart);
}

export function writePmpcfg0(hart: usize, value: u64): void {
  writePmpcfg(hart, 0, value);
}

export function writePmpcfg2(hart: usize, value: u64): void {
  writePmpcfg(hart, 8, value);
}

/** Locked with its own entry, or as the lower end of a locked top-of-range entry. */
export function writePmpaddr(hart: usize, n: u32, value: u64): void {
  if (isFixed(hart, n)) return;
  if (n + 1 < PMP_ENTRIES && isFixed(hart, n + 1) && (<u32>load<u8>(hart + <usize>n + 1, HART_PMPCFG) & MODE) == TOP_OF_RANGE) return;
  store<u64>(hart + (<usize>n << 3), value & 0x3fffffffffffff, HART_PMPADDR);
  dropAllBanks(hart);
}

function isAnyLocked(hart: usize): bool {
  for (let n: u32 = 0; n < PMP_ENTRIES; n++) {
    if (isLocked(hart, n)) return true;
  }
  return false;
}

/** MML and MMWP stay once set; RLB cannot be set any more while an entry is locked. */
export function writeMseccfg(hart: usize, value: u64): void {
  const old = load<u64>(hart, HART_MSECCFG);
  let next: u64 = 0;
  if (has(hart, EXTENSION_BIT_ZKR)) next |= value & (MSECCFG_USEED | MSECCFG_SSEED);
  if (has(hart, EXTENSION_BIT_SMEPMP)) {
    next |= (old | value) & (MSECCFG_MML | MSECCFG_MMWP);
    if (old & MSECCFG_RLB || !isAnyLocked(hart)) next |= value & MSECCFG_RLB;
  }
  store<u64>(hart, next, HART_MSECCFG);
  if ((old ^ next) & (MSECCFG_MML | MSECCFG_MMWP)) dropAllBanks(hart);
}
