import { describe, it } from "vitest";
import { FLOAT32, FLOAT64, FloatFlag, type FloatFormat, RoundingMode } from "../../isa/evaluate/float.js";
import { compileFloatModule } from "./float_module.js";
import { edges, fmaTies, product, RANDOM_CASES, Random, randomOperands, SEED } from "./operands.js";

// Against the exact routines, which exact.test.ts holds against the reference: no BigInt arithmetic, so many more cases.
const CASES = RANDOM_CASES * 30;

const OPERATIONS = [
  { name: "add", operands: 2 },
  { name: "sub", operands: 2 },
  { name: "mul", operands: 2 },
  { name: "div", operands: 2 },
  { name: "sqrt", operands: 1 },
  { name: "fma", operands: 3 },
] as const;

const FORMATS: readonly (readonly [string, FloatFormat])[] = [
  ["f32", FLOAT32],
  ["f64", FLOAT64],
];

const float = await compileFloatModule();
let comparisons = 0;

function check(name: string, format: FloatFormat, operands: readonly bigint[]): void {
  const values = format === FLOAT32 ? operands.map(Number) : operands;
  float.flags[0] = FloatFlag.NX;
  const expected = float.routine(name)(...values, RoundingMode.RNE, float.flagsPointer);
  const expectedFlags = float.flags[0];
  float.flags[0] = FloatFlag.NX;
  const actual = float.routine(`${name}_rne`)(...values, float.flagsPointer);
  comparisons += 1;
  if (actual !== expected || float.flags[0] !== expectedFlags) {
    const shown = operands.map((value) => `0x${value.toString(16)}`).join(", ");
    throw new Error(
      `${name}_rne(${shown}): expected ${expected.toString(16)} with flags ${expectedFlags}, ` +
        `got ${actual.toString(16)} with flags ${float.flags[0]} (HARTVISOR_FLOAT_SEED=${SEED})`,
    );
  }
}

describe("floating point with rounding to nearest even and NX set", () => {
  for (const [prefix, format] of FORMATS) {
    for (const { name, operands } of OPERATIONS) {
      it(`${prefix}_${name}_rne is ${prefix}_${name}`, { timeout: 3_600_000 }, () => {
        const routine = `${prefix}_${name}`;
        const values = edges(format, operands === 3);
        for (const tuple of product(Array.from({ length: operands }, () => values))) check(routine, format, tuple);
        const random = new Random(SEED);
        for (let index = 0; index < CASES; index += 1) check(routine, format, randomOperands(format, operands, random));
      });
    }

    it(`${prefix}_fma_rne rounds once where two roundings would differ`, { timeout: 3_600_000 }, () => {
      const random = new Random(SEED);
      for (let index = 0; index < CASES; index += 1) check(`${prefix}_fma`, format, fmaTies(format, random));
    });
  }

  it("was compared often enough to mean something", () => {
    console.info(`fast floating point: ${comparisons} comparisons, seed ${SEED}`);
  });
});
