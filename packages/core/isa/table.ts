/** The ISA table: every instruction this machine knows, and lookups over it. */
import type { Instruction } from "./instruction.js";
import { atomic } from "./table/atomic.js";
import { base } from "./table/base.js";
import { bitManipulation } from "./table/bit-manipulation.js";
import { cache } from "./table/cache.js";
import { crypto } from "./table/crypto.js";
import { float } from "./table/float.js";
import { floatAdditional } from "./table/float-additional.js";
import { mayBe } from "./table/may-be.js";
import { multiply } from "./table/multiply.js";

/** All 32-bit instructions. */
export const instructions: readonly Instruction[] = [
  ...base,
  ...multiply,
  ...atomic,
  ...float,
  ...floatAdditional,
  ...bitManipulation,
  ...crypto,
  ...cache,
  ...mayBe,
];

const byName = new Map(instructions.map((instruction) => [instruction.name, instruction]));

/** The row of this name; throws for a name that no row has. */
export function instructionNamed(name: string): Instruction {
  const instruction = byName.get(name);
  if (instruction === undefined) throw new RangeError(`no instruction is called ${name}`);
  return instruction;
}

const fixedBits = (mask: number) => mask.toString(2).replaceAll("0", "").length;

/** 32-bit instructions, those with more fixed bits first: the first whose match fits an encoding is its row. */
const mostSpecificFirst = [...instructions].sort((a, b) => fixedBits(b.encoding.mask) - fixedBits(a.encoding.mask));
const byOpcode = new Map<number, Instruction[]>();
for (const instruction of mostSpecificFirst) {
  const opcode = instruction.encoding.match & 0x7f;
  byOpcode.set(opcode, [...(byOpcode.get(opcode) ?? []), instruction]);
}

/** The row that an uncompressed encoding belongs to, or undefined where it is reserved. */
export function findInstruction(word: number): Instruction | undefined {
  return byOpcode.get(word & 0x7f)?.find(({ encoding }) => (word & encoding.mask) >>> 0 === encoding.match);
}

/** Rows by major opcode, in the order in which a decoder must try them. */
export const instructionsByOpcode: ReadonlyMap<number, readonly Instruction[]> = byOpcode;
