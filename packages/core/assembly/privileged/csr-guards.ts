/** Conditions on reaching a CSR beyond the privilege that its number encodes. */
import { EXTENSION_BIT_SSTC, HART_MCOUNTEREN, HART_MENVCFG, HART_MSTATUS, HART_PRIVILEGE, HART_SCOUNTEREN } from "../generated/layout";
import { has } from "./extensions";
import { MENVCFG_STCE, MSTATUS_FS, MSTATUS_TVM } from "./fields";

export function floatOpen(hart: usize, number: u32): bool {
  return (load<u64>(hart, HART_MSTATUS) & MSTATUS_FS) != 0;
}

/** Each level opens the counters to the one below (Privileged ISA 3.1.11, 10.1.5). */
export function counterOpen(hart: usize, number: u32): bool {
  const privilege = load<u32>(hart, HART_PRIVILEGE);
  const bit = number & 31;
  if (privilege < 3 && ((load<u64>(hart, HART_MCOUNTEREN) >> bit) & 1) == 0) return false;
  return privilege > 0 || ((load<u64>(hart, HART_SCOUNTEREN) >> bit) & 1) != 0;
}

export function satpOpen(hart: usize, number: u32): bool {
  return load<u32>(hart, HART_PRIVILEGE) == 3 || (load<u64>(hart, HART_MSTATUS) & MSTATUS_TVM) == 0;
}

/** Sstc: below M-mode, stimecmp needs both enables (Privileged ISA ch. 14). */
export function stimecmpOpen(hart: usize, number: u32): bool {
  if (!has(hart, EXTENSION_BIT_SSTC)) return false;
  if (load<u32>(hart, HART_PRIVILEGE) == 3) return true;
  return (load<u64>(hart, HART_MENVCFG) & MENVCFG_STCE) != 0 && (load<u64>(hart, HART_MCOUNTEREN) & 2) != 0;
}
