/** mstatus.FS, frm and fflags: when floating point may run, and when its fast path is exact. */
import { HART_FFLAGS, HART_FLOAT_FAST, HART_FRM, HART_MSTATUS, SLOT_RM } from "../generated/layout";
import { instructionAt } from "../code/fetch";
import { ILLEGAL_INSTRUCTION, MSTATUS_FS } from "./fields";
import { raise } from "./trap";

const INEXACT: u32 = 1;
/** What the decoder adds to `rm` where nearest-even is asked for, or the dynamic mode. */
export const RM_MAY_BE_FAST: u32 = 0x80;
const DYNAMIC: u32 = 7;

/** Recomputes `floatFast` from mstatus, frm and fflags. */
export function updateFloatFast(hart: usize): void {
  const dirty = (load<u64>(hart, HART_MSTATUS) & MSTATUS_FS) == MSTATUS_FS;
  const nearest = load<u32>(hart, HART_FRM) == 0;
  const inexact = (load<u32>(hart, HART_FFLAGS) & INEXACT) != 0;
  store<u32>(hart, dirty && nearest && inexact ? RM_MAY_BE_FAST : 0, HART_FLOAT_FAST);
}

/** Whether floating point is enabled; raises an illegal instruction if not. */
export function floatEnabled(hart: usize): bool {
  if ((load<u64>(hart, HART_MSTATUS) & MSTATUS_FS) != 0) return true;
  raise(hart, ILLEGAL_INSTRUCTION, instructionAt(hart));
  return false;
}

/** The rounding mode of an instruction, or -1 with an illegal instruction raised. */
export function roundingMode(hart: usize, slot: usize): i32 {
  if (!floatEnabled(hart)) return -1;
  let rm = <u32>load<u8>(slot, SLOT_RM) & 7;
  if (rm == DYNAMIC) rm = load<u32>(hart, HART_FRM);
  if (rm <= 4) return rm;
  raise(hart, ILLEGAL_INSTRUCTION, instructionAt(hart));
  return -1;
}

/** After an instruction wrote a float register or raised flags. */
export function floatChanged(hart: usize): void {
  store<u64>(hart, load<u64>(hart, HART_MSTATUS) | MSTATUS_FS, HART_MSTATUS);
  updateFloatFast(hart);
}
