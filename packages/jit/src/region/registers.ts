/**
 * Which registers a region's code must load and store. A register's local need not hold what memory does: it is *dirty*
 * where a write may have gone before, and is then stored at every way out; it must be valid where its value may be read, or
 * stored. Both are found by iteration over sets of bits (A. Aho et al., "Compilers", 9.2).
 */
import { difference, isSame, NO_REGISTERS, type RegisterSet, union } from "../guest/registers.js";
import type { Block, Region } from "./block.js";
import type { FlowGraph } from "./flow-graph.js";

/** Both by block number. */
export interface RegisterFlow {
  /** Registers that may be dirty where the block begins. */
  readonly dirty: readonly RegisterSet[];
  /** Registers whose locals must be valid there. */
  readonly live: readonly RegisterSet[];
}

export function registerFlow(region: Region, graph: FlowGraph): RegisterFlow {
  const blocks = graph.order.map((offset) => region.blocks.get(offset) as Block);
  const written = blocks.map(writtenIn);
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

function writtenIn({ instructions }: Block): RegisterSet {
  let [x, f] = [0, 0];
  for (const { instruction } of instructions) {
    x |= instruction.writes.x;
    f |= instruction.writes.f;
  }
  return { x, f };
}

/** What a block reads of what was there before. */
function exposed({ instructions }: Block): RegisterSet {
  const read = { x: 0, f: 0 };
  const written = { x: 0, f: 0 };
  for (const { instruction } of instructions) {
    read.x |= instruction.reads.x & ~written.x;
    read.f |= instruction.reads.f & ~written.f;
    written.x |= instruction.writes.x;
    written.f |= instruction.writes.f;
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
