/** Everything that was measured, as data: what `--json` writes, and the page shows. */
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import type { Figures } from "../micro/figures.js";
import type { Cell, Entry, Variant } from "../micro/measure.js";
import { ratioToDirect, type Verdict, verdictsOf } from "../micro/verdict.js";

/** The form of the document; it changes when fields do. */
export const DOCUMENT_VERSION = 1;

/** A benchmark under one variant. */
export type ReportedCell = Variant &
  (
    | {
        readonly status: "measured";
        readonly figures: Figures;
        /** How many times as much as `direct` with the same engine, where that was measured. */
        readonly ratioToDirect: { readonly ns?: number; readonly instructions?: number };
      }
    | { readonly status: "skipped" | "failed"; readonly reason: string }
  );

/** A benchmark's text and what came of it. */
export interface ReportedBenchmark {
  readonly name: string;
  readonly group: string;
  readonly title: string;
  readonly explanation: string;
  readonly expectation?: { readonly text: string; readonly verdicts: readonly Verdict[] };
  readonly cells: readonly ReportedCell[];
}

/** What `--json` writes. With the virtual clock there is neither date nor time nor host in it: runs repeat exactly. */
export interface ReportDocument {
  readonly version: typeof DOCUMENT_VERSION;
  readonly clock: "real" | "virtual";
  readonly seed: number;
  readonly repetitions: number;
  readonly versions: { readonly hartvisor: string; readonly node: string; readonly v8: string };
  readonly date?: string;
  readonly host?: {
    readonly cpu: string;
    readonly cpus: number;
    readonly memoryBytes: number;
    readonly system: string;
  };
  readonly benchmarks: readonly ReportedBenchmark[];
}

/** What a run was made with. */
export interface RunDescription {
  readonly clock: "real" | "virtual";
  readonly seed: number;
  readonly repetitions: number;
}

/** Puts the document together. */
export function documentOf(entries: readonly Entry[], run: RunDescription): ReportDocument {
  const { clock, seed, repetitions } = run;
  const isReal = clock === "real";
  return {
    ...{ version: DOCUMENT_VERSION, clock, seed, repetitions },
    versions: { hartvisor: versionOf("hartvisor"), node: process.versions.node, v8: process.versions.v8 },
    ...(isReal && { date: new Date().toISOString(), host: hostDescription() }),
    benchmarks: entries.map((entry) => reported(entry, entries)),
  };
}

function versionOf(name: string): string {
  const manifest = JSON.parse(readFileSync(new URL(import.meta.resolve(`${name}/package.json`)), "utf8"));
  return (manifest as { version: string }).version;
}

function hostDescription(): NonNullable<ReportDocument["host"]> {
  const all = cpus();
  return {
    cpu: all[0]?.model ?? process.arch,
    cpus: all.length,
    memoryBytes: totalmem(),
    system: `${process.platform} ${process.arch}`,
  };
}

function reported(entry: Entry, entries: readonly Entry[]): ReportedBenchmark {
  const { name, group, title, explanation, expectation } = entry.benchmark;
  return {
    ...{ name, group, title, explanation },
    ...(expectation && { expectation: { text: expectation.text, verdicts: verdictsOf(entry, entries) } }),
    cells: entry.cells.map((cell) => reportedCell(entry, cell)),
  };
}

function reportedCell(entry: Entry, cell: Cell): ReportedCell {
  if (cell.status !== "measured") return cell;
  const instructions = ratioToDirect(entry, cell, (figures) => figures.instructions.median);
  const ns = ratioToDirect(entry, cell);
  return {
    ...cell,
    ratioToDirect: { ...(ns !== undefined && { ns }), ...(instructions !== undefined && { instructions }) },
  };
}
