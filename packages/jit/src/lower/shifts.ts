/**
 * Shifts of one register that together are less than each by itself: by them code takes a register's lower bits (without
 * Zba and Zbb there is no other instruction for a word), and rotates words.
 */
import type { GuestInstruction } from "../guest/instruction.js";
import type { PlacedInstruction } from "../region/block.js";
import { Op } from "../wasm/opcodes.js";
import type { FunctionContext } from "./context.js";

/** What an instruction computes of a register that was shifted before. */
type Combined =
  /** Its lower word, or fewer bits, shifted to the left, or to the right if that is negative. */
  | { readonly kind: "bits"; readonly from: number; readonly bits: number; readonly left: number }
  /** Its lower word rotated to the left, sign-extended. */
  | { readonly kind: "rotated"; readonly from: number; readonly left: number };

export interface CombinedShifts {
  /** By the offsets of instructions whose operands are shifts. */
  readonly combined: ReadonlyMap<number, Combined>;
  /** Offsets of shifts whose result nothing else sees: their registers stay what they were. */
  readonly skipped: ReadonlySet<number>;
}

const NONE: CombinedShifts = { combined: new Map(), skipped: new Set() };

/** A shift by a constant whose result its register holds still. */
interface Shift {
  readonly offset: number;
  readonly instruction: GuestInstruction;
  /** What was shifted is in its register still. */
  isThere: boolean;
  /** Nothing has seen the result. */
  isUnseen: boolean;
}

const isFirst = ({ row, imm, rd }: GuestInstruction): boolean =>
  rd !== 0 && ((row?.name === "slli" && imm >= 32) || row?.name === "slliw" || row?.name === "srliw");

/** What the instructions of a block compute of registers that it shifted before. */
export function combineShifts(instructions: readonly PlacedInstruction[]): CombinedShifts {
  if (!instructions.some(({ instruction }) => isFirst(instruction))) return NONE;
  const combined = new Map<number, Combined>();
  const skipped = new Set<number>();
  const shifts = new Map<number, Shift>();
  for (const { offset, instruction } of instructions) {
    const { row, rd, rs1, rs2, reads, writes } = instruction;
    const [first, second] = [shifts.get(rs1), shifts.get(rs2)];
    if (row?.name === "srli" && first !== undefined) {
      const bits = lowerBits(first.instruction, instruction);
      const isInPlace = first.isUnseen && first.instruction.rs1 === rs1 && rd === rs1;
      if (bits !== undefined && (first.isThere || isInPlace)) combined.set(offset, bits);
      if (bits !== undefined && isInPlace) skipped.add(first.offset);
    } else if (row?.name === "or" && first?.isThere && second?.isThere) {
      const word = rotated(first.instruction, second.instruction) ?? rotated(second.instruction, first.instruction);
      if (word !== undefined) combined.set(offset, word);
    }
    const staysInRegion = row?.semantics.kind === "compute";
    for (const [register, shift] of shifts) {
      shift.isUnseen &&= staysInRegion && ((reads.x >>> register) & 1) === 0;
      shift.isThere &&= ((writes.x >>> shift.instruction.rs1) & 1) === 0;
      if (((writes.x >>> register) & 1) !== 0) shifts.delete(register);
    }
    if (isFirst(instruction)) shifts.set(rd, { offset, instruction, isThere: rd !== rs1, isUnseen: true });
  }
  return { combined, skipped };
}

/** `slli` and then `srli`: of a word by any constant, of fewer bits by the same. */
function lowerBits(up: GuestInstruction, down: GuestInstruction): Combined | undefined {
  if (up.row?.name !== "slli" || (up.imm !== 32 && up.imm !== down.imm)) return undefined;
  return { kind: "bits", from: up.rs1, bits: 64 - up.imm, left: up.imm - down.imm };
}

/** `slliw` and `srliw` of one register, by 32 together. */
function rotated(up: GuestInstruction, down: GuestInstruction): Combined | undefined {
  if (up.row?.name !== "slliw" || down.row?.name !== "srliw") return undefined;
  if (up.rs1 !== down.rs1 || up.imm + down.imm !== 32) return undefined;
  return { kind: "rotated", from: up.rs1, left: up.imm };
}

/** Leaves the value on the stack. */
export function emitCombined(context: FunctionContext, value: Combined): void {
  context.getX(value.from);
  if (value.kind === "rotated") {
    context.op(Op.i32_wrap_i64);
    context.i32(value.left);
    context.op(Op.i32_rotl, Op.i64_extend_i32_s);
    return;
  }
  if (value.bits === 32) context.op(Op.i32_wrap_i64, Op.i64_extend_i32_u);
  else {
    context.i64(2 ** value.bits - 1);
    context.op(Op.i64_and);
  }
  if (value.left === 0) return;
  context.i64(Math.abs(value.left));
  context.op(value.left > 0 ? Op.i64_shl : Op.i64_shr_u);
}
