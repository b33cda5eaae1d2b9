/** The waits before what failed is tried again. */
import { describe, expect, it } from "vitest";
import { Backoff } from "../src/backoff.js";

/** Milliseconds until a key is allowed again. */
function waitOf(backoff: Backoff, clock: { now: number }, key: number): number {
  const begin = clock.now;
  while (!backoff.allows(key)) clock.now++;
  return clock.now - begin;
}

describe("a back-off", () => {
  it("allows what never failed", () => {
    expect(new Backoff(20, () => 0).allows(1)).toBe(true);
  });

  it("doubles its wait with each failure, up to five seconds", () => {
    const clock = { now: 0 };
    const backoff = new Backoff(20, () => clock.now);
    const waits = Array.from({ length: 10 }, () => {
      backoff.failed(1);
      return waitOf(backoff, clock, 1);
    });
    expect(waits).toEqual([20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000]);
  });

  it("forgives what held for eight waits", () => {
    const clock = { now: 0 };
    const backoff = new Backoff(20, () => clock.now);
    backoff.failed(1);
    clock.now = 100;
    backoff.failed(1);
    clock.now += 8 * 40;
    backoff.failed(1);
    expect(waitOf(backoff, clock, 1)).toBe(20);
  });

  it("does not wait if its first wait is none", () => {
    const backoff = new Backoff(0, () => 0);
    backoff.failed(1);
    backoff.failed(1);
    expect(backoff.allows(1)).toBe(true);
  });

  it("tells keys apart", () => {
    const backoff = new Backoff(20, () => 0);
    backoff.failed(1);
    expect(backoff.allows(2)).toBe(true);
  });
});
