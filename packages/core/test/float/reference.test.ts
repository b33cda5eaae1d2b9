import { describe, expect, it } from "vitest";
import {
  add,
  classify,
  compare,
  convert,
  divide,
  FLOAT16,
  FLOAT32,
  FLOAT64,
  FloatFlag,
  type FloatFormat,
  fromInteger,
  fusedMultiplyAdd,
  maximum,
  maximumOrNaN,
  minimum,
  minimumOrNaN,
  multiply,
  negate,
  RoundingMode,
  roundToIntegral,
  squareRoot,
  subtract,
  toInteger,
  wrapToInteger,
} from "../../isa/evaluate/float.js";
import { edges, fromNumber, product, RANDOM_CASES, Random, randomOperands, SEED, toNumber } from "./operands.js";

const { RNE, RTZ, RDN, RUP, RMM } = RoundingMode;
const { NX, UF, OF, DZ, NV } = FloatFlag;
const ROUNDING_MODES = [RNE, RTZ, RDN, RUP, RMM];

const DIRECTIONS = [
  [RTZ, Math.trunc],
  [RDN, Math.floor],
  [RUP, Math.ceil],
] as const;

const context = (operands: readonly bigint[]): string =>
  `${operands.map((bits) => `0x${bits.toString(16)}`).join(", ")} (HARTVISOR_FLOAT_SEED=${SEED})`;

function pairs(format: FloatFormat): bigint[][] {
  const values = edges(format);
  const random = new Random(SEED);
  const randomPairs = Array.from({ length: RANDOM_CASES * 4 }, () => randomOperands(format, 2, random));
  return [...product([values, values]), ...randomPairs];
}

describe("the reference, rounding to nearest even, computes what JavaScript does", () => {
  // JavaScript's numbers are binary64. Rounding one operation on binary32 operands to 53 bits and then to 24 is rounding it
  // once, as 53 >= 2 * 24 + 2 (Figueroa 1995).
  for (const [name, format] of [
    ["binary32", FLOAT32],
    ["binary64", FLOAT64],
  ] as const) {
    const operations = [
      ["+", add, (a: number, b: number) => a + b],
      ["-", subtract, (a: number, b: number) => a - b],
      ["*", multiply, (a: number, b: number) => a * b],
      ["/", divide, (a: number, b: number) => a / b],
    ] as const;
    for (const [symbol, reference, native] of operations) {
      it(`${name} ${symbol}`, () => {
        for (const [a, b] of pairs(format) as [bigint, bigint][]) {
          const actual = toNumber(format, reference(format, a, b, RNE).bits);
          const value = native(toNumber(format, a), toNumber(format, b));
          const expected = format === FLOAT32 ? Math.fround(value) : value;
          if (!Object.is(actual, expected)) throw new Error(`${actual} is not ${expected} for ${context([a, b])}`);
        }
      });
    }

    it(`${name} square root`, () => {
      for (const [a] of pairs(format) as [bigint][]) {
        const actual = toNumber(format, squareRoot(format, a, RNE).bits);
        const value = Math.sqrt(toNumber(format, a));
        const expected = format === FLOAT32 ? Math.fround(value) : value;
        if (!Object.is(actual, expected)) throw new Error(`${actual} is not ${expected} for ${context([a])}`);
      }
    });

    it(`${name} comparisons`, () => {
      for (const [a, b] of pairs(format) as [bigint, bigint][]) {
        const [x, y] = [toNumber(format, a), toNumber(format, b)];
        const results = (["eq", "lt", "le"] as const).map((relation) => compare(format, relation, a, b).bits === 1n);
        expect(results, context([a, b])).toEqual([x === y, x < y, x <= y]);
      }
    });

    it(`${name} minimum and maximum where NaN wins`, () => {
      for (const [a, b] of pairs(format) as [bigint, bigint][]) {
        const [x, y] = [toNumber(format, a), toNumber(format, b)];
        expect(toNumber(format, minimumOrNaN(format, a, b).bits), context([a, b])).toBe(Math.min(x, y));
        expect(toNumber(format, maximumOrNaN(format, a, b).bits), context([a, b])).toBe(Math.max(x, y));
      }
    });

    it(`${name} rounding to integers`, () => {
      for (const [a] of pairs(format) as [bigint][]) {
        const x = toNumber(format, a);
        for (const [mode, round] of DIRECTIONS) {
          const { bits, flags } = roundToIntegral(format, a, mode, true);
          expect(toNumber(format, bits), context([a])).toBe(round(x));
          if (!Number.isNaN(x)) expect(flags, context([a])).toBe(Object.is(round(x), x) ? 0 : NX);
        }
      }
    });

    it(`${name} minimum and maximum of numbers`, () => {
      for (const [a, b] of pairs(format) as [bigint, bigint][]) {
        const [x, y] = [toNumber(format, a), toNumber(format, b)];
        if (Number.isNaN(x) || Number.isNaN(y)) continue;
        expect(toNumber(format, minimum(format, a, b).bits), context([a, b])).toBe(Math.min(x, y));
        expect(toNumber(format, maximum(format, a, b).bits), context([a, b])).toBe(Math.max(x, y));
      }
    });
  }

  it("binary64 to binary32", () => {
    for (const [a] of pairs(FLOAT64) as [bigint][]) {
      const actual = toNumber(FLOAT32, convert(FLOAT64, FLOAT32, a, RNE).bits);
      expect(actual, context([a])).toBe(Math.fround(toNumber(FLOAT64, a)));
    }
  });

  it("binary64 to an integer modulo 2^32", () => {
    const random = new Random(SEED);
    const values = Array.from(
      { length: RANDOM_CASES },
      () => (random.uint32() - 2 ** 31) * 2 ** (random.below(100) - 30),
    );
    for (const a of [...edges(FLOAT64), ...values.map((value) => fromNumber(FLOAT64, value))]) {
      const expected = toNumber(FLOAT64, a) | 0; // ECMAScript's ToInt32
      expect(wrapToInteger(FLOAT64, a).bits, context([a])).toBe(BigInt.asUintN(64, BigInt(expected)));
    }
  });

  it("integers to binary64", () => {
    const random = new Random(SEED);
    for (let index = 0; index < RANDOM_CASES; index += 1) {
      const integer = BigInt.asIntN(64, random.bits(64)) >> BigInt(random.below(64));
      expect(fromInteger(FLOAT64, integer, RNE).bits, context([integer])).toBe(fromNumber(FLOAT64, Number(integer)));
    }
  });

  it("binary64 to integers in each direction", () => {
    const random = new Random(SEED);
    for (let index = 0; index < RANDOM_CASES; index += 1) {
      const value = ((random.uint32() - 2 ** 31) * 2 ** random.below(20)) / 2 ** random.below(32);
      for (const [mode, round] of DIRECTIONS) {
        const { bits, flags } = toInteger(FLOAT64, fromNumber(FLOAT64, value), 64, true, mode);
        expect(BigInt.asIntN(64, bits)).toBe(BigInt(round(value)));
        expect(flags).toBe(Number.isInteger(value) ? 0 : NX);
      }
    }
  });

  it("binary32 fused multiply-add where binary64 holds the exact sum", () => {
    const random = new Random(SEED);
    for (let index = 0; index < RANDOM_CASES; index += 1) {
      const [a, b] = [random.uint32() >>> 8, random.uint32() >>> 8];
      const c = (random.uint32() >>> 8) * 2 ** random.below(28) * (random.below(2) ? 1 : -1);
      const operands = [a, b, c].map((value) => fromNumber(FLOAT32, value)) as [bigint, bigint, bigint];
      const actual = toNumber(FLOAT32, fusedMultiplyAdd(FLOAT32, ...operands, RNE).bits);
      expect(actual, context(operands)).toBe(Math.fround(a * b + c));
    }
  });
});

describe("the reference raises", () => {
  const one = 0x3ff0000000000000n;
  const smallestNormal = 0x0010000000000000n;
  const largest = 0x7fefffffffffffffn;
  const infinity = 0x7ff0000000000000n;
  const quiet = 0x7ff8000000000000n;
  const signaling = 0x7ff0000000000001n;
  const half = 0x3fe0000000000000n;

  it("nothing for exact results, subnormal ones too", () => {
    expect(multiply(FLOAT64, smallestNormal, half, RNE)).toEqual({ bits: smallestNormal >> 1n, flags: 0 });
    expect(subtract(FLOAT64, one, one, RNE)).toEqual({ bits: 0n, flags: 0 });
    expect(subtract(FLOAT64, one, one, RDN)).toEqual({ bits: negate(FLOAT64, 0n), flags: 0 });
  });

  it("underflow only if the result is tiny after rounding to full precision", () => {
    // 1 - 2^-53 has 53 bits: with an unbounded exponent the product stays below the smallest normal.
    expect(multiply(FLOAT64, smallestNormal, one - 1n, RNE)).toEqual({ bits: smallestNormal, flags: UF | NX });
    // (1 + 2^-52) * (1 - 2^-52) = 1 - 2^-104 has not, and goes up to 1, or down to 1 - 2^-53.
    const [above, below] = [smallestNormal + 1n, one - 2n];
    expect(multiply(FLOAT64, above, below, RNE)).toEqual({ bits: smallestNormal, flags: NX });
    expect(multiply(FLOAT64, above, below, RTZ)).toEqual({ bits: smallestNormal - 1n, flags: UF | NX });
  });

  it("overflow with infinity or the largest finite value, as the mode says", () => {
    const results = ROUNDING_MODES.map((mode) => add(FLOAT64, largest, largest, mode));
    expect(results.map(({ bits }) => bits)).toEqual([infinity, largest, largest, infinity, infinity]);
    expect(results.every(({ flags }) => flags === (OF | NX))).toBe(true);
  });

  it("division by zero for a finite dividend only", () => {
    expect(divide(FLOAT64, one, 0n, RNE)).toEqual({ bits: infinity, flags: DZ });
    expect(divide(FLOAT64, 0n, 0n, RNE)).toEqual({ bits: quiet, flags: NV });
    expect(divide(FLOAT64, infinity, 0n, RNE)).toEqual({ bits: infinity, flags: 0 });
  });

  it("invalid for signaling NaNs, and for infinity times zero plus a quiet NaN", () => {
    expect(add(FLOAT64, quiet, one, RNE)).toEqual({ bits: quiet, flags: 0 });
    expect(add(FLOAT64, signaling, one, RNE)).toEqual({ bits: quiet, flags: NV });
    expect(fusedMultiplyAdd(FLOAT64, infinity, 0n, quiet, RNE)).toEqual({ bits: quiet, flags: NV });
    expect(minimum(FLOAT64, signaling, one)).toEqual({ bits: one, flags: NV });
    expect(maximum(FLOAT64, quiet, quiet + 5n)).toEqual({ bits: quiet, flags: 0 });
    expect(compare(FLOAT64, "eq", quiet, one)).toEqual({ bits: 0n, flags: 0 });
    expect(compare(FLOAT64, "lt", quiet, one)).toEqual({ bits: 0n, flags: NV });
  });

  it("invalid for integers that wrap, as for those that saturate", () => {
    const [wraps, tail] = [fromNumber(FLOAT64, 2 ** 32 + 5.5), fromNumber(FLOAT64, -7.5)];
    expect(wrapToInteger(FLOAT64, wraps)).toEqual({ bits: 5n, flags: NV });
    expect(wrapToInteger(FLOAT64, tail)).toEqual({ bits: BigInt.asUintN(64, -7n), flags: NX });
    expect(wrapToInteger(FLOAT64, quiet)).toEqual({ bits: 0n, flags: NV });
  });

  it("inexact for rounding to an integer only if asked to, and invalid for signaling NaNs", () => {
    const value = fromNumber(FLOAT64, -0.5);
    expect(roundToIntegral(FLOAT64, value, RNE, true)).toEqual({ bits: 1n << 63n, flags: NX });
    expect(roundToIntegral(FLOAT64, value, RMM, false)).toEqual({ bits: fromNumber(FLOAT64, -1), flags: 0 });
    expect(roundToIntegral(FLOAT64, signaling, RNE, false)).toEqual({ bits: quiet, flags: NV });
  });

  it("nothing for quiet comparisons of quiet NaNs", () => {
    expect(compare(FLOAT64, "ltq", quiet, one)).toEqual({ bits: 0n, flags: 0 });
    expect(compare(FLOAT64, "leq", one, signaling)).toEqual({ bits: 0n, flags: NV });
  });

  it("invalid alone for integers out of range, in the form of a 64-bit register", () => {
    const threeBillion = fromNumber(FLOAT64, 3e9);
    expect(toInteger(FLOAT64, threeBillion, 32, true, RNE)).toEqual({ bits: 0x7fffffffn, flags: NV });
    expect(toInteger(FLOAT64, threeBillion, 32, false, RNE)).toEqual({ bits: 0xffffffffb2d05e00n, flags: 0 });
    expect(toInteger(FLOAT64, quiet, 32, false, RNE)).toEqual({ bits: 0xffffffffffffffffn, flags: NV });
    expect(toInteger(FLOAT64, fromNumber(FLOAT64, -0.75), 64, false, RTZ)).toEqual({ bits: 0n, flags: NX });
    expect(toInteger(FLOAT64, fromNumber(FLOAT64, -0.75), 64, false, RDN)).toEqual({ bits: 0n, flags: NV });
  });
});

describe("the reference in binary16", () => {
  it("rounds and overflows at its own limits", () => {
    expect(convert(FLOAT32, FLOAT16, fromNumber(FLOAT32, 65504), RNE)).toEqual({ bits: 0x7bffn, flags: 0 });
    expect(convert(FLOAT32, FLOAT16, fromNumber(FLOAT32, 65520), RNE)).toEqual({ bits: 0x7c00n, flags: OF | NX });
    expect(convert(FLOAT32, FLOAT16, fromNumber(FLOAT32, 2049), RNE)).toEqual({ bits: 0x6800n, flags: NX });
    expect(convert(FLOAT32, FLOAT16, fromNumber(FLOAT32, 2049), RMM)).toEqual({ bits: 0x6801n, flags: NX });
    expect(convert(FLOAT32, FLOAT16, fromNumber(FLOAT32, 2 ** -24), RNE)).toEqual({ bits: 0x0001n, flags: 0 });
  });

  it("puts each of its patterns into one class, and gives it back through binary32", () => {
    for (let bits = 0n; bits < 0x10000n; bits += 1n) {
      const classes = classify(FLOAT16, bits).bits;
      expect(classes & (classes - 1n)).toBe(0n);
      if (classes >= 1n << 8n) continue;
      const wide = convert(FLOAT16, FLOAT32, bits, RNE);
      expect(convert(FLOAT32, FLOAT16, wide.bits, RNE)).toEqual({ bits, flags: wide.flags });
    }
  });
});
