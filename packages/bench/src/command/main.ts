/** `hartvisor bench`, from its arguments to its exit status. */
import { open, writeFile } from "node:fs/promises";
import { HartvisorError } from "@hartvisor/core";
import { CommanderError } from "commander";
import { BENCHMARKS } from "../benchmarks/index.js";
import type { Benchmark } from "../micro/definition.js";
import { type Entry, HOST, type Job, type MeasureProgress, measureAll } from "../micro/measure.js";
import { documentOf } from "../report/document.js";
import { drawPage } from "../report/page.js";
import { drawTable } from "../report/table.js";
import { loadBenchmarks } from "./load.js";
import { type BenchFlags, benchCommand, matches, nothingToRun } from "./options.js";
import { ProgressBar } from "./progress-bar.js";

/** What the command gets from the process around it. */
export interface CommandContext {
  /** Ends the run. */
  readonly signal?: AbortSignal;
}

const REPETITIONS = { real: 9, virtual: 3 } as const;
const BAD_INPUT = 2;
const FAILED = 1;

/**
 * Runs a command line, without the words `hartvisor bench`; gives the exit status.
 *
 * @throws HartvisorError for bad input, in one line
 */
export async function main(args: readonly string[], context: CommandContext = {}): Promise<number> {
  let status = 0;
  const command = benchCommand(async (files, flags) => {
    status = await bench(files, flags, context);
  });
  command.configureOutput({
    outputError: (message, write) =>
      write(
        `hartvisor: ${message
          .replace(/^error: /, "")
          .trim()
          .replaceAll(/\s*\n\s*/g, " ")}\n`,
      ),
  });
  try {
    await command.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : BAD_INPUT;
  }
  return status;
}

async function bench(files: readonly string[], flags: BenchFlags, { signal }: CommandContext): Promise<number> {
  const all = files.length > 0 ? await loadBenchmarks(files) : BENCHMARKS;
  const wanted = all.filter(
    matches(
      flags.filter,
      all.map(({ name }) => name),
    ),
  );
  if (wanted.length === 0) throw nothingToRun(flags.filter);
  if (flags.list) {
    for (const { name, group, title } of wanted) console.log(`${name.padEnd(28)}${group.padEnd(20)}${title}`);
    return 0;
  }
  const jobs = wanted.map((benchmark) => jobOf(benchmark, flags)).filter(({ variants }) => variants.length > 0);
  if (jobs.length === 0) throw nothingToRun(undefined);
  for (const path of [flags.json, flags.html]) if (path !== undefined) await checkWritable(path);

  const { clock, seed } = flags;
  const run = { clock, seed, repetitions: flags.repetitions ?? REPETITIONS[clock] };
  const entries = await measured(jobs, { ...run, patienceMs: flags.timeout * 1000 }, signal);
  console.log(drawTable(entries, clock));
  const document = documentOf(entries, run);
  if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(document, undefined, 2)}\n`);
  if (flags.html !== undefined) await writeFile(flags.html, drawPage(document));
  return entries.some(({ cells }) => cells.some(({ status }) => status === "failed")) ? FAILED : 0;
}

async function measured(
  jobs: readonly Job[],
  options: Omit<Parameters<typeof measureAll>[1], "onProgress">,
  signal: AbortSignal | undefined,
): Promise<readonly Entry[]> {
  const bar = new ProgressBar();
  try {
    return await measureAll(jobs, {
      ...options,
      ...(signal && { signal }),
      onProgress: (progress: MeasureProgress) => bar.show(progress),
    });
  } finally {
    bar.end();
  }
}

/** The variants of a benchmark that the command line leaves: in the benchmark's order of techniques, engine by engine. */
function jobOf(benchmark: Benchmark, { technique, engine }: BenchFlags): Job {
  if ("host" in benchmark.guest)
    return { benchmark, variants: technique === undefined && engine === undefined ? [HOST] : [] };
  const engines = engine ?? benchmark.engines;
  const techniques = benchmark.techniques.filter((name) => technique === undefined || technique.includes(name));
  return {
    benchmark,
    variants: engines.flatMap((name) => techniques.map((each) => ({ technique: each, engine: name }))),
  };
}

/** Before the work, not after it. */
async function checkWritable(path: string): Promise<void> {
  try {
    await (await open(path, "a")).close();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem = code === "ENOENT" ? "there is no such folder" : code === "EISDIR" ? "it is a folder" : message;
    throw new HartvisorError("unreadable-file", `${path}: cannot be written: ${problem}`, { cause: error });
  }
}
