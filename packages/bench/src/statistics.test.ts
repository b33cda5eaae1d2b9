import { describe, expect, it } from "vitest";
import { bootstrapInterval, geometricMean, median, quantile } from "./statistics.js";

describe("median", () => {
  it("is the middle of an odd number of values", () => expect(median([9, 1, 5])).toBe(5));
  it("is half-way between the middle two of an even number", () => expect(median([4, 1, 3, 2])).toBe(2.5));
});

describe("geometricMean", () => {
  it("is the root of the product", () => expect(geometricMean([2, 8])).toBeCloseTo(4));
});

describe("quantile", () => {
  it("lies between two values where it falls between them", () => expect(quantile([4, 1, 2, 3], 0.25)).toBe(1.75));
  it("is the value where there is but one", () => expect(quantile([7], 0.9)).toBe(7));
});

describe("bootstrapInterval", () => {
  const values = Array.from({ length: 100 }, (_, n) => n);
  const mean = (sample: readonly number[]) => sample.reduce((sum, value) => sum + value, 0) / sample.length;

  it("lies about the statistic as wide as its standard error says", () => {
    const [low, high] = bootstrapInterval(values, mean);
    // The deviation of 0..99 is 28.9, so that of their mean 2.89, and the interval 1.96 of these to each side.
    expect(low).toBeCloseTo(49.5 - 1.96 * 2.89, 0);
    expect(high).toBeCloseTo(49.5 + 1.96 * 2.89, 0);
  });

  it("is the same in every run", () =>
    expect(bootstrapInterval(values, mean)).toEqual(bootstrapInterval(values, mean)));
  it("is a point where all values are the same", () => expect(bootstrapInterval([2, 2, 2], median)).toEqual([2, 2]));
});
