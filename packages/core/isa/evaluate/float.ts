/**
 * Floating point as arithmetic on fractions: the reference for RISC-V's F, D, Zfh and Zfa. Operands become exact
 * rationals of BigInts, an operation is carried out exactly, and {@link round} rounds once. Slow and obvious on
 * purpose: it is the oracle that `assembly/float`, with which it shares no code, is tested against.
 */

/** A binary interchange format: one sign bit, `exponentBits`, `fractionBits` (the leading one is hidden). */
export interface FloatFormat {
  readonly exponentBits: number;
  readonly fractionBits: number;
}

export const FLOAT16: FloatFormat = { exponentBits: 5, fractionBits: 10 };
export const FLOAT32: FloatFormat = { exponentBits: 8, fractionBits: 23 };
export const FLOAT64: FloatFormat = { exponentBits: 11, fractionBits: 52 };

/** The encodings of `frm` (Unprivileged ISA 20191213, 11.2). */
export const RoundingMode = {
  /** To nearest, ties to even. */
  RNE: 0,
  /** Towards zero. */
  RTZ: 1,
  /** Down. */
  RDN: 2,
  /** Up. */
  RUP: 3,
  /** To nearest, ties away from zero. */
  RMM: 4,
} as const;
export type RoundingMode = (typeof RoundingMode)[keyof typeof RoundingMode];

/** The exception bits of `fcsr` (Unprivileged ISA 20191213, 11.2). */
export const FloatFlag = {
  NX: 1,
  UF: 2,
  OF: 4,
  DZ: 8,
  NV: 16,
} as const;

/** What an operation gives: a bit pattern (or an integer, or 0 and 1), and the exceptions it raises. */
export interface FloatResult {
  readonly bits: bigint;
  readonly flags: number;
}

/** A rational number; the denominator is positive. */
interface Exact {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

type Decoded =
  | { readonly kind: "nan"; readonly signaling: boolean }
  | { readonly kind: "infinity"; readonly negative: boolean }
  | { readonly kind: "finite"; readonly negative: boolean; readonly value: Exact };

const { RNE, RTZ, RDN, RUP, RMM } = RoundingMode;
const { NX, UF, OF, DZ, NV } = FloatFlag;

// ---- Bit patterns ----

const signBit = (format: FloatFormat): bigint => 1n << BigInt(format.exponentBits + format.fractionBits);
const exponentOnes = (format: FloatFormat): bigint => (1n << BigInt(format.exponentBits)) - 1n;
const hiddenOne = (format: FloatFormat): bigint => 1n << BigInt(format.fractionBits);
const largestExponent = (format: FloatFormat): number => 2 ** (format.exponentBits - 1) - 1;
const smallestExponent = (format: FloatFormat): number => 1 - largestExponent(format);

const signed = (format: FloatFormat, negative: boolean, magnitude: bigint): bigint =>
  negative ? signBit(format) | magnitude : magnitude;
const zero = (format: FloatFormat, negative: boolean): bigint => signed(format, negative, 0n);
const infinity = (format: FloatFormat, negative: boolean): bigint =>
  signed(format, negative, exponentOnes(format) << BigInt(format.fractionBits));

/** The only NaN that operations return: positive, quiet, no payload. */
export const canonicalNaN = (format: FloatFormat): bigint =>
  infinity(format, false) | (1n << BigInt(format.fractionBits - 1));

/** -a, also of zeros and NaNs: FNMADD and its relatives are {@link fusedMultiplyAdd} of flipped operands. */
export const negate = (format: FloatFormat, a: bigint): bigint => a ^ signBit(format);

const powerOfTwo = (exponent: number): Exact =>
  exponent >= 0
    ? { numerator: 1n << BigInt(exponent), denominator: 1n }
    : { numerator: 1n, denominator: 1n << BigInt(-exponent) };

function decode(format: FloatFormat, bits: bigint): Decoded {
  const negative = (bits & signBit(format)) !== 0n;
  const exponent = (bits >> BigInt(format.fractionBits)) & exponentOnes(format);
  const fraction = bits & (hiddenOne(format) - 1n);
  if (exponent === exponentOnes(format)) {
    if (fraction === 0n) return { kind: "infinity", negative };
    return { kind: "nan", signaling: (fraction & (hiddenOne(format) >> 1n)) === 0n };
  }
  const significand = exponent === 0n ? fraction : hiddenOne(format) | fraction;
  const weight = Number(exponent === 0n ? 1n : exponent) - largestExponent(format) - format.fractionBits;
  const magnitude = multiplyExact({ numerator: significand, denominator: 1n }, powerOfTwo(weight));
  return { kind: "finite", negative, value: negative ? negateExact(magnitude) : magnitude };
}

// ---- Fractions ----

const negateExact = (a: Exact): Exact => ({ numerator: -a.numerator, denominator: a.denominator });

const addExact = (a: Exact, b: Exact): Exact => ({
  numerator: a.numerator * b.denominator + b.numerator * a.denominator,
  denominator: a.denominator * b.denominator,
});

const multiplyExact = (a: Exact, b: Exact): Exact => ({
  numerator: a.numerator * b.numerator,
  denominator: a.denominator * b.denominator,
});

const divideExact = (a: Exact, b: Exact): Exact => {
  const numerator = a.numerator * b.denominator;
  const denominator = a.denominator * b.numerator;
  return denominator < 0n ? { numerator: -numerator, denominator: -denominator } : { numerator, denominator };
};

const compareExact = (a: Exact, b: Exact): number => {
  const left = a.numerator * b.denominator;
  const right = b.numerator * a.denominator;
  return left < right ? -1 : left > right ? 1 : 0;
};

const absolute = (a: bigint): bigint => (a < 0n ? -a : a);

function bitLength(a: bigint): number {
  const hexadecimal = a.toString(16);
  return 4 * (hexadecimal.length - 1) + 32 - Math.clz32(Number.parseInt(hexadecimal.charAt(0), 16));
}

/** The exponent e with 2^e <= magnitude < 2^(e + 1). */
function exponentOfExact(magnitude: Exact): number {
  const guess = bitLength(magnitude.numerator) - bitLength(magnitude.denominator);
  return compareExact(magnitude, powerOfTwo(guess)) < 0 ? guess - 1 : guess;
}

/** The greatest integer whose square is not above a. */
function integerSquareRoot(a: bigint): bigint {
  if (a < 2n) return a;
  // Newton's iteration from above falls until it has arrived.
  let root = 1n << BigInt((bitLength(a) + 1) >> 1);
  for (;;) {
    const next = (root + a / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

// ---- Rounding ----

/** A magnitude rounded to an integer, and whether it was one already. */
function roundMagnitude(magnitude: Exact, negative: boolean, mode: RoundingMode): { integer: bigint; exact: boolean } {
  const floor = magnitude.numerator / magnitude.denominator;
  const rest = magnitude.numerator - floor * magnitude.denominator;
  if (rest === 0n) return { integer: floor, exact: true };
  const half = compareExact(
    { numerator: rest, denominator: magnitude.denominator },
    { numerator: 1n, denominator: 2n },
  );
  let up: boolean;
  if (mode === RNE) up = half > 0 || (half === 0 && (floor & 1n) === 1n);
  else if (mode === RMM) up = half >= 0;
  else if (mode === RDN) up = negative;
  else if (mode === RUP) up = !negative;
  else up = false;
  return { integer: up ? floor + 1n : floor, exact: false };
}

/**
 * The value of `format` for an exact nonzero rational: the one place where a result loses anything. Underflow is
 * raised for a result that is inexact and tiny after rounding (IEEE 754-2019, 7.5 a; Unprivileged ISA 20191213,
 * 11.2).
 */
function round(exact: Exact, format: FloatFormat, mode: RoundingMode): FloatResult {
  const negative = exact.numerator < 0n;
  const magnitude: Exact = { numerator: absolute(exact.numerator), denominator: exact.denominator };
  const exponent = exponentOfExact(magnitude);
  const inUnitsOf = (weight: number): Exact => divideExact(magnitude, powerOfTwo(weight));

  // As if the exponent had no bounds: decides tininess.
  const unboundedWeight = exponent - format.fractionBits;
  const unbounded = roundMagnitude(inUnitsOf(unboundedWeight), negative, mode).integer;
  const roundedUnbounded = multiplyExact({ numerator: unbounded, denominator: 1n }, powerOfTwo(unboundedWeight));
  const tiny = compareExact(roundedUnbounded, powerOfTwo(smallestExponent(format))) < 0;

  // With the exponents there are.
  const weight = Math.max(exponent, smallestExponent(format)) - format.fractionBits;
  const { integer, exact: isExact } = roundMagnitude(inUnitsOf(weight), negative, mode);
  const rounded = multiplyExact({ numerator: integer, denominator: 1n }, powerOfTwo(weight));
  if (compareExact(rounded, powerOfTwo(largestExponent(format) + 1)) >= 0) {
    const toInfinity = mode === RNE || mode === RMM || mode === (negative ? RDN : RUP);
    const bits = toInfinity ? infinity(format, negative) : infinity(format, negative) - 1n;
    return { bits, flags: OF | NX };
  }
  const flags = isExact ? 0 : tiny ? UF | NX : NX;
  return { bits: encode(format, negative, integer, weight), flags };
}

/** The pattern of integer * 2^weight, which the format has. */
function encode(format: FloatFormat, negative: boolean, integer: bigint, weight: number): bigint {
  if (integer < hiddenOne(format)) return signed(format, negative, integer);
  // Rounding up may have given one bit more, a zero.
  const [significand, shiftedWeight] =
    integer === hiddenOne(format) << 1n ? [hiddenOne(format), weight + 1] : [integer, weight];
  const biased = BigInt(shiftedWeight + format.fractionBits + largestExponent(format));
  return signed(format, negative, (biased << BigInt(format.fractionBits)) | (significand - hiddenOne(format)));
}

/** Rounds, or gives the zero of the sign that the operation asks for. */
const roundOrZero = (exact: Exact, format: FloatFormat, mode: RoundingMode, zeroIsNegative: boolean): FloatResult =>
  exact.numerator === 0n ? { bits: zero(format, zeroIsNegative), flags: 0 } : round(exact, format, mode);

const invalid = (format: FloatFormat): FloatResult => ({ bits: canonicalNaN(format), flags: NV });

/** The canonical NaN, for operands with a NaN among them: invalid only if one signals. */
function propagateNaN(format: FloatFormat, ...operands: readonly Decoded[]): FloatResult {
  const signaling = operands.some((operand) => operand.kind === "nan" && operand.signaling);
  return { bits: canonicalNaN(format), flags: signaling ? NV : 0 };
}

// ---- Arithmetic ----

/** The sum of two values, neither of them NaN; the sign of a zero sum is IEEE 754-2019, 6.3. */
function sum(
  format: FloatFormat,
  a: Exclude<Decoded, { kind: "nan" }>,
  b: Exclude<Decoded, { kind: "nan" }>,
  mode: RoundingMode,
): FloatResult {
  if (a.kind === "infinity" && b.kind === "infinity" && a.negative !== b.negative) return invalid(format);
  if (a.kind === "infinity") return { bits: infinity(format, a.negative), flags: 0 };
  if (b.kind === "infinity") return { bits: infinity(format, b.negative), flags: 0 };
  const zeroIsNegative = a.negative === b.negative ? a.negative : mode === RDN;
  return roundOrZero(addExact(a.value, b.value), format, mode, zeroIsNegative);
}

/** a + b. */
export function add(format: FloatFormat, a: bigint, b: bigint, mode: RoundingMode): FloatResult {
  const x = decode(format, a);
  const y = decode(format, b);
  if (x.kind === "nan" || y.kind === "nan") return propagateNaN(format, x, y);
  return sum(format, x, y, mode);
}

/** a - b. */
export function subtract(format: FloatFormat, a: bigint, b: bigint, mode: RoundingMode): FloatResult {
  return add(format, a, negate(format, b), mode);
}

/** a * b. */
export function multiply(format: FloatFormat, a: bigint, b: bigint, mode: RoundingMode): FloatResult {
  const x = decode(format, a);
  const y = decode(format, b);
  if (x.kind === "nan" || y.kind === "nan") return propagateNaN(format, x, y);
  const product = productOf(x, y);
  if (product === undefined) return invalid(format);
  if (product.kind === "infinity") return { bits: infinity(format, product.negative), flags: 0 };
  return roundOrZero(product.value, format, mode, product.negative);
}

/** The exact product of two values that are not NaN; nothing for infinity * 0. */
function productOf(
  x: Exclude<Decoded, { kind: "nan" }>,
  y: Exclude<Decoded, { kind: "nan" }>,
): Exclude<Decoded, { kind: "nan" }> | undefined {
  const negative = x.negative !== y.negative;
  if (x.kind === "finite" && y.kind === "finite") {
    return { kind: "finite", negative, value: multiplyExact(x.value, y.value) };
  }
  const isZero = (operand: Decoded): boolean => operand.kind === "finite" && operand.value.numerator === 0n;
  return isZero(x) || isZero(y) ? undefined : { kind: "infinity", negative };
}

/** a / b. */
export function divide(format: FloatFormat, a: bigint, b: bigint, mode: RoundingMode): FloatResult {
  const x = decode(format, a);
  const y = decode(format, b);
  if (x.kind === "nan" || y.kind === "nan") return propagateNaN(format, x, y);
  const negative = x.negative !== y.negative;
  if (x.kind === "infinity") {
    return y.kind === "infinity" ? invalid(format) : { bits: infinity(format, negative), flags: 0 };
  }
  if (y.kind === "infinity") return { bits: zero(format, negative), flags: 0 };
  if (y.value.numerator === 0n) {
    return x.value.numerator === 0n ? invalid(format) : { bits: infinity(format, negative), flags: DZ };
  }
  return roundOrZero(divideExact(x.value, y.value), format, mode, negative);
}

/** The square root of a. The root of -0 is -0. */
export function squareRoot(format: FloatFormat, a: bigint, mode: RoundingMode): FloatResult {
  const x = decode(format, a);
  if (x.kind === "nan") return propagateNaN(format, x);
  if (x.kind === "finite" && x.value.numerator === 0n) return { bits: a, flags: 0 };
  if (x.negative) return invalid(format);
  if (x.kind === "infinity") return { bits: a, flags: 0 };

  // The root in units of which it has three bits more than the format. If it is not a whole number of them it lies
  // strictly between two, and so does no value or midpoint of the format: one half stands for whatever the rest is.
  const weight = (exponentOfExact(x.value) >> 1) - format.fractionBits - 3;
  const { numerator, denominator } = divideExact(x.value, powerOfTwo(2 * weight));
  const root = integerSquareRoot(numerator / denominator);
  const isExact = root * root * denominator === numerator;
  const inHalves: Exact = { numerator: isExact ? 2n * root : 2n * root + 1n, denominator: 2n };
  return round(multiplyExact(inHalves, powerOfTwo(weight)), format, mode);
}

/** a * b + c, rounded once. Infinity times zero is invalid whatever c is (Unprivileged ISA 20191213, 11.6). */
export function fusedMultiplyAdd(
  format: FloatFormat,
  a: bigint,
  b: bigint,
  c: bigint,
  mode: RoundingMode,
): FloatResult {
  const x = decode(format, a);
  const y = decode(format, b);
  const z = decode(format, c);
  const product = x.kind === "nan" || y.kind === "nan" ? undefined : productOf(x, y);
  if (x.kind !== "nan" && y.kind !== "nan" && product === undefined) return invalid(format);
  if (product === undefined || z.kind === "nan") return propagateNaN(format, x, y, z);
  return sum(format, product, z, mode);
}

// ---- Comparison ----

/** Which comparison: FEQ, FLTQ and FLEQ are quiet, FLT and FLE are signaling. */
export type FloatRelation = "eq" | "lt" | "le" | "ltq" | "leq";

/** 1n if the relation holds, 0n if not or if an operand is NaN. */
export function compare(format: FloatFormat, relation: FloatRelation, a: bigint, b: bigint): FloatResult {
  const x = decode(format, a);
  const y = decode(format, b);
  if (x.kind === "nan" || y.kind === "nan") {
    const { flags } = propagateNaN(format, x, y);
    return { bits: 0n, flags: relation === "lt" || relation === "le" ? NV : flags };
  }
  const order = compareExact(extended(format, x), extended(format, y));
  const holds = relation === "eq" ? order === 0 : relation.startsWith("lt") ? order < 0 : order <= 0;
  return { bits: holds ? 1n : 0n, flags: 0 };
}

/** A value on the number line, where infinity is something beyond every finite value. */
function extended(format: FloatFormat, a: Exclude<Decoded, { kind: "nan" }>): Exact {
  if (a.kind === "finite") return a.value;
  const beyond = powerOfTwo(largestExponent(format) + 1);
  return a.negative ? negateExact(beyond) : beyond;
}

/** The lesser number, -0 below +0; the number if the other operand is NaN (IEEE 754-2019 minimumNumber). */
export function minimum(format: FloatFormat, a: bigint, b: bigint): FloatResult {
  return extremum(format, a, b, -1);
}

/** The greater number, +0 above -0; the number if the other operand is NaN (IEEE 754-2019 maximumNumber). */
export function maximum(format: FloatFormat, a: bigint, b: bigint): FloatResult {
  return extremum(format, a, b, 1);
}

/** The lesser number, -0 below +0; NaN if an operand is (IEEE 754-2019 minimum). */
export function minimumOrNaN(format: FloatFormat, a: bigint, b: bigint): FloatResult {
  return extremumOrNaN(format, a, b, -1);
}

/** The greater number, +0 above -0; NaN if an operand is (IEEE 754-2019 maximum). */
export function maximumOrNaN(format: FloatFormat, a: bigint, b: bigint): FloatResult {
  return extremumOrNaN(format, a, b, 1);
}

function extremumOrNaN(format: FloatFormat, a: bigint, b: bigint, direction: 1 | -1): FloatResult {
  const [x, y] = [decode(format, a), decode(format, b)];
  if (x.kind === "nan" || y.kind === "nan") return propagateNaN(format, x, y);
  return extremum(format, a, b, direction);
}

function extremum(format: FloatFormat, a: bigint, b: bigint, direction: 1 | -1): FloatResult {
  const x = decode(format, a);
  const y = decode(format, b);
  const { flags } = propagateNaN(format, x, y);
  if (x.kind === "nan") return { bits: y.kind === "nan" ? canonicalNaN(format) : b, flags };
  if (y.kind === "nan") return { bits: a, flags };
  const order = compareExact(extended(format, x), extended(format, y)) || Number(y.negative) - Number(x.negative);
  return { bits: order * direction >= 0 ? a : b, flags };
}

/** FCLASS: the one of ten bits that says what a is (Unprivileged ISA 20191213, table 11.5). */
export function classify(format: FloatFormat, a: bigint): FloatResult {
  const x = decode(format, a);
  const bit = (index: number): FloatResult => ({ bits: 1n << BigInt(index), flags: 0 });
  if (x.kind === "nan") return bit(x.signaling ? 8 : 9);
  if (x.kind === "infinity") return bit(x.negative ? 0 : 7);
  if (x.value.numerator === 0n) return bit(x.negative ? 3 : 4);
  const magnitude: Exact = { numerator: absolute(x.value.numerator), denominator: x.value.denominator };
  const normal = compareExact(magnitude, powerOfTwo(smallestExponent(format))) >= 0;
  if (x.negative) return bit(normal ? 1 : 2);
  return bit(normal ? 6 : 5);
}

// ---- Conversion ----

/**
 * a as an integer of `width` bits, in the form of the 64-bit register that RV64 writes: sign-extended from `width`,
 * unsigned ones too. Out of range saturates with NV alone; NaN counts as +infinity (Unprivileged ISA 20191213, table
 * 11.4).
 */
export function toInteger(
  format: FloatFormat,
  a: bigint,
  width: 32 | 64,
  isSigned: boolean,
  mode: RoundingMode,
): FloatResult {
  const x = decode(format, a);
  const smallest = isSigned ? -(1n << BigInt(width - 1)) : 0n;
  const largest = isSigned ? (1n << BigInt(width - 1)) - 1n : (1n << BigInt(width)) - 1n;
  const register = (integer: bigint): bigint => BigInt.asUintN(64, BigInt.asIntN(width, integer));
  if (x.kind === "nan") return { bits: register(largest), flags: NV };
  if (x.kind === "infinity") return { bits: register(x.negative ? smallest : largest), flags: NV };
  const magnitude: Exact = { numerator: absolute(x.value.numerator), denominator: x.value.denominator };
  const rounded = roundMagnitude(magnitude, x.negative, mode);
  const integer = x.negative ? -rounded.integer : rounded.integer;
  if (integer < smallest) return { bits: register(smallest), flags: NV };
  if (integer > largest) return { bits: register(largest), flags: NV };
  return { bits: register(integer), flags: rounded.exact ? 0 : NX };
}

/** An integer of any size, rounded to the format. Zero is +0. */
export function fromInteger(format: FloatFormat, integer: bigint, mode: RoundingMode): FloatResult {
  return roundOrZero({ numerator: integer, denominator: 1n }, format, mode, false);
}

/** A value of one format in another. */
export function convert(from: FloatFormat, to: FloatFormat, a: bigint, mode: RoundingMode): FloatResult {
  const x = decode(from, a);
  if (x.kind === "nan") return propagateNaN(to, x);
  if (x.kind === "infinity") return { bits: infinity(to, x.negative), flags: 0 };
  return roundOrZero(x.value, to, mode, x.negative);
}

/**
 * a rounded to an integer that stays in the format, zeros with the sign of a; inexact only if it is to be told
 * (Unprivileged ISA 22.3: FROUND and FROUNDNX).
 */
export function roundToIntegral(
  format: FloatFormat,
  a: bigint,
  mode: RoundingMode,
  tellsInexact: boolean,
): FloatResult {
  const x = decode(format, a);
  if (x.kind === "nan") return propagateNaN(format, x);
  if (x.kind === "infinity") return { bits: a, flags: 0 };
  const magnitude: Exact = { numerator: absolute(x.value.numerator), denominator: x.value.denominator };
  const { integer, exact } = roundMagnitude(magnitude, x.negative, mode);
  const { bits } = fromInteger(format, integer, mode);
  return { bits: signed(format, x.negative, bits), flags: exact || !tellsInexact ? 0 : NX };
}

/**
 * a truncated to an integer, modulo 2^32 and sign-extended; 0 for infinities and NaN. The flags are those of
 * {@link toInteger} with 32 bits (Unprivileged ISA 22.4: FCVTMOD.W.D).
 */
export function wrapToInteger(format: FloatFormat, a: bigint): FloatResult {
  const x = decode(format, a);
  const { flags } = toInteger(format, a, 32, true, RTZ);
  if (x.kind !== "finite") return { bits: 0n, flags };
  const integer = x.value.numerator / x.value.denominator; // BigInt division truncates
  return { bits: BigInt.asUintN(64, BigInt.asIntN(32, integer)), flags };
}
