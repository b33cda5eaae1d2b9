import { describe, expect, it } from "vitest";
import { geometricMean, median } from "./statistics.js";

describe("median", () => {
  it("is the middle of an odd number of values", () => expect(median([9, 1, 5])).toBe(5));
  it("is half-way between the middle two of an even number", () => expect(median([4, 1, 3, 2])).toBe(2.5));
});

describe("geometricMean", () => {
  it("is the root of the product", () => expect(geometricMean([2, 8])).toBeCloseTo(4));
});
