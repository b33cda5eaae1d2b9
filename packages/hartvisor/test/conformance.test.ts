/** The conformance guests (`packages/bench/guests/conformance`), under every engine and clock. */
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { bareMetal, type EngineName, Machine } from "../src/index.js";
import { guest } from "./cli-process.js";

const ENGINES: readonly EngineName[] = ["interpreter", "jit"];
const GUESTS = ["counters", "csrs", "interrupts", "pmp-walk", "smepmp", "traps"];

describe.each(ENGINES)("engine %s", (engine) => {
  describe.each(["virtual", "real"] as const)("clock %s", (clock) => {
    it.each(GUESTS)("passes every check of %s", async (name) => {
      const image = await readFile(guest(`conformance/${name}`));
      await using vm = await Machine.create({
        ...{ engine, clock, memory: "16MiB", boot: bareMetal({ image, name }) },
        limits: { instructions: 1_000_000 },
      });
      vm.start();
      // The exit code is the number of the first check that failed.
      expect(await vm.exited).toEqual({ kind: "poweroff", exitCode: 0 });
    });
  });
});
