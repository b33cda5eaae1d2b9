/** System instructions with which a region ends: those that change the mode, or how code is fetched. A helper executes them. */
import type { GuestInstruction } from "../guest/instruction.js";
import { helper } from "../wasm/module.js";
import type { FunctionContext } from "./context.js";
import { exchangeRegisters } from "./csr.js";
import type { Place } from "./memory.js";

const SYSTEM = helper("systemInRegion");
const HELPERS = ["ecall", "mret", "sret", "sfence_vma"];
const SATP = 0x180;

/** Whether an instruction ends its region so. */
export function endsRegion({ row, word }: Pick<GuestInstruction, "row" | "word">): boolean {
  const semantics = row?.semantics;
  if (semantics?.kind === "csr") return word >>> 20 === SATP;
  return semantics?.kind === "system" && HELPERS.includes(semantics.helper);
}

/** Emits one, and leaves. */
export function emitSystem(context: FunctionContext, instruction: GuestInstruction, place: Place): void {
  exchangeRegisters(context, instruction, () => {
    context.address(place.offset);
    context.i64(0);
    context.i32(instruction.word);
    context.call(SYSTEM);
    context.giveBackIf(place.offset, place.uncounted);
  });
  context.wrote(instruction);
  context.giveBack(place.next, place.uncounted - 1); // HART_STATUS says how to go on
}
