/** The dominator tree of a region as text, each block below the one that dominates it immediately. */
import type { FlowGraph } from "../region/flow-graph.js";
import { roles } from "./blocks.js";
import type { Places } from "./places.js";

export function drawStructure(graph: FlowGraph, places: Places): string {
  const lines: string[] = [];
  // A stack, not recursion: a guest may write code as deep as it likes.
  const rest = [{ number: 0, depth: 0 }];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { number, depth } = next;
    const edges = graph.successors[number]?.map((to) => `B${to}`).join(" ");
    const successors = edges ? ` -> ${edges}` : "";
    lines.push(
      `${"  ".repeat(depth)}B${number} ${places.hex(graph.order[number] ?? 0)}${roles(graph, number)}${successors}`,
    );
    // By descending number, so that the last is the first to come off.
    for (const child of graph.dominated[number] ?? []) rest.push({ number: child, depth: depth + 1 });
  }
  return lines.join("\n");
}
