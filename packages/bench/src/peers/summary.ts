/**
 * What the measurements say. A speed is the peer's time over ours, so above 1 we are
 * faster: the median of the quotients of single rounds, whose times were taken one after the
 * other, with their quartiles as its spread. A group's speed is the geometric mean of its programs'.
 */
import { geometricMean, median, quantile } from "../statistics.js";
import type { Cost, Sample } from "./guest-session.js";
import { BOOT, GROUPS, type Group, type GuestProgram, isReal } from "./programs.js";
import type { Attempt, Measurements } from "./rounds.js";

/** How much faster we are than the peer. */
export interface Speed {
  readonly median: number;
  readonly lowerQuartile: number;
  readonly upperQuartile: number;
}

/** A program's row. Times are medians, in milliseconds. */
export interface ProgramSummary {
  readonly name: string;
  readonly group: Group;
  readonly oursMs: number;
  readonly peerMs: number;
  /** By the wall clock, warm. */
  readonly wall: Speed;
  /** By CPU time, user and system, of the same stretch; of a boot, user alone. */
  readonly cpu: Speed;
  /** By CPU time, user and system, from start to exit, warm-up included; of a boot, user and system. */
  readonly wholeCpu: Speed;
}

/** The geometric means of a group, or of all programs together; the boot, which is no program, counts alone. */
export interface GroupSummary {
  readonly group: Group | "all programs";
  readonly wall: Speed;
  readonly cpu: Speed;
  readonly wholeCpu: Speed;
}

export interface Summary {
  readonly programs: readonly ProgramSummary[];
  readonly groups: readonly GroupSummary[];
  /** The share of the programs' time that each emulator waited for a CPU of the host, 0 to 1; above a few hundredths, trust CPU times. */
  readonly waited: { readonly ours: number; readonly peer: number };
  readonly failures: readonly string[];
}

type Kind = "wall" | "cpu" | "wholeCpu";
/** How to read each kind of time from a result. */
type Measures<Result> = Readonly<Record<Kind, (result: Result) => number>>;

const totalCpu = ({ cpu }: Cost): number => cpu.totalMs;
const PROGRAM_MEASURES: Measures<Sample> = {
  ...{ wall: ({ wallMs }) => wallMs, cpu: totalCpu, wholeCpu: ({ whole }) => totalCpu(whole) },
};
const BOOT_MEASURES: Measures<Cost> = {
  ...{ wall: ({ wallMs }) => wallMs, cpu: ({ cpu }) => cpu.userMs, wholeCpu: totalCpu },
};

/** A program's row, and the quotients of its single rounds. */
interface Row {
  readonly summary: ProgramSummary;
  readonly quotients: Readonly<Record<Kind, readonly number[]>>;
}

/** Sums up. `ours` and `peer` are the emulators' names. */
export function summarise(
  { boots, programs: attempts }: Measurements,
  programs: readonly GuestProgram[],
  ours: string,
  peer: string,
): Summary {
  const failures: string[] = [];
  const rowsOf = <Result>(
    program: Pick<GuestProgram, "name" | "group">,
    all: readonly Attempt<Result>[],
    measures: Measures<Result>,
  ): Row[] => {
    const tried = all.filter(({ emulator }) => emulator === ours || emulator === peer);
    failures.push(...failuresOf(program.name, tried));
    const pairs = pair(tried, ours, peer);
    return pairs.length === 0 ? [] : [rowOf(program, pairs, measures)];
  };
  const rows = programs.flatMap((program) => {
    const tried = attempts.get(program.name) ?? [];
    // Kernels know what is right, which for floating point is not the same everywhere.
    if (isReal(program)) failures.push(...differencesOf(program.name, tried));
    return rowsOf(program, tried, PROGRAM_MEASURES);
  });
  const boot = rowsOf({ name: BOOT, group: BOOT }, boots, BOOT_MEASURES);

  const members = (group: Group) => [...rows, ...boot].filter(({ summary }) => summary.group === group);
  const groups = [...GROUPS.map((group) => groupOf(group, members(group))), groupOf("all programs", rows)];
  const samples = programs.flatMap(({ name }) => attempts.get(name) ?? []);
  return {
    programs: [...rows, ...boot].map(({ summary }) => summary),
    groups: groups.filter((group) => group !== undefined),
    waited: { ours: waited(samples, ours), peer: waited(samples, peer) },
    failures,
  };
}

function rowOf<Result>(
  { name, group }: Pick<GuestProgram, "name" | "group">,
  pairs: readonly Pair<Result>[],
  measures: Measures<Result>,
): Row {
  const wallMs = (who: keyof Pair<Result>) => median(pairs.map((each) => measures.wall(each[who])));
  const quotients = (kind: Kind) => pairs.map((each) => measures[kind](each.peer) / measures[kind](each.ours));
  const speed = (kind: Kind) => withSpread(median(quotients(kind)), quotients(kind));
  return {
    summary: {
      ...{ name, group, oursMs: wallMs("ours"), peerMs: wallMs("peer") },
      ...{ wall: speed("wall"), cpu: speed("cpu"), wholeCpu: speed("wholeCpu") },
    },
    quotients: { wall: quotients("wall"), cpu: quotients("cpu"), wholeCpu: quotients("wholeCpu") },
  };
}

function groupOf(group: GroupSummary["group"], rows: readonly Row[]): GroupSummary | undefined {
  if (rows.length === 0) return undefined;
  const mean = (kind: Kind): Speed => {
    const rounds = Math.min(...rows.map(({ quotients }) => quotients[kind].length));
    const byRound = Array.from({ length: rounds }, (_, round) =>
      geometricMean(rows.map(({ quotients }) => quotients[kind][round] ?? Number.NaN)),
    );
    return withSpread(geometricMean(rows.map(({ summary }) => summary[kind].median)), byRound);
  };
  return { group, wall: mean("wall"), cpu: mean("cpu"), wholeCpu: mean("wholeCpu") };
}

function differencesOf(name: string, attempts: readonly Attempt<Sample>[]): string[] {
  const results = new Set(attempts.flatMap(({ outcome }) => (isFailure(outcome) ? [] : [outcome.result])));
  return results.size > 1 ? [`${name}: results differ: ${[...results].join(", ")}`] : [];
}

function waited(attempts: readonly Attempt<Sample>[], name: string): number {
  const sum = { waitMs: 0, hostMs: 0 };
  for (const { emulator, outcome } of attempts) {
    if (emulator !== name || isFailure(outcome)) continue;
    sum.waitMs += outcome.cpu.waitMs;
    sum.hostMs += outcome.hostMs;
  }
  return sum.hostMs === 0 ? 0 : sum.waitMs / sum.hostMs;
}

function isFailure<Result>(outcome: Attempt<Result>["outcome"]): outcome is { readonly error: string } {
  return typeof outcome === "object" && outcome !== null && "error" in outcome;
}

function failuresOf<Result>(name: string, attempts: readonly Attempt<Result>[]): string[] {
  return attempts.flatMap(({ emulator, round, outcome }) =>
    isFailure(outcome) ? [`${name} in ${emulator}, round ${round + 1}: ${outcome.error}`] : [],
  );
}

/** What both took in a round. */
interface Pair<Result> {
  readonly ours: Result;
  readonly peer: Result;
}

/** The rounds in which both succeeded. */
function pair<Result>(attempts: readonly Attempt<Result>[], ours: string, peer: string): Pair<Result>[] {
  const find = (name: string, round: number): Result[] =>
    attempts.flatMap(({ emulator, round: when, outcome }) =>
      emulator === name && when === round && !isFailure(outcome) ? [outcome] : [],
    );
  return [...new Set(attempts.map(({ round }) => round))].flatMap((round) => {
    const [[a], [b]] = [find(ours, round), find(peer, round)];
    return a === undefined || b === undefined ? [] : [{ ours: a, peer: b }];
  });
}

function withSpread(middle: number, values: readonly number[]): Speed {
  return { median: middle, lowerQuartile: quantile(values, 0.25), upperQuartile: quantile(values, 0.75) };
}
