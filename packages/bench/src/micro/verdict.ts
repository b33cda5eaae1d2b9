/** Holds the textbook's expectations against the figures, and says where the exits come from that contradict them. */
import type { EngineName } from "hartvisor";
import { count } from "../report/number.js";
import type { Expectation, Findings } from "./definition.js";
import type { Figures } from "./figures.js";
import type { Cell, Entry } from "./measure.js";

/** How an expectation fared under one engine. */
export interface Verdict {
  readonly engine: EngineName;
  readonly holds: boolean;
  /** Where it does not hold: the exits of every technique, and what may be the reason. */
  readonly because?: string;
}

/** Kinds of exits that a sentence names. */
const NAMED_KINDS = 4;

/** Verdicts of a benchmark; none where nothing is expected, or what it takes was not measured. */
export function verdictsOf(entry: Entry, entries: readonly Entry[]): readonly Verdict[] {
  const { expectation } = entry.benchmark;
  if (expectation === undefined) return [];
  return enginesOf(entry).flatMap((engine) => {
    const holds = ask(expectation, findingsOf(entry, entries), engine);
    if (holds === undefined) return [];
    return [{ engine, holds, ...(!holds && { because: explain(entry, engine, expectation) }) }];
  });
}

/** A predicate of a user's that throws has nothing to say of these figures. */
function ask({ holds }: Expectation, findings: Findings, engine: EngineName): boolean | undefined {
  try {
    return holds(findings, engine);
  } catch {
    return undefined;
  }
}

function enginesOf({ cells }: Entry): readonly EngineName[] {
  return [...new Set(cells.map(({ engine }) => engine))].filter((engine) => engine !== "host");
}

function findingsOf(entry: Entry | undefined, entries: readonly Entry[]): Findings {
  const find = (technique: string, engine: EngineName) =>
    entry?.cells.find((cell) => cell.technique === technique && cell.engine === engine);
  return {
    of: (technique, engine) => {
      const found = find(technique, engine);
      return found?.status === "measured" ? found.figures : undefined;
    },
    timesDirect: (technique, engine) => {
      const found = find(technique, engine);
      return entry && found && ratioToDirect(entry, found);
    },
    other: (name) =>
      findingsOf(
        entries.find(({ benchmark }) => benchmark.name === name),
        entries,
      ),
  };
}

/** What leaves for the monitor under each technique, per operation. */
function explain({ cells }: Entry, engine: EngineName, { otherwise }: Expectation): string {
  const sentences = cells.flatMap((cell) =>
    cell.engine === engine && cell.status === "measured" ? [`${cell.technique}: ${describeExits(cell)}`] : [],
  );
  const exits = `Exits per operation under ${sentences.join("; ")}.`;
  return otherwise === undefined ? exits : `${exits} ${otherwise}`;
}

function describeExits({ figures }: Extract<Cell, { status: "measured" }>): string {
  const { exits, instructions } = figures;
  const largest = Object.entries(exits.byKind).sort(([, a], [, b]) => b - a);
  const kinds = largest.slice(0, NAMED_KINDS).map(([kind, value]) => `${count(value)} ${kind}`);
  const rest = largest.length > NAMED_KINDS ? " and others" : "";
  const what = kinds.length === 0 ? "none" : `${count(exits.total)} (${kinds.join(", ")}${rest})`;
  return `${what}, with ${count(instructions.median)} instructions`;
}

/** How many times as much as `direct` with the same engine; undefined where that was not measured. */
export function ratioToDirect(
  entry: Entry,
  cell: Cell,
  pick: (figures: Figures) => number | undefined = ({ ns }) => ns?.median,
): number | undefined {
  const direct = entry.cells.find(({ technique, engine }) => technique === "direct" && engine === cell.engine);
  if (cell.status !== "measured" || direct?.status !== "measured") return undefined;
  const [value, base] = [pick(cell.figures), pick(direct.figures)];
  return value !== undefined && base !== undefined && base > 0 ? value / base : undefined;
}
