import { describe, expect, it } from "vitest";
import { count, duration, quotient } from "./number.js";

describe("count", () => {
  it.each([
    [0, "0"],
    [2, "2"],
    [2.00004, "2"],
    [1.50001, "1.5"],
    [0.0156, "0.0156"],
    [0.00002, "2e-5"],
    [99.96, "100"],
    [4096.4, "4,096"],
  ])("writes %s as %s", (value, text) => expect(count(value)).toBe(text));
});

describe("duration", () => {
  it.each([
    [0, "0.00 ns"],
    [0.367, "0.367 ns"],
    [999, "999 ns"],
    [1234, "1.23 us"],
    [45_600_000, "45.6 ms"],
    [2.5e9, "2.50 s"],
  ])("writes %s ns as %s", (value, text) => expect(duration(value)).toBe(text));
});

describe("quotient", () => {
  it.each([
    [1, "1.00"],
    [12.34, "12.3"],
    [1234, "1,234"],
  ])("writes %s as %s", (value, text) => expect(quotient(value)).toBe(text));
});
