/** The results as text for a terminal. */

import type { Cell, Entry } from "../micro/measure.js";
import type { Counts } from "../micro/stretch.js";
import { ratioToDirect, verdictsOf } from "../micro/verdict.js";
import { count, duration, quotient } from "./number.js";

const COLUMNS = [
  { title: "technique", width: 20, left: true },
  { title: "engine", width: 12, left: true },
  { title: "time", width: 9 },
  { title: "quartiles", width: 21 },
  { title: "x direct", width: 9 },
  { title: "instr.", width: 15 },
  { title: "exits", width: 9 },
] as const;

/** Draws the table. Without times, as with the virtual clock, it says the same in every run. */
export function drawTable(entries: readonly Entry[], clock: "real" | "virtual"): string {
  const lines: string[] = ["Per operation: medians and quartiles of time, means of exits and assists."];
  let group = "";
  for (const entry of entries) {
    const { benchmark } = entry;
    if (benchmark.group !== group) lines.push("", `== ${benchmark.group}`);
    group = benchmark.group;
    lines.push("", `${benchmark.name}: ${benchmark.title}`, header(clock));
    for (const cell of entry.cells) lines.push(...cellLines(entry, cell, clock));
    for (const { engine, holds, because } of verdictsOf(entry, entries)) {
      const what = holds ? "as expected" : "NOT AS EXPECTED";
      lines.push(
        `  ${what} (${engine}): ${benchmark.expectation?.text}`,
        ...(because === undefined ? [] : [`    ${because}`]),
      );
    }
  }
  return lines.join("\n");
}

/** Columns of time stay away where nothing was timed. */
function columns(clock: "real" | "virtual") {
  return COLUMNS.filter(
    ({ title }) => clock === "real" || (title !== "time" && title !== "quartiles" && title !== "x direct"),
  );
}

function header(clock: "real" | "virtual"): string {
  return row(
    columns(clock).map(({ title }) => title),
    clock,
    "of which",
  );
}

function row(texts: readonly string[], clock: "real" | "virtual", rest: string): string {
  const cells = columns(clock).map((column, n) => {
    const text = texts[n] ?? "";
    return "left" in column ? text.padEnd(column.width) : text.padStart(column.width);
  });
  return `  ${cells.join("")}  ${rest}`.trimEnd();
}

function cellLines(entry: Entry, cell: Cell, clock: "real" | "virtual"): readonly string[] {
  const { technique } = cell;
  const engine = technique === "host" ? "" : cell.engine;
  if (cell.status !== "measured") {
    return [
      `  ${technique.padEnd(20)}${engine.padEnd(12)}${cell.status === "failed" ? "FAILED: " : "not run: "}${cell.reason}`,
    ];
  }
  const { ns, instructions, exits, assists } = cell.figures;
  const ratio = ratioToDirect(entry, cell);
  const times =
    ns === undefined ? [] : [duration(ns.median), `${duration(ns.lowerQuartile)}-${duration(ns.upperQuartile)}`];
  if (clock === "real") times.push(ratio === undefined ? "" : quotient(ratio));
  const counts = [count(instructions.median), count(exits.total)];
  const kinds = [kindsOf(exits.byKind), kindsOf(assists.byKind)].filter((text) => text !== "");
  return [row([technique, engine, ...times, ...counts], clock, kinds.join(" | "))];
}

function kindsOf(counts: Counts): string {
  return Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([kind, value]) => `${kind} ${count(value)}`)
    .join(", ");
}
