/** Shifts that together take a register's lower bits, or rotate a word. */
import { describe, expect, it } from "vitest";
import { combineShifts } from "../src/lower/shifts.js";
import { grow } from "./grow.js";
import { outcome } from "./outcome.js";

/** What is combined in the block with which a program begins, and what is skipped. */
function combine(...lines: string[]) {
  const { combined, skipped } = combineShifts(grow(`${lines.join("\n")}\nret`).blocks.get(0)?.instructions ?? []);
  return { combined: [...combined], skipped: [...skipped] };
}

const A1 = 11;

describe("shifts by slli and srli", () => {
  it("take a word", () => {
    const word = { kind: "bits", from: A1, bits: 32, left: 0 };
    expect(combine("slli a0, a1, 32", "srli a0, a0, 32")).toEqual({ combined: [[4, word]], skipped: [] });
  });

  it.each([
    [29, 3],
    [35, -3],
  ])("take a word and shift it where the second is by %i", (second, left) => {
    const { combined } = combine("slli a0, a1, 32", `srli a0, a0, ${second}`);
    expect(combined).toEqual([[4, { kind: "bits", from: A1, bits: 32, left }]]);
  });

  it("take fewer bits where both are by the same", () => {
    const { combined } = combine("slli a0, a1, 48", "srli a2, a0, 48");
    expect(combined).toEqual([[4, { kind: "bits", from: A1, bits: 16, left: 0 }]]);
    expect(combine("slli a0, a1, 48", "srli a2, a0, 47").combined).toEqual([]);
  });

  it("take a word of their own register, of which nothing else sees the first shift", () => {
    const { combined, skipped } = combine("slli a1, a1, 32", "add a2, a3, a4", "srli a1, a1, 32");
    expect(combined).toEqual([[8, { kind: "bits", from: A1, bits: 32, left: 0 }]]);
    expect(skipped).toEqual([0]);
  });

  it.each([
    ["something reads the first", ["slli a1, a1, 32", "add a2, a1, a4", "srli a1, a1, 32"]],
    ["the region may be left", ["slli a1, a1, 32", "ld a2, 0(a4)", "srli a1, a1, 32"]],
    ["the first stays", ["slli a1, a1, 32", "srli a2, a1, 32"]],
    ["what was shifted is overwritten", ["slli a0, a1, 32", "addi a1, a1, 1", "srli a0, a0, 32"]],
    ["the first is overwritten", ["slli a0, a1, 32", "addi a0, a0, 1", "srli a0, a0, 32"]],
  ])("are two where %s", (_, lines) => {
    expect(combine(...lines)).toEqual({ combined: [], skipped: [] });
  });
});

describe("shifts by slliw and srliw", () => {
  it.each([
    ["the left one first", "slliw a2, a1, 7", "srliw a3, a1, 25"],
    ["the right one first", "srliw a2, a1, 25", "slliw a3, a1, 7"],
  ])("rotate a word, %s", (_, first, second) => {
    const { combined, skipped } = combine(first, second, "or a0, a3, a2");
    expect(combined).toEqual([[8, { kind: "rotated", from: A1, left: 7 }]]);
    expect(skipped).toEqual([]);
  });

  it.each([
    ["not by 32 together", ["slliw a2, a1, 7", "srliw a3, a1, 24", "or a0, a3, a2"]],
    ["of two registers", ["slliw a2, a1, 7", "srliw a3, a4, 25", "or a0, a3, a2"]],
    ["of which one came before a change", ["slliw a2, a1, 7", "addi a1, a1, 1", "srliw a3, a1, 25", "or a0, a3, a2"]],
    ["both to the left", ["slliw a2, a1, 16", "slliw a3, a1, 16", "or a0, a3, a2"]],
  ])("are no rotation where they are %s", (_, lines) => {
    expect(combine(...lines).combined).toEqual([]);
  });
});

it("combined shifts compute what single ones do", async () => {
  const step = ["addi s1, s1, 1", "slli t0, s1, 17", "xor s1, s1, t0", "srli t0, s1, 7", "xor s1, s1, t0"];
  const take = (up: number, down: number) => [
    `slli a0, s1, ${up}`,
    `srli a0, a0, ${down}`,
    "add s2, s2, a0",
    "mv a1, s1",
    `slli a1, a1, ${up}`,
    `srli a1, a1, ${down}`,
    "xor s2, s2, a1",
  ];
  const rotate = (left: number) => [
    `slliw a2, s1, ${left}`,
    `srliw a3, s1, ${32 - left}`,
    "or a2, a2, a3",
    "add s2, s2, a2",
    "sd s2, 0(s0)",
  ];
  const shifts = [
    take(32, 32),
    take(32, 29),
    take(32, 35),
    take(32, 0),
    take(32, 63),
    take(48, 48),
    take(63, 63),
  ].flat();
  const loop = [...step, ...shifts, ...rotate(1), ...rotate(13), ...rotate(31)];
  const source = [...loop, `j .-${loop.length * 4}`].join("\n");
  const interpreted = await outcome(source, 300_000);
  const translated = await outcome(source, 300_000, { threshold: 1, sampleInterval: 1 });
  expect(translated.end).toEqual(interpreted.end);
  expect(translated.executed).toBeGreaterThan(200_000);
});
