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
  type FloatFormat,
  type FloatResult,
  fromInteger,
  fusedMultiplyAdd,
  maximum,
  maximumOrNaN,
  minimum,
  minimumOrNaN,
  multiply,
  RoundingMode,
  roundToIntegral,
  squareRoot,
  subtract,
  toInteger,
  wrapToInteger,
} from "../../isa/evaluate/float.js";
import { compileFloatModule } from "./float_module.js";
import { edges, fmaTies, integerEdges, product, RANDOM_CASES, Random, randomOperands, SEED } from "./operands.js";

type Operand = FloatFormat | "i32" | "u32" | "i64" | "u64";

interface Operation {
  readonly name: string;
  readonly operands: readonly Operand[];
  /** Whether it takes a rounding mode. */
  readonly rounds: boolean;
  readonly flags: boolean;
  readonly reference: (operands: readonly [bigint, bigint, bigint], mode: RoundingMode) => FloatResult;
}

const MODES = Object.entries(RoundingMode);
const MODE_OF_UNROUNDED = MODES.slice(0, 1);

const operation = (
  name: string,
  operands: readonly Operand[],
  reference: Operation["reference"],
  { rounds = true, flags = true } = {},
): Operation => ({ name, operands, reference, rounds, flags });

function operationsOf(name: "f16" | "f32" | "f64", format: FloatFormat): Operation[] {
  const two = [format, format];
  const unrounded = { rounds: false };
  const operations = [
    operation(`${name}_add`, two, ([a, b], mode) => add(format, a, b, mode)),
    operation(`${name}_sub`, two, ([a, b], mode) => subtract(format, a, b, mode)),
    operation(`${name}_mul`, two, ([a, b], mode) => multiply(format, a, b, mode)),
    operation(`${name}_div`, two, ([a, b], mode) => divide(format, a, b, mode)),
    operation(`${name}_sqrt`, [format], ([a], mode) => squareRoot(format, a, mode)),
    operation(`${name}_fma`, [format, format, format], ([a, b, c], mode) => fusedMultiplyAdd(format, a, b, c, mode)),
    operation(`${name}_min`, two, ([a, b]) => minimum(format, a, b), unrounded),
    operation(`${name}_max`, two, ([a, b]) => maximum(format, a, b), unrounded),
    operation(`${name}_minm`, two, ([a, b]) => minimumOrNaN(format, a, b), unrounded),
    operation(`${name}_maxm`, two, ([a, b]) => maximumOrNaN(format, a, b), unrounded),
    operation(`${name}_round`, [format], ([a], mode) => roundToIntegral(format, a, mode, false)),
    operation(`${name}_roundnx`, [format], ([a], mode) => roundToIntegral(format, a, mode, true)),
    operation(`${name}_eq`, two, ([a, b]) => compare(format, "eq", a, b), unrounded),
    operation(`${name}_lt`, two, ([a, b]) => compare(format, "lt", a, b), unrounded),
    operation(`${name}_le`, two, ([a, b]) => compare(format, "le", a, b), unrounded),
    operation(`${name}_ltq`, two, ([a, b]) => compare(format, "ltq", a, b), unrounded),
    operation(`${name}_leq`, two, ([a, b]) => compare(format, "leq", a, b), unrounded),
    operation(`${name}_classify`, [format], ([a]) => classify(format, a), { rounds: false, flags: false }),
  ];
  for (const integer of ["i32", "u32", "i64", "u64"] as const) {
    const width = integer.endsWith("32") ? 32 : 64;
    const isSigned = integer.startsWith("i");
    const integerOf = (bits: bigint): bigint => (isSigned ? BigInt.asIntN(width, bits) : bits);
    operations.push(
      operation(`${name}_to_${integer}`, [format], ([a], mode) => toInteger(format, a, width, isSigned, mode)),
      operation(`${integer}_to_${name}`, [integer], ([a], mode) => fromInteger(format, integerOf(a), mode)),
    );
  }
  return operations;
}

const OPERATIONS: readonly Operation[] = [
  ...operationsOf("f16", FLOAT16),
  ...operationsOf("f32", FLOAT32),
  ...operationsOf("f64", FLOAT64),
  operation("f32_to_f64", [FLOAT32], ([a], mode) => convert(FLOAT32, FLOAT64, a, mode), { rounds: false }),
  operation("f64_to_f32", [FLOAT64], ([a], mode) => convert(FLOAT64, FLOAT32, a, mode)),
  operation("f16_to_f32", [FLOAT16], ([a], mode) => convert(FLOAT16, FLOAT32, a, mode), { rounds: false }),
  operation("f16_to_f64", [FLOAT16], ([a], mode) => convert(FLOAT16, FLOAT64, a, mode), { rounds: false }),
  operation("f32_to_f16", [FLOAT32], ([a], mode) => convert(FLOAT32, FLOAT16, a, mode)),
  operation("f64_to_f16", [FLOAT64], ([a], mode) => convert(FLOAT64, FLOAT16, a, mode)),
  operation("f64_wrap_i32", [FLOAT64], ([a]) => wrapToInteger(FLOAT64, a), { rounds: false }),
];

const float = await compileFloatModule();

const isNarrow = (operand: Operand): boolean =>
  typeof operand === "string" ? operand.endsWith("32") : operand !== FLOAT64;
const hex = (bits: bigint): string => `0x${bits.toString(16)}`;

/** Runs one operation on one tuple in every mode that it has; returns how many comparisons that were. */
function check(operation: Operation, routine: ReturnType<typeof float.routine>, operands: readonly bigint[]): number {
  const modes = operation.rounds ? MODES : MODE_OF_UNROUNDED;
  const values = operands.map((value, index) =>
    isNarrow(operation.operands[index] as Operand) ? Number(value) : value,
  );
  for (const [modeName, mode] of modes) {
    const expected = operation.reference(operands as unknown as readonly [bigint, bigint, bigint], mode);
    float.flags[0] = 0;
    const tail = [...(operation.rounds ? [mode] : []), ...(operation.flags ? [float.flagsPointer] : [])];
    const returned = routine(...values, ...tail);
    const actual = typeof returned === "bigint" ? BigInt.asUintN(64, returned) : BigInt(returned >>> 0);
    if (actual !== expected.bits || float.flags[0] !== expected.flags) {
      throw new Error(
        `${operation.name}(${operands.map(hex).join(", ")}) ${operation.rounds ? modeName : ""}: ` +
          `expected ${hex(expected.bits)} with flags ${expected.flags}, ` +
          `got ${hex(actual)} with flags ${float.flags[0]} (HARTVISOR_FLOAT_SEED=${SEED})`,
      );
    }
  }
  return modes.length;
}

function edgesOf(operand: Operand, few: boolean): bigint[] {
  if (typeof operand !== "string") return edges(operand, few);
  return integerEdges(operand.endsWith("32") ? 32 : 64);
}

function randomTuple(operation: Operation, random: Random): bigint[] {
  const [operand] = operation.operands as [Operand];
  if (typeof operand !== "string") return randomOperands(operand, operation.operands.length, random);
  const width = operand.endsWith("32") ? 32 : 64;
  const value = random.bits(width) >> BigInt(random.below(width));
  return [random.below(2) ? value : BigInt.asUintN(width, -value)];
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n);

/** Where conversions and roundings meet the ends of a range, which operands drawn from a whole format seldom do. */
function exponentsOfInterest(name: string): number[] | undefined {
  if (/_to_[iu]|_round|_wrap/.test(name)) return range(-3, 66);
  if (name.endsWith("_to_f32")) return [...range(-151, -124), ...range(126, 128)];
  if (name.endsWith("_to_f16")) return [...range(-26, -13), ...range(14, 16)];
  return undefined;
}

/** A value of this exponent, or the nearest that the format has, with runs of zeros at the end. */
function valueOfExponent(format: FloatFormat, exponent: number, random: Random): bigint {
  const ones = 2 ** format.exponentBits - 1;
  const biased = Math.min(Math.max(exponent + (ones >> 1), 0), ones - 1);
  const fraction = BigInt(format.fractionBits);
  const sign = BigInt(random.below(2)) << (fraction + BigInt(format.exponentBits));
  const lowZeros = BigInt(random.below(format.fractionBits));
  return sign | (BigInt(biased) << fraction) | ((random.bits(format.fractionBits) >> lowZeros) << lowZeros);
}

let comparisons = 0;

describe("exact floating point", () => {
  for (const operation of OPERATIONS) {
    it(`${operation.name} agrees with the reference in result and flags`, { timeout: 3_600_000 }, () => {
      const routine = float.routine(operation.name);
      const few = operation.operands.length > 2;
      for (const tuple of product(operation.operands.map((operand) => edgesOf(operand, few)))) {
        comparisons += check(operation, routine, tuple);
      }
      const random = new Random(SEED);
      for (let index = 0; index < RANDOM_CASES; index += 1) {
        comparisons += check(operation, routine, randomTuple(operation, random));
      }
      const [format] = operation.operands;
      if (operation.operands.length === 3 && typeof format === "object") {
        for (let index = 0; index < RANDOM_CASES; index += 1) {
          comparisons += check(operation, routine, fmaTies(format, random));
        }
      }
      const exponents = exponentsOfInterest(operation.name);
      if (exponents !== undefined && typeof format === "object") {
        for (let index = 0; index < RANDOM_CASES; index += 1) {
          comparisons += check(operation, routine, [valueOfExponent(format, random.pick(exponents), random)]);
        }
      }
    });
  }

  it("adds its flags to those that are set", () => {
    float.flags[0] = 0b01000;
    float.routine("f64_div")(0x3ff0000000000000n, 0x4008000000000000n, RoundingMode.RNE, float.flagsPointer);
    expect(float.flags[0]).toBe(0b01001);
  });

  it("has no table, global, start function or data segment", () => {
    const [table, global, start, data] = [4, 6, 8, 11];
    for (const section of [table, global, start, data]) expect(float.sections).not.toContain(section);
  });

  it("was compared often enough to mean something", () => {
    console.info(`exact floating point: ${comparisons} comparisons, seed ${SEED}`);
    expect(comparisons).toBeGreaterThan(RANDOM_CASES);
  });
});
