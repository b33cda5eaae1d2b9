/** Moves between float registers, and to and from integer registers: no flags, and NaN is what it is. */
import type { FloatMove } from "@hartvisor/core/isa";
import type { GuestInstruction } from "../guest/instruction.js";
import { Op } from "../wasm/opcodes.js";
import type { FunctionContext } from "./context.js";
import { FORMATS, type Format, getFloat, setFloat } from "./float-format.js";
import { box } from "./memory.js";

const MOVES: readonly FloatMove[] = [
  "fmv.x.w",
  "fmv.x.d",
  "fmv.w.x",
  "fmv.d.x",
  "fsgnj.s",
  "fsgnjn.s",
  "fsgnjx.s",
  "fsgnj.d",
  "fsgnjn.d",
  "fsgnjx.d",
];

export const isInlineMove = (move: FloatMove): boolean => MOVES.includes(move);

export function emitMove(context: FunctionContext, move: FloatMove, { rd, rs1, rs2 }: GuestInstruction): void {
  switch (move) {
    case "fmv.x.d":
      context.getF(rs1);
      context.op(Op.i64_reinterpret_f64);
      context.setX(rd);
      return;
    case "fmv.x.w":
      context.getF(rs1);
      if (context.isSingle(rs1)) context.op(Op.i32_reinterpret_f32, Op.i64_extend_i32_s);
      else context.op(Op.i64_reinterpret_f64, Op.i32_wrap_i64, Op.i64_extend_i32_s);
      context.setX(rd);
      return;
    case "fmv.d.x":
      context.getX(rs1);
      context.op(Op.f64_reinterpret_i64);
      context.setF(rd);
      return;
    case "fmv.w.x":
      context.getX(rs1);
      if (context.isSingle(rd)) context.op(Op.i32_wrap_i64, Op.f32_reinterpret_i32);
      else box(context);
      context.setF(rd);
      return;
    default:
      emitSign(context, move.startsWith("fsgnjn") ? "n" : move.startsWith("fsgnjx") ? "x" : "", move, rd, rs1, rs2);
  }
}

/** fsgnj and its kin; with the same register twice they are copies, negations and absolute values. */
function emitSign(
  context: FunctionContext,
  kind: "" | "n" | "x",
  move: FloatMove,
  rd: number,
  rs1: number,
  rs2: number,
): void {
  const format: Format = move.endsWith(".d") ? "d" : "s";
  const ops = FORMATS[format];
  getFloat(context, rs1, format);
  if (rs1 === rs2) {
    if (kind !== "") context.op(kind === "n" ? ops.neg : ops.abs);
  } else if (kind === "x") {
    // The sign of the product of signs.
    const [reinterpret, back] =
      format === "d"
        ? [Op.i64_reinterpret_f64, Op.f64_reinterpret_i64]
        : [Op.i32_reinterpret_f32, Op.f32_reinterpret_i32];
    context.op(reinterpret);
    getFloat(context, rs2, format);
    context.op(reinterpret);
    if (format === "d") {
      context.op(Op.i64_const);
      context.out.signed64(-(2n ** 63n));
      context.op(Op.i64_and, Op.i64_xor);
    } else {
      context.i32(-(2 ** 31));
      context.op(Op.i32_and, Op.i32_xor);
    }
    context.op(back);
  } else {
    getFloat(context, rs2, format);
    if (kind === "n") context.op(ops.neg);
    context.op(ops.copysign);
  }
  setFloat(context, rd, format);
}
