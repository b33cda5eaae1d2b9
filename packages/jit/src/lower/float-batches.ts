/**
 * Arithmetic in doubles whose results are looked at together: one comparison
 * tells that all are in order, or all is done again, one by one. Between them may
 * stand what neither leaves the region nor writes memory.
 */
import type { PlacedInstruction } from "../region/block.js";
import type { AccessGroup } from "./access-groups.js";
import { arithmeticKind, isFromInteger } from "./float.js";
import type { Look } from "./float-looks.js";

export interface FloatBatch {
  /** Those with which it begins and ends are arithmetic. */
  readonly instructions: readonly PlacedInstruction[];
  /** By the offsets of arithmetic. */
  readonly looks: ReadonlyMap<number, Look>;
  readonly hasProducts: boolean;
  readonly hasSums: boolean;
}

/** Products in a batch at most: more, whose squares are multiplied, would leave the range of doubles too often. */
const MOST_PRODUCTS = 8;

/** The batches of a block by the offsets of their first instructions. */
export function floatBatches(
  instructions: readonly PlacedInstruction[],
  groups: ReadonlyMap<number, AccessGroup>,
  fusedMultiplyAdd: boolean,
): ReadonlyMap<number, FloatBatch> {
  const batches = new Map<number, FloatBatch>();
  let [begin, end, count, products] = [0, 0, 0, 0];
  const close = () => {
    if (count > 1) {
      const batch = instructions.slice(begin, end);
      batches.set(batch[0]?.offset as number, { instructions: batch, ...looksIn(batch) });
    }
    [count, products] = [0, 0];
  };
  for (const [n, placed] of instructions.entries()) {
    const kind = arithmeticIn(placed, fusedMultiplyAdd);
    if (kind !== undefined) {
      if (count++ === 0) begin = n;
      end = n + 1;
      if (kind === "product" && ++products === MOST_PRODUCTS) close();
    } else if (!mayStandBetween(placed, groups)) close();
  }
  close();
  return batches;
}

/**
 * What is infinite or NaN makes results so that it goes into, but for quotients of which it is the divisor: those are zero, and
 * so not in order. That tells of sums and roots; products may also be tiny.
 */
function looksIn(instructions: readonly PlacedInstruction[]): Omit<FloatBatch, "instructions"> {
  const looks = new Map<number, Look>();
  const firsts = new Map<"product" | "sum", number>();
  let used = 0;
  for (const placed of [...instructions].reverse()) {
    const { offset, instruction } = placed;
    const kind = arithmeticIn(placed, true);
    if (kind !== undefined) {
      const isImplied = kind === "sum" && (instruction.writes.f & used) !== 0;
      looks.set(offset, isImplied ? "implied" : "next");
      if (!isImplied) firsts.set(kind, offset);
    }
    used &= ~instruction.writes.f;
    if (kind !== undefined) used |= instruction.reads.f;
  }
  for (const first of firsts.values()) looks.set(first, "first");
  return { looks, hasProducts: firsts.has("product"), hasSums: firsts.has("sum") };
}

/** What arithmetic in doubles an instruction is, if it is any that has a batch. */
function arithmeticIn(
  { instruction: { row } }: PlacedInstruction,
  fusedMultiplyAdd: boolean,
): "product" | "sum" | undefined {
  const semantics = row?.semantics;
  if (semantics?.kind !== "float" || semantics.operation.to !== "d") return undefined;
  return arithmeticKind(semantics.operation, fusedMultiplyAdd);
}

/** Whether an instruction has no effect but on registers, and never gives way to the interpreter. */
function mayStandBetween(
  { offset, instruction: { row } }: PlacedInstruction,
  groups: ReadonlyMap<number, AccessGroup>,
): boolean {
  const semantics = row?.semantics;
  switch (semantics?.kind) {
    case "compute":
    case "float-move":
    case "nothing":
      return true;
    case "float":
      return isFromInteger(semantics.operation);
    case "load": {
      const group = groups.get(offset);
      return group !== undefined && group.first !== offset; // its page was found before
    }
    default:
      return false;
  }
}
