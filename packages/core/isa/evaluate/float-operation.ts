/**
 * Floating-point rows in terms of the reference arithmetic of `float.ts`:
 * operation names, NaN boxing, and the moves that only copy bits. For the
 * evaluator.
 */
import type { FloatFormat, FloatMove, FloatOperand, FloatOperation } from "../instruction.js";
import * as float from "./float.js";

const FORMATS: Readonly<Record<string, float.FloatFormat>> = {
  f16: float.FLOAT16,
  f32: float.FLOAT32,
  f64: float.FLOAT64,
};
const FORMAT_OF = { h: float.FLOAT16, s: float.FLOAT32, d: float.FLOAT64 } as const;
const WIDTHS = { h: 16, s: 32, d: 64 } as const;
const isFormat = (operand: FloatOperand): operand is FloatFormat => operand in WIDTHS;
const INTEGERS: Readonly<Record<string, { width: 32 | 64; isSigned: boolean }>> = {
  i32: { width: 32, isSigned: true },
  u32: { width: 32, isSigned: false },
  i64: { width: 64, isSigned: true },
  u64: { width: 64, isSigned: false },
};

/** A value of a format in a 64-bit register. */
export const box = (format: FloatFormat, value: bigint): bigint =>
  BigInt.asUintN(64, (-1n << BigInt(WIDTHS[format])) | BigInt.asUintN(WIDTHS[format], value));

/** What a register holds, as a value of a format: the canonical NaN unless it is boxed (Unprivileged ISA 21.2). */
export const unbox = (format: FloatFormat, register: bigint): bigint =>
  box(format, register) === register ? BigInt.asUintN(WIDTHS[format], register) : float.canonicalNaN(FORMAT_OF[format]);

/** An operand's value, from the register that holds it. */
function operandValue(type: FloatOperand, register: bigint): bigint {
  switch (type) {
    case "h":
    case "s":
    case "d":
      return unbox(type, register);
    case "lu":
      return register;
    case "l":
      return BigInt.asIntN(64, register);
    case "w":
      return BigInt.asIntN(32, register);
    case "wu":
      return BigInt.asUintN(32, register);
  }
}

function convert(from: string, to: string, a: bigint, mode: float.RoundingMode): float.FloatResult {
  const [source, target] = [FORMATS[from], FORMATS[to]];
  const integer = INTEGERS[to];
  if (source !== undefined && target !== undefined) return float.convert(source, target, a, mode);
  if (target !== undefined) return float.fromInteger(target, a, mode);
  if (source === undefined || integer === undefined) throw new RangeError(`no conversion from ${from} to ${to}`);
  return float.toInteger(source, a, integer.width, integer.isSigned, mode);
}

function operate(name: string, mode: float.RoundingMode, [a = 0n, b = 0n, c = 0n]: readonly bigint[]) {
  const [, from = "", to] = /^(.*)_to_(.*)$/.exec(name) ?? [];
  if (to !== undefined) return convert(from, to, a, mode);
  const [, type = "", operation] = /^([^_]*)_(.*)$/.exec(name) ?? [];
  const format = FORMATS[type];
  if (format === undefined) throw new RangeError(`${name} is of no format`);
  switch (operation) {
    case "add":
      return float.add(format, a, b, mode);
    case "sub":
      return float.subtract(format, a, b, mode);
    case "mul":
      return float.multiply(format, a, b, mode);
    case "div":
      return float.divide(format, a, b, mode);
    case "sqrt":
      return float.squareRoot(format, a, mode);
    case "fma":
      return float.fusedMultiplyAdd(format, a, b, c, mode);
    case "min":
      return float.minimum(format, a, b);
    case "max":
      return float.maximum(format, a, b);
    case "minm":
      return float.minimumOrNaN(format, a, b);
    case "maxm":
      return float.maximumOrNaN(format, a, b);
    case "eq":
    case "lt":
    case "le":
    case "ltq":
    case "leq":
      return float.compare(format, operation, a, b);
    case "round":
    case "roundnx":
      return float.roundToIntegral(format, a, mode, operation === "roundnx");
    case "wrap_i32":
      return float.wrapToInteger(format, a);
    case "classify":
      return float.classify(format, a);
  }
  throw new RangeError(`float.ts does not know ${name}`);
}

/** The rounding mode of this encoding, or undefined where it is reserved. */
export const roundingMode = (rm: number): float.RoundingMode | undefined =>
  Object.values(float.RoundingMode).find((mode) => mode === rm);

/** Carries out an operation on registers; gives what to write to the destination, and the flags to raise. */
export function evaluateFloat(
  { name, from, to, negate }: FloatOperation,
  registers: readonly bigint[],
  mode: float.RoundingMode,
): { register: bigint; flags: number } {
  const values = from.map((type, n) => {
    const value = operandValue(type, registers[n] ?? 0n);
    const isFlipped = (n === 0 && negate?.product) || (n === 2 && negate?.addend);
    return isFlipped && isFormat(type) ? float.negate(FORMAT_OF[type], value) : value;
  });
  const { bits, flags } = operate(name, mode, values);
  return { register: isFormat(to) ? box(to, bits) : BigInt.asUintN(64, bits), flags };
}

/** What a move writes to its destination. */
export function evaluateMove(move: FloatMove, a: bigint, b: bigint): bigint {
  switch (move) {
    case "fmv.x.h":
      return BigInt.asUintN(64, BigInt.asIntN(16, a));
    case "fmv.x.w":
      return BigInt.asUintN(64, BigInt.asIntN(32, a));
    case "fmv.h.x":
      return box("h", a);
    case "fmv.w.x":
      return box("s", a);
    case "fmv.x.d":
    case "fmv.d.x":
      return a;
  }
  const [name, format] = move.split(".") as [string, FloatFormat];
  const sign = 1n << BigInt(WIDTHS[format] - 1);
  const [x, y] = [unbox(format, a), unbox(format, b)];
  if (name === "fsgnjx") return box(format, x ^ (y & sign));
  return box(format, (x & ~sign) | ((name === "fsgnjn" ? ~y : y) & sign));
}
