/** Loads benchmarks from files of the user's. */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { HartvisorError } from "@hartvisor/core";
import { type Benchmark, type BenchmarkDefinition, defineBenchmark } from "../micro/definition.js";

/** The benchmarks of all files. Throws HartvisorError for a file that has none, or cannot be loaded. */
export async function loadBenchmarks(files: readonly string[]): Promise<readonly Benchmark[]> {
  const benchmarks: Benchmark[] = [];
  for (const file of files) benchmarks.push(...(await loadFile(file)));
  const seen = new Set<string>();
  for (const { name } of benchmarks) {
    if (seen.has(name)) throw new HartvisorError("invalid-argument", `there are two benchmarks ${name}`);
    seen.add(name);
  }
  return benchmarks;
}

async function loadFile(file: string): Promise<readonly Benchmark[]> {
  const refuse = (problem: string, cause?: unknown) => {
    return new HartvisorError("unreadable-file", `${file}: ${problem}`, { cause });
  };
  await stat(file).catch((error: unknown) => {
    throw refuse("no such file", error);
  });
  let module: { readonly default?: unknown };
  try {
    module = await import(pathToFileURL(resolve(file)).href);
  } catch (error) {
    throw refuse(`cannot be loaded: ${error instanceof Error ? error.message : error}`, error);
  }
  const exported = module.default;
  const definitions = Array.isArray(exported) ? exported : [exported];
  if (exported === undefined || definitions.length === 0) {
    throw refuse("no benchmarks: its default export must be what defineBenchmark returns, or an array of that");
  }
  try {
    // Again, for a file may hold the bare definition, or have it from another copy of this package.
    return definitions.map((definition) => defineBenchmark(definition as BenchmarkDefinition));
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error), error);
  }
}
