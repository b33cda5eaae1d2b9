/**
 * Makes regions reducible that are not, as those are that grew from the middle of
 * loops: else all their blocks would go by one table, in a loop around everything.
 */
import { type Block, DISPATCH, type Region } from "./block.js";
import { type FlowGraph, flowGraph } from "./flow-graph.js";

/** A region, and its graph. */
export interface Shape {
  readonly region: Region;
  readonly graph: FlowGraph;
}

/**
 * A region with a dispatch begins with that, which leads to its entry, too: then it is the header of all loops through it.
 * Other loops lose the blocks by which they have a second entrance: the region ends there, where others may begin. Where
 * neither helps it stays as it is.
 */
export function reducible(region: Region): Shape {
  const graph = flowGraph(region);
  if (graph.irreducible.length === 0) return { region, graph };
  const fromDispatch = region.blocks.has(DISPATCH) ? trimmed({ ...region, first: DISPATCH }) : undefined;
  return fromDispatch ?? trimmed(region) ?? { region, graph };
}

/** Without second entrances to loops; undefined if the entry, or the dispatch, is one. */
function trimmed(region: Region): Shape | undefined {
  const graph = flowGraph(region);
  const { order, irreducible } = graph;
  const cut = new Set(irreducible.map((number) => order[number]));
  if (cut.size === 0) return { region: only(region, order), graph };
  if (cut.has(region.entry) || cut.has(DISPATCH)) return undefined;
  const kept = order.filter((offset) => !cut.has(offset));
  return trimmed(only(region, kept));
}

/** Some of a region's blocks. */
function only(region: Region, offsets: readonly number[]): Region {
  if (offsets.length === region.blocks.size) return region;
  const kept = offsets.map((offset) => region.blocks.get(offset) as Block);
  const instructionCount = kept.reduce((sum, { instructions }) => sum + instructions.length, 0);
  return { ...region, blocks: new Map(kept.map((block) => [block.offset, block])), instructionCount };
}
