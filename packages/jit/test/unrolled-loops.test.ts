/** Small loops, of which several iterations stand one behind the other. */
import { describe, expect, it } from "vitest";
import { Random } from "../../core/fuzz/random.js";
import { createGuest, DATA, PROGRAM } from "../../core/test/machine/guest.js";
import { AddressSpace, OPEN } from "../../core/test/machine/page-tables.js";
import { CODE } from "../../core/test/machine/paged-guest.js";
import { translator } from "../src/index.js";
import { MOST_UNROLLED, unrollLoop } from "../src/lower/unrolled-loops.js";
import type { Misses } from "../src/region/block.js";
import { cycles } from "../src/region/cycles.js";
import { flowGraph } from "../src/region/flow-graph.js";
import { grow } from "./grow.js";
import { outcome } from "./outcome.js";

const [A1, A2, A4, A5] = [11, 12, 14, 15];
const NONE: ReadonlySet<number> = new Set();

/** How the loop with which a program begins is unrolled, if its accesses miss so often. */
function unroll(source: string, misses: Misses = "seldom") {
  const region = grow(`${source}\nret`);
  const graph = flowGraph(region);
  const [cycle] = cycles(region, graph, MOST_UNROLLED);
  const instructions = cycle?.flatMap((number) => region.blocks.get(graph.order[number] ?? -1)?.instructions ?? []);
  return (
    instructions &&
    unrollLoop(
      instructions.map((placed) => ({ ...placed, misses })),
      NONE,
    )
  );
}

/** The steady groups of a loop: the registers of their bases, their bytes, and where each iteration's accesses begin. */
function steady(source: string, misses?: Misses) {
  const { steady, iterations } = unroll(source, misses) ?? {};
  return steady?.map(({ local, bases, least, end, writes }) => ({
    ...{ bases, bytes: [least, end], writes },
    moved: iterations?.map(({ groups }) =>
      [...groups.values()].flatMap((group) =>
        group.first === undefined && group.local === local ? [...(group.shifts?.values() ?? [])] : [],
      ),
    ),
  }));
}

describe("steady accesses", () => {
  it("are off a register that steps on by constants", () => {
    const source = "ld a0, 0(a1)\naddi a1, a1, 8\nsd a0, 8(a1)\nbne a1, a2, .-12";
    const moved = [0, 8, 16, 24].map((step) => [step, step + 8]);
    expect(steady(source)).toEqual([{ bases: 1 << A1, bytes: [0, 48], writes: true, moved }]);
  });

  it("are off registers that step backwards, or not at all", () => {
    const source = "lw a0, 4(a1)\naddi a1, a1, -4\nsw a0, 0(a2)\nbne a1, a3, .-12";
    expect(steady(source)).toEqual([
      { bases: 1 << A1, bytes: [-8, 8], writes: false, moved: [[0], [-4], [-8], [-12]] },
      { bases: 1 << A2, bytes: [0, 4], writes: true, moved: [[0], [0], [0], [0]] },
    ]);
  });

  it("are in all blocks of a loop, which may begin in its middle", () => {
    const source = "j .+12\nlbu a0, 0(a2)\naddi a2, a2, 1\nlbu a3, 0(a1)\naddi a1, a1, 1\nbne a3, zero, .-16";
    const moved = [[0], [1], [2], [3]];
    expect(steady(source)).toEqual([
      { bases: 1 << A1, bytes: [0, 4], writes: false, moved },
      { bases: 1 << A2, bytes: [0, 4], writes: false, moved },
    ]);
  });

  it("are off sums of such registers", () => {
    const source = "add a0, a4, a5\naddi a5, a5, 1\nlbu a3, 1(a0)\nbne a3, zero, .-12";
    const moved = [[0], [1], [2], [3]];
    expect(steady(source)).toEqual([{ bases: (1 << A4) | (1 << A5), bytes: [1, 5], writes: false, moved }]);
  });

  it.each([
    ["that was loaded", "ld a1, 0(a1)\nbne a1, zero, .-4"],
    ["to which another is added", "ld a0, 0(a1)\nadd a1, a1, a2\nbne a1, a3, .-8"],
    ["that is a sum of too many", "add a0, a1, a2\nadd a0, a0, a3\nadd a0, a0, a4\nld a5, 0(a0)\nbne a5, zero, .-16"],
    ["of words", "lw a0, 0(a1)\naddiw a1, a1, 4\nbne a1, a2, .-8"],
    ["whose steps take it too far", "lw a0, 0(a1)\naddi a1, a1, 768\nbne a1, a2, .-8"],
    ["that is zero", "lw a0, 64(zero)\nbne a0, zero, .-4"],
    ["where the address space may change", "csrrs a3, sstatus, zero\nlw a0, 0(a1)\nbne a0, zero, .-8"],
  ])("are none off a register %s", (_what, source) => {
    expect(steady(source)).toEqual([]);
  });

  it("are none where accesses cross pages", () => {
    expect(steady("ld a0, 0(a1)\naddi a1, a1, 8\nbne a1, a2, .-8", "in-groups")).toEqual([]);
  });
});

it.each<Misses>(["often", "misaligned"])(
  "a loop with accesses that are %s left to the interpreter stays as it is",
  (misses) => {
    expect(unroll("ld a0, 0(a1)\naddi a1, a1, 8\nbne a1, a2, .-8", misses)).toBeUndefined();
  },
);

const OPTIONS = { threshold: 1, sampleInterval: 1, eager: true };

/** Loops over memory behind s0 from s1, until s2 is s3; the bytes that they go through begin at every place of a page's end. */
const LOOPS: Readonly<Record<string, readonly string[]>> = {
  "a copy to the next element": ["ld a1, 0(s1)", "addi s1, s1, 8", "addi a1, a1, 1", "sd a1, 0(s1)"],
  "a copy to the element before": ["lw a1, 4(s1)", "addi a1, a1, 1", "sw a1, 0(s1)", "addi s1, s1, 4"],
  "bytes backwards": ["lbu a1, 0(s1)", "addi s1, s1, -1", "addi a1, a1, 5", "sb a1, 2(s1)"],
  "sums of registers": ["add a2, s1, s4", "lhu a1, 2(a2)", "addi s4, s4, 2", "xor a1, a1, s4", "sh a1, -2(a2)"],
  "two streams that meet": ["ld a1, 0(s1)", "ld a2, 32(s1)", "add a1, a1, a2", "sd a1, 16(s1)", "addi s1, s1, 8"],
  doubles: ["fld fa0, 0(s1)", "fadd.d fa1, fa1, fa0", "fsd fa1, 8(s1)", "addi s1, s1, 8"],
  "bytes up to one that is found": [
    "lbu a1, 0(s1)",
    "beq a1, s3, found",
    "addi a1, a1, 3",
    "sb a1, 0(s1)",
    "addi s1, s1, 1",
  ],
};

/** Runs a loop of each number of iterations up to 40, from a page's end less 128 on, each 5 bytes behind the last. */
const program = (loop: readonly string[]) =>
  [
    ...[
      "lui t0, 6",
      "csrrs zero, mstatus, t0",
      "csrrwi zero, fcsr, 1",
      "lui t1, 1",
      "add s5, s0, t1",
      "addi s5, s5, -128",
    ],
    ...["addi s3, zero, 1", "addi t3, zero, 40", "again:", "addi s1, s5, 0", "addi s2, zero, 0", "addi s4, zero, 0"],
    ...["next:", ...loop, "addi s2, s2, 1", "bne s2, s3, next", "found: add a3, a3, a1", "addi s5, s5, 5"],
    ...["addi s3, s3, 1", "bne s3, t3, again", "addi s5, s5, -195", "addi s3, zero, 1", "j again"],
  ].join("\n");

describe.each(Object.entries(LOOPS))("%s", (_name, loop) => {
  it("ends as the interpreter has it, and in translated code, for every number of iterations across a page's end", async () => {
    const source = program(loop);
    const { executed, end } = await outcome(source, 100_000, OPTIONS);
    expect(end).toEqual((await outcome(source, 100_000)).end);
    expect(executed).toBeGreaterThan(50_000);
  });

  it("is cut off wherever the machine stops", async () => {
    const source = program(loop);
    for (let instructions = 9000; instructions < 9040; instructions++) {
      const { end } = await outcome(source, instructions, OPTIONS);
      expect(end, `after ${instructions}`).toEqual((await outcome(source, instructions)).end);
    }
  });
});

it("goes across pages without the interpreter", async () => {
  const walk =
    "lui t1, 8\nadd s2, s0, t1\nagain:\naddi s1, s0, 4\nnext: lw a1, 0(s1)\naddi s1, s1, 4\nbne s1, s2, next\nj again";
  const INSTRUCTIONS = 1_000_000;
  const { executed } = await outcome(walk, INSTRUCTIONS, { ...OPTIONS, missThreshold: INSTRUCTIONS });
  expect(INSTRUCTIONS - executed).toBeLessThan(10_000);
});

/**
 * A loop of random accesses off s1, s2 and sums of them and a small a7, of up to 32 iterations at a time, each time elsewhere.
 * It may begin in its middle, and end there.
 */
function randomLoop(random: Random): string {
  const value = () => `a${random.below(6)}`;
  const pointer = () => random.pick(["s1", "s2", "t2"]);
  const kinds = [
    () => `${random.pick(["ld", "lw", "lhu", "lbu"])} ${value()}, ${random.between(-40, 40)}(${pointer()})`,
    () => `${random.pick(["sd", "sw", "sh", "sb"])} ${value()}, ${random.between(-40, 40)}(${pointer()})`,
    () => `addi ${random.pick(["s1", "s2"])}, ${pointer()}, ${random.pick([-8, -4, -1, 1, 4, 8, 16, 768])}`,
    () => `add t2, ${random.pick(["s1", "s2"])}, a7`,
    () => `addi ${value()}, ${value()}, ${random.between(-9, 9)}`,
    () => `xor ${value()}, ${value()}, ${value()}`,
  ];
  const piece = (most: number) => Array.from({ length: random.between(1, most) }, () => random.pick(kinds)());
  const leave = () =>
    `${random.pick(["beq", "blt", "bgeu"])} ${value()}, ${value()}, ${random.pick(["aside", "again"])}`;
  const middle = random.pick([
    [],
    [leave()],
    ["middle:"],
    [leave(), "middle:"],
    ["middle:", leave(), ...piece(2), leave()],
  ]);
  return [
    ...["lui t0, 16", "add s7, s0, t0", "again:", "addi s5, s5, 1231", "slli t0, s5, 51", "srli t0, t0, 51"],
    ...["add s1, s7, t0", "addi s2, s1, 64", "addi t2, s1, 0", "andi a7, s5, 7", "andi s3, s5, 31", "addi s3, s3, 1"],
    ...(middle.includes("middle:") ? ["j middle"] : []),
    ...["next:", ...piece(6), ...middle, ...piece(6), "addi s3, s3, -1", "bne s3, zero, next", "j again"],
    ...["aside:", "addi a0, a0, 77", "j again"],
  ].join("\n");
}

it.each([1, 2, 3])("random loops end as interpreted, seed %i", async (seed) => {
  const random = new Random(seed);
  for (let n = 0; n < 30; n++) {
    const source = randomLoop(random);
    const { executed, end } = await outcome(source, 20_000, OPTIONS);
    expect(end, source).toEqual((await outcome(source, 20_000)).end);
    expect(executed, source).toBeGreaterThan(10_000);
  }
});

/** Copies words behind each other through pages whose frames lie here and there, from so many bytes on; gives what the frames hold then. */
async function copyThroughPages(begin: number, isTranslated: boolean) {
  const FRAMES = [2, 0, 3, 1];
  const guest = await createGuest({
    limits: { instructions: 12_000 },
    ...(isTranslated && { translator: translator(OPTIONS) }),
  });
  const space = new AddressSpace(guest);
  space.map(CODE, PROGRAM, OPEN);
  const data = CODE + 0x10_0000n;
  for (const [n, frame] of FRAMES.entries()) space.map(data + BigInt(n) * 0x1000n, DATA + frame * 0x1000, OPEN);
  guest.load(PROGRAM, "loop: lw t0, 0(a0)\naddi t0, t0, 1\nsw t0, 4(a0)\naddi a0, a0, 4\nbne a0, a1, loop\nj .+0");
  guest.set({ a0: data + BigInt(begin), a1: data + 0x2400n });
  guest.setCsrs({ satp: space.satp() });
  guest.enter("supervisor", CODE);
  guest.machine.start();
  await guest.machine.exited;
  return guest.machine.memory.read(DATA, FRAMES.length * 0x1000);
}

it.each([0, 4, 8, 12, 2])("goes through pages whose frames lie here and there, from byte %i on", async (begin) => {
  expect(await copyThroughPages(begin, true)).toEqual(await copyThroughPages(begin, false));
});
