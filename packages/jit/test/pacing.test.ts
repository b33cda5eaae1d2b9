/** A guest that goes on rewriting its code does not get a module each time that a loop of it is hot again. */
import { expect, it } from "vitest";
import { outcome } from "./outcome.js";

/** Writes an instruction into its inner loop, another in turn, and goes round that 4,096 times; s1 is its own address. */
const REWRITING = `
  auipc s1, 0
  lw t1, 52(s1)
  lw t3, 56(s1)
  xor t3, t3, t1
rewrite:
  sw t1, 32(s1)
  fence.i
  xor t1, t1, t3
  lui t4, 1
inner:
  add a1, a1, s2
  addi t4, t4, -1
  bne t4, zero, inner
  addi a2, a2, 1
  j rewrite
  add a1, a1, s2
  addi a1, a1, 3`;
const LOOP_INSTRUCTIONS = 3 * 4096;
/** Of the virtual clock. */
const INSTRUCTIONS_PER_MS = 100_000;
const ROUNDS = 3000;

it("has modules eight milliseconds apart, but for the first, however often its code is hot anew", async () => {
  const instructions = ROUNDS * LOOP_INSTRUCTIONS;
  const translated = await outcome(REWRITING, instructions, { threshold: 2, sampleInterval: 100, retryMs: 0 });
  expect(translated.modules).toBeGreaterThan(60);
  expect(translated.modules).toBeLessThan(80 + instructions / INSTRUCTIONS_PER_MS / 8);
  expect(translated.executed).toBeGreaterThan(instructions / 100);
  const interpreted = await outcome(REWRITING, instructions);
  expect(translated.end).toEqual(interpreted.end);
});
