/** Summaries of repeated measurements. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** The value below which a fraction of the values lies, by linear interpolation between the nearest two. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * fraction;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

const RESAMPLES = 10_000;

/**
 * The 95 % confidence interval of a statistic by the percentile bootstrap: that
 * of samples drawn with replacement, the same ones in every run.
 */
export function bootstrapInterval(
  values: readonly number[],
  statistic: (values: readonly number[]) => number,
): [low: number, high: number] {
  let state = 1;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes, 7.1
    return Math.floor((state / 2 ** 32) * limit);
  };
  const drawn = Array.from({ length: RESAMPLES }, () =>
    statistic(values.map(() => values[below(values.length)] ?? Number.NaN)),
  );
  return [quantile(drawn, 0.025), quantile(drawn, 0.975)];
}
