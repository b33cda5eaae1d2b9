import { describe, expect, it } from "vitest";
import { geometricMean, median, quantile } from "./statistics.js";

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
