/**
 * From bits to a row of the table and the values of its operands, compressed
 * encodings expanded: what the disassembler, the evaluator and the tests start
 * from. The interpreter's own decoder is generated, and checked against this.
 */
import { extractField, LAST_ROUND } from "./encoding.js";
import type { Instruction } from "./instruction.js";
import { type CompressedInstruction, compressed, compressedOperand, isSigned } from "./table/compressed.js";
import { findInstruction, instructionNamed } from "./table.js";

export interface DecodedInstruction {
  /** The 32-bit instruction that says what is done. */
  readonly row: Instruction;
  /** How it is encoded, if in 16 bits. */
  readonly compressed: CompressedInstruction | undefined;
  /** Values by the row's operand names; immediates are scaled and extended. */
  readonly operands: Readonly<Record<string, number>>;
  readonly length: 2 | 4;
}

/** Whether the low bits of an encoding say that it has 32 bits. */
export const isLong = (word: number): boolean => (word & 3) === 3;

/** Bits 0, 1 and 13 to 15 of a 16-bit encoding, which every row has fixed: its quadrant and funct3. */
const classOf = (half: number): number => (half & 3) | ((half >>> 11) & 0x1c);

const byClass: readonly (readonly CompressedInstruction[])[] = Array.from({ length: 32 }, (_, number) =>
  compressed.filter(({ encoding }) => classOf(encoding.match) === number),
);

/** Every compressed row that claims an encoding: one, or none where it is reserved. */
export function claimants(half: number): CompressedInstruction[] {
  return (byClass[classOf(half)] ?? []).filter(({ encoding, nonzero, not = {} }) => {
    if ((half & encoding.mask) !== encoding.match) return false;
    const value = (name: string) => {
      const field = encoding.fields.get(name);
      if (field === undefined) throw new RangeError(`a condition names ${name}, which is no field`);
      return extractField(field, half, false);
    };
    return nonzero.every((name) => value(name) !== 0) && Object.entries(not).every(([name, no]) => value(name) !== no);
  });
}

function decodeCompressed(half: number): DecodedInstruction | undefined {
  const row = claimants(half)[0];
  if (row === undefined) return undefined;
  const operands: Record<string, number> = {};
  for (const [name, source] of Object.entries(row.operands)) {
    const field = typeof source === "string" ? row.encoding.fields.get(source) : undefined;
    operands[name] = field === undefined ? Number(source) : compressedOperand(field, half);
  }
  return { row: instructionNamed(row.expandsTo), compressed: row, operands, length: 2 };
}

/** Decodes the instruction in the low 16 or 32 bits of `word`; undefined where its encoding is reserved. */
export function decodeInstruction(word: number): DecodedInstruction | undefined {
  if (!isLong(word)) return decodeCompressed(word & 0xffff);
  const row = findInstruction(word >>> 0);
  if (row === undefined) return undefined;
  const operands: Record<string, number> = {};
  for (const [name, field] of row.encoding.fields) operands[name] = extractField(field, word, isSigned(name));
  if (operands.rm === 5 || operands.rm === 6) return undefined; // reserved rounding modes
  if ((operands.rnum ?? 0) > LAST_ROUND) return undefined;
  return { row, compressed: undefined, operands, length: 4 };
}
