import { beforeAll, describe, expect, it } from "vitest";
import { decodeInstruction } from "../isa/decode.js";
import { compressed } from "../isa/table/compressed.js";
import { instructions, instructionsByOpcode } from "../isa/table.js";
import { Comparison } from "./comparison.js";
import { Random } from "./float/operands.js";
import { CaseMaker, SEED } from "./row-cases.js";

/** Encodings of each row, and harts that each is run on, at both paces. */
const ENCODINGS = 16;
const HARTS = Number(process.env.HARTVISOR_ROWS_HARTS ?? 16);

let comparison: Comparison;
beforeAll(async () => {
  comparison = await Comparison.create();
});

/** Runs a row on many harts; the first differences found. */
function differencesOf(name: string, seed: number): string[] {
  const maker = new CaseMaker(seed);
  for (let encoding = 0; encoding < ENCODINGS; encoding++) {
    const bits = maker.encodingOf(name);
    for (let n = 0; n < HARTS; n++) {
      const made = maker.caseOf(bits);
      const input = n % 2 === 0 ? made : comparison.matching(made);
      for (const pace of ["exact", "free"] as const) {
        const found = comparison.differences(input, pace);
        if (found.length > 0) return found;
      }
    }
  }
  return [];
}

/** A seed for each row, so that a row's cases do not depend on the rows before it. */
const seedOf = (name: string): number =>
  [...name].reduce((seed, letter) => seed * 31 + letter.charCodeAt(0), SEED) >>> 0;

const names = [...instructions, ...compressed].map(({ name }) => name);

describe(`the interpreter agrees with the evaluator (HARTVISOR_ROWS_SEED=${SEED})`, () => {
  it.each(names)("on %s", (name) => {
    expect(differencesOf(name, seedOf(name))).toEqual([]);
  });

  it("on all 16-bit encodings, the reserved ones included", () => {
    const maker = new CaseMaker(SEED);
    const found: string[][] = [];
    for (let bits = 0; bits < 0x10000 && found.length < 10; bits++) {
      if ((bits & 3) === 3) continue;
      const differences = comparison.differences(maker.caseOf(bits), bits & 4 ? "exact" : "free");
      if (differences.length > 0) found.push(differences);
    }
    expect(found).toEqual([]);
  });

  it("on which 32-bit encodings are illegal", () => {
    const maker = new CaseMaker(SEED);
    const random = new Random(SEED);
    const opcodes = [...instructionsByOpcode.keys(), 0x0b, 0x57, 0x6b, 0x7f];
    const found: string[][] = [];
    for (let n = 0; n < 20_000 && found.length < 10; n++) {
      const bits = ((random.uint32() & ~0x7f) | random.pick(opcodes)) >>> 0;
      if (decodeInstruction(bits) !== undefined) continue;
      const differences = comparison.differences(maker.caseOf(bits), n & 1 ? "exact" : "free");
      if (differences.length > 0) found.push(differences);
    }
    expect(found).toEqual([]);
  });

  it.each(
    instructions.filter(({ extensions }) => extensions.every((name) => /^(F|D|Zf)/.test(name))).map(({ name }) => name),
  )("that %s is illegal while mstatus.FS is off", (name) => {
    const maker = new CaseMaker(seedOf(name));
    for (const pace of ["exact", "free"] as const) {
      expect(comparison.differences(maker.caseOf(maker.encodingOf(name)), pace, false)).toEqual([]);
    }
  });

  it("on which memory is written", () => {
    expect(comparison.strayWrites()).toEqual([]);
  });
});
