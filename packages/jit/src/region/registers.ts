/**
 * Which registers a region's code must load and store. A register's local need not hold what memory does: it is *dirty*
 * where a write may have gone before, and is then stored at every way out; it must be valid where its value may be read, or
 * stored. Both are found by iteration over sets of bits (A. Aho et al., "Compilers", 9.2).
 */
import type { Instruction } from "@hartvisor/core/isa";
import type { GuestInstruction } from "../guest/instruction.js";
import type { Block, Region } from "./block.js";
import type { FlowGraph } from "./flow-graph.js";

/** Integer and float registers by their bits; x0 is none. */
export interface RegisterSet {
  readonly x: number;
  readonly f: number;
}

export const NO_REGISTERS: RegisterSet = { x: 0, f: 0 };

export const union = (a: RegisterSet, b: RegisterSet): RegisterSet => ({ x: a.x | b.x, f: a.f | b.f });
export const difference = (a: RegisterSet, b: RegisterSet): RegisterSet => ({ x: a.x & ~b.x, f: a.f & ~b.f });
export const isSame = (a: RegisterSet, b: RegisterSet): boolean => a.x === b.x && a.f === b.f;

/** The numbers of the registers in half of a set, ascending. */
export function* registersOf(bits: number): Generator<number> {
  for (let rest = bits; rest !== 0; rest &= rest - 1) yield 31 - Math.clz32(rest & -rest);
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

/** What an instruction reads. */
export function readBy({ row, rs1, rs2, rs3 }: GuestInstruction): RegisterSet {
  const fields = fieldsOf(row);
  return {
    x: ((fields.rs1 << rs1) | (fields.rs2 << rs2)) & ~X0,
    f: (fields.frs1 << rs1) | (fields.frs2 << rs2) | (fields.frs3 << rs3),
  };
}

/** What an instruction writes. */
export function writtenBy({ row, rd }: GuestInstruction): RegisterSet {
  const fields = fieldsOf(row);
  return { x: (fields.rd << rd) & ~X0, f: fields.frd << rd };
}

/** Both by block number. */
export interface RegisterFlow {
  /** Registers that may be dirty where the block begins. */
  readonly dirty: readonly RegisterSet[];
  /** Registers whose locals must be valid there. */
  readonly live: readonly RegisterSet[];
}

export function registerFlow(region: Region, graph: FlowGraph): RegisterFlow {
  const blocks = graph.order.map((offset) => region.blocks.get(offset) as Block);
  const written = blocks.map(({ instructions }) =>
    instructions.reduce((sum, { instruction }) => union(sum, writtenBy(instruction)), NO_REGISTERS),
  );
  /** Behind a call memory holds all that the callee left, and everything is loaded again. */
  const endsFlow = blocks.map(({ terminator }) => terminator.kind === "call");

  const dirty = blocks.map(() => NO_REGISTERS);
  repeat((again) => {
    for (const [from, targets] of graph.successors.entries()) {
      if (endsFlow[from]) continue;
      const out = union(dirty[from] as RegisterSet, written[from] as RegisterSet);
      for (const to of targets) {
        const before = dirty[to] as RegisterSet;
        const after = union(before, out);
        if (isSame(before, after)) continue;
        dirty[to] = after;
        if (to <= from) again();
      }
    }
  });

  // Every block may be left, and what is dirty is stored then.
  const live = blocks.map((block, n) => union(exposed(block), dirty[n] as RegisterSet));
  repeat((again) => {
    for (let from = blocks.length - 1; from >= 0; from--) {
      if (endsFlow[from]) continue;
      let sum = live[from] as RegisterSet;
      for (const to of graph.successors[from] ?? []) {
        sum = union(sum, difference(live[to] as RegisterSet, written[from] as RegisterSet));
      }
      if (isSame(sum, live[from] as RegisterSet)) continue;
      live[from] = sum;
      again();
    }
  });
  return { dirty, live };
}

/** What a block reads of what was there before. */
function exposed({ instructions }: Block): RegisterSet {
  let read = NO_REGISTERS;
  let written = NO_REGISTERS;
  for (const { instruction } of instructions) {
    read = union(read, difference(readBy(instruction), written));
    written = union(written, writtenBy(instruction));
  }
  return read;
}

/** Repeats a pass until it does not ask for another. */
function repeat(pass: (again: () => void) => void): void {
  for (let changed = true; changed; ) {
    changed = false;
    pass(() => {
      changed = true;
    });
  }
}
