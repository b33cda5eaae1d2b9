/**
 * Operands for any row of the ISA table, from the fields of its encoding: the
 * generator's registers are never written, and immediates favour their ends.
 */
import { type Operands, operandRange } from "../isa/encode.js";
import type { Field } from "../isa/encoding.js";
import type { Instruction } from "../isa/instruction.js";
import type { CompressedInstruction } from "../isa/table/compressed.js";
import { isFloatField } from "../isa/table/float.js";
import type { Random } from "./random.js";
import { Reserved } from "./slot.js";
import { immediate } from "./values.js";

const reserved = new Set<number>(Object.values(Reserved));
const FREE = Array.from({ length: 32 }, (_, n) => n).filter((n) => !reserved.has(n));
/** The first registers of pairs that programs may write. */
const PAIRS = FREE.filter((n) => n % 2 === 0 && n !== 0 && !reserved.has(n + 1));
/** Rounding modes: the dynamic one most often, reserved ones now and then. */
const ROUNDING = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];

/** A register that programs may write. */
export const destination = (random: Random): number => random.pick(FREE);
/** One other than x0. */
export const temporary = (random: Random): number => random.pick(FREE.slice(1));
export const source = (random: Random): number => random.below(32);

/** A register to write: with a scale of 2 it is the first of a pair, and the second is written, too. */
function writable(random: Random, { least, most, scale }: ReturnType<typeof operandRange>): number {
  const isWritable = (n: number) => n >= least && n <= most && n % scale === 0 && (scale === 1 || !reserved.has(n + 1));
  return random.pick(FREE.filter(isWritable));
}

/** A value for one field of an encoding. */
function value(random: Random, field: Field, isWritten: boolean): number {
  const range = operandRange(field);
  const { least, most, scale } = range;
  const any = () => least + random.below((most - least) / scale + 1) * scale;
  const name = field.name.replace("'", "");
  if (isFloatField(name)) return any();
  switch (name) {
    case "rm":
      return random.chance(0.01) ? random.between(5, 6) : random.pick(ROUNDING);
    case "rd":
    case "rs1":
    case "rs2":
      return isWritten ? writable(random, range) : any();
    case "imm":
    case "uimm":
      return immediate(random, least, most, scale);
    default:
      return any();
  }
}

/** Operands for a row of the table, those given excepted. */
export function operandsFor(random: Random, row: Instruction, given: Operands = {}): Operands {
  const operands: { [name: string]: number } = { ...given };
  // QEMU 10 writes its constant zero there: x0 has another value then, or QEMU crashes.
  if (row.semantics.kind === "amo-compare-swap") operands.rd ??= random.pick(PAIRS);
  for (const [name, field] of row.encoding.fields) operands[name] ??= value(random, field, name === "rd");
  return operands;
}

/** Operands for a compressed row by the names of its expansion; undefined where the choice is reserved. */
export function compressedOperands(random: Random, row: CompressedInstruction, given: Operands = {}): Operands {
  const fields = new Map<string, number>();
  const writes = row.operands.rd ?? row.operands.frd;
  for (const [name, field] of row.encoding.fields) {
    for (let tries = 0; ; tries++) {
      const chosen = value(random, field, name === writes);
      const isRefused = (row.nonzero.includes(name) && chosen === 0) || row.not?.[name] === chosen;
      if (isRefused && tries < 1000) continue;
      fields.set(name, chosen);
      break;
    }
  }
  for (const [name, source] of Object.entries(row.operands)) {
    const chosen = given[name];
    if (chosen !== undefined && typeof source === "string") fields.set(source, chosen);
  }
  const operands: { [name: string]: number } = {};
  for (const [name, source] of Object.entries(row.operands)) {
    operands[name] = typeof source === "number" ? source : (fields.get(source) ?? 0);
  }
  return operands;
}
