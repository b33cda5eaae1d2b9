/**
 * Floating point. Arithmetic is inline where NX is already set and the rounding
 * mode is nearest-even: then only the result, and flags that are rare, are left
 * to find, and the interpreter's module proves when they cannot be raised
 * (core/assembly/float/fast.ts). Everything else is given back to the interpreter.
 */
import { type FloatOperand, type FloatOperation, hartOffset } from "@hartvisor/core/isa";
import type { GuestInstruction } from "../guest/instruction.js";
import { Op } from "../wasm/opcodes.js";
import { FLOAT_DIRTY, FLOAT_FAST, type FunctionContext, Local } from "./context.js";
import { asFormat, FORMATS, type Format, getFloat, scratch, setFloat } from "./float-format.js";
import { gather, isOutside, type Look } from "./float-looks.js";
import type { Place } from "./memory.js";

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
  else emitArithmetic(context, operation, instruction);
}

/** Sums and roots are never tiny and inexact, products and quotients may be; undefined for what is not computed inline. */
export function arithmeticKind(operation: FloatOperation, fusedMultiplyAdd: boolean): "sum" | "product" | undefined {
  const verb = verbOf(operation);
  if (!ARITHMETIC.includes(verb) || (verb === "fma" && !fusedMultiplyAdd)) return undefined;
  return verb === "mul" || verb === "div" || verb === "fma" ? "product" : "sum";
}

/** Whether it makes a float of an integer, for which nothing need be looked at. */
export const isFromInteger = ({ from, to }: FloatOperation): boolean =>
  asFormat(from[0] as FloatOperand) === undefined && asFormat(to) !== undefined;

/** Arithmetic; in a batch, without a look at the result by itself. */
export function emitArithmetic(
  context: FunctionContext,
  operation: FloatOperation,
  { rd, rs1, rs2, rs3 }: GuestInstruction,
  look?: Look,
): void {
  const format = operation.to as Format;
  const result = scratch(format);
  const registers = [rs1, rs2, rs3].slice(0, operation.from.length);
  const kind = arithmeticKind(operation, context.options.fusedMultiplyAdd);
  if (kind === undefined) {
    computeExactly(context, operation, registers);
    setFloat(context, rd, format);
    return;
  }
  compute(context, operation, registers);
  context.set(result);
  if (look === undefined) {
    isOutside(context, format, kind === "product");
    context.unlikely();
    context.open(Op.if);
    computeExactly(context, operation, registers);
    context.set(result);
    context.close();
  } else if (look !== "implied") gather(context, kind, look);
  context.get(result);
  setFloat(context, rd, format);
}

/** Leaves the result on the stack, and what flags it raises unknown. */
function compute(context: FunctionContext, operation: FloatOperation, registers: readonly number[]): void {
  const format = operation.to as Format;
  const ops = FORMATS[format];
  const verb = verbOf(operation);
  if (verb !== "fma") {
    for (const register of registers) getFloat(context, register, format);
    context.op(ops[verb as "add"]);
    return;
  }
  for (const [n, register] of registers.entries()) {
    getFloat(context, register, format);
    if (n === 2 && operation.negate?.addend) context.op(ops.neg);
    context.out.append(ops.splat);
  }
  context.out.append(operation.negate?.product ? ops.negativeMultiplyAdd : ops.multiplyAdd);
  context.out.append(ops.firstLane);
}

/** Leaves the result on the stack, and raises its flags. */
function computeExactly(context: FunctionContext, operation: FloatOperation, registers: readonly number[]): void {
  const format = operation.to as Format;
  const ops = FORMATS[format];
  const type = format === "d" ? "i64" : "i32";
  for (const [n, register] of registers.entries()) {
    getFloat(context, register, format);
    if ((n === 0 && operation.negate?.product) || (n === 2 && operation.negate?.addend)) context.op(ops.neg);
    context.op(format === "d" ? Op.i64_reinterpret_f64 : Op.i32_reinterpret_f32);
  }
  context.get(Local.hart);
  context.i32(FFLAGS);
  context.op(Op.i32_add);
  context.call({
    name: `${ops.type}_${verbOf(operation)}_rne`,
    parameters: [...registers.map(() => type as "i32" | "i64"), "i32"],
    result: type,
  });
  context.op(format === "d" ? Op.f64_reinterpret_i64 : Op.f32_reinterpret_i32);
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
  const compare = (first: number, second: number, opcode: number) => {
    getFloat(context, first, format);
    getFloat(context, second, format);
    context.op(opcode);
  };
  if (verb === "lt" || verb === "le") {
    const { lt, le } = FORMATS[format];
    compare(rs1, rs2, verb === "lt" ? lt : le);
    context.tee(Local.state);
    // Of two numbers this or the opposite is true; where one is NaN, neither.
    compare(rs2, rs1, verb === "lt" ? le : lt);
    context.op(Op.i32_or, Op.i32_eqz);
    context.giveBackIf(place.offset, place.uncounted);
    context.get(Local.state);
    context.op(Op.i64_extend_i32_u);
    context.setX(rd);
    return;
  }
  anyNaN(context, format, [rs1, rs2]);
  context.giveBackIf(place.offset, place.uncounted);
  compare(rs1, rs2, FORMATS[format][verb as "eq"]);
  if (verb !== "eq") setFloat(context, rd, format);
  else {
    context.op(Op.i64_extend_i32_u);
    context.setX(rd);
  }
}

/** The number of a format that has these bits. */
function constant(context: FunctionContext, format: Format, value: number): void {
  const bytes = format === "d" ? new Float64Array([value]) : new Float32Array([value]);
  context.op(format === "d" ? Op.f64_const : Op.f32_const);
  context.out.append(new Uint8Array(bytes.buffer));
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
