/** Accesses for which the TLB has nothing: the interpreter's, until one has missed so often that it gets another probe, or a slow path. */
import { describe, expect, it } from "vitest";
import { assemble } from "../../core/isa/assemble.js";
import { Machine } from "../../core/src/index.js";
import { type TranslatorEvent, translator } from "../src/index.js";
import { MissingAccesses } from "../src/memory/missing-accesses.js";

const RAM = 0x80000000;
const PAGE_END = RAM + 0x2000;
const INSTRUCTIONS = 300_000;
/** Far less than a loop has rounds. */
const FEW = 10_000;

/** Loops without end; no entry of the TLB serves their accesses. What is written other than by steps is probed by each. */
const LOOPS: Readonly<Record<string, string>> = {
  "a misaligned load": "ld t1, 1(a1)\nxori a1, a1, 0\naddi a0, a0, 1\nj .-12",
  "a misaligned store": "sd a0, 1(a1)\nxori a1, a1, 0\naddi a0, a0, 1\nj .-12",
  "accesses off one register on both sides of a page's end": "ld t1, -8(a1)\nsd a0, 0(a1)\naddi a0, a0, 1\nj .-12",
};

/** Runs a loop; tells how many instructions were interpreted, what the translator did, and how many regions were made anew for an access. */
async function run(source: string, missThreshold: number) {
  const events: TranslatorEvent[] = [];
  const onEvent = (event: TranslatorEvent) => void events.push(event);
  await using machine = await Machine.create({
    memoryBytes: 0x10000,
    clock: "virtual",
    limits: { instructions: INSTRUCTIONS },
    translator: translator({ threshold: 2, sampleInterval: 50, missThreshold, onEvent }),
  });
  machine.memory.write(RAM, assemble(source));
  machine.enterMachine(0, { address: BigInt(RAM), opaque: 0n });
  machine.harts[0]?.setRegister(11, BigInt(PAGE_END));
  machine.start();
  await machine.exited;
  const { instructions, jit } = machine.stats;
  const madeAnew = events.filter((event) => event.kind === "invalidated" && event.reason === "access-missed").length;
  return { interpreted: instructions - (jit?.executed ?? 0), madeAnew, events };
}

describe.each(Object.entries(LOOPS))("%s", (_name, source) => {
  it("is left to the interpreter while it has not missed often", async () => {
    const { interpreted, madeAnew } = await run(source, INSTRUCTIONS);
    expect(madeAnew).toBe(0);
    expect(interpreted).toBeGreaterThan(INSTRUCTIONS / 5);
  });

  it("has its region made anew once, and is left to the interpreter no more", async () => {
    const { interpreted, madeAnew } = await run(source, 100);
    expect(madeAnew).toBe(1);
    expect(interpreted).toBeLessThan(FEW);
  });
});

it("a load of two pages, which no probe can serve, gets a slow path in the end", async () => {
  const { interpreted, madeAnew } = await run("ld t1, -4(a1)\naddi a0, a0, 1\nj .-8", 100);
  expect(madeAnew).toBe(2); // first with a probe that does not look at alignment
  expect(interpreted).toBeLessThan(FEW);
});

describe("an access that was reported", () => {
  const FRAME = 3;
  const REPORTS = 4;

  const BASE = 0x1ff8;
  const crosses = { base: BASE, reason: "in-groups" } as const;
  const isMisaligned = { base: BASE + 1, reason: "misaligned" } as const;
  const simplyMisses = { base: BASE, reason: undefined };

  it("is left as it is while there is no reason to see", () => {
    const accesses = new MissingAccesses(REPORTS);
    expect(accesses.report(FRAME, 8, simplyMisses)).toBe(false);
    expect(accesses.at(FRAME, 8)).toBe("seldom");
  });

  it("leaves its group where that crosses a page twice at the same place", () => {
    const accesses = new MissingAccesses(REPORTS);
    expect(accesses.report(FRAME, 8, crosses)).toBe(false);
    expect(accesses.report(FRAME, 8, crosses)).toBe(true);
    expect(accesses.report(FRAME, 8, crosses)).toBe(false);
    expect(accesses.at(FRAME, 8)).toBe("in-groups");
  });

  it("stays in its group where that crosses one page and then another", () => {
    const accesses = new MissingAccesses(REPORTS);
    accesses.report(FRAME, 8, crosses);
    expect(accesses.report(FRAME, 8, { ...crosses, base: BASE + 0x1000 })).toBe(false);
  });

  it("stays misaligned where it crosses a page now and then", () => {
    const accesses = new MissingAccesses(REPORTS);
    expect(accesses.report(FRAME, 8, isMisaligned)).toBe(true);
    accesses.report(FRAME, 8, crosses);
    expect(accesses.report(FRAME, 8, crosses)).toBe(false);
  });

  it("predicts no more where that failed twice", () => {
    const accesses = new MissingAccesses(REPORTS);
    const fails = { base: BASE, reason: "scattered" } as const;
    expect(accesses.report(FRAME, 8, fails)).toBe(false);
    expect(accesses.report(FRAME, 8, fails)).toBe(true);
    expect(accesses.at(FRAME, 8)).toBe("scattered");
  });

  it("misses often after so many reports, until its frame holds other code", () => {
    const accesses = new MissingAccesses(REPORTS);
    const differences = Array.from({ length: REPORTS }, () => accesses.report(FRAME, 8, simplyMisses));
    expect(differences).toEqual([false, false, false, true]);
    expect(accesses.at(FRAME, 8)).toBe("often");
    accesses.forget(FRAME);
    expect(accesses.at(FRAME, 8)).toBe("seldom");
  });
});

it("stays in one piece when its region is made anew, where others began inside since", async () => {
  // The load gives way to the interpreter, which finds the blocks behind it hot.
  const loop = [
    ...["ld t1, 1(a1)", "xori a1, a1, 0", "addi a0, a0, 1", "andi t2, a0, 1", "beq t2, zero, .+8"],
    ...["addi a3, a3, 1", "addi a4, a4, 1", "j .-28"],
  ].join("\n");
  const { events } = await run(loop, 5000);
  const regions = events.filter((event) => event.kind === "region");
  const [first, ...others] = regions.filter(({ pc }) => pc === BigInt(RAM));
  expect(others.length).toBe(1);
  expect(regions.length).toBeGreaterThan(2);
  expect(others[0]?.blocks).toBe(first?.blocks);
});
