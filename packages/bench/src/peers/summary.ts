/**
 * What the measurements say. A speed is the peer's time over ours, so above 1 we are
 * faster: the quotient of the medians over all rounds, with the quartiles of the quotients
 * of single rounds as its spread. A group's speed is the geometric mean of its programs'.
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

type Measure<Result> = (result: Result) => number;

const totalCpu = ({ cpu }: Cost): number => cpu.totalMs;

/** Times of both by round, of the rounds in which both succeeded. */
interface Pairs<Result> {
  readonly ours: readonly Result[];
  readonly peer: readonly Result[];
}

/** Sums up. `ours` and `peer` are the emulators' names. */
export function summarise(
  { boots, programs: attempts }: Measurements,
  programs: readonly GuestProgram[],
  ours: string,
  peer: string,
): Summary {
  const rows: ProgramSummary[] = [];
  const quotients = new Map<string, Readonly<Record<"wall" | "cpu" | "wholeCpu", readonly number[]>>>();
  const failures: string[] = [];

  const add = <Result>(
    { name, group }: Pick<GuestProgram, "name" | "group">,
    tried: readonly Attempt<Result>[],
    measures: Readonly<Record<"wall" | "cpu" | "wholeCpu", Measure<Result>>>,
  ): void => {
    failures.push(...failuresOf(name, tried));
    const pairs = pair(tried, ours, peer);
    if (pairs.ours.length === 0) return;
    quotients.set(name, {
      wall: quotientsOf(pairs, measures.wall),
      cpu: quotientsOf(pairs, measures.cpu),
      wholeCpu: quotientsOf(pairs, measures.wholeCpu),
    });
    rows.push({
      ...{ name, group, oursMs: median(pairs.ours.map(measures.wall)), peerMs: median(pairs.peer.map(measures.wall)) },
      wall: speedOf(pairs, measures.wall),
      cpu: speedOf(pairs, measures.cpu),
      wholeCpu: speedOf(pairs, measures.wholeCpu),
    });
  };

  const of = <Result>(all: readonly Attempt<Result>[]) =>
    all.filter(({ emulator }) => emulator === ours || emulator === peer);
  for (const program of programs) {
    const tried = of(attempts.get(program.name) ?? []);
    // Kernels know what is right, which for floating point is not the same everywhere.
    const results = new Set(tried.flatMap(({ outcome }) => ("error" in outcome ? [] : [outcome.result])));
    if (isReal(program) && results.size > 1)
      failures.push(`${program.name}: results differ: ${[...results].join(", ")}`);
    add<Sample>(program, tried, {
      ...{ wall: ({ wallMs }) => wallMs, cpu: totalCpu, wholeCpu: ({ whole }) => totalCpu(whole) },
    });
  }
  add<Cost>({ name: BOOT, group: BOOT }, of(boots), {
    ...{ wall: ({ wallMs }) => wallMs, cpu: ({ cpu }) => cpu.userMs, wholeCpu: totalCpu },
  });

  const summariseGroup = (group: GroupSummary["group"], members: readonly ProgramSummary[]): GroupSummary[] => {
    if (members.length === 0) return [];
    const mean = (kind: "wall" | "cpu" | "wholeCpu"): Speed => {
      const each = members.map(({ name }) => quotients.get(name)?.[kind] ?? []);
      const rounds = Math.min(...each.map(({ length }) => length));
      const byRound = Array.from({ length: rounds }, (_, round) =>
        geometricMean(each.map((values) => values[round] ?? Number.NaN)),
      );
      return withSpread(geometricMean(members.map((member) => member[kind].median)), byRound);
    };
    return [{ group, wall: mean("wall"), cpu: mean("cpu"), wholeCpu: mean("wholeCpu") }];
  };
  const groups = [
    ...GROUPS.flatMap((group) =>
      summariseGroup(
        group,
        rows.filter((row) => row.group === group),
      ),
    ),
    ...summariseGroup(
      "all programs",
      rows.filter(({ group }) => group !== BOOT),
    ),
  ];
  const samples = programs.flatMap(({ name }) => attempts.get(name) ?? []);
  return { programs: rows, groups, waited: { ours: waited(samples, ours), peer: waited(samples, peer) }, failures };
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

function pair<Result>(attempts: readonly Attempt<Result>[], ours: string, peer: string): Pairs<Result> {
  const found: { ours: Result[]; peer: Result[] } = { ours: [], peer: [] };
  const find = (emulator: string, round: number) =>
    attempts.find((attempt) => attempt.emulator === emulator && attempt.round === round)?.outcome;
  for (const round of new Set(attempts.map((attempt) => attempt.round))) {
    const [a, b] = [find(ours, round), find(peer, round)];
    if (a === undefined || b === undefined || isFailure(a) || isFailure(b)) continue;
    found.ours.push(a);
    found.peer.push(b);
  }
  return found;
}

function quotientsOf<Result>({ ours, peer }: Pairs<Result>, measure: Measure<Result>): number[] {
  return ours.map((result, index) => measure(peer[index] ?? result) / measure(result));
}

function speedOf<Result>(pairs: Pairs<Result>, measure: Measure<Result>): Speed {
  const quotient = median(pairs.peer.map(measure)) / median(pairs.ours.map(measure));
  return withSpread(quotient, quotientsOf(pairs, measure));
}

function withSpread(middle: number, values: readonly number[]): Speed {
  return { median: middle, lowerQuartile: quantile(values, 0.25), upperQuartile: quantile(values, 0.75) };
}
