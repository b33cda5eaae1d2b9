/** Float registers that a region takes for singles: boxed in memory, and given to the interpreter where they are not. */
import { describe, expect, it } from "vitest";
import { assemble } from "../../core/isa/assemble.js";
import { Machine, type TranslatorFactory } from "../../core/src/index.js";
import { type TranslatorEvent, translator } from "../src/index.js";

const RAM = 0x80000000;
const INSTRUCTIONS = 300_000;
/** Far less than a loop has rounds. */
const FEW = 10_000;
const DOUBLE = 0x3ff5_5555_5555_5555n;
const SINGLE = 0x3fc0_0000n; // 1.5

/** FS is dirty, and NX raised, so that arithmetic is inline. */
const SET_UP = "csrrs zero, mstatus, t0\ncsrrwi zero, fcsr, 1";

/** Loops without end, in which a function finds or leaves a double where a region has a single. */
const LOOPS: Readonly<Record<string, string>> = {
  "a double where a function begins that might write a single": [
    ...["fmv.d.x fa0, a1", "jal ra, .+12", "addi a0, a0, 1", "j .-12"],
    ...["beq a2, zero, .+12", "fmv.w.x fa0, a3", "fadd.s fa1, fa0, fa0", "jalr zero, 0(ra)"],
  ].join("\n"),
  "a double where a function begins that reads a single": [
    ...["fmv.d.x fa0, a1", "jal ra, .+12", "addi a0, a0, 1", "j .-12"],
    ...["fmul.s fa1, fa0, fa0", "fmv.w.x fa2, a3", "fadd.s fa2, fa2, fa2", "jalr zero, 0(ra)"],
  ].join("\n"),
  "a double behind a call, read as a single": [
    ...["fmv.w.x fa0, a3", "jal ra, .+16", "fadd.s fa1, fa0, fa0", "addi a0, a0, 1", "j .-16"],
    ...["fmv.d.x fa0, a1", "jalr zero, 0(ra)"],
  ].join("\n"),
};

async function run(source: string, factory?: TranslatorFactory) {
  await using machine = await Machine.create({
    ...{ memoryBytes: 0x10000, clock: "virtual", limits: { instructions: INSTRUCTIONS } },
    ...(factory && { translator: factory }),
  });
  machine.memory.write(RAM, assemble(`${SET_UP}\n${source}`));
  machine.enterMachine(0, { address: BigInt(RAM), opaque: 0n });
  const [hart] = machine.harts;
  hart?.setRegister(5, 0x6000n);
  hart?.setRegister(11, DOUBLE);
  hart?.setRegister(12, 0n);
  hart?.setRegister(13, SINGLE);
  machine.start();
  await machine.exited;
  const { instructions, jit } = machine.stats;
  const floats = [10, 11, 12].map((register) => hart?.getFloatRegister(register));
  return { state: { rounds: hart?.getRegister(10), floats }, interpreted: instructions - (jit?.executed ?? 0) };
}

/** The same translated; tells how many regions were made anew, too. */
async function runTranslated(source: string, missThreshold: number) {
  const events: TranslatorEvent[] = [];
  const onEvent = (event: TranslatorEvent) => void events.push(event);
  const options = { threshold: 2, sampleInterval: 50, eager: true, missThreshold, onEvent };
  const { state, interpreted } = await run(source, translator(options));
  const madeAnew = events.filter((event) => event.kind === "invalidated" && event.reason === "access-missed").length;
  return { state, interpreted, madeAnew };
}

describe.each(Object.entries(LOOPS))("%s", (_name, source) => {
  it("is as the interpreter has it, and the interpreter's while it is seldom", async () => {
    const { state, interpreted, madeAnew } = await runTranslated(source, INSTRUCTIONS);
    expect(state).toEqual((await run(source)).state);
    expect(madeAnew).toBe(0);
    expect(interpreted).toBeGreaterThan(INSTRUCTIONS / 10);
  });

  it("has a region made anew without singles where it is often", async () => {
    const { state, interpreted, madeAnew } = await runTranslated(source, 100);
    expect(state).toEqual((await run(source)).state);
    expect(madeAnew).toBe(1);
    expect(interpreted).toBeLessThan(FEW);
  });
});

it("singles are boxed when a region is left", async () => {
  const loop = "fmv.w.x fa0, a3\nfadd.s fa1, fa0, fa0\naddi a0, a0, 1\nj .-12";
  const { state, interpreted } = await run(loop, translator({ threshold: 2, sampleInterval: 50 }));
  expect(state.floats.slice(0, 2)).toEqual([0xffffffff_3fc00000n, 0xffffffff_40400000n]);
  expect(interpreted).toBeLessThan(FEW);
});
