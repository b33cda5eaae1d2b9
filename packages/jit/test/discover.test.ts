/** Where regions end. */
import { describe, expect, it } from "vitest";
import { type Block, DISPATCH } from "../src/region/block.js";
import { grow } from "./grow.js";

const blocksOf = (...program: Parameters<typeof grow>): ReadonlyMap<number, Block> => grow(...program).blocks;

describe("a region", () => {
  it("holds what follows in a line and behind branches", () => {
    expect([...blocksOf("beq a0, zero, .+8\naddi a1, a1, 1\nret").keys()].sort()).toEqual([0, 4, 8]);
  });

  it("ends in a line where another begins", () => {
    const blocks = blocksOf("addi a0, a0, 1\naddi a1, a1, 1\nret", [4]);
    expect([...blocks.keys()]).toEqual([0]);
    expect(blocks.get(0)?.terminator).toEqual({ kind: "next", to: 4 });
  });

  it("ends at a branch to where another begins", () => {
    expect([...blocksOf("beq a0, zero, .+8\naddi a1, a1, 1\nret", [8]).keys()].sort()).toEqual([0, 4]);
  });

  it("holds code of others that leads back to its own, and no more of it", () => {
    const source = "addi a0, a0, -1\nbeq a0, zero, .+16\nbeq a1, zero, .+16\naddi a2, a2, 1\nj .-16\nret\nret";
    expect([...blocksOf(source, [8]).keys()].sort((a, b) => a - b)).toEqual([0, 8, 12, 20]);
    expect([...blocksOf(source, [20]).keys()].sort((a, b) => a - b)).toEqual([0, 8, 12, 24]);
  });

  it("ends where it would go a long way through code of others", () => {
    const around = Array.from({ length: 200 }, () => "addi a1, a1, 1").join("\n");
    const blocks = blocksOf(`addi a0, a0, 1\n${around}\nj .-804`, [4]);
    expect([...blocks.keys()]).toEqual([0]);
  });

  it("goes around its own loop", () => {
    expect([...blocksOf("addi a0, a0, -1\nbne a0, zero, .-4\nret", [0]).keys()].sort()).toEqual([0, 8]);
  });

  it("goes on behind its calls even where another begins", () => {
    expect([...blocksOf("jal ra, .+400\naddi a0, a0, 1\nret", [4]).keys()]).toEqual([0, 4]);
  });

  it("holds the targets of its indirect jumps even where others begin, and takes its entry for one", () => {
    const blocks = blocksOf("jalr zero, 0(a0)\naddi a1, a1, 1\nret\nret", [4, 12], [4, 12]);
    expect(blocks.get(DISPATCH)?.terminator).toEqual({ kind: "dispatch", targets: [0, 4, 12] });
  });
});
