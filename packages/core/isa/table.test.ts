import { describe, expect, it } from "vitest";
import { assemble } from "./assemble.js";
import { claimants, decodeInstruction } from "./decode.js";
import { disassemble } from "./disassemble.js";
import { encode, operandRange } from "./encode.js";
import type { Field } from "./encoding.js";
import type { Instruction } from "./instruction.js";
import { writtenOperands } from "./syntax.js";
import { type CompressedInstruction, compressed } from "./table/compressed.js";
import { instructionNamed, instructions } from "./table.js";

/** Change it to see other operands; titles carry it. */
const SEED = 1;
const ROUNDS = 50;

/** Mulberry32: small, seeded, good enough to pick operands. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const random = generator(SEED);

function randomValue(field: Field): number {
  const { least, most, scale } = operandRange(field);
  return least + random((most - least) / scale + 1) * scale;
}

/** The operands that assembly language lets one choose. */
function namesOf(row: Instruction | CompressedInstruction): Set<string> {
  const names = writtenOperands(row).flatMap((operand) =>
    operand.kind === "memory" ? [operand.base, operand.name] : [operand.name],
  );
  return new Set(names.filter((name) => name !== undefined));
}

function randomOperands(row: Instruction): Record<string, number> {
  const names = namesOf(row);
  const operands: Record<string, number> = {};
  for (const [name, field] of row.encoding.fields) {
    if (name === "rm") operands.rm = [0, 1, 2, 3, 4, 7][random(6)] ?? 0;
    else if (names.has(name) || name === "aq" || name === "rl") operands[name] = randomValue(field);
  }
  return operands;
}

function randomCompressedOperands(row: CompressedInstruction): Record<string, number> {
  const values = new Map<string, number>();
  for (const [name, field] of row.encoding.fields) {
    let value: number;
    do value = randomValue(field);
    while ((value === 0 && row.nonzero.includes(name)) || value === row.not?.[name]);
    values.set(name, value);
  }
  return Object.fromEntries(
    Object.entries(row.operands).map(([name, source]) => [
      name,
      typeof source === "number" ? source : (values.get(source) ?? 0),
    ]),
  );
}

/** Whether some encoding belongs to both, though neither is a special case of the other. */
function areAmbiguous(a: Instruction, b: Instruction): boolean {
  const [m, n] = [a.encoding, b.encoding];
  if (((m.match ^ n.match) & m.mask & n.mask) !== 0) return false;
  const common = (m.mask & n.mask) >>> 0;
  return m.mask === n.mask || (common !== m.mask && common !== n.mask);
}

describe(`the ISA table (SEED=${SEED})`, () => {
  it("gives every instruction a name of its own", () => {
    const names = [...instructions, ...compressed].map(({ name }) => name);
    expect(names.filter((name, n) => names.indexOf(name) !== n)).toEqual([]);
  });

  it("has no two rows that claim an encoding unless one is a special case of the other", () => {
    const ambiguous = instructions.flatMap((a, n) =>
      instructions
        .slice(n + 1)
        .filter((b) => areAmbiguous(a, b))
        .map((b) => `${a.name} and ${b.name}`),
    );
    expect(ambiguous).toEqual([]);
  });

  it("marks the low bits of every encoding with its length", () => {
    for (const { name, encoding } of instructions)
      expect([name, encoding.bits, encoding.match & 3]).toEqual([name, 32, 3]);
    for (const { name, encoding } of compressed) {
      expect([name, encoding.bits, encoding.mask & 3]).toEqual([name, 16, 3]);
      expect(encoding.match & 3, name).not.toBe(3);
    }
  });

  it.each(instructions.map(({ name }) => name))("decodes and disassembles what it encodes: %s", (name) => {
    const row = instructionNamed(name);
    for (let round = 0; round < ROUNDS; round++) {
      const operands = randomOperands(row);
      const word = encode(name, operands);
      const decoded = decodeInstruction(word);
      // A more specific row may claim the encoding: prefetches are ORIs to x0.
      if (decoded?.row !== row) {
        expect(((decoded?.row.encoding.mask ?? 0) & row.encoding.mask) >>> 0).toBe(row.encoding.mask);
        continue;
      }
      expect(decoded.operands).toMatchObject(operands);
      expect(decoded.length).toBe(4);
      const { text } = disassemble(word);
      expect([text, [...assemble(text)]]).toEqual([text, [...new Uint8Array(Uint32Array.of(word).buffer)]]);
    }
  });
});

describe(`the compressed rows (SEED=${SEED})`, () => {
  it.each(compressed.map((row) => [row.name, row] as const))(
    "expands %s to a row, all operands accounted for",
    (_, row) => {
      const target = instructionNamed(row.expandsTo);
      expect(Object.keys(row.operands).sort()).toEqual([...target.encoding.fields.keys()].sort());
      const sources = new Set(Object.values(row.operands).filter((source) => typeof source === "string"));
      expect([...sources].sort()).toEqual([...row.encoding.fields.keys()].sort());
      for (const name of [...row.nonzero, ...Object.keys(row.not ?? {})])
        expect([...row.encoding.fields.keys()]).toContain(name);
    },
  );

  it.each(compressed.map((row) => [row.name, row] as const))(
    "decodes and disassembles what it encodes: %s",
    (_, row) => {
      for (let round = 0; round < ROUNDS; round++) {
        const operands = randomCompressedOperands(row);
        const half = encode(row.name, operands);
        const decoded = decodeInstruction(half);
        expect(decoded?.compressed?.name).toBe(row.name);
        expect(decoded?.operands).toEqual(operands);
        const { text } = disassemble(half);
        expect([text, [...assemble(text)]]).toEqual([text, [half & 0xff, half >> 8]]);
      }
    },
  );

  it("lets at most one row claim each of the 16-bit encodings", () => {
    const claimed: string[] = [];
    for (let half = 0; half < 65536; half++) {
      if ((half & 3) === 3) continue;
      const rows = claimants(half);
      if (rows.length > 1) claimed.push(`0x${half.toString(16)}: ${rows.map(({ name }) => name).join(", ")}`);
    }
    expect(claimed).toEqual([]);
  });

  it("expands within the ranges of the instruction's operands", () => {
    for (let half = 0; half < 65536; half++) {
      const decoded = (half & 3) === 3 ? undefined : decodeInstruction(half);
      if (decoded === undefined) continue;
      for (const [name, field] of decoded.row.encoding.fields) {
        const value: number = decoded.operands[name] ?? Number.NaN;
        const { least, most, scale } = operandRange(field);
        const fits = value >= least && value <= most && value % scale === 0;
        if (!fits) expect.fail(`0x${half.toString(16)}: ${name} = ${value} does not fit ${decoded.row.name}`);
      }
    }
  });
});
