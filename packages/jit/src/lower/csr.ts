/** CSR instructions of translated code: state of S-mode's traps, the float CSRs, and time. */
import { CONSTANTS, hartOffset } from "@hartvisor/core/isa";
import type { GuestInstruction } from "../guest/instruction.js";
import { helper } from "../wasm/module.js";
import { Op } from "../wasm/opcodes.js";
import { exitCode, type FunctionContext, Local } from "./context.js";
import type { Place } from "./memory.js";

const CSR = helper("csrInRegion");
const SSTATUS = { name: "sstatusInRegion", parameters: ["i64", "i32", "i64"], result: "i64" } as const;
const X_WINDOW = CONSTANTS.REGISTER_WINDOW + hartOffset("x");

/** fflags, frm, fcsr, sstatus, sie, sscratch, sepc, scause, stval, time. The others count instructions, change fetches, or are rare. */
const NUMBERS = [0x001, 0x002, 0x003, 0x100, 0x104, 0x140, 0x141, 0x142, 0x143, 0xc01];
const SSTATUS_NUMBER = 0x100;
const SEPC_NUMBER = 0x141;
/** Those that are a field of the hart's. */
const FIELDS = new Map([
  [0x140, "sscratch"],
  [SEPC_NUMBER, "sepc"],
  [0x142, "scause"],
  [0x143, "stval"],
]);
/** The ways to write one, as `assembly/privileged/system.ts` numbers them. */
const OPERATIONS = { write: 0, set: 1, clear: 2 } as const;

export const isInlineCsr = ({ word }: Pick<GuestInstruction, "word">): boolean => NUMBERS.includes(word >>> 20);

/** Emits one. It may change the TLB's bank and the float state: what was found out of them before holds no longer. */
export function emitCsr(context: FunctionContext, instruction: GuestInstruction, place: Place): void {
  const number = instruction.word >>> 20;
  const field = FIELDS.get(number);
  if (number === SSTATUS_NUMBER) {
    emitBelowMachine(context, instruction, place, () => emitSstatus(context, instruction, place));
  } else if (field !== undefined && isWhole(instruction)) {
    emitBelowMachine(context, instruction, place, () => emitField(context, instruction, number, hartOffset(field)));
  } else emitByHelper(context, instruction, place);
  context.loadBank();
  if (context.usesFloat) context.loadFloatState();
}

/** Emits a CSR of S-mode by a way of its own, but in U-mode by the helper: it traps there, or is a deprivileged kernel's. */
function emitBelowMachine(
  context: FunctionContext,
  instruction: GuestInstruction,
  place: Place,
  emit: () => void,
): void {
  context.get(Local.hart);
  context.memory(Op.i32_load, hartOffset("privilege"));
  context.op(Op.i32_eqz);
  context.unlikely();
  context.open(Op.if);
  emitByHelper(context, instruction, place);
  context.else();
  emit();
  context.close();
}

/** Whether it writes a whole register's value, or only reads. */
function isWhole({ row, word }: GuestInstruction): boolean {
  const semantics = row?.semantics;
  if (semantics?.kind !== "csr") return false;
  return semantics.operation === "write" ? semantics.source === "register" : sourceOf(word) === 0;
}

/** The field that names the source register, or is the source. */
const sourceOf = (word: number): number => (word >>> 15) & 31;

function emitField(context: FunctionContext, { row, rd, rs1 }: GuestInstruction, number: number, offset: number): void {
  const writes = row?.semantics.kind === "csr" && row.semantics.operation === "write";
  context.get(Local.hart);
  context.memory(Op.i64_load, offset);
  context.set(Local.value);
  if (writes) {
    context.get(Local.hart);
    context.getX(rs1);
    if (number === SEPC_NUMBER) {
      // Bits that no instruction's address has.
      context.get(Local.hart);
      context.memory(Op.i64_load32_u, hartOffset("misalignedTarget"));
      context.i64(1);
      context.op(Op.i64_or);
      context.i64(-1);
      context.op(Op.i64_xor, Op.i64_and);
    }
    context.memory(Op.i64_store, offset);
  }
  context.get(Local.value);
  context.setX(rd);
}

function emitSstatus(context: FunctionContext, { row, rd, rs1, word }: GuestInstruction, place: Place): void {
  const semantics = row?.semantics;
  if (semantics?.kind !== "csr") return;
  context.address(place.offset);
  context.i32(OPERATIONS[semantics.operation]);
  if (semantics.source === "register") context.getX(rs1);
  else context.i64(sourceOf(word));
  context.call(SSTATUS);
  context.setX(rd);
  context.get(Local.hart);
  context.memory(Op.i32_load, hartOffset("status"));
  leaveBehindIf(context, place);
}

function emitByHelper(context: FunctionContext, instruction: GuestInstruction, place: Place): void {
  exchangeRegisters(context, instruction, () => {
    context.address(place.offset);
    context.i64(0);
    context.i32(instruction.word);
    context.call(CSR);
    context.tee(Local.state);
    context.i32(1);
    context.op(Op.i32_eq);
    context.giveBackIf(place.offset, place.uncounted);
  });
  context.get(Local.state);
  leaveBehindIf(context, place);
}

/** Leaves behind the instruction if the i32 on the stack is not zero, as HART_STATUS says. */
function leaveBehindIf(context: FunctionContext, place: Place): void {
  context.unlikely();
  context.open(Op.if);
  context.i32(exitCode(place.next, place.uncounted - 1, true));
  context.set(Local.exit);
  context.leaveByStub();
  context.close();
}

/** Has a system instruction executed by a helper that finds its registers in the window, and leaves the result there. */
export function exchangeRegisters(
  context: FunctionContext,
  { row, rd, rs1, rs2 }: GuestInstruction,
  execute: () => void,
): void {
  for (const [name, register] of [
    ["rs1", rs1],
    ["rs2", rs2],
  ] as const) {
    if (!row?.encoding.fields.has(name) || register === 0) continue;
    context.i32(0);
    context.getX(register);
    context.memory(Op.i64_store, X_WINDOW + register * 8);
  }
  execute();
  if (!row?.encoding.fields.has("rd") || rd === 0) return;
  context.i32(0);
  context.memory(Op.i64_load, X_WINDOW + rd * 8);
  context.setX(rd);
}
