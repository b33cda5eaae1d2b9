/**
 * How a TLB miss is resolved: by the kind of translation that the regime and
 * satp ask for, or by a module of the host's. A kind takes the hart, an
 * address, the access and the regime; on WALK_OK it leaves the guest-physical
 * address and log2 of the page size in the hart's walk fields.
 */
import { HART_OPTIONS, HART_PARAVIRTUAL, HART_SATP, HART_VIRTUAL_HART, HART_WALK_ADDRESS, HART_WALK_LEVEL, OPTION_HOST_TRANSLATION } from "../../generated/layout";
import { WALK_OK } from "./outcome";
import { secondStage } from "./second-stage";
import { translatePaged } from "./paged";
import { translateShadow } from "./shadow";

/** A module that answers from TypeScript; it fills the walk fields itself. */
@external("host", "translate")
declare function hostTranslate(hart: usize, address: u64, access: u32, regime: u32): u32;

export function translate(hart: usize, address: u64, access: u32, regime: u32): u32 {
  if (regime == 3) return translateBare(hart, address);
  if (load<u32>(hart, HART_OPTIONS) & OPTION_HOST_TRANSLATION) return hostTranslate(hart, address, access, regime);
  if (load<u64>(hart, HART_SATP) >> 60 == 0) return translateBare(hart, secondStage(hart, address, regime));
  // A paravirtual guest's own tables are walked, by the regime of U-mode: its kernel runs there, too.
  if (load<u32>(hart, HART_VIRTUAL_HART) != 0 && load<u32>(hart, HART_PARAVIRTUAL) == 0) return translateShadow(hart, address, access);
  return translatePaged(hart, address, access, regime);
}

function translateBare(hart: usize, address: u64): u32 {
  store<u64>(hart, address, HART_WALK_ADDRESS);
  store<u32>(hart, 12, HART_WALK_LEVEL);
  return WALK_OK;
}

/** The privilege that PMP sees for an access in a regime. */
export function regimePrivilege(regime: u32): u32 {
  return regime & 3;
}
