/** Runs benchmarks on every technique and engine that is wanted, and says what came of it. */
import { readFile } from "node:fs/promises";
import { freemem } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { HartvisorError, parseByteSize, type TechniqueName } from "@hartvisor/core";
import type { EngineName } from "hartvisor";
import type { Benchmark, GuestProgram, HostFunction } from "./definition.js";
import { type Figures, figuresOf } from "./figures.js";
import { GuestSubject } from "./guest-subject.js";
import { measureHostFunction } from "./host-functions.js";
import { LinuxGuests } from "./linux-guests.js";
import { type Contestant, type Effort, type Result, runRounds } from "./rounds.js";
import { CannotRun } from "./subject.js";

/** A way to run a guest. */
export interface Variant {
  /** `host` for functions of the host's. */
  readonly technique: TechniqueName | "host";
  readonly engine: EngineName | "host";
}

/** The only variant of what runs on the host. */
export const HOST: Variant = { technique: "host", engine: "host" };

/** A benchmark under one variant. */
export type Cell = Variant &
  (
    | { readonly status: "measured"; readonly figures: Figures }
    | { readonly status: "skipped" | "failed"; readonly reason: string }
  );

/** A benchmark and what came of it. */
export interface Entry {
  readonly benchmark: Benchmark;
  readonly cells: readonly Cell[];
}

/** What is wanted of a run. */
export interface MeasureOptions extends Effort {
  readonly seed: number;
  /** How long a guest may take for one repetition. */
  readonly patienceMs: number;
  readonly onProgress?: (progress: MeasureProgress) => void;
  /** Ends the run between repetitions. */
  readonly signal?: AbortSignal;
}

/** How far a run is. */
export interface MeasureProgress {
  readonly benchmark: string;
  /** Repetitions that are done, of all benchmarks. */
  readonly done: number;
  readonly total: number;
}

/** A benchmark and the variants to run it under. */
export interface Job {
  readonly benchmark: Benchmark;
  readonly variants: readonly Variant[];
}

const SEED_BYTES = 64;
/** Of the host's free memory, what machines that are measured side by side may take. */
const MEMORY_SHARE = 0.5;

/** Measures job by job; a benchmark that fails is noted, and the others go on. */
export async function measureAll(jobs: readonly Job[], options: MeasureOptions): Promise<readonly Entry[]> {
  const guests = new LinuxGuests(options.patienceMs);
  try {
    return await measureJobs(jobs, guests, options);
  } finally {
    await guests.close();
  }
}

async function measureJobs(
  jobs: readonly Job[],
  guests: LinuxGuests,
  options: MeasureOptions,
): Promise<readonly Entry[]> {
  const total = jobs.reduce((sum, { variants }) => sum + variants.length * options.repetitions, 0);
  const entries: Entry[] = [];
  let done = 0;
  for (const { benchmark, variants } of jobs) {
    const cells: Cell[] = [];
    const tell = () => options.onProgress?.({ benchmark: benchmark.name, done, total });
    tell();
    if ("host" in benchmark.guest) {
      cells.push(await hostCell(benchmark.guest, options));
      done += options.repetitions;
      entries.push({ benchmark, cells });
      continue;
    }
    for (const group of sideBySide(benchmark, variants)) {
      const contestants = await Promise.all(group.map((variant) => contestantOf(benchmark, variant, guests, options)));
      const results = await runRounds(contestants, options, () => {
        options.signal?.throwIfAborted();
        done++;
        tell();
      });
      for (const [n, result] of results.entries()) cells.push(cellOf(group[n] as Variant, result, options));
    }
    entries.push({ benchmark, cells });
  }
  return entries;
}

async function hostCell(guest: HostFunction, { clock }: MeasureOptions): Promise<Cell> {
  if (clock === "virtual") return { ...HOST, status: "skipped", reason: "the host has the real clock only" };
  try {
    return { ...HOST, status: "measured", figures: await measureHostFunction(guest) };
  } catch (error) {
    return { ...HOST, status: "failed", reason: error instanceof Error ? error.message : String(error) };
  }
}

function cellOf(variant: Variant, result: Result, { clock }: MeasureOptions): Cell {
  if (result.status !== "measured") return { ...variant, ...result };
  return { ...variant, status: "measured", figures: figuresOf(result.samples, result.empty, clock) };
}

/** Variants whose machines fit into memory together; those of one engine stay together before those of one technique. */
function sideBySide(benchmark: Benchmark, variants: readonly Variant[]): readonly (readonly Variant[])[] {
  const { memory = 0 } = benchmark.machine;
  const bytes = typeof memory === "string" ? parseByteSize(memory, "memory") : memory;
  const fit = Math.max(1, Math.floor((freemem() * MEMORY_SHARE) / Math.max(bytes, 1)));
  if (variants.length <= fit) return [variants];
  const byEngine = new Map<string, Variant[]>();
  for (const variant of variants) byEngine.set(variant.engine, [...(byEngine.get(variant.engine) ?? []), variant]);
  return [...byEngine.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / fit) }, (_, n) => group.slice(n * fit, (n + 1) * fit)),
  );
}

async function contestantOf(
  benchmark: Benchmark,
  variant: Variant,
  guests: LinuxGuests,
  { clock, seed, patienceMs }: MeasureOptions,
): Promise<Contestant> {
  const { technique, engine } = variant as { technique: TechniqueName; engine: EngineName };
  const { guest, operations, exactly, mostRepetitions, machine, name } = benchmark;
  const shape = { technique, engine, clock, seed: seedBytes(seed) };
  const repeated = { operations, exactly, mostRepetitions, isCold: "boot" in guest };
  if ("elf" in guest) {
    const { image, imageName } = await readGuest(benchmark, guest);
    const { devices, ...more } = machine;
    return {
      ...repeated,
      create: async () =>
        GuestSubject.create({
          ...{ image, imageName, patienceMs },
          benchmark: guest.name ?? name,
          arguments: guest.arguments ?? [],
          machine: { ...more, ...shape, devices: typeof devices === "function" ? await devices() : (devices ?? []) },
        }),
    };
  }
  if (clock === "virtual") {
    const create = async () => {
      throw new CannotRun("Linux gets its orders when the host has them, which no two runs do alike: real clock only");
    };
    return { ...repeated, create };
  }
  if ("boot" in guest) return { ...repeated, create: async () => guests.boots(shape, machine) };
  if ("host" in guest) throw new Error(`${name} runs on the host`);
  return { ...repeated, create: async () => guests.commands(shape, machine, guest.command) };
}

async function readGuest(
  { name }: Benchmark,
  { elf }: GuestProgram,
): Promise<{ image: Uint8Array; imageName: string }> {
  if (elf instanceof Uint8Array) return { image: elf, imageName: `the guest of ${name}` };
  try {
    const path = elf instanceof URL ? fileURLToPath(elf) : elf;
    return { image: await readFile(path), imageName: basename(path) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem = code === "ENOENT" ? "no such file" : message;
    throw new HartvisorError("unreadable-file", `benchmark ${name}: its guest ${elf}: ${problem}`, { cause: error });
  }
}

/** Bytes for a machine's random numbers, the same for all machines of a run. */
function seedBytes(seed: number): Uint8Array {
  const bytes = new Uint8Array(SEED_BYTES);
  new DataView(bytes.buffer).setFloat64(0, seed);
  return bytes;
}
