/** Sets of guest registers, and which of them an instruction reads and writes. */
import type { Instruction } from "@hartvisor/core/isa";

/** Integer and float registers by their bits; x0 is none. */
export interface RegisterSet {
  readonly x: number;
  readonly f: number;
}

export const NO_REGISTERS: RegisterSet = { x: 0, f: 0 };

/** The first itself if that has all of the second. */
export function union(a: RegisterSet, b: RegisterSet): RegisterSet {
  const x = a.x | b.x;
  const f = a.f | b.f;
  return x === a.x && f === a.f ? a : { x, f };
}
export const difference = (a: RegisterSet, b: RegisterSet): RegisterSet => ({ x: a.x & ~b.x, f: a.f & ~b.f });
export const isSame = (a: RegisterSet, b: RegisterSet): boolean => a.x === b.x && a.f === b.f;

/** The number of the first register in half of a set that is not empty. */
export const lowest = (bits: number): number => 31 - Math.clz32(bits & -bits);

/** Half of a set without its first register. */
export const withoutLowest = (bits: number): number => bits & (bits - 1);

/** Register numbers of an instruction, whichever file they name. */
export interface RegisterOperands {
  readonly rd: number;
  readonly rs1: number;
  readonly rs2: number;
  readonly rs3: number;
}

/** 1 for each field that a row has, 0 for the others: what register numbers are shifted by makes a set. */
type Fields = Readonly<Record<"rd" | "rs1" | "rs2" | "frd" | "frs1" | "frs2" | "frs3", 0 | 1>>;
const NO_FIELDS: Fields = { rd: 0, rs1: 0, rs2: 0, frd: 0, frs1: 0, frs2: 0, frs3: 0 };
const X0 = 1;

const fieldsOfRow = new WeakMap<Instruction, Fields>();

function fieldsOf(row: Instruction | undefined): Fields {
  if (row === undefined) return NO_FIELDS;
  let fields = fieldsOfRow.get(row);
  if (fields === undefined) {
    const has = Object.keys(NO_FIELDS).filter((name) => row.encoding.fields.has(name));
    fields = { ...NO_FIELDS, ...Object.fromEntries(has.map((name) => [name, 1])) };
    fieldsOfRow.set(row, fields);
  }
  return fields;
}

/** What an instruction of a row reads, by its operands. */
export function readBy(row: Instruction | undefined, { rs1, rs2, rs3 }: RegisterOperands): RegisterSet {
  const fields = fieldsOf(row);
  return {
    x: ((fields.rs1 << rs1) | (fields.rs2 << rs2)) & ~X0,
    f: (fields.frs1 << rs1) | (fields.frs2 << rs2) | (fields.frs3 << rs3),
  };
}

/** Which float registers it names, but not for a single that they hold. */
export function wideBy(row: Instruction | undefined, { rd, rs1, rs2, rs3 }: RegisterOperands): number {
  const fields = fieldsOf(row);
  const all = (fields.frd << rd) | (fields.frs1 << rs1) | (fields.frs2 << rs2) | (fields.frs3 << rs3);
  if (all === 0) return 0;
  switch (row?.semantics.kind) {
    case "load":
    case "store":
      return row.semantics.width === 4 ? 0 : all;
    case "float-move":
      return SINGLE_MOVE.test(row.semantics.move) ? 0 : all;
    case "float": {
      const { from, to } = row.semantics.operation;
      const reads = [fields.frs1 << rs1, fields.frs2 << rs2, fields.frs3 << rs3];
      const wide = reads.filter((_, n) => from[n] !== "s").reduce((sum, bit) => sum | bit, 0);
      return to === "s" ? wide : wide | (fields.frd << rd);
    }
    default:
      return all;
  }
}

const SINGLE_MOVE = /^fsgnj[nx]?\.s$|^fmv\.x\.w$|^fmv\.w\.x$/;

/** What it writes. */
export function writtenBy(row: Instruction | undefined, { rd }: RegisterOperands): RegisterSet {
  const fields = fieldsOf(row);
  return { x: (fields.rd << rd) & ~X0, f: fields.frd << rd };
}
