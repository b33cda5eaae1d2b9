/**
 * The encoder: from a row's name and the values of its operands to its bits,
 * every value checked. Tests write guest code with it, directly or through the
 * text assembler.
 */
import { type Field, fieldRange, insertField, LAST_ROUND } from "./encoding.js";
import type { Instruction } from "./instruction.js";
import { impliedRoundingMode, writtenOperands } from "./syntax.js";
import { type CompressedInstruction, compressed, isSigned } from "./table/compressed.js";
import { instructionNamed } from "./table.js";

/** Operand values by the operand names of the 32-bit instruction, e.g. `{ rd: 5, rs1: 6, imm: -12 }`. */
export type Operands = Readonly<Record<string, number>>;

const compressedByName = new Map(compressed.map((row) => [row.name, row]));

/** The row of this name, compressed or not; throws a RangeError for a name that no row has. */
export function rowNamed(name: string): Instruction | CompressedInstruction {
  return compressedByName.get(name) ?? instructionNamed(name);
}

/** What a field can hold: multiples of `scale` from `least` to `most`. */
export function operandRange(field: Field): { readonly least: number; readonly most: number; readonly scale: number } {
  if (field.name.endsWith("'")) return { least: 8, most: 15, scale: 1 };
  if (field.name === "rnum") return { least: 0, most: LAST_ROUND, scale: 1 };
  const { scale, width } = fieldRange(field);
  const span = 2 ** width;
  return isSigned(field.name)
    ? { least: -span / 2, most: span / 2 - scale, scale }
    : { least: 0, most: span - scale, scale };
}

function insert(row: string, operand: string, field: Field, value: number): number {
  const { least, most, scale } = operandRange(field);
  if (!(value >= least && value <= most && value % scale === 0)) {
    const multiple = scale === 1 ? "" : `, in multiples of ${scale}`;
    throw new RangeError(`${row}: ${operand} = ${value} is out of range: ${least} to ${most}${multiple}`);
  }
  return insertField(field, field.name.endsWith("'") ? value - 8 : value);
}

/** Values of operands that need not be given. */
function defaultOf(row: Instruction, name: string): number | undefined {
  if (name === "rm") return impliedRoundingMode(row);
  if (name === "pred" || name === "succ") return 15;
  const written = writtenOperands(row).some(
    (operand) => operand.name === name || (operand.kind === "memory" && operand.base === name),
  );
  return written ? undefined : 0;
}

function missing(row: string, name: string): RangeError {
  return new RangeError(`${row}: operand ${name} is missing`);
}

function rejectUnknown(row: string, given: Operands, known: readonly string[]): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    throw new RangeError(`${row}: has no operand ${name}; it takes ${known.join(", ") || "none"}`);
  }
}

function encodeCompressed(row: CompressedInstruction, given: Operands): number {
  rejectUnknown(row.name, given, Object.keys(row.operands));
  const values = new Map<string, number>();
  for (const [name, source] of Object.entries(row.operands)) {
    const value = given[name];
    const implied = typeof source === "number" ? source : values.get(source);
    if (value !== undefined && implied !== undefined && value !== implied) {
      throw new RangeError(`${row.name}: ${name} = ${value} is out of range: it must be ${implied} here`);
    }
    if (value !== undefined && typeof source === "string") values.set(source, value);
  }
  let bits = row.encoding.match;
  for (const [name, field] of row.encoding.fields) {
    const value = values.get(name);
    if (value === undefined) throw missing(row.name, name.replace("'", ""));
    if ((row.nonzero.includes(name) && value === 0) || row.not?.[name] === value) {
      throw new RangeError(`${row.name}: ${name} = ${value} is out of range: that encoding is another's or reserved`);
    }
    bits |= insert(row.name, name, field, value);
  }
  return bits;
}

/**
 * The bits of an instruction: 16 for a compressed one (`"c.addi"`), else 32.
 * Operands keep the names of the 32-bit instruction in compressed forms, where
 * implied ones may be left out. `rm` defaults to the dynamic mode, `aq` and `rl`
 * to 0, `pred` and `succ` to all; throws a RangeError that names instruction,
 * operand and range.
 *
 * @example encode("addi", { rd: 5, rs1: 6, imm: -12 })
 */
export function encode(name: string, operands: Operands = {}): number {
  const row = rowNamed(name);
  if (!("syntax" in row)) return encodeCompressed(row, operands);
  rejectUnknown(name, operands, [...row.encoding.fields.keys()]);
  let bits = row.encoding.match;
  for (const [operand, field] of row.encoding.fields) {
    const value = operands[operand] ?? defaultOf(row, operand);
    if (value === undefined) throw missing(name, operand);
    bits |= insert(name, operand, field, value);
  }
  return bits >>> 0;
}
