/**
 * Measures variants against each other. Each is warmed up by itself; then they take turns, one repetition each, in an
 * order that rotates, so that a slow spell of the host meets all of them alike.
 */
import type { Stretch } from "./stretch.js";
import { CannotRun, isSkipped, type Subject } from "./subject.js";

/** How much is measured. */
export interface Effort {
  readonly clock: "real" | "virtual";
  /** That count, behind the warm-up. */
  readonly repetitions: number;
}

/** What came of a variant. */
export type Result =
  | { readonly status: "measured"; readonly samples: readonly Stretch[]; readonly empty: readonly Stretch[] }
  | { readonly status: "skipped"; readonly reason: string }
  | { readonly status: "failed"; readonly reason: string };

/** A variant that takes part. */
export interface Contestant {
  /** Makes what is measured; called once. */
  readonly create: () => Promise<Subject>;
  readonly operations: number;
  readonly exactly: boolean;
  /** Whether it is measured from the first time on, without a warm-up. */
  readonly isCold: boolean;
  /** It is measured at most so often. */
  readonly mostRepetitions: number;
}

/** A repetition should take so long: many times what the clock and a turn of the host's event loop blur. */
const REPETITION_MS = 10;
const MOST_GROWTH = 16;
const MOST_OPERATIONS = 2 ** 26;
/** Hot code has been translated, and V8's better code is in place, after so much. */
const WARM_UP_MS = 120;
/** Unless the last repetition was still so much faster than every one before: on a busy host, better code comes late. */
const STILL_FASTER = 0.97;
const LONGEST_WARM_UP_MS = 1000;
const MOST_WARM_UPS = 50;
/** With the virtual clock there is no speed to warm up, but sites that a technique rewrites once they have trapped often. */
const VIRTUAL_WARM_UPS = 2;
const EMPTY_WARM_UPS = 5;
const EMPTY_REPETITIONS = 15;

/** One that takes part, and how far it is. */
interface Runner {
  readonly contestant: Contestant;
  readonly samples: Stretch[];
  subject: Subject | undefined;
  empty: readonly Stretch[];
  operations: number;
  end: Exclude<Result, { status: "measured" }> | undefined;
}

/** Measures all; the results are in the order of the contestants. `onStep` hears of each repetition that is done. */
export async function runRounds(
  contestants: readonly Contestant[],
  effort: Effort,
  onStep: () => void = () => {},
): Promise<readonly Result[]> {
  const runners = contestants.map(
    (contestant): Runner => ({
      contestant,
      samples: [],
      subject: undefined,
      empty: [],
      operations: contestant.operations,
      end: undefined,
    }),
  );
  try {
    for (const runner of runners) await attempt(runner, () => warmUp(runner, effort));
    for (let round = 0; round < effort.repetitions; round++) {
      for (let n = 0; n < runners.length; n++) {
        const runner = runners[(n + round) % runners.length];
        const isDone = round >= (runner?.contestant.mostRepetitions ?? 0);
        if (runner?.subject !== undefined && runner.end === undefined && !isDone) {
          await attempt(runner, async () => void runner.samples.push(await measure(runner)));
        }
        onStep();
      }
    }
  } finally {
    for (const { subject } of runners) await subject?.close();
  }
  return runners.map(({ end, samples, empty }) => end ?? { status: "measured", samples, empty });
}

async function attempt(runner: Runner, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, " ");
    runner.end = { status: error instanceof CannotRun ? "skipped" : "failed", reason };
  }
}

async function measure({ subject, operations }: Runner): Promise<Stretch> {
  const outcome = await subject?.run(operations);
  if (outcome === undefined) throw new Error("there is nothing to measure");
  if (isSkipped(outcome)) throw new CannotRun(outcome.skipped);
  return outcome;
}

/** Makes the subject, measures what the marks take, and repeats the benchmark until it is as fast as it gets. */
async function warmUp(runner: Runner, effort: Effort): Promise<void> {
  const { contestant } = runner;
  const subject = await contestant.create();
  runner.subject = subject;
  if (contestant.isCold) return;
  const empty: Stretch[] = [];
  for (let n = 0; n < EMPTY_WARM_UPS + EMPTY_REPETITIONS; n++) {
    const outcome = await subject.runEmpty();
    if (isSkipped(outcome)) break;
    if (n >= EMPTY_WARM_UPS) empty.push(outcome);
  }
  runner.empty = empty;
  if (effort.clock === "virtual") {
    for (let n = 0; n < VIRTUAL_WARM_UPS; n++) await measure(runner);
    return;
  }
  const begin = performance.now();
  let best = Number.POSITIVE_INFINITY;
  for (let n = 0; n < MOST_WARM_UPS; n++) {
    const { ns, operations } = await measure(runner);
    if (!contestant.exactly) runner.operations = scaled(runner.operations, ns / 1e6);
    const isFaster = ns / operations < best * STILL_FASTER;
    best = Math.min(best, ns / operations);
    const elapsed = performance.now() - begin;
    if (elapsed > (isFaster ? LONGEST_WARM_UP_MS : WARM_UP_MS)) return;
  }
}

/** As many operations as fill a repetition, by what so many took. */
function scaled(operations: number, ms: number): number {
  const growth = Math.min(REPETITION_MS / Math.max(ms, 1e-3), MOST_GROWTH);
  return growth <= 1 ? operations : Math.min(Math.ceil(operations * growth), MOST_OPERATIONS);
}
