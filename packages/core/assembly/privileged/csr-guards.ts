/** Conditions on reaching a CSR beyond the privilege that its number encodes. */
import {
  EXTENSION_BIT_SMSTATEEN,
  HART_MCOUNTEREN,
  HART_MENVCFG,
  HART_MSECCFG,
  HART_MSTATEEN,
  HART_MSTATUS,
  HART_PRIVILEGE,
  HART_SCOUNTEREN,
} from "../generated/layout";
import { has } from "./extensions";
import { MENVCFG_STCE, MSECCFG_SSEED, MSECCFG_USEED, MSTATUS_FS, MSTATUS_TVM } from "./fields";

export function floatOpen(hart: usize, number: u32, writes: bool): bool {
  return (load<u64>(hart, HART_MSTATUS) & MSTATUS_FS) != 0;
}

/** Each level opens the counters to the one below (Privileged ISA 3.1.11, 10.1.5). */
export function counterOpen(hart: usize, number: u32, writes: bool): bool {
  const privilege = load<u32>(hart, HART_PRIVILEGE);
  const bit = number & 31;
  if (privilege < 3 && ((load<u64>(hart, HART_MCOUNTEREN) >> bit) & 1) == 0) return false;
  return privilege > 0 || ((load<u64>(hart, HART_SCOUNTEREN) >> bit) & 1) != 0;
}

export function satpOpen(hart: usize, number: u32, writes: bool): bool {
  return load<u32>(hart, HART_PRIVILEGE) == 3 || (load<u64>(hart, HART_MSTATUS) & MSTATUS_TVM) == 0;
}

/** Sstc: below M-mode, stimecmp needs both enables (Privileged ISA ch. 14). */
export function stimecmpOpen(hart: usize, number: u32, writes: bool): bool {
  if (load<u32>(hart, HART_PRIVILEGE) == 3) return true;
  return (load<u64>(hart, HART_MENVCFG) & MENVCFG_STCE) != 0 && (load<u64>(hart, HART_MCOUNTEREN) & 2) != 0;
}

/** Reading seed takes entropy away, so only an access that writes, too, may do it (Scalar Cryptography 1.0, 4.1). */
export function seedOpen(hart: usize, number: u32, writes: bool): bool {
  if (!writes) return false;
  const privilege = load<u32>(hart, HART_PRIVILEGE);
  return privilege == 3 || (load<u64>(hart, HART_MSECCFG) & (privilege == 1 ? MSECCFG_SSEED : MSECCFG_USEED)) != 0;
}

/** Whether M-mode lets S-mode at the state of a bit of an mstateen register (Smstateen 1.0). */
function isStateOpen(hart: usize, n: u32, bit: u32): bool {
  if (load<u32>(hart, HART_PRIVILEGE) == 3 || !has(hart, EXTENSION_BIT_SMSTATEEN)) return true;
  return ((load<u64>(hart + (<usize>n << 3), HART_MSTATEEN) >> bit) & 1) != 0;
}

export function senvcfgOpen(hart: usize, number: u32, writes: bool): bool {
  return isStateOpen(hart, 0, 62);
}

export function stateenOpen(hart: usize, number: u32, writes: bool): bool {
  return isStateOpen(hart, number & 3, 63);
}
