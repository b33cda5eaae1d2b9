import { describe, expect, it } from "vitest";
import { figuresOf } from "./figures.js";
import type { Stretch } from "./stretch.js";

const stretch = (
  operations: number,
  ns: number,
  exits: Record<string, number> = {},
  instructions = 10 * operations,
): Stretch => ({ operations, ns, instructions, exits, assists: {} });

describe("figuresOf", () => {
  it("gives medians and quartiles per operation", () => {
    const { ns } = figuresOf([stretch(10, 100), stretch(10, 200), stretch(20, 1000)], []);
    expect(ns).toEqual({ median: 20, lowerQuartile: 15, upperQuartile: 35 });
  });

  it("subtracts what the marks take by themselves", () => {
    const empty = [
      stretch(1, 40, { hypercall: 1 }, 6),
      stretch(1, 50, { hypercall: 1 }, 6),
      stretch(1, 90, { hypercall: 1 }, 6),
    ];
    const figures = figuresOf([stretch(10, 150, { hypercall: 11 }, 106)], empty);
    expect(figures.ns?.median).toBe(10);
    expect(figures.instructions.median).toBe(10);
    expect(figures.exits).toEqual({ total: 1, byKind: { hypercall: 1 } });
  });

  it("counts exits by their mean over all repetitions, so that the kinds add up", () => {
    const samples = [stretch(10, 1, { privileged: 20, budget: 1 }), stretch(10, 1, { privileged: 20 })];
    expect(figuresOf(samples, []).exits).toEqual({ total: 2.05, byKind: { privileged: 2, budget: 0.05 } });
  });

  it("has no times with the virtual clock", () => {
    expect(figuresOf([stretch(10, 10)], [], "virtual")).not.toHaveProperty("ns");
  });

  it("never says less than nothing", () => {
    expect(figuresOf([stretch(10, 10)], [stretch(1, 40)]).ns?.median).toBe(0);
  });
});
