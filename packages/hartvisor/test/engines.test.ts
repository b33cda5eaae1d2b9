/** With the virtual clock, a run leaves the same bytes under every engine: memory, registers, and the count of instructions. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { TranslatorOptions } from "@hartvisor/jit";
import { describe, expect, it } from "vitest";
import { bareMetal, Machine, type MachineOptions, supervisor } from "../src/index.js";

const TRANSLATORS: Readonly<Record<string, TranslatorOptions>> = {
  "as it is": {},
  "every block at once": { threshold: 1, sampleInterval: 7 },
  "blocks never executed, too": { threshold: 2, sampleInterval: 50, eager: true },
  "block by block": { threshold: 1, sampleInterval: 7, unit: "block" },
};

const guest = (name: string) => readFileSync(new URL(`../../bench/guests/built/${name}.elf`, import.meta.url));

const LIMIT = 5_000_000;
const MIB = 2 ** 20;

/** What a run leaves, in brief. */
async function outcome(
  options: Pick<MachineOptions, "boot" | "technique" | "harts">,
  translator: TranslatorOptions | undefined,
) {
  await using machine = await Machine.create({
    ...options,
    engine: translator === undefined ? "interpreter" : "jit",
    ...(translator && { translator }),
    clock: "virtual",
    memory: "16MiB",
    limits: { instructions: LIMIT },
  });
  machine.start();
  const reason = await machine.exited;
  const memory = createHash("sha256");
  for (let at = 0; at < machine.memory.size; at += MIB) {
    memory.update(machine.memory.read(machine.memory.base + at, MIB) ?? "");
  }
  const registers = machine.harts.map((hart) => ({
    pc: hart.pc,
    x: Array.from({ length: 32 }, (_, n) => hart.getRegister(n)),
    f: Array.from({ length: 32 }, (_, n) => hart.getFloatRegister(n)),
    csrs: ["fcsr", "mstatus", "mepc", "mcause", "minstret", "time"].map((name) => hart.getCsr(name)),
  }));
  return { reason, memory: memory.digest("hex"), registers, instructions: machine.stats.instructions };
}

const GUESTS = "sort hash recursion bytecode nbody copy paging selfmod churn timer smp wild-jump".split(" ");

describe.each(GUESTS)("%s", (name) => {
  it.each(Object.entries(TRANSLATORS))("ends as interpreted when translated %s", async (_, options) => {
    const boot = bareMetal({ image: guest(name) });
    expect(await outcome({ boot }, options)).toEqual(await outcome({ boot }, undefined));
  });
});

describe.each([1, 3])("a paravirtual kernel on %d harts", (harts) => {
  it.each(Object.entries(TRANSLATORS))("ends as interpreted when translated %s", async (_, options) => {
    const machine = { boot: supervisor({ image: guest("paravirtual") }), technique: "paravirtual", harts } as const;
    const interpreted = await outcome(machine, undefined);
    expect(interpreted.reason).toEqual({ kind: "poweroff", exitCode: 0 });
    expect(await outcome(machine, options)).toEqual(interpreted);
  });
});
