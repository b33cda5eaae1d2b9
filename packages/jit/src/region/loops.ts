/** The innermost loops of a region, and the registers that keep to a page there: those that nothing but small steps change. */
import type { Region } from "./block.js";
import type { FlowGraph } from "./flow-graph.js";

/** Bytes of a step at most; with more, a base soon leaves its page. */
const STEP = 512;

export interface Loops {
  /** The header of the innermost loop around a block, by numbers; undefined outside of loops. */
  innermost(block: number): number | undefined;
  /** Whether a base register, in the loop of this header, is changed by small steps or not at all. */
  isSteady(header: number, register: number): boolean;
}

export function findLoops(region: Region, graph: FlowGraph): Loops {
  const predecessors: number[][] = graph.order.map(() => []);
  for (const [from, targets] of graph.successors.entries()) for (const to of targets) predecessors[to]?.push(from);
  const bodies = new Map<number, ReadonlySet<number>>();
  const innermostOf = new Map<number, number>();
  if (graph.isReducible) {
    for (const [header, isHeader] of graph.isLoopHeader.entries()) {
      if (isHeader) bodies.set(header, bodyOf(header, predecessors));
    }
  }
  for (const [header, body] of bodies) {
    for (const block of body) {
      const known = innermostOf.get(block);
      if (known === undefined || (bodies.get(known)?.size ?? 0) > body.size) innermostOf.set(block, header);
    }
  }
  const unsteady = new Map<number, ReadonlySet<number>>();
  return {
    innermost: (block) => innermostOf.get(block),
    isSteady: (header, register) => {
      let changed = unsteady.get(header);
      if (changed === undefined) {
        changed = changedRegisters(region, graph, bodies.get(header) ?? new Set());
        unsteady.set(header, changed);
      }
      return !changed.has(register);
    },
  };
}

/** The blocks from which the header's back-edges can be reached without passing it. */
function bodyOf(header: number, predecessors: readonly (readonly number[])[]): Set<number> {
  const body = new Set([header]);
  const queue = (predecessors[header] ?? []).filter((from) => from >= header);
  for (let block = queue.pop(); block !== undefined; block = queue.pop()) {
    if (body.has(block)) continue;
    body.add(block);
    queue.push(...(predecessors[block] ?? []));
  }
  return body;
}

function changedRegisters(region: Region, graph: FlowGraph, body: ReadonlySet<number>): Set<number> {
  const changed = new Set<number>();
  for (const block of body) {
    for (const { instruction } of region.blocks.get(graph.order[block] ?? -1)?.instructions ?? []) {
      const { row, rd, rs1, imm } = instruction;
      if (!row?.encoding.fields.has("rd")) continue;
      const isStep = row.name === "addi" && rs1 === rd && Math.abs(imm) <= STEP;
      if (!isStep) changed.add(rd);
    }
  }
  return changed;
}
