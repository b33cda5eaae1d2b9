/** Loops that are one chain of blocks, and how the graph is where they stand in the code several times over. */
import { describe, expect, it } from "vitest";
import { cycles, withCopies } from "../src/region/cycles.js";
import { flowGraph } from "../src/region/flow-graph.js";
import { grow } from "./grow.js";

const MOST = 16;

/** The offsets of the blocks of a program's cycles. */
function found(source: string): number[][] {
  const region = grow(source);
  const graph = flowGraph(region);
  return cycles(region, graph, MOST).map((cycle) => cycle.map((number) => graph.order[number] as number));
}

describe("a cycle", () => {
  it.each([
    ["is one block that branches to itself", "addi a0, a0, 1\nbne a0, a1, .-4\nret", [[0]]],
    ["goes on where a branch is not taken", "addi a0, a0, 1\nbeq a0, a1, .+8\nj .-8\nret", [[0, 8]]],
    ["is left in the middle", "ld a0, 0(a1)\nbeq a0, zero, .+12\naddi a1, a1, 8\nbne a1, a2, .-12\nret", [[0, 8]]],
    [
      "is entered in the middle, by which it begins",
      "j .+8\naddi a1, a1, 8\nld a0, 0(a1)\nbne a0, zero, .-8\nret",
      [[8, 4]],
    ],
    ["lies in a loop that is none", "addi a2, a2, 1\naddi a0, a0, 1\nbne a0, a1, .-4\nbne a2, a3, .-12\nret", [[4]]],
    [
      "begins with the header of a loop around it",
      "addi a0, a0, 1\nbne a0, a1, .-4\naddi a2, a2, 1\nbne a2, a3, .-12\nret",
      [[0]],
    ],
  ])("%s", (_what, source, blocks) => {
    expect(found(source)).toEqual(blocks);
  });
});

describe("no cycle is a loop", () => {
  it.each([
    ["with two ways through it", "beq a0, zero, .+8\naddi a1, a1, 8\naddi a0, a0, 1\nbne a0, a2, .-12\nret"],
    ["with a call", "addi a0, a0, 1\njal ra, .+12\nbne a0, a1, .-8\nret\nret"],
    ["with a jump that links", "addi a0, a0, 1\njal a5, .+4\nbne a0, a1, .-8\nret"],
    ["whose branch leads to one place", "addi a0, a0, 1\nbne a0, a1, .+4\nbne a0, a2, .-8\nret"],
    ["of more instructions", `${"addi a0, a0, 1\n".repeat(MOST)}bne a0, a1, .-64\nret`],
  ])("%s", (_what, source) => {
    expect(found(source)).toEqual([]);
  });
});

it("is dominated by its header alone in what lies behind it, to which lead several edges", () => {
  // Block 8 leaves for 20, and 0 for 24, to which 20 goes on.
  const region = grow(
    "ld a0, 0(a1)\nbeq a0, zero, .+20\naddi a1, a1, 8\nbeq a1, a2, .+8\nj .-16\naddi a3, a3, 1\naddi a4, a4, 1\nret",
  );
  const graph = flowGraph(region);
  const number = (offset: number) => graph.numberOf.get(offset) as number;
  const copied = withCopies(graph, cycles(region, graph, MOST));
  expect(graph.isMerge[number(20)]).toBe(false);
  expect(copied.isMerge[number(20)]).toBe(true);
  expect(graph.dominated[number(8)]).toContain(number(20));
  expect(copied.dominated[number(8)]).not.toContain(number(20));
  expect(copied.dominated[0]).toEqual([...(copied.dominated[0] ?? [])].sort((a, b) => b - a));
  expect(copied.dominated[0]).toContain(number(20));
});
