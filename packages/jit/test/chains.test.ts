/** Loads that loops wait for, which predict where their pages lie. */
import { describe, expect, it } from "vitest";
import { createGuest, DATA, PROGRAM } from "../../core/test/machine/guest.js";
import { AddressSpace, OPEN } from "../../core/test/machine/page-tables.js";
import { CODE } from "../../core/test/machine/paged-guest.js";
import { type TranslatorEvent, translator } from "../src/index.js";
import { chainedLoads } from "../src/region/chains.js";
import { flowGraph } from "../src/region/flow-graph.js";
import { grow } from "./grow.js";

function chained(source: string): number[] {
  const region = grow(source);
  return [...chainedLoads(region, flowGraph(region))];
}

describe("a load in a loop", () => {
  it("is on a chain where it follows a list", () => {
    expect(chained("ld a0, 0(a0)\naddi a1, a1, -1\nbne a1, zero, .-8\nret")).toEqual([0]);
  });

  it("is on a chain where it looks up what it found, by way of computations", () => {
    const lookUp = ["lbu a1, 0(a2)", "xor a0, a0, a1", "slli a0, a0, 2", "add a0, a0, s0", "lw a0, 0(a0)"];
    const loop = [...lookUp, "addi a2, a2, 1", "bne a2, a3, .-24", "ret"];
    expect(chained(loop.join("\n"))).toEqual([16]);
  });

  it("is on a chain with another of which each waits for the other", () => {
    expect(chained("ld a1, 8(a0)\nld a0, 0(a1)\nbne a0, zero, .-8\nret")).toEqual([0, 4]);
  });

  it("is on a chain where one of two ways leads to itself", () => {
    const loop = [
      "beq a1, zero, .+12",
      "addi a0, a0, 8",
      "j .+8",
      "ld a0, 0(a0)",
      "lbu a1, 0(a2)",
      "bne a1, a3, .-20",
      "ret",
    ];
    expect(chained(loop.join("\n"))).toEqual([12]);
  });

  it("is on none where it goes through an array", () => {
    expect(chained("lbu a1, 0(a0)\nadd a2, a2, a1\naddi a0, a0, 1\nbne a0, a3, .-12\nret")).toEqual([]);
  });

  it("is on none where it uses one register for an address made anew and what it loads", () => {
    const loop = [
      "slli a0, a1, 3",
      "add a0, a0, s0",
      "ld a0, 0(a0)",
      "add a2, a2, a0",
      "addi a1, a1, 1",
      "bne a1, a3, .-20",
      "ret",
    ];
    expect(chained(loop.join("\n"))).toEqual([]);
  });

  it("is on none where the loop calls", () => {
    expect(chained("ld a0, 0(a0)\njal ra, .+12\nbne a0, zero, .-8\nret\nret")).toEqual([]);
  });

  it("is on none outside loops", () => {
    expect(chained("ld a0, 0(a0)\nld a0, 0(a0)\nret")).toEqual([]);
  });
});

/** Pages of a list; each of its nodes lies in the page after the one before. */
const PAGES = 4;
const LIST = CODE + 0x10_0000n;
const LOOP_INSTRUCTIONS = 5;

/** Follows a list for some steps; `frames` are the pages of data behind its pages. Gives the sum of its values, and what was left to the interpreter. */
async function walk(frames: readonly number[], steps: number) {
  const events: TranslatorEvent[] = [];
  const guest = await createGuest({
    limits: { instructions: (steps + 100) * LOOP_INSTRUCTIONS },
    translator: translator({
      ...{ threshold: 1, sampleInterval: 1, missThreshold: 64 },
      onEvent: (event) => void events.push(event),
    }),
  });
  const space = new AddressSpace(guest);
  space.map(CODE, PROGRAM, OPEN);
  for (let n = 0; n < PAGES; n++) {
    const [frame, next] = [DATA + (frames[n] ?? 0) * 0x1000, LIST + BigInt((n + 1) % PAGES) * 0x1000n];
    space.map(LIST + BigInt(n) * 0x1000n, frame, OPEN);
    guest.write64(frame, next);
    guest.write64(frame + 8, BigInt(n));
  }
  guest.load(PROGRAM, "loop: ld t0, 8(a0)\nld a0, 0(a0)\nadd s0, s0, t0\naddi a1, a1, -1\nbne a1, zero, loop\nj .+0");
  guest.set({ s0: 0n, a0: LIST, a1: BigInt(steps) });
  guest.setCsrs({ satp: space.satp() });
  guest.enter("supervisor", CODE);
  guest.machine.start();
  await guest.machine.exited;
  const { instructions, jit } = guest.machine.stats;
  const madeAnew = events.some((event) => event.kind === "invalidated" && event.reason === "access-missed");
  return { sum: guest.get("s0"), interpreted: instructions - (jit?.executed ?? 0), madeAnew };
}

const STEPS = 20_000;
const SUM = BigInt((STEPS / PAGES) * ((PAGES * (PAGES - 1)) / 2));

describe("a list", () => {
  it("is followed by prediction where its pages lie side by side", async () => {
    const { sum, interpreted, madeAnew } = await walk([0, 1, 2, 3], STEPS);
    expect(sum).toBe(SUM);
    expect(interpreted).toBeLessThan(STEPS / 4);
    expect(madeAnew).toBe(false);
  });

  it("is followed without, in regions made anew, where its pages lie here and there", async () => {
    const { sum, interpreted, madeAnew } = await walk([2, 0, 3, 1], STEPS);
    expect(sum).toBe(SUM);
    expect(interpreted).toBeLessThan(STEPS / 4);
    expect(madeAnew).toBe(true);
  });
});
