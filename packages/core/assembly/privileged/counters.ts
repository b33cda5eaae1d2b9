/** Counts of the work that stays in Wasm on the guest's behalf. */
import { ASSIST_TLB_FILL, HART_ASSISTS, HART_TLB_FILLS } from "../generated/layout";

@inline
export function countAssist(hart: usize, kind: u32): void {
  const counter = hart + HART_ASSISTS + (<usize>kind << 3);
  store<u64>(counter, load<u64>(counter) + 1);
}

/** A miss of the TLB is an event that the guest can count, too. */
export function countTlbFill(hart: usize): void {
  countAssist(hart, ASSIST_TLB_FILL);
  store<u64>(hart, load<u64>(hart, HART_TLB_FILLS) + 1, HART_TLB_FILLS);
}
