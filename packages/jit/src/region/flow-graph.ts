/**
 * The shape of a region's control flow: blocks in reverse postorder, the
 * dominator tree, loop headers and merge points (K. Cooper, T. Harvey,
 * K. Kennedy, "A Simple, Fast Dominance Algorithm", 2001).
 */
import { DISPATCH, type Region, successors } from "./block.js";

export interface FlowGraph {
  /** Offsets of the reachable blocks in reverse postorder; the entry is first. */
  readonly order: readonly number[];
  /** Place in `order` by offset. */
  readonly numberOf: ReadonlyMap<number, number>;
  /** By number: successors within the region. */
  readonly successors: readonly (readonly number[])[];
  /** By number: the blocks of the region that go there. */
  readonly predecessors: readonly (readonly number[])[];
  /** By number: the children in the dominator tree, by descending number. */
  readonly dominated: readonly (readonly number[])[];
  /** By number: is the target of an edge from itself or from behind. */
  readonly isLoopHeader: readonly boolean[];
  /** By number: has two or more edges from before it, or one from a dispatch, which must branch to it. */
  readonly isMerge: readonly boolean[];
  /** Numbers of the blocks to which an edge leads back from one that they do not dominate: their loops have other entrances. */
  readonly irreducible: readonly number[];
}

export function flowGraph(region: Region): FlowGraph {
  const order = reversePostorder(region);
  const numberOf = new Map(order.map((offset, number) => [offset, number]));
  const next = order.map((offset) => {
    const block = region.blocks.get(offset);
    const numbers: number[] = [];
    for (const target of block === undefined ? [] : successors(block)) {
      const number = numberOf.get(target);
      if (number !== undefined && !numbers.includes(number)) numbers.push(number);
    }
    return numbers;
  });
  const predecessors: number[][] = order.map(() => []);
  for (const [from, targets] of next.entries()) for (const to of targets) predecessors[to]?.push(from);

  const dominator = immediateDominators(predecessors);
  const dominates = (a: number, b: number): boolean => {
    let block = b;
    while (block > a) block = dominator[block] ?? 0;
    return block === a;
  };
  const dominated: number[][] = order.map(() => []);
  for (let block = order.length - 1; block > 0; block--) dominated[dominator[block] ?? 0]?.push(block);
  const isLoopHeader = order.map((_, block) => predecessors[block]?.some((from) => from >= block) ?? false);
  const fromDispatch = new Set(next[numberOf.get(DISPATCH) ?? -1] ?? []);
  const isMerge = order.map((_, block) => {
    const ahead = predecessors[block]?.filter((from) => from < block).length ?? 0;
    return ahead > 1 || (ahead === 1 && fromDispatch.has(block));
  });
  const irreducible = order.flatMap((_, to) =>
    predecessors[to]?.some((from) => from >= to && !dominates(to, from)) ? [to] : [],
  );
  return { order, numberOf, successors: next, predecessors, dominated, isLoopHeader, isMerge, irreducible };
}

function reversePostorder(region: Region): number[] {
  const seen = new Set<number>([region.first]);
  const postorder: number[] = [];
  // Depth first without recursion: a guest may write code as deep as it likes.
  const path: { offset: number; rest: number[] }[] = [];
  const enter = (offset: number) => {
    const block = region.blocks.get(offset);
    path.push({ offset, rest: block === undefined ? [] : successors(block).reverse() });
  };
  enter(region.first);
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const target = top.rest.pop();
    if (target === undefined) {
      postorder.push(top.offset);
      path.pop();
    } else if (region.blocks.has(target) && !seen.has(target)) {
      seen.add(target);
      enter(target);
    }
  }
  return postorder.reverse();
}

function immediateDominators(predecessors: readonly (readonly number[])[]): number[] {
  const dominator = predecessors.map(() => -1);
  dominator[0] = 0;
  const meet = (a: number, b: number): number => {
    let [one, other] = [a, b];
    while (one !== other) {
      while (one > other) one = dominator[one] as number;
      while (other > one) other = dominator[other] as number;
    }
    return one;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (let block = 1; block < predecessors.length; block++) {
      let common = -1;
      for (const from of predecessors[block] ?? []) {
        if (dominator[from] === -1) continue;
        common = common === -1 ? from : meet(common, from);
      }
      if (dominator[block] !== common) {
        dominator[block] = common;
        changed = true;
      }
    }
  }
  return dominator;
}
