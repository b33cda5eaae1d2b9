/** What a translator tells of its work: events as it happens, and figures that agree with them. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { assemble } from "../../core/isa/assemble.js";
import { createGuest, type Guest, PROGRAM } from "../../core/test/machine/guest.js";
import { type TranslatorEvent, translator } from "../src/index.js";

/** A guest whose every block is translated before it is first executed, and what its translator tells. */
async function watchedGuest(source: string): Promise<{ guest: Guest; events: TranslatorEvent[] }> {
  const events: TranslatorEvent[] = [];
  const onEvent = (event: TranslatorEvent) => void events.push(event);
  const options = { threshold: 1, sampleInterval: 1, eager: true, onEvent };
  const guest = await createGuest({ translator: translator(options) });
  guest.load(PROGRAM, source);
  guest.set({ a0: 0n });
  return { guest, events };
}

const COUNT_TO_TEN = "addi t0, zero, 10\naddi a0, a0, 1\nbne a0, t0, .-4\nj .+0";
const kinds = (events: readonly TranslatorEvent[]) => events.map(({ kind }) => kind);
const jitOf = ({ machine }: Guest) => {
  if (machine.stats.jit === undefined) throw new Error("the machine has no translator");
  return machine.stats.jit;
};

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("a translator tells", () => {
  it("of a module, and then of its regions", async () => {
    const { guest, events } = await watchedGuest(COUNT_TO_TEN);
    guest.run();
    expect(kinds(events).slice(0, 2)).toEqual(["module", "region"]);
    expect(events[0]).toEqual({
      ...{ kind: "module", module: 0, regions: 1, bytes: expect.any(Number) },
      ...{ generateMs: expect.any(Number), compileMs: expect.any(Number) },
    });
    expect(events[1]).toEqual({
      ...{ kind: "region", region: 0, module: 0, pc: expect.any(BigInt), frame: 0 },
      ...{ blocks: expect.any(Number), instructions: expect.any(Number) },
      ...{ bytes: expect.any(Number), generateMs: expect.any(Number) },
    });
  });

  it("of a region whose code was overwritten", async () => {
    const { guest, events } = await watchedGuest(COUNT_TO_TEN);
    guest.run();
    const made = events.filter((event) => event.kind === "region");
    guest.write(PROGRAM, assemble(COUNT_TO_TEN));
    expect(events.slice(-made.length)).toEqual(
      made.map(({ region, pc, frame }) => ({ kind: "invalidated", region, pc, frame, reason: "code-changed" })),
    );
    expect(jitOf(guest)).toMatchObject({ invalidations: made.length, installed: 0 });
  });

  it("of a module that the host refused, whose code is then interpreted", async () => {
    const { guest, events } = await watchedGuest(COUNT_TO_TEN);
    const { Memory, Table, Instance } = WebAssembly;
    const Module = function refuse() {
      throw new RangeError("too many modules");
    };
    vi.stubGlobal("WebAssembly", { Memory, Table, Instance, Module });
    guest.run();
    expect(guest.get("a0")).toBe(10n);
    expect(new Set(kinds(events))).toEqual(new Set(["refused"]));
    expect(events[0]).toMatchObject({ pcs: [expect.any(BigInt)], message: "RangeError: too many modules" });
    expect(jitOf(guest)).toMatchObject({ refused: events.length, regions: 0, executed: 0 });
  });
});

describe("the figures of a translator", () => {
  it("are the sums of its events", async () => {
    const { guest, events } = await watchedGuest(COUNT_TO_TEN);
    guest.run();
    const modules = events.filter((event) => event.kind === "module");
    const regions = events.filter((event) => event.kind === "region");
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    expect(jitOf(guest)).toMatchObject({
      modules: modules.length,
      regions: regions.length,
      installed: regions.length,
      instructions: sum(regions.map(({ instructions }) => instructions)),
      wasmBytes: sum(modules.map(({ bytes }) => bytes)),
    });
  });

  it("tell instructions of translated code from all that were executed", async () => {
    const { guest } = await watchedGuest("addi a0, a0, 1\nj .-4");
    guest.machine.step(100_000);
    const { executed } = jitOf(guest);
    expect(executed).toBeGreaterThan(90_000);
    expect(executed).toBeLessThanOrEqual(100_000);
  });

  it("count nothing as translated that was stepped", async () => {
    const { guest } = await watchedGuest("addi a0, a0, 1\nj .-4");
    for (let n = 0; n < 100; n++) guest.machine.step();
    expect(jitOf(guest).executed).toBe(0);
  });
});
