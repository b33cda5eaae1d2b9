/**
 * Operands that floating-point code gets wrong: the edges of a format, and random values biased towards cancellation,
 * ties and results near the ends of the exponent range. Everything derives from one seed.
 */
import { convert, FLOAT16, FLOAT64, type FloatFormat, RoundingMode } from "../../isa/evaluate/float.js";

/** How many random operand tuples an operation gets (each in every rounding mode). */
export const RANDOM_CASES = Number(process.env.HARTVISOR_FLOAT_CASES ?? 1500);
export const SEED = Number(process.env.HARTVISOR_FLOAT_SEED ?? 0x5eed);

/** Uniform 32-bit integers (splitmix32), the same for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  uint32(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return (x ^ (x >>> 16)) >>> 0;
  }

  below(limit: number): number {
    return this.uint32() % limit;
  }

  bits(width: number): bigint {
    return BigInt.asUintN(width, (BigInt(this.uint32()) << 32n) | BigInt(this.uint32()));
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }
}

const widthOf = (format: FloatFormat): number => 1 + format.exponentBits + format.fractionBits;

function pattern(format: FloatFormat, negative: boolean, biasedExponent: number, fraction: bigint): bigint {
  const sign = negative ? 1n << BigInt(widthOf(format) - 1) : 0n;
  return sign | (BigInt(biasedExponent) << BigInt(format.fractionBits)) | fraction;
}

/** Both signs of zeros, subnormals, normals, infinities and NaNs where something changes; fewer for triples. */
export function edges(format: FloatFormat, few = false): bigint[] {
  const ones = (1 << format.exponentBits) - 1;
  const bias = ones >> 1;
  const { fractionBits } = format;
  const full = (1n << BigInt(fractionBits)) - 1n;
  const half = 1n << BigInt(fractionBits - 1);
  const positive: bigint[] = [
    0n,
    1n, // smallest subnormal
    full, // largest subnormal
    pattern(format, false, 1, 0n), // smallest normal
    pattern(format, false, bias, 0n), // 1
    pattern(format, false, bias, 1n),
    pattern(format, false, bias - 1, full), // 1 - ulp / 2
    pattern(format, false, bias, half), // 1.5
    pattern(format, false, bias - 1, 0n), // 0.5
    pattern(format, false, ones - 1, full), // largest finite
    pattern(format, false, ones, 0n), // infinity
    pattern(format, false, ones, half), // canonical NaN
    pattern(format, false, ones, 1n), // signaling NaN
  ];
  if (!few) {
    positive.push(
      2n,
      3n,
      half,
      half - 1n,
      half + 1n,
      full - 1n,
      pattern(format, false, 1, 1n),
      pattern(format, false, 1, full),
      pattern(format, false, 2, 0n),
      pattern(format, false, bias - 1, half),
      pattern(format, false, bias - 2, 0n),
      pattern(format, false, bias, full),
      pattern(format, false, bias, full - 1n),
      pattern(format, false, bias + 1, 0n), // 2
      pattern(format, false, bias + 1, half), // 3
      pattern(format, false, bias + fractionBits, 1n), // the last binade with a half
      pattern(format, false, bias - fractionBits - 1, 0n), // half a unit of 1
      pattern(format, false, bias - fractionBits - 1, 1n),
      pattern(format, false, bias - fractionBits - 2, full),
      pattern(format, false, bias - fractionBits, 0n),
      pattern(format, false, bias >> 1, full), // its square is near the smallest normal
      pattern(format, false, (bias >> 1) + 1, 0n),
      pattern(format, false, bias + (bias >> 1), full), // its square is near the largest
      pattern(format, false, bias + (bias >> 1) + 1, 0n),
      pattern(format, false, ones - 1, 0n),
      pattern(format, false, ones - 2, full),
      pattern(format, false, ones, full), // quiet NaN with a payload
      pattern(format, false, ones, half - 1n), // signaling NaN with a payload
    );
    // Where conversions to integers saturate, and where they round at it.
    for (const power of [7, 8, 15, 16, 31, 32, 63, 64]) {
      if (power <= bias) {
        const atPower = pattern(format, false, bias + power, 0n);
        positive.push(atPower - 2n, atPower - 1n, atPower, atPower + 1n);
        if (power < fractionBits) {
          const unit = 1n << BigInt(fractionBits - power);
          positive.push(atPower - unit, atPower - 2n * unit, atPower + unit, atPower + (unit >> 1n));
        }
      }
    }
  }
  return positive.flatMap((value) => [value, pattern(format, true, 0, value)]);
}

/** Integers of a type at which conversions to floating point change: powers of two and their neighbours. */
export function integerEdges(width: 32 | 64): bigint[] {
  const values = new Set<bigint>([0n, (1n << BigInt(width)) - 1n]);
  for (let power = 0; power < width; power += 1) {
    for (const offset of [-2n, -1n, 0n, 1n, 2n]) {
      values.add(BigInt.asUintN(width, (1n << BigInt(power)) + offset));
      values.add(BigInt.asUintN(width, -(1n << BigInt(power)) + offset));
    }
    // Half-way between two values of a format with 11, 24 or 53 bits.
    for (const precision of [11, 24, 53]) {
      if (power >= precision) {
        const tie = (1n << BigInt(power)) | (1n << BigInt(power - precision));
        for (const offset of [-1n, 0n, 1n]) values.add(BigInt.asUintN(width, tie + offset));
      }
    }
  }
  return [...values];
}

/** A fraction field with long runs of equal bits or few ones: what makes ties and carries. */
function fractionOf(format: FloatFormat, random: Random): bigint {
  const { fractionBits } = format;
  const full = (1n << BigInt(fractionBits)) - 1n;
  switch (random.below(5)) {
    case 0:
      return (full << BigInt(random.below(fractionBits + 1))) & full;
    case 1:
      return full >> BigInt(random.below(fractionBits + 1));
    case 2:
      return (1n << BigInt(random.below(fractionBits))) | (1n << BigInt(random.below(fractionBits)));
    case 3:
      return (random.bits(fractionBits) << BigInt(random.below(fractionBits))) & full;
    default:
      return random.bits(fractionBits);
  }
}

function valueNear(format: FloatFormat, biasedExponent: number, random: Random): bigint {
  const ones = (1 << format.exponentBits) - 1;
  const clamped = Math.min(Math.max(biasedExponent, 0), ones - 1);
  return pattern(format, random.below(2) === 1, clamped, fractionOf(format, random));
}

/**
 * Operands for one operation. The first is free; the others lean towards it: near exponents and its neighbours for
 * sums, exponents that bring products and quotients to the ends of the range; the third of three towards the product
 * of the others.
 */
export function randomOperands(format: FloatFormat, count: number, random: Random): bigint[] {
  const width = widthOf(format);
  const ones = (1 << format.exponentBits) - 1;
  const bias = ones >> 1;
  const exponentOf = (bits: bigint): number => Number(bits >> BigInt(format.fractionBits)) & ones;
  const spread = (by: number): number => random.below(2 * by + 1) - by;
  const allEdges = edges(format, true);

  const first = random.below(8) === 0 ? random.bits(width) : valueNear(format, random.below(ones + 1), random);
  const operands = [random.below(16) === 0 ? random.pick(allEdges) : first];
  if (count > 1) {
    const exponent = exponentOf(operands[0] as bigint);
    let second: bigint;
    switch (random.below(8)) {
      case 0:
        second = random.bits(width);
        break;
      case 1:
        second = BigInt.asUintN(width, (operands[0] as bigint) + BigInt(spread(4)));
        break;
      case 2:
        second = BigInt.asUintN(width, ((operands[0] as bigint) ^ (1n << BigInt(width - 1))) + BigInt(spread(4)));
        break;
      case 3: // A product near the smallest normal.
        second = valueNear(format, bias - exponent + spread(format.fractionBits + 4), random);
        break;
      case 4: // A product near the largest finite value.
        second = valueNear(format, bias + ones - exponent + spread(3), random);
        break;
      case 5: // Quotients near both.
        second = valueNear(format, exponent + (random.below(2) ? bias : -bias) + spread(format.fractionBits), random);
        break;
      default:
        second = valueNear(format, exponent + spread(format.fractionBits + 4), random);
    }
    operands.push(random.below(16) === 0 ? random.pick(allEdges) : second);
  }
  if (count > 2) {
    const [a, b] = operands as [bigint, bigint];
    const productExponent = exponentOf(a) + exponentOf(b) - bias;
    let third: bigint;
    switch (random.below(6)) {
      case 0:
        third = random.bits(width);
        break;
      case 1:
      case 2: // The product to some ulp, either sign: massive cancellation, and ties.
        third = BigInt.asUintN(width, productOf(format, a, b) + BigInt(spread(3)));
        if (random.below(2)) third ^= 1n << BigInt(width - 1);
        break;
      default:
        third = valueNear(format, productExponent + spread(2 * format.fractionBits + 6), random);
    }
    operands.push(random.below(16) === 0 ? random.pick(allEdges) : third);
  }
  return operands;
}

const words = new DataView(new ArrayBuffer(8));

export function toNumber(format: FloatFormat, bits: bigint): number {
  if (format === FLOAT16) return toNumber(FLOAT64, convert(FLOAT16, FLOAT64, bits, RoundingMode.RNE).bits);
  if (format.fractionBits === 52) {
    words.setBigUint64(0, bits);
    return words.getFloat64(0);
  }
  words.setUint32(0, Number(bits));
  return words.getFloat32(0);
}

/** A number, rounded to the format, as a pattern. */
export function fromNumber(format: FloatFormat, value: number): bigint {
  if (format === FLOAT16) return convert(FLOAT64, FLOAT16, fromNumber(FLOAT64, value), RoundingMode.RNE).bits;
  if (format.fractionBits === 52) {
    words.setFloat64(0, value);
    return words.getBigUint64(0);
  }
  words.setFloat32(0, value);
  return BigInt(words.getUint32(0));
}

const productOf = (format: FloatFormat, a: bigint, b: bigint): bigint =>
  fromNumber(format, toNumber(format, a) * toNumber(format, b));

/** The cartesian product of lists. */
export function product(lists: readonly (readonly bigint[])[]): bigint[][] {
  return lists.reduce<bigint[][]>(
    (tuples, list) => tuples.flatMap((tuple) => list.map((value) => [...tuple, value])),
    [[]],
  );
}

/**
 * Significands whose product is a power of two but for its last places (relatively 2^-77 to 2^-81, and 2^-42 to 2^-45): as half
 * a unit of c, such a product makes a tie that only its lowest bits break. Found by search.
 */
const NEAR_POWERS: Readonly<Record<number, readonly (readonly [bigint, bigint])[]>> = {
  52: [
    [0x1ff7d04a6811b7n, 0x100418e7219352n],
    [0x1c416f8bfb0a9bn, 0x121ecbc00cd15cn],
    [0x16824f5796fc69n, 0x16bf16451f165en],
    [0x107ab7bc51ce76n, 0x1f11b4399c8379n],
  ],
  23: [
    [0x8386d0n, 0xf922can],
    [0x892059n, 0xeef64bn],
    [0x858376n, 0xf56da7n],
    [0x988597n, 0xd6d764n],
  ],
};

/**
 * a, b, c such that a * b + c lies on the midpoint of two neighbours, or a hair beside it: where rounding the sum of the
 * parts twice goes wrong. Either the product has a midpoint's bits and c is tiny, or c is large and the product
 * is half a unit of it, perhaps with a tail of its own.
 */
export function fmaTies(format: FloatFormat, random: Random): bigint[] {
  const ones = (1 << format.exponentBits) - 1;
  const bias = ones >> 1;
  const { fractionBits } = format;
  const sign = (): boolean => random.below(2) === 1;
  const field = (exponent: number): number => Math.min(Math.max(exponent, 0), ones - 1);
  const fewBits = (): bigint => random.bits(1 + random.below(3)) << BigInt(fractionBits - 3);
  const exponentA = bias + random.below(40) - 20;
  const exponentB = bias + random.below(40) - 20;
  const exponentP = exponentA + exponentB - bias;
  const kind = random.below(5);
  const nearPowers = NEAR_POWERS[fractionBits];
  if (kind === 0 && nearPowers !== undefined) {
    const [a, b] = random.pick(nearPowers);
    const hidden = 1n << BigInt(fractionBits);
    return [
      pattern(format, sign(), field(exponentA), a - hidden),
      pattern(format, sign(), field(exponentB), b - hidden),
      pattern(format, sign(), field(exponentP + fractionBits + random.below(5)), fractionOf(format, random)),
    ];
  }
  if (kind < 3) {
    // (1 + x) * (1 + y) with x and y of few bits, x * y half a unit of the product or near to it; c far below.
    const low = random.below(fractionBits);
    const x = 1n << BigInt(low);
    const y = 1n << BigInt(Math.min(Math.max(fractionBits - 1 - low + random.below(3) - 1, 0), fractionBits - 1));
    const exponentC = exponentP - fractionBits - 1 - random.below(2 * fractionBits + 4);
    const fraction = random.below(2) === 0 ? fewBits() : random.bits(fractionBits);
    return [
      pattern(format, sign(), field(exponentA), x | fewBits()),
      pattern(format, sign(), field(exponentB), y),
      pattern(format, sign(), field(exponentC), fraction),
    ];
  }
  // The product is a power of two, or slightly off, at half a unit of c or a little above.
  const exponentC = exponentP + fractionBits + random.below(5) - 2;
  const offA = random.below(3) === 0 ? 0n : 1n << BigInt(random.below(fractionBits));
  const offB = random.below(3) === 0 ? 0n : 1n << BigInt(random.below(fractionBits));
  return [
    pattern(format, sign(), field(exponentA), offA),
    pattern(format, sign(), field(exponentB), offB),
    pattern(format, sign(), field(exponentC), fractionOf(format, random)),
  ];
}
