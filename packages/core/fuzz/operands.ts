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
/** Rounding modes: the dynamic one most often, reserved ones now and then. */
const ROUNDING = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];

/** A register that programs may write. */
export const destination = (random: Random): number => random.pick(FREE);
/** One other than x0. */
export const temporary = (random: Random): number => random.pick(FREE.slice(1));
export const source = (random: Random): number => random.below(32);

function within(random: Random, candidates: readonly number[], least: number, most: number): number {
  return random.pick(candidates.filter((value) => value >= least && value <= most));
}

/** A value for one field of an encoding. */
function value(random: Random, field: Field, isWritten: boolean): number {
  const { least, most, scale } = operandRange(field);
  const name = field.name.replace("'", "");
  if (isFloatField(name)) return random.between(least, most);
  switch (name) {
    case "rm":
      return random.chance(0.01) ? random.between(5, 6) : random.pick(ROUNDING);
    case "rd":
    case "rs1":
    case "rs2":
      return isWritten ? within(random, FREE, least, most) : random.between(least, most);
    case "imm":
    case "uimm":
      return immediate(random, least, most, scale);
    default:
      return random.between(least, most);
  }
}

/** Operands for a row of the table, those given excepted. */
export function operandsFor(random: Random, row: Instruction, given: Operands = {}): Operands {
  const operands: { [name: string]: number } = { ...given };
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
