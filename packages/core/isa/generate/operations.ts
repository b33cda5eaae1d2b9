/**
 * Operations: what a decoded slot can hold. An instruction has one per length
 * it comes in, so that the interpreter advances by a constant, and direct
 * jumps have another set for targets in the same page.
 */
import type { Extension } from "../extensions.js";
import type { Instruction, Semantics } from "../instruction.js";
import { compressed } from "../table/compressed.js";
import { instructionNamed, instructions } from "../table.js";

/** Operations that are no instructions. Zero is what an empty slot holds. */
export const PSEUDO_OPERATIONS = ["UNDECODED", "NEXT_PAGE", "CROSSING", "BREAKPOINT", "ILLEGAL"] as const;

export interface Operation {
  readonly number: number;
  readonly instruction: Instruction;
  readonly length: 2 | 4;
  /** The target of this branch or jump lies in the same page; its immediate is scaled to slots. */
  readonly inPage: boolean;
}

/** Extensions whose instructions programs are full of. The others' are rare, and their cases stand in a function of their own. */
const COMMON: readonly Extension[] = [
  ...(["I", "Zicsr", "Zifencei", "S", "Zmmul", "M", "Zalrsc", "Zaamo", "F", "D"] as const),
  ...(["Zba", "Zbb", "Zbs", "Zicond"] as const),
];

/** Kinds of semantics that need more of the loop than a function of its own is given. */
const NEVER_RARE: readonly Semantics["kind"][] = ["jump", "branch", "csr", "system"];

/** Whether an instruction's case is kept out of the interpreter's loop, whose size costs every other instruction. */
export function isRare({ extensions, semantics }: Instruction): boolean {
  return !extensions.some((name) => COMMON.includes(name)) && !NEVER_RARE.includes(semantics.kind);
}

const expansions = compressed.map(({ expandsTo }) => instructionNamed(expandsTo));

/** Whether a compressed encoding may stand for an instruction: itself, or one of which it is a special case (c.add for ntl.p1). */
const isCompressible = ({ encoding: { mask, match } }: Instruction): boolean =>
  expansions.some(
    ({ encoding }) =>
      (mask & encoding.mask) >>> 0 === encoding.mask && (match & encoding.mask) >>> 0 === encoding.match,
  );

const compressible = new Set(instructions.filter(isCompressible).map(({ name }) => name));

/** Whether an instruction's target may be known when it is decoded. */
export function isDirect({ semantics, name }: Instruction): boolean {
  return semantics.kind === "branch" || name === "jal";
}

function enumerate(): Operation[] {
  const operations: Operation[] = [];
  // Rare ones last: the loop's switch sends all of them one way.
  for (const instruction of [...instructions].sort((a, b) => Number(isRare(a)) - Number(isRare(b)))) {
    for (const inPage of isDirect(instruction) ? [false, true] : [false]) {
      for (const length of compressible.has(instruction.name) ? ([4, 2] as const) : ([4] as const)) {
        operations.push({ number: PSEUDO_OPERATIONS.length + operations.length, instruction, length, inPage });
      }
    }
  }
  return operations;
}

export const operations: readonly Operation[] = enumerate();

/** An instruction's first operation; the others follow as {@link operationNumber} adds them up. */
export function firstOperation(instruction: Instruction): Operation {
  const first = operations.find((operation) => operation.instruction === instruction);
  if (first === undefined) throw new RangeError(`${instruction.name} has no operation`);
  return first;
}

export function lengthsOf(instruction: Instruction): 1 | 2 {
  return compressible.has(instruction.name) ? 2 : 1;
}

export function generateOperations(): string {
  return PSEUDO_OPERATIONS.map((name, number) => `export const OP_${name}: u32 = ${number};`).join("\n");
}
