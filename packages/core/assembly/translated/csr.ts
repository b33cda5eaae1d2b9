/** CSR instructions of translated code: those that neither read the count of instructions nor change how code is fetched. */
import {
  HART_CROSSING,
  HART_PC,
  HART_REWRITES,
  HART_SINK,
  HART_STATUS,
  SLOT_IMM,
  SLOT_RD,
  SLOT_RS1,
  STATUS_NONE,
  STATUS_TRAP,
  WINDOW_HART,
} from "../generated/layout";
import { csr } from "../privileged/system";
import { rewrite } from "../virtualization/rewritten";

/**
 * Executes the CSR instruction `word` on the registers in the window: 0 if done; 1 if the interpreter must see to it; 2 if
 * done, but the interpreter goes on behind it, before any other region: an interrupt comes in there. HART_STATUS says so to it.
 */
export function csrInRegion(pc: u64, word: u32): u32 {
  const hart = <usize>load<u32>(WINDOW_HART);
  const slot = hart + HART_CROSSING; // as the decoder would fill it
  store<u64>(hart, pc, HART_PC);
  const rd = (word >> 7) & 31;
  store<u32>(slot, word, SLOT_IMM);
  store<u16>(slot, rd == 0 ? <u32>HART_SINK : rd << 3, SLOT_RD);
  store<u16>(slot, ((word >> 15) & 31) << 3, SLOT_RS1);
  if (load<u32>(hart, HART_REWRITES) != 0) rewrite(slot);
  const status = csr(hart, slot, ((word >> 12) & 3) - 1, (word & 0x4000) != 0);
  if (status == STATUS_NONE) return 0;
  const traps = status == STATUS_TRAP;
  store<u32>(hart, traps ? <u32>STATUS_NONE : status, HART_STATUS);
  return traps ? 1 : 2;
}
