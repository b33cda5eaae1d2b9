/** Regions that grew from the middle of loops are made reducible. */
import { describe, expect, it } from "vitest";
import { DISPATCH } from "../src/region/block.js";
import { flowGraph } from "../src/region/flow-graph.js";
import { reducible } from "../src/region/reducible.js";
import { grow } from "./grow.js";

/** Two blocks that jump to each other, at 12 and 20, entered at either. */
const TWO_ENTRANCES = `
  addi a0, a0, 1
  andi a1, a0, 1
  beq a1, zero, .+12
  addi a2, a2, 3
  addi a2, a2, 3
  addi a3, a3, 5
  bne a4, zero, .-12
  ret`;

/** Begins with a branch to either of two pieces of code to which an indirect jump goes, too, and which lead to it. */
const DISPATCHED = `
  beq a1, zero, .+12
  addi a2, a2, 1
  j .+8
  addi a3, a3, 1
  addi a4, a4, 1
  jalr zero, 0(a0)`;

/** The entry and the block at 8 lead to each other, and to an indirect jump to both. */
const TWO_TARGETS = `
  addi a2, a2, 1
  beq a1, zero, .+12
  addi a3, a3, 1
  bne a1, zero, .-12
  jalr zero, 0(a0)`;

describe("a region", () => {
  it("stays as it is if it is reducible", () => {
    const region = grow("addi a0, a0, -1\nbne a0, zero, .-4\nret");
    expect(reducible(region).region).toBe(region);
  });

  it("loses the header of a loop that has another entrance", () => {
    const region = grow(TWO_ENTRANCES);
    expect(flowGraph(region).irreducible).not.toEqual([]);
    const { region: changed, graph } = reducible(region);
    expect(graph.irreducible).toEqual([]);
    expect([...changed.blocks.keys()]).toEqual([0, 12]);
    expect(changed.instructionCount).toBe(5);
  });

  it("begins with its dispatch, if it has one", () => {
    const region = grow(DISPATCHED, [], [4, 12]);
    expect(flowGraph(region).irreducible).not.toEqual([]);
    const { region: changed, graph } = reducible(region);
    expect(graph.irreducible).toEqual([]);
    expect(changed.first).toBe(DISPATCH);
    expect(changed.blocks.get(DISPATCH)?.terminator).toEqual({ kind: "dispatch", targets: [0, 4, 12] });
    expect(changed.instructionCount).toBe(region.instructionCount);
  });

  it("does not begin with its dispatch where its entry is in a loop of two blocks to both of which that leads", () => {
    const { region: changed } = reducible(grow(TWO_TARGETS, [], [8]));
    expect(changed.first).toBe(0);
    expect(changed.blocks.has(0)).toBe(true);
  });
});
