/** What an operation takes, from all repetitions of a variant. */
import { median, quantile } from "../statistics.js";
import type { Counts, Stretch } from "./stretch.js";

/** A figure per operation, over the repetitions. */
export interface Spread {
  readonly median: number;
  readonly lowerQuartile: number;
  readonly upperQuartile: number;
}

/** Counts per operation: the mean over all repetitions. */
export interface CountsPerOperation {
  readonly total: number;
  readonly byKind: Counts;
}

/** The figures of one benchmark under one technique and engine, per operation. */
export interface Figures {
  /** Of one repetition. */
  readonly operations: number;
  readonly repetitions: number;
  /** Of the host's clock; absent with the virtual clock, where it says nothing. */
  readonly ns?: Spread;
  readonly instructions: Spread;
  readonly exits: CountsPerOperation;
  readonly assists: CountsPerOperation;
}

/** Summarises repetitions; what the marks take by themselves, which `empty` measured, is subtracted. */
export function figuresOf(
  samples: readonly Stretch[],
  empty: readonly Stretch[],
  clock: "real" | "virtual" = "real",
): Figures {
  const overhead = {
    ns: empty.length === 0 ? 0 : median(empty.map(({ ns }) => ns)),
    instructions: empty.length === 0 ? 0 : median(empty.map(({ instructions }) => instructions)),
  };
  const spread = (pick: "ns" | "instructions"): Spread => {
    const values = samples.map((sample) => Math.max(0, sample[pick] - overhead[pick]) / sample.operations);
    return { median: median(values), lowerQuartile: quantile(values, 0.25), upperQuartile: quantile(values, 0.75) };
  };
  return {
    operations: median(samples.map(({ operations }) => operations)),
    repetitions: samples.length,
    ...(clock === "real" && { ns: spread("ns") }),
    instructions: spread("instructions"),
    exits: perOperation("exits", samples, empty),
    assists: perOperation("assists", samples, empty),
  };
}

function perOperation(
  pick: "exits" | "assists",
  samples: readonly Stretch[],
  empty: readonly Stretch[],
): CountsPerOperation {
  const operations = samples.reduce((sum, sample) => sum + sample.operations, 0);
  const byKind: Record<string, number> = {};
  for (const kind of new Set(samples.flatMap((sample) => Object.keys(sample[pick])))) {
    const counted = samples.reduce((sum, sample) => sum + (sample[pick][kind] ?? 0), 0);
    const overhead = empty.length === 0 ? 0 : median(empty.map((sample) => sample[pick][kind] ?? 0));
    const rest = counted - overhead * samples.length;
    if (rest > 0) byKind[kind] = rest / operations;
  }
  return { total: Object.values(byKind).reduce((sum, count) => sum + count, 0), byKind };
}
