/**
 * Floating-point rows in terms of the reference arithmetic of `float.ts`:
 * operation names, NaN boxing, and the moves that only copy bits. For the
 * evaluator.
 */
import type { FloatMove, FloatOperand, FloatOperation } from "../instruction.js";
import * as float from "./float.js";

const BOX = 0xffffffffn << 32n;
const CANONICAL_NAN = float.canonicalNaN(float.FLOAT32);

const FORMATS: Readonly<Record<string, float.FloatFormat>> = { f32: float.FLOAT32, f64: float.FLOAT64 };
const INTEGERS: Readonly<Record<string, { width: 32 | 64; isSigned: boolean }>> = {
  i32: { width: 32, isSigned: true },
  u32: { width: 32, isSigned: false },
  i64: { width: 64, isSigned: true },
  u64: { width: 64, isSigned: false },
};

/** A single in a 64-bit register. */
export const box = (single: bigint): bigint => BOX | BigInt.asUintN(32, single);

/** What a register holds, as a single: the canonical NaN unless it is boxed (Unprivileged ISA 21.2). */
export const unbox = (register: bigint): bigint =>
  register >> 32n === 0xffffffffn ? BigInt.asUintN(32, register) : CANONICAL_NAN;

/** An operand's value, from the register that holds it. */
function operandValue(type: FloatOperand, register: bigint): bigint {
  switch (type) {
    case "s":
      return unbox(register);
    case "d":
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
  const [type = "", operation] = name.split("_");
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
    case "eq":
    case "lt":
    case "le":
      return float.compare(format, operation, a, b);
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
    return isFlipped ? float.negate(type === "s" ? float.FLOAT32 : float.FLOAT64, value) : value;
  });
  const { bits, flags } = operate(name, mode, values);
  return { register: to === "s" ? box(bits) : BigInt.asUintN(64, bits), flags };
}

const SIGN_32 = 1n << 31n;
const SIGN_64 = 1n << 63n;

/** What a move writes to its destination. */
export function evaluateMove(move: FloatMove, a: bigint, b: bigint): bigint {
  const [x, y] = [unbox(a), unbox(b)];
  switch (move) {
    case "fmv.x.w":
      return BigInt.asUintN(64, BigInt.asIntN(32, a));
    case "fmv.w.x":
      return box(a);
    case "fmv.x.d":
    case "fmv.d.x":
      return a;
    case "fsgnj.s":
      return box((x & ~SIGN_32) | (y & SIGN_32));
    case "fsgnjn.s":
      return box((x & ~SIGN_32) | (~y & SIGN_32));
    case "fsgnjx.s":
      return box(x ^ (y & SIGN_32));
    case "fsgnj.d":
      return (a & ~SIGN_64) | (b & SIGN_64);
    case "fsgnjn.d":
      return (a & ~SIGN_64) | (~b & SIGN_64);
    case "fsgnjx.d":
      return a ^ (b & SIGN_64);
  }
}
