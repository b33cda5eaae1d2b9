/** Runs benchmarks of the measuring kernel (`guests/microkernel`) with the virtual clock, and says what an operation takes. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import {
  defineHypercall,
  type ExitReason,
  Machine,
  type MachineOptions,
  type MachineStats,
  sbiExtensions,
  supervisor,
} from "hartvisor";

const image = await readFile(fileURLToPath(new URL("../guests/built/microkernel.elf", import.meta.url)));

/** Extension HVB: what the kernel asks its host (docs/benchmarks.md). */
const MEASURE = 0x08485642;

/** Runs before those that are compared: a technique that adapts has adapted. */
const WARM_UPS = 4;

/** What a benchmark came to. */
export interface Outcome {
  readonly ended: ExitReason;
  /** The codes with which the kernel declined. */
  readonly skipped: readonly number[];
  /** Of each run: operations, and what happened while they were done. */
  readonly runs: readonly Run[];
}

export interface Run {
  readonly operations: number;
  readonly instructions: number;
  readonly exits: Readonly<Record<string, number>>;
  readonly assists: Readonly<Record<string, number>>;
}

/** Has the kernel run these, each a line of name, count and arguments. */
export async function run(lines: readonly string[], options: Partial<MachineOptions> = {}): Promise<Outcome> {
  const waiting = [...lines];
  const skipped: number[] = [];
  const runs: Run[] = [];
  let before: MachineStats | undefined;
  const stats = () => structuredClone(vm.stats);
  const measure = defineHypercall({
    id: MEASURE,
    name: "HVB",
    functions: {
      0: () => ({ error: 0, value: 1n }),
      1: () => {
        before = stats();
        return { error: 0 };
      },
      2: ([operations = 0n]) => {
        if (before !== undefined) runs.push(between(before, stats(), Number(operations)));
        before = undefined;
        return { error: 0 };
      },
      3: ([address = 0n, size = 0n], { memory }) => {
        const line = waiting.shift();
        if (line === undefined) return { error: 0, value: 0n };
        const bytes = new TextEncoder().encode(`${line}\0`).subarray(0, Number(size));
        return memory.write(address, bytes) ? { error: 0, value: BigInt(line.length) } : { error: -5 };
      },
      4: ([code = 0n]) => {
        skipped.push(Number(code));
        return { error: 0 };
      },
    },
  });
  await using vm = await Machine.create({
    boot: supervisor({ image, name: "microkernel" }),
    memory: "64MiB",
    clock: "virtual",
    engine: "interpreter",
    limits: { instructions: 1_000_000_000 },
    hypercalls: [...sbiExtensions, measure],
    ...options,
  });
  vm.start();
  const ended = await vm.exited;
  return { ended, skipped, runs };
}

/** What one operation more costs, once everything that happens the first times only has happened. */
export interface Cost {
  readonly instructions: number;
  readonly exits: Readonly<Record<string, number>>;
  readonly assists: Readonly<Record<string, number>>;
}

/**
 * The cost of an operation, from two runs of different length behind a warm-up. Ends of turns are no exits of the guest's.
 *
 * @throws Error the kernel could not run it, or ended otherwise than well
 */
export async function cost(
  name: string,
  options: Partial<MachineOptions>,
  count = 128,
  ...args: string[]
): Promise<Cost> {
  const line = (operations: number) => [name, operations, ...args].join(" ");
  const warmUp = new Array<string>(WARM_UPS).fill(line(count));
  const { ended, skipped, runs } = await run([...warmUp, line(count), line(3 * count)], options);
  const [short, long] = runs.slice(WARM_UPS);
  if (short === undefined || long === undefined || ended.kind !== "poweroff" || ended.exitCode !== 0) {
    throw new Error(`${name}: ${JSON.stringify({ ended, skipped })}`);
  }
  const operations = long.operations - short.operations;
  const each = (counts: (of: Run) => Readonly<Record<string, number>>) => {
    const changes = differences(counts(short), counts(long));
    return Object.fromEntries(Object.entries(changes).map(([kind, n]) => [kind, n / operations]));
  };
  const { budget: _, ...exits } = each((of) => of.exits);
  return {
    instructions: (long.instructions - short.instructions) / operations,
    exits,
    assists: each((of) => of.assists),
  };
}

function between(before: MachineStats, after: MachineStats, operations: number): Run {
  return {
    operations,
    instructions: after.instructions - before.instructions,
    exits: differences(before.exits, after.exits),
    assists: differences(before.assists, after.assists),
  };
}

function differences(before: object, after: object): Record<string, number> {
  const [from, to] = [new Map<string, number>(Object.entries(before)), new Map<string, number>(Object.entries(after))];
  const kinds = [...new Set([...from.keys(), ...to.keys()])];
  const changes = kinds.map((kind) => [kind, (to.get(kind) ?? 0) - (from.get(kind) ?? 0)] as const);
  return Object.fromEntries(changes.filter(([, count]) => count !== 0));
}
