/**
 * Loads that loops wait for: the address of each depends on what it loaded an iteration before, as where lists are walked or
 * tables looked up by what was found. Nothing that stands on such a chain is done ahead.
 */
import { INTEGER_REGISTERS } from "@hartvisor/core/isa";
import { lowest, withoutLowest } from "../guest/registers.js";
import { type Block, DISPATCH, type Region } from "./block.js";
import type { FlowGraph } from "./flow-graph.js";

/** Loops of more are left alone: they do other things than wait. */
const MOST_BLOCKS = 12;
const MOST_INSTRUCTIONS = 64;
/** Loads of a loop that are told apart, by the bits of a number. */
const MOST_LOADS = 31;

const NONE: ReadonlySet<number> = new Set();

/** The offsets of a region's loads into integer registers whose addresses depend on themselves, around a small loop without calls. */
export function chainedLoads(region: Region, graph: FlowGraph): ReadonlySet<number> {
  if (graph.irreducible.length > 0 || !graph.isLoopHeader.includes(true)) return NONE;
  /** By the number of a loop's header: that of the last block that leads back to it. */
  const ends = new Map<number, number>();
  for (const [from, targets] of graph.successors.entries())
    for (const to of targets) if (to <= from) ends.set(to, from);
  if (ends.size === 0) return NONE;
  const chained = new Set<number>();
  for (const [header, end] of ends) {
    const loop = loopOf(region, graph, header, end);
    if (loop !== undefined && mayChain(loop)) addChained(graph, header, loop, chained);
  }
  return chained;
}

/**
 * The blocks from a loop's header to the last that leads back to it, in reverse postorder: among them may be some that leave
 * the loop. Undefined if they are too many, begin with the dispatch, or one is a call.
 */
function loopOf(region: Region, graph: FlowGraph, header: number, end: number): readonly Block[] | undefined {
  if (graph.order[header] === DISPATCH || end - header >= MOST_BLOCKS) return undefined;
  const blocks: Block[] = [];
  let instructions = 0;
  for (let number = header; number <= end; number++) {
    const block = region.blocks.get(graph.order[number] ?? -1);
    if (block === undefined || block.terminator.kind === "call") return undefined;
    instructions += block.instructions.length;
    if (instructions > MOST_INSTRUCTIONS) return undefined;
    blocks.push(block);
  }
  return blocks;
}

/** Whether the base register of a load is written in the loop other than by steps: that of most loops over arrays is not. */
function mayChain(blocks: readonly Block[]): boolean {
  let [bases, written] = [0, 0];
  for (const { instructions } of blocks) {
    for (const { instruction } of instructions) {
      const { row, rd, rs1, writes } = instruction;
      if (row?.semantics.kind === "load") bases |= 1 << rs1;
      if (row?.name !== "addi" || rd !== rs1) written |= writes.x;
    }
  }
  return (bases & written) !== 0;
}

/** What each register's value depends on: loads of the loop, by their bits. */
type Dependences = Int32Array;

/** Adds what is chained in a loop, found by iteration over what registers depend on where blocks begin. */
function addChained(graph: FlowGraph, header: number, blocks: readonly Block[], chained: Set<number>): void {
  const before = blocks.map(() => new Int32Array(INTEGER_REGISTERS.length));
  for (let changed = true; changed; ) {
    changed = false;
    let loads = 0;
    for (const [n, { instructions }] of blocks.entries()) {
      const depends = (before[n] as Dependences).slice();
      for (const { offset, instruction } of instructions) {
        const { row, rd, rs1, reads, writes } = instruction;
        let on = 0;
        for (let rest = reads.x; rest !== 0; rest = withoutLowest(rest)) on |= depends[lowest(rest)] as number;
        if (row?.semantics.kind === "load" && row.semantics.to === "x" && loads < MOST_LOADS) {
          const bit = 1 << loads++;
          if (((depends[rs1] as number) & bit) !== 0) chained.add(offset);
          on |= bit;
        }
        if (writes.x !== 0) depends[rd] = on;
      }
      for (const to of graph.successors[header + n] ?? []) {
        const next = before[to - header];
        if (next !== undefined && merge(next, depends) && to <= header + n) changed = true;
      }
    }
  }
}

/** Adds dependences to those of another way to a place; whether that makes a difference. */
function merge(to: Dependences, from: Dependences): boolean {
  let changed = false;
  for (let register = 1; register < to.length; register++) {
    const all = (to[register] as number) | (from[register] as number);
    if (all === to[register]) continue;
    to[register] = all;
    changed = true;
  }
  return changed;
}
