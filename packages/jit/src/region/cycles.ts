/** Loops that are one chain of blocks: from each of them one way goes on to the next, and others leave the chain. */
import type { Block, Region } from "./block.js";
import type { FlowGraph } from "./flow-graph.js";

/** The numbers of its blocks, its header's first. */
export type Cycle = readonly number[];

/** The cycles of a region whose graph is reducible, one for a header, of so many instructions at most. */
export function cycles(region: Region, graph: FlowGraph, mostInstructions: number): readonly Cycle[] {
  const found: Cycle[] = [];
  if (graph.irreducible.length > 0) return found;
  for (const [header, isHeader] of graph.isLoopHeader.entries()) {
    if (!isHeader) continue;
    // One that is a loop's header may be that of a loop around it, too.
    for (const last of graph.predecessors[header] ?? []) {
      const cycle = last < header ? undefined : cycleOf(region, graph, { header, last, mostInstructions });
      if (cycle === undefined) continue;
      found.push(cycle);
      break;
    }
  }
  return found;
}

/** The way from a loop's header to the last block that leads back to it, if there is one alone. */
function cycleOf(
  region: Region,
  graph: FlowGraph,
  { header, last, mostInstructions }: { header: number; last: number; mostInstructions: number },
): Cycle | undefined {
  const cycle: number[] = [];
  let instructions = 0;
  for (let number: number | undefined = last; number !== undefined; ) {
    const block = region.blocks.get(graph.order[number] ?? -1);
    if (block === undefined || !goesOn(block)) return undefined;
    instructions += block.instructions.length;
    if (instructions > mostInstructions) return undefined;
    cycle.unshift(number);
    if (number === header) return cycle;
    const [from, ...others]: readonly number[] = graph.predecessors[number] ?? [];
    if (others.length > 0) return undefined;
    number = from;
  }
  return undefined;
}

/** Whether a block ends by going to another without leaving anything behind. */
function goesOn({ terminator, instructions }: Block): boolean {
  switch (terminator.kind) {
    case "next":
      return true;
    case "jump":
      return instructions.at(-1)?.instruction.rd === 0;
    case "branch":
      return terminator.taken !== terminator.otherwise;
    default:
      return false;
  }
}

/**
 * The graph as it is where a cycle's blocks stand in the code several times over, all behind its header: to what lies behind
 * the loop lead several edges then, and only the header dominates it.
 */
export function withCopies(graph: FlowGraph, found: readonly Cycle[]): FlowGraph {
  if (found.length === 0) return graph;
  const isMerge = [...graph.isMerge];
  const dominated = [...graph.dominated];
  for (const cycle of found) {
    const header = cycle[0] as number;
    const behind = new Set<number>();
    for (const number of cycle) {
      for (const to of graph.successors[number] ?? []) if (to > header && !cycle.includes(to)) isMerge[to] = true;
      const inside = (dominated[number] ?? []).filter((child) => cycle.includes(child));
      for (const child of dominated[number] ?? []) if (!cycle.includes(child)) behind.add(child);
      dominated[number] = inside;
    }
    dominated[header] = [...(dominated[header] ?? []), ...behind].sort((a, b) => b - a);
  }
  return { ...graph, isMerge, dominated };
}
