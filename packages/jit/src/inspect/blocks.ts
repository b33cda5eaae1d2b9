/** The blocks of a region as text: their guest code, and where each goes on. */
import type { Block, Region } from "../region/block.js";
import type { FlowGraph } from "../region/flow-graph.js";
import type { Places } from "./places.js";

/** Lists blocks by their numbers, which are places in reverse postorder. */
export function listBlocks(
  region: Region,
  graph: FlowGraph,
  places: Places,
  assembly: (offset: number) => string,
): string {
  const listed = graph.order.map((offset, number) => {
    const block = region.blocks.get(offset);
    if (block === undefined) throw new RangeError(`the region has no block at ${offset}`);
    const lines = block.instructions.map((placed) => `  ${places.hex(placed.offset)}  ${assembly(placed.offset)}`);
    return [`B${number}${roles(graph, number)}`, ...lines, `  -> ${goesOn(block, graph, places, assembly)}`].join("\n");
  });
  return listed.join("\n\n");
}

/** `: entry, loop header`, as far as it is. */
export function roles({ isLoopHeader, isMerge }: FlowGraph, number: number): string {
  const roles = [
    ...(number === 0 ? ["entry"] : []),
    ...(isLoopHeader[number] ? ["loop header"] : []),
    ...(isMerge[number] ? ["merge point"] : []),
  ];
  return roles.length === 0 ? "" : `: ${roles.join(", ")}`;
}

function goesOn({ terminator }: Block, graph: FlowGraph, places: Places, assembly: (offset: number) => string): string {
  const to = (offset: number) => {
    const number = graph.numberOf.get(offset);
    return number === undefined ? `out to ${places.hex(offset)}` : `B${number}`;
  };
  switch (terminator.kind) {
    case "next":
    case "jump":
      return to(terminator.to);
    case "branch":
      return `${to(terminator.taken)} if taken, else ${to(terminator.otherwise)}`;
    case "call": {
      const callee = terminator.target === undefined ? "an address" : places.hex(terminator.target);
      return `calls ${callee}, then ${to(terminator.link)}`;
    }
    case "indirect":
      return "out to an address";
    case "dispatch":
      return `${terminator.targets.map(to).join(" ")}, whichever an indirect jump names, else out`;
    case "system":
      return "by the system instruction at its end";
    case "interpret":
      return `the interpreter at ${places.hex(terminator.at)}: ${assembly(terminator.at)}`;
  }
}
