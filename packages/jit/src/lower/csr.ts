/** CSR instructions that translated code executes by a helper: state of S-mode's traps, and the float CSRs. */
import { CONSTANTS, hartOffset } from "@hartvisor/core/isa";
import type { GuestInstruction } from "../guest/instruction.js";
import { Op } from "../wasm/opcodes.js";
import { exitCode, type FunctionContext, Local } from "./context.js";
import type { Place } from "./memory.js";

const CSR = { name: "csrInRegion", parameters: ["i64", "i32"], result: "i32" } as const;
const X_WINDOW = CONSTANTS.REGISTER_WINDOW + hartOffset("x");

/** fflags, frm, fcsr, sstatus, sie, sscratch, sepc, scause, stval. The others count instructions, change fetches, or are rare. */
const NUMBERS = [0x001, 0x002, 0x003, 0x100, 0x104, 0x140, 0x141, 0x142, 0x143];

export const isInlineCsr = ({ word }: GuestInstruction): boolean => NUMBERS.includes(word >>> 20);

/** Emits one. It may change the TLB's bank and the float state: what was found out of them before holds no longer. */
export function emitCsr(context: FunctionContext, instruction: GuestInstruction, place: Place): void {
  const { row, rd, rs1, word } = instruction;
  if (row?.encoding.fields.has("rs1") && rs1 !== 0) {
    context.i32(0);
    context.getX(rs1);
    context.memory(Op.i64_store, X_WINDOW + rs1 * 8);
  }
  context.address(place.offset);
  context.i32(word);
  context.call(CSR);
  context.tee(Local.state);
  context.i32(1);
  context.op(Op.i32_eq);
  context.giveBackIf(place.offset, place.uncounted);
  if (rd !== 0) {
    context.i32(0);
    context.memory(Op.i64_load, X_WINDOW + rd * 8);
    context.setX(rd);
  }
  context.get(Local.state);
  context.unlikely();
  context.open(Op.if);
  context.i32(exitCode(place.next, place.uncounted - 1, true));
  context.set(Local.exit);
  context.leaveByStub();
  context.close();
  context.loadBank();
  if (context.usesFloat) context.loadFloatState();
  context.resetWindows();
}
