/** The formats of floating point: their instructions, and how float registers hold them. */
import type { FloatOperand } from "@hartvisor/core/isa";
import { Op } from "../wasm/opcodes.js";
import { type FunctionContext, Local } from "./context.js";
import { box } from "./memory.js";

/** Opcodes of a format; those of vectors by their bytes (Core Specification, 5.4.8; Relaxed SIMD). */
export const FORMATS = {
  s: {
    type: "f32",
    add: Op.f32_add,
    sub: Op.f32_sub,
    mul: Op.f32_mul,
    div: Op.f32_div,
    sqrt: Op.f32_sqrt,
    abs: Op.f32_abs,
    neg: Op.f32_neg,
    min: Op.f32_min,
    max: Op.f32_max,
    eq: Op.f32_eq,
    lt: Op.f32_lt,
    le: Op.f32_le,
    copysign: Op.f32_copysign,
    splat: [0xfd, 0x13],
    multiplyAdd: [0xfd, 0x85, 0x02],
    negativeMultiplyAdd: [0xfd, 0x86, 0x02],
    firstLane: [0xfd, 0x1f, 0],
  },
  d: {
    type: "f64",
    add: Op.f64_add,
    sub: Op.f64_sub,
    mul: Op.f64_mul,
    div: Op.f64_div,
    sqrt: Op.f64_sqrt,
    abs: Op.f64_abs,
    neg: Op.f64_neg,
    min: Op.f64_min,
    max: Op.f64_max,
    eq: Op.f64_eq,
    lt: Op.f64_lt,
    le: Op.f64_le,
    copysign: Op.f64_copysign,
    splat: [0xfd, 0x14],
    multiplyAdd: [0xfd, 0x87, 0x02],
    negativeMultiplyAdd: [0xfd, 0x88, 0x02],
    firstLane: [0xfd, 0x21, 0],
  },
} as const;
export type Format = keyof typeof FORMATS;

const CANONICAL_NAN = 0x7fc00000;

/** Leaves a float register's value on the stack, as f32 or f64; a single that is not boxed is the canonical NaN. */
export function getFloat(context: FunctionContext, register: number, format: Format): void {
  context.getF(register);
  if (format === "d" || context.isSingle(register)) return;
  context.op(Op.i64_reinterpret_f64, Op.i32_wrap_i64);
  context.i32(CANONICAL_NAN);
  context.getF(register);
  context.op(Op.i64_reinterpret_f64, Op.i64_const);
  context.out.signed64(-0x100000000n);
  context.op(Op.i64_ge_u, Op.select, Op.f32_reinterpret_i32);
}

export function setFloat(context: FunctionContext, register: number, format: Format): void {
  if (format === "s" && !context.isSingle(register)) {
    context.op(Op.i32_reinterpret_f32, Op.i64_extend_i32_u);
    box(context);
  }
  context.setF(register);
}

/** The local for a result of a format. */
export const scratch = (format: Format) => (format === "d" ? Local.double : Local.single);

export const asFormat = (operand: FloatOperand): Format | undefined =>
  operand === "s" || operand === "d" ? operand : undefined;
