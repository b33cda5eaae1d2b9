/** Blocks that are met often in a short time become hot sooner than those that are met as often over a long one. */
import { expect, it } from "vitest";
import { outcome } from "./outcome.js";

const LOOP = "addi a0, a0, 1\nj .-4";
/** Instructions of a burst. */
const BURST = 2 ** 25;

it("translates a block that was met a quarter of the times in one burst", async () => {
  const { executed } = await outcome(LOOP, 9_500_000, { threshold: 100, sampleInterval: 100_000 });
  expect(executed).toBeGreaterThan(1_000_000);
});

it("interprets a block that was met fewer times than that", async () => {
  const { executed } = await outcome(LOOP, 9_500_000, { threshold: 400, sampleInterval: 100_000 });
  expect(executed).toBe(0);
});

it("interprets a block that was met as often in several bursts", async () => {
  const { executed } = await outcome(LOOP, 3.5 * BURST, { threshold: 8, sampleInterval: BURST });
  expect(executed).toBe(0);
});
