/** The registers that a region's blocks find dirty, and those whose locals they need. */
import { describe, expect, it } from "vitest";
import type { RegisterSet } from "../src/guest/registers.js";
import { flowGraph } from "../src/region/flow-graph.js";
import { registerFlow } from "../src/region/registers.js";
import { grow } from "./grow.js";

/** What is dirty and live where the block at an offset begins. */
function flowAt(source: string, offset: number): { readonly dirty: string[]; readonly live: string[] } {
  const region = grow(source);
  const graph = flowGraph(region);
  const number = graph.numberOf.get(offset);
  if (number === undefined) throw new Error(`no block begins at ${offset}`);
  const { dirty, live } = registerFlow(region, graph);
  return { dirty: names(dirty[number]), live: names(live[number]) };
}

function names(set: RegisterSet | undefined): string[] {
  const of = (file: string, bits = 0) =>
    Array.from({ length: 32 }, (_, n) => n)
      .filter((n) => (bits >>> n) & 1)
      .map((n) => `${file}${n}`);
  return [...of("x", set?.x), ...of("f", set?.f)];
}

describe("the registers of a region", () => {
  it("are live where they are read before they are written", () => {
    expect(flowAt("add a0, a1, a2\nadd a3, a0, a1\nret", 0).live).toEqual(["x1", "x11", "x12"]);
  });

  it("are not live where a write comes first", () => {
    expect(flowAt("addi a0, zero, 1\naddi a0, a0, 1\nret", 0).live).toEqual(["x1"]);
  });

  it("are dirty behind a write on one of two ways, and live before both", () => {
    const source = "beq a1, zero, .+8\naddi a0, zero, 1\nret";
    expect(flowAt(source, 8).dirty).toEqual(["x10"]);
    expect(flowAt(source, 0).live).toEqual(["x1", "x10", "x11"]);
  });

  it("are dirty in a loop that writes them, from its second time around", () => {
    expect(flowAt("addi a0, a0, -1\nbne a0, zero, .-4\nret", 0).dirty).toEqual(["x10"]);
  });

  it("are clean behind a call, and live only if they are read there", () => {
    const source = "addi a0, zero, 1\naddi a1, zero, 2\njal ra, .+400\nadd a2, a1, a3\njalr zero, 0(s1)";
    expect(flowAt(source, 12).dirty).toEqual([]);
    expect(flowAt(source, 12).live).toEqual(["x9", "x11", "x13"]);
    expect(flowAt(source, 0).live).toEqual([]);
  });

  it("are told apart by their files", () => {
    expect(flowAt("fadd.d fa0, fa1, fa2\nfsd fa0, 0(a0)\nret", 0).live).toEqual(["x1", "x10", "f11", "f12"]);
  });
});
