/**
 * Floating point. Arithmetic is inline where NX is already set and the rounding
 * mode is nearest-even: then only the result, and flags that are rare, are left
 * to find, and the interpreter's module proves when they cannot be raised
 * (core/assembly/float/fast.ts). Everything else is given back to the interpreter.
 */
import { type FloatMove, type FloatOperand, type FloatOperation, hartOffset } from "@hartvisor/core/isa";
import type { GuestInstruction } from "../guest/instruction.js";
import { Op } from "../wasm/opcodes.js";
import { FLOAT_DIRTY, FLOAT_FAST, type FunctionContext, Local } from "./context.js";
import { box, type Place } from "./memory.js";

const FFLAGS = hartOffset("fflags");
const DYNAMIC = 7;
const NEAREST_EVEN = 0;
const TOWARDS_ZERO = 1;

/** Gives an instruction back unless FS is dirty; for a whole block, the first of its kind asks. */
export function requireFloat(context: FunctionContext, place: Place, fast: boolean): void {
  context.get(Local.float);
  context.i32(fast ? FLOAT_FAST : FLOAT_DIRTY);
  context.op(Op.i32_and, Op.i32_eqz);
  context.giveBackIf(place.offset, place.uncounted);
}

/** Opcodes of a format; those of vectors by their bytes (Core Specification, 5.4.8; Relaxed SIMD). */
const FORMATS = {
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
type Format = keyof typeof FORMATS;

const CANONICAL_NAN = 0x7fc00000;

/** Leaves a float register's value on the stack, as f32 or f64; a single that is not boxed is the canonical NaN. */
function getFloat(context: FunctionContext, register: number, format: Format): void {
  context.getF(register);
  if (format === "d" || context.isSingle(register)) return;
  context.op(Op.i64_reinterpret_f64, Op.i32_wrap_i64);
  context.i32(CANONICAL_NAN);
  context.getF(register);
  context.op(Op.i64_reinterpret_f64, Op.i64_const);
  context.out.signed64(-0x100000000n);
  context.op(Op.i64_ge_u, Op.select, Op.f32_reinterpret_i32);
}

function setFloat(context: FunctionContext, register: number, format: Format): void {
  if (format === "s" && !context.isSingle(register)) {
    context.op(Op.i32_reinterpret_f32, Op.i64_extend_i32_u);
    box(context);
  }
  context.setF(register);
}

const scratch = (format: Format) => (format === "d" ? Local.double : Local.single);

/** The number of a format that has these bits. */
function constant(context: FunctionContext, format: Format, value: number): void {
  const bytes = format === "d" ? new Float64Array([value]) : new Float32Array([value]);
  context.op(format === "d" ? Op.f64_const : Op.f32_const);
  context.out.append(new Uint8Array(bytes.buffer));
}

const asFormat = (operand: FloatOperand): Format | undefined =>
  operand === "s" || operand === "d" ? operand : undefined;

/** The part of an operation's name behind the format, e.g. "add". */
const verbOf = ({ name }: FloatOperation): string => name.slice(name.indexOf("_") + 1);

const ARITHMETIC = ["add", "sub", "mul", "div", "sqrt", "fma"];
const COMPARISONS = ["eq", "lt", "le", "min", "max"];
const CONVERSION = /^to_[fiu](?:32|64)$/;

/** Whether an operation has a lowering in the rounding mode that it names. */
export function isInline(operation: FloatOperation, rm: number, hasRoundingMode: boolean): boolean {
  const verb = verbOf(operation);
  const known = (operand: FloatOperand) => ["s", "d", "w", "wu", "l", "lu"].includes(operand);
  if (!operation.from.every(known) || !known(operation.to)) return false;
  const nearest = !hasRoundingMode || rm === NEAREST_EVEN || rm === DYNAMIC;
  if (CONVERSION.test(verb)) return nearest || (asFormat(operation.to) === undefined && rm === TOWARDS_ZERO);
  return (ARITHMETIC.includes(verb) && nearest) || COMPARISONS.includes(verb);
}

export function emitFloat(
  context: FunctionContext,
  operation: FloatOperation,
  instruction: GuestInstruction,
  place: Place,
): void {
  const verb = verbOf(operation);
  if (CONVERSION.test(verb)) emitConversion(context, operation, instruction, place);
  else if (COMPARISONS.includes(verb)) emitComparison(context, operation, verb, instruction, place);
  else emitArithmetic(context, operation, verb, instruction);
}

/** Bits of the smallest normal number and of infinity, without their sign, shifted left by one. */
const MAGNITUDES = {
  s: { smallest: 0x0100_0000n, infinity: 0xff00_0000n },
  d: { smallest: 0x0020_0000_0000_0000n, infinity: 0xffe0_0000_0000_0000n },
} as const;

/** Leaves 1 if the result is infinite or NaN, or, if `tiny` asks for it, no larger than the smallest normal number. */
function isOutside(context: FunctionContext, format: Format, tiny: boolean): void {
  const { smallest, infinity } = MAGNITUDES[format];
  const isDouble = format === "d";
  const constantOf = (value: bigint) => {
    context.op(isDouble ? Op.i64_const : Op.i32_const);
    context.out.signed64(isDouble ? value : BigInt.asIntN(32, value));
  };
  context.get(scratch(format));
  context.op(isDouble ? Op.i64_reinterpret_f64 : Op.i32_reinterpret_f32);
  constantOf(1n);
  context.op(isDouble ? Op.i64_shl : Op.i32_shl);
  const least = tiny ? smallest + 1n : 0n;
  if (tiny) {
    constantOf(least);
    context.op(isDouble ? Op.i64_sub : Op.i32_sub);
  }
  constantOf(infinity - least);
  context.op(isDouble ? Op.i64_ge_u : Op.i32_ge_u);
}

function emitArithmetic(
  context: FunctionContext,
  operation: FloatOperation,
  verb: string,
  { rd, rs1, rs2, rs3 }: GuestInstruction,
): void {
  const format = operation.to as Format;
  const ops = FORMATS[format];
  const result = scratch(format);
  const registers = [rs1, rs2, rs3].slice(0, operation.from.length);
  const bits = () => {
    for (const [n, register] of registers.entries()) {
      getFloat(context, register, format);
      if ((n === 0 && operation.negate?.product) || (n === 2 && operation.negate?.addend)) context.op(ops.neg);
      context.op(format === "d" ? Op.i64_reinterpret_f64 : Op.i32_reinterpret_f32);
    }
    context.get(Local.hart);
    context.i32(FFLAGS);
    context.op(Op.i32_add);
    const type = format === "d" ? "i64" : "i32";
    context.call({
      name: `${ops.type}_${verb}_rne`,
      parameters: [...registers.map(() => type as "i32" | "i64"), "i32"],
      result: type,
    });
    context.op(format === "d" ? Op.f64_reinterpret_i64 : Op.f32_reinterpret_i32);
  };
  if (verb === "fma" && !context.options.fusedMultiplyAdd) {
    bits();
    setFloat(context, rd, format);
    return;
  }
  if (verb === "fma") {
    for (const [n, register] of registers.entries()) {
      getFloat(context, register, format);
      if (n === 2 && operation.negate?.addend) context.op(ops.neg);
      context.out.append(ops.splat);
    }
    context.out.append(operation.negate?.product ? ops.negativeMultiplyAdd : ops.multiplyAdd);
    context.out.append(ops.firstLane);
  } else {
    for (const register of registers) getFloat(context, register, format);
    context.op(ops[verb as "add"]);
  }
  context.set(result);
  // Finite, and for products and quotients not tiny: then nothing but NX was raised (see fast.ts).
  isOutside(context, format, verb === "mul" || verb === "div" || verb === "fma");
  context.unlikely();
  context.open(Op.if);
  bits();
  context.set(result);
  context.close();
  context.get(result);
  setFloat(context, rd, format);
}

/** Leaves 1 if an operand is NaN. */
function anyNaN(context: FunctionContext, format: Format, registers: readonly number[]): void {
  for (const [n, register] of registers.entries()) {
    getFloat(context, register, format);
    context.tee(scratch(format));
    context.get(scratch(format));
    context.op(format === "d" ? Op.f64_ne : Op.f32_ne);
    if (n > 0) context.op(Op.i32_or);
  }
}

function emitComparison(
  context: FunctionContext,
  operation: FloatOperation,
  verb: string,
  { rd, rs1, rs2 }: GuestInstruction,
  place: Place,
): void {
  const format = operation.from[0] as Format;
  anyNaN(context, format, [rs1, rs2]);
  context.giveBackIf(place.offset, place.uncounted);
  getFloat(context, rs1, format);
  getFloat(context, rs2, format);
  context.op(FORMATS[format][verb as "eq"]);
  if (verb === "min" || verb === "max") setFloat(context, rd, format);
  else {
    context.op(Op.i64_extend_i32_u);
    context.setX(rd);
  }
}

function emitConversion(
  context: FunctionContext,
  { from, to }: FloatOperation,
  { rd, rs1, rm }: GuestInstruction,
  place: Place,
): void {
  const source = from[0] as FloatOperand;
  const [fromFloat, toFloat] = [asFormat(source), asFormat(to)];
  if (fromFloat === undefined && toFloat !== undefined) {
    const isLong = source === "l" || source === "lu";
    context.getX(rs1);
    if (!isLong) context.op(Op.i32_wrap_i64);
    context.op(Op[`${FORMATS[toFloat].type}_convert_${isLong ? "i64" : "i32"}_${source.endsWith("u") ? "u" : "s"}`]);
    setFloat(context, rd, toFloat);
    return;
  }
  if (fromFloat !== undefined && toFloat !== undefined) {
    const result = scratch(toFloat);
    getFloat(context, rs1, fromFloat);
    context.op(toFloat === "d" ? Op.f64_promote_f32 : Op.f32_demote_f64);
    context.set(result);
    // Not NaN, infinite or tiny; those may raise more than NX.
    isOutside(context, toFloat, toFloat === "s");
    context.giveBackIf(place.offset, place.uncounted);
    context.get(result);
    setFloat(context, rd, toFloat);
    return;
  }
  // To an integer, by way of a double: exact for every single.
  getFloat(context, rs1, fromFloat as Format);
  if (fromFloat === "s") context.op(Op.f64_promote_f32);
  context.op(rm === TOWARDS_ZERO ? Op.f64_trunc : Op.f64_nearest);
  context.tee(Local.double);
  const [least, beyond] = RANGES[to as keyof typeof RANGES];
  constant(context, "d", least);
  context.op(Op.f64_ge);
  context.get(Local.double);
  constant(context, "d", beyond);
  context.op(Op.f64_lt, Op.i32_and, Op.i32_eqz);
  context.giveBackIf(place.offset, place.uncounted);
  context.get(Local.double);
  if (to === "w") context.op(Op.i32_trunc_f64_s, Op.i64_extend_i32_s);
  else if (to === "wu") context.op(Op.i32_trunc_f64_u, Op.i64_extend_i32_s);
  else context.op(to === "l" ? Op.i64_trunc_f64_s : Op.i64_trunc_f64_u);
  context.setX(rd);
}

/** The integers that a type holds: from the first number to below the second. */
const RANGES = {
  w: [-(2 ** 31), 2 ** 31],
  wu: [0, 2 ** 32],
  l: [-(2 ** 63), 2 ** 63],
  lu: [0, 2 ** 64],
} as const;

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
