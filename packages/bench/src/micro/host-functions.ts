/** Functions of the host's, measured by the `benchmark` package: it decides how often to repeat what, and throws out nothing. */
import Benchmark from "benchmark";
import { median, quantile } from "../statistics.js";
import type { HostFunction } from "./definition.js";
import type { Figures } from "./figures.js";

/** How long one is measured, in seconds. */
const MOST_SECONDS = 1;
const NOTHING = { total: 0, byKind: {} };

/** Measures a function; calls of it are the operations. */
export async function measureHostFunction({ host }: HostFunction): Promise<Figures> {
  const work = await host();
  const suite = new Benchmark({ maxTime: MOST_SECONDS, ...(work.isAsync ? deferred(work.call) : { fn: work.call }) });
  await new Promise<void>((resolve) => {
    suite.on("complete", () => resolve());
    suite.run({ async: work.isAsync ?? false });
  });
  await work.close?.();
  // A benchmark that threw has an error, which the types leave out.
  const { error } = suite as { readonly error?: Error };
  if (error !== undefined) throw error;
  const ns = suite.stats.sample.map((seconds) => seconds * 1e9);
  return {
    operations: suite.count,
    repetitions: ns.length,
    ns: { median: median(ns), lowerQuartile: quantile(ns, 0.25), upperQuartile: quantile(ns, 0.75) },
    instructions: { median: 0, lowerQuartile: 0, upperQuartile: 0 },
    exits: NOTHING,
    assists: NOTHING,
  };
}

/** One whose call is over when its promise is. */
function deferred(call: () => unknown) {
  return {
    defer: true,
    fn: (end: { resolve(): void }) => {
      void Promise.resolve(call()).then(() => end.resolve());
    },
  };
}
