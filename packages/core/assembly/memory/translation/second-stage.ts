/**
 * The second stage of translation: from a guest's physical addresses to the hart's, for the page tables of the first
 * stage and for what they lead to (Privileged ISA 1.13, 15.5). The walker of hgatp comes with the hypervisor extension;
 * without it V is 0 and hgatp Bare, so that there is one stage.
 */
import { HART_HGATP } from "../../generated/layout";
import { REGIME_VIRTUAL } from "../tlb";

/** The physical address behind one of the first stage's. */
export function secondStage(hart: usize, address: u64, regime: u32): u64 {
  if (regime & REGIME_VIRTUAL && load<u64>(hart, HART_HGATP) >> 60 != 0) unreachable();
  return address;
}
