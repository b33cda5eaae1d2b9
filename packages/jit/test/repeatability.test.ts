/** With the virtual clock, what is translated and when depends on the guest alone, however fast its host is. */
import { afterEach, expect, it, vi } from "vitest";
import { createGuest, PROGRAM } from "../../core/test/machine/guest.js";
import { type TranslatorEvent, translator } from "../src/index.js";

const BLOCKS = 60;

/** Loops for ever through blocks that lead each to the next. */
const manyBlocks = [
  ...Array.from({ length: BLOCKS }, () => "addi a0, a0, 1\nld t0, 0(a1)\njal zero, .+4"),
  `jal zero, .-${BLOCKS * 12}`,
].join("\n");

/** Where regions began, and what was counted meanwhile, on a host whose clock goes on by so much each time that it is read. */
async function run(hostMs: number, options: { readonly threshold: number; readonly sampleInterval: number }) {
  let now = performance.now();
  vi.spyOn(performance, "now").mockImplementation(() => (now += hostMs));
  const events: TranslatorEvent[] = [];
  const onEvent = (event: TranslatorEvent) => void events.push(event);
  const guest = await createGuest({
    ...{ translator: translator({ ...options, unit: "block", onEvent }), limits: { instructions: 3_000_000 } },
  });
  guest.load(PROGRAM, manyBlocks);
  guest.set({ a0: 0n, a1: PROGRAM });
  guest.machine.start();
  await guest.machine.exited;
  vi.restoreAllMocks();
  const { jit, ...stats } = guest.machine.stats;
  const begins = events.flatMap((event) => (event.kind === "region" ? [event.pc] : []));
  return { begins, executed: jit?.executed, stats };
}

afterEach(() => void vi.restoreAllMocks());

it.each([
  ["each at once", { threshold: 1, sampleInterval: 1 }],
  ["a few together", { threshold: 4, sampleInterval: 500 }],
])("slow hosts translate the blocks that fast ones do, %s", async (_, options) => {
  const fast = await run(0.001, options);
  expect(fast.begins.length).toBeGreaterThan(BLOCKS / 2);
  expect(await run(5, options)).toEqual(fast);
});
