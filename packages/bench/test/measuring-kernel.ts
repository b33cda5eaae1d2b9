/** Has the measuring kernel (`guests/microkernel`) run benchmarks with the virtual clock, and says what an operation takes. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { MachineOptions } from "hartvisor";
import { GuestSubject } from "../src/micro/guest-subject.js";
import type { Counts, Stretch } from "../src/micro/stretch.js";
import { isSkipped } from "../src/micro/subject.js";

/** The kernel. */
export const image = await readFile(fileURLToPath(new URL("../guests/built/microkernel.elf", import.meta.url)));

/** Runs before those that are compared: a technique that adapts has adapted. */
const WARM_UPS = 4;

/** The machine of a test, where it is not the usual one: interpreted, one hart, 64 MiB. */
export type TestMachine = Partial<Omit<MachineOptions, "boot" | "hypercalls">>;

/** What one operation takes. */
export interface Cost {
  readonly instructions: number;
  readonly exits: Counts;
  readonly assists: Counts;
}

/** A machine whose kernel runs one benchmark: its name, and words behind the count. */
export function subject(benchmark: string, machine: TestMachine = {}, ...words: string[]): Promise<GuestSubject> {
  return GuestSubject.create({
    ...{ image, imageName: "microkernel", benchmark, arguments: words, patienceMs: 50_000 },
    machine: { memory: "64MiB", clock: "virtual", engine: "interpreter", ...machine },
  });
}

/** Runs a benchmark once: what came about meanwhile, but for the host's time, or why it was skipped. */
export async function run(benchmark: string, machine: TestMachine, count: number, ...words: string[]) {
  const kernel = await subject(benchmark, machine, ...words);
  try {
    const outcome = await kernel.run(count);
    return isSkipped(outcome) ? outcome : { ...outcome, ns: 0 };
  } finally {
    await kernel.close();
  }
}

/**
 * The cost of an operation, from two runs of different length behind a warm-up. Ends of turns are no exits of the guest's.
 *
 * @throws Error the kernel skipped it, or failed
 */
export async function cost(name: string, machine: TestMachine, count = 128, ...words: string[]): Promise<Cost> {
  const kernel = await subject(name, machine, ...words);
  const measure = async (operations: number): Promise<Stretch> => {
    const outcome = await kernel.run(operations);
    if (isSkipped(outcome)) throw new Error(`${name}: ${outcome.skipped}`);
    return outcome;
  };
  try {
    for (let n = 0; n < WARM_UPS; n++) await measure(count);
    return difference(await measure(count), await measure(3 * count));
  } finally {
    await kernel.close();
  }
}

function difference(short: Stretch, long: Stretch): Cost {
  const operations = long.operations - short.operations;
  const each = (shorter: Counts, longer: Counts): Counts => {
    const kinds = new Set([...Object.keys(shorter), ...Object.keys(longer)]);
    const more = [...kinds].map((kind) => [kind, (longer[kind] ?? 0) - (shorter[kind] ?? 0)] as const);
    return Object.fromEntries(
      more.filter(([, count]) => count !== 0).map(([kind, count]) => [kind, count / operations]),
    );
  };
  const { budget: _, ...exits } = each(short.exits, long.exits);
  return {
    instructions: (long.instructions - short.instructions) / operations,
    exits,
    assists: each(short.assists, long.assists),
  };
}
