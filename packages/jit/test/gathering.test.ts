/** Regions that were made in many modules move to one, and run on as before. */
import { Machine, type TranslatorFactory } from "@hartvisor/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { assemble } from "../../core/isa/assemble.js";
import { type TranslatorEvent, translator } from "../src/index.js";
import { GatheringSchedule } from "../src/table/gathering.js";
import { Callees, type FunctionCode, helper, ModuleBuilder } from "../src/wasm/module.js";
import { Op } from "../src/wasm/opcodes.js";

const RAM = 0x80000000;
const DATA = RAM + 0x8000;
const BLOCKS = 300;
const ROUNDS = 10;

/** A round through blocks that each become a module of their own; some call nothing of the interpreter's, others one thing or another. */
function manyBlocks(): string {
  const bodies = ["add a1, a1, s2", "ld t0, 0(s1)\nadd a1, a1, t0", "sd a1, 0(s1)\nadd a1, a1, s3"];
  const blocks = Array.from({ length: BLOCKS }, (_, n) => `${bodies[n % bodies.length]}\njal zero, .+4`);
  const bytes = 4 * blocks.reduce((sum, block) => sum + block.split("\n").length, 0);
  return [...blocks, "addi a0, a0, -1", "beq a0, zero, .+8", `jal zero, .-${bytes + 8}`, "jal zero, .+0"].join("\n");
}

async function run(factory?: TranslatorFactory) {
  await using machine = await Machine.create({
    ...{ memoryBytes: 0x10000, clock: "virtual", limits: { instructions: ROUNDS * (BLOCKS * 3 + 3) } },
    ...(factory && { translator: factory }),
  });
  machine.memory.write(RAM, assemble(manyBlocks()));
  machine.enterMachine(0, { address: BigInt(RAM), opaque: 0n });
  const [hart] = machine.harts;
  for (const [register, value] of [
    [9, BigInt(DATA)],
    [10, BigInt(ROUNDS)],
    [18, 3n],
    [19, 1000n],
  ] as const)
    hart?.setRegister(register, value);
  machine.start();
  await machine.exited;
  return { sum: hart?.getRegister(11), left: hart?.getRegister(10), stats: machine.stats };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("regions of hundreds of modules", () => {
  it("move to one, and compute what they did", async () => {
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => (now += 20)); // the seconds of patience pass
    const events: TranslatorEvent[] = [];
    const onEvent = (event: TranslatorEvent) => void events.push(event);
    const { sum, left, stats } = await run(translator({ threshold: 1, sampleInterval: 1, unit: "block", onEvent }));
    const { sum: expected } = await run();
    expect({ sum, left }).toEqual({ sum: expected, left: 0n });
    const gathered = events.filter((event) => event.kind === "gathered");
    expect(gathered[0]?.regions).toBeGreaterThan(30);
    expect(stats.jit?.modules).toBe(events.filter((event) => event.kind === "module").length + gathered.length);
  });

  it("stay where they are while they may not last", async () => {
    let calls = 0;
    vi.spyOn(performance, "now").mockImplementation(() => (calls++ < 32 ? 0 : 40_000)); // patience is over, but all are new
    const events: TranslatorEvent[] = [];
    const onEvent = (event: TranslatorEvent) => void events.push(event);
    const { stats } = await run(translator({ threshold: 1, sampleInterval: 1, unit: "block", onEvent }));
    expect(events.filter((event) => event.kind === "gathered")).toEqual([]);
    expect(stats.jit?.installed).toBeGreaterThan(32);
  });
});

describe("a schedule of gathering", () => {
  const scheduleOf = (modules: number, clock: { now: number }) => {
    const schedule = new GatheringSchedule(() => clock.now);
    for (let n = 0; n < modules; n++) schedule.added();
    return schedule;
  };

  it("lets a guest run for ten seconds first", () => {
    const clock = { now: 0 };
    const schedule = scheduleOf(32, clock);
    clock.now = 9999;
    expect(schedule.isDue()).toBe(false);
    clock.now = 10_000;
    expect(schedule.isDue()).toBe(true);
  });

  it("waits for a moment in which nothing is made, but not for ever", () => {
    const clock = { now: 0 };
    const schedule = scheduleOf(32, clock);
    clock.now = 10_000;
    schedule.added();
    clock.now = 10_499;
    expect(schedule.isDue()).toBe(false);
    clock.now = 10_500;
    expect(schedule.isDue()).toBe(true);
    clock.now = 30_000;
    schedule.added();
    expect(schedule.isDue()).toBe(true);
  });

  it("does not move the regions of a few modules", () => {
    const clock = { now: 0 };
    const schedule = scheduleOf(31, clock);
    clock.now = 1e6;
    expect(schedule.isDue()).toBe(false);
  });

  it("goes on after four seconds with what was too much at a time", () => {
    const clock = { now: 10_000 };
    const schedule = scheduleOf(100, clock);
    schedule.movedSome();
    clock.now = 13_999;
    expect(schedule.isDue()).toBe(false);
    clock.now = 14_000;
    expect(schedule.isDue()).toBe(true);
  });

  it("makes the table anew for 256 modules that are of no use", () => {
    const schedule = scheduleOf(256, { now: 0 });
    expect(schedule.isWasteful(() => 1)).toBe(false);
    schedule.added();
    expect(schedule.isWasteful(() => 1)).toBe(true);
    schedule.renewed(1);
    expect(schedule.isWasteful(() => 1)).toBe(false);
  });

  it("does not ask again at once where all modules are in use", () => {
    const schedule = scheduleOf(256, { now: 0 });
    schedule.isWasteful(() => 256);
    schedule.added();
    const asked = () => {
      throw new Error("it asked");
    };
    expect(schedule.isWasteful(asked)).toBe(false);
  });
});

describe("a function that moves to another module", () => {
  it("calls there what it called, by the same number", () => {
    const callees = new Callees();
    const add = (builder: ModuleBuilder, name: string) => {
      const { body } = builder.writers;
      body.append([0, Op.i64_const, 0, Op.i64_const, 0, Op.i32_const, 0, Op.call]);
      body.unsigned(builder.callee(helper(name)));
      body.append([Op.i64_extend_i32_u, Op.end]);
      builder.addFunction();
    };
    const first = new ModuleBuilder(undefined, callees);
    add(first, "one");
    add(first, "two");
    const moved = first.functions()[1] as FunctionCode;
    const second = new ModuleBuilder(undefined, callees);
    second.copyFunction(moved);
    const module = new WebAssembly.Module(second.finish(0, 0));
    const imports = {
      e: {
        memory: new WebAssembly.Memory({ initial: 0, maximum: 0 }),
        table: new WebAssembly.Table({ element: "anyfunc", initial: 0 }),
      },
      i: { two: () => 2 },
    };
    const { exports } = new WebAssembly.Instance(module, imports);
    expect((exports["0"] as (pc: bigint, stack: number) => bigint)(0n, 0)).toBe(2n);
  });
});
