/** Accesses that share a probe of the TLB. */
import { describe, expect, it } from "vitest";
import { groupAccesses } from "../src/lower/access-groups.js";
import { grow } from "./grow.js";
import { outcome } from "./outcome.js";

/** Of the block with which a program begins: for each group its accesses, by their offsets, and the bytes from the first's base. */
function groups(source: string) {
  const instructions = grow(`${source}\nret`).blocks.get(0)?.instructions ?? [];
  const byAccess = groupAccesses(instructions);
  return [...new Set(byAccess.values())].map((group) => ({
    accesses: [...byAccess].filter(([, other]) => other === group).map(([offset]) => offset),
    bytes: [group.least, group.end],
    writes: group.writes,
  }));
}

describe("groups", () => {
  it("are of accesses off one register", () => {
    const source = "ld a0, 8(a1)\nsw a0, 20(a1)\nlbu a2, 0(a1)\nld a3, 0(a4)";
    expect(groups(source)).toEqual([{ accesses: [0, 4, 8], bytes: [0, 24], writes: true }]);
  });

  it("end where their register is written", () => {
    expect(groups("ld a0, 0(a1)\nadd a1, a1, a2\nld a0, 8(a1)")).toEqual([]);
    expect(groups("ld a1, 0(a1)\nld a0, 8(a1)")).toEqual([]);
  });

  it("go on where a constant is added to it, for what lies among their bytes", () => {
    const source = "ld a0, 0(a1)\nlw a2, 4(a1)\naddi a1, a1, 8\naddi a1, a1, 8\nsd a0, -16(a1)\nsw a2, -12(a1)";
    expect(groups(source)).toEqual([{ accesses: [0, 4, 16, 20], bytes: [0, 8], writes: true }]);
    expect(groups("ld a0, 0(a1)\naddi a1, a1, 8\nsd a0, -4(a1)")).toEqual([]);
    expect(groups("ld a0, 0(a1)\naddi a1, a1, 8\nsd a0, 0(a1)")).toEqual([]);
  });

  it("go on off another register that is made of theirs so, while theirs changes", () => {
    const source = "ld a0, 8(a1)\naddi a2, a1, 8\nadd a1, a1, a0\nsd a0, 0(a2)\nsd a0, 8(a1)";
    expect(groups(source)).toEqual([{ accesses: [0, 12], bytes: [8, 16], writes: true }]);
  });

  it("begin anew where bytes are too far from each other, or moved from those of others", () => {
    const source = "ld a0, 0(a1)\nld a0, 1000(a1)\nld a0, 8(a1)\nld a0, 1008(a1)";
    expect(groups(source)).toEqual([]);
    expect(groups("ld a0, 0(a1)\naddi a1, a1, 8\nld a0, 0(a1)\nld a0, 8(a1)")).toEqual([
      { accesses: [8, 12], bytes: [0, 16], writes: false },
    ]);
  });
});

/** Loops without end over 24 KiB from s0, with a load before and a store behind a step. */
const WALKS: Readonly<Record<string, readonly string[]>> = {
  "forwards by bytes": ["lbu a1, 0(s1)", "addi s1, s1, 1", "addi a1, a1, 3", "sb a1, -1(s1)", "addi s2, s2, 1"],
  "by what page ends cut": ["ld a1, 1(s1)", "addi s1, s1, 8", "addi a1, a1, 3", "sd a1, -7(s1)", "addi s2, s2, 8"],
  "by another register": ["lw a1, 4(s1)", "addi a2, s1, -4", "addi s1, s1, 8", "sw s2, 8(a2)", "addi s2, s2, 8"],
};

it.each(Object.entries(WALKS))("memory is gone through %s as the interpreter does", async (_, step) => {
  const source = ["begin:", "addi s1, s0, 0", "addi s2, zero, 0", "lui a3, 6", "next:", ...step, "blt s2, a3, next"];
  const program = [...source, "j begin"].join("\n");
  const interpreted = await outcome(program, 200_000);
  const translated = await outcome(program, 200_000, { threshold: 1, sampleInterval: 1, eager: true });
  expect(translated.end).toEqual(interpreted.end);
  expect(translated.executed).toBeGreaterThan(180_000);
});
