/** Counts of the work that stays in Wasm on the guest's behalf. */
import { HART_ASSISTS } from "../generated/layout";

// @ts-ignore: decorator
@inline
export function countAssist(hart: usize, kind: u32): void {
  const counter = hart + HART_ASSISTS + (<usize>kind << 3);
  store<u64>(counter, load<u64>(counter) + 1);
}
