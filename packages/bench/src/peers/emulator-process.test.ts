import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { EmulatorProcess } from "./emulator-process.js";

/** Says every few milliseconds how long it once could not. */
const CLOCK = `
let [last, longest] = [Date.now(), 0];
setInterval(() => {
  const now = Date.now();
  longest = Math.max(longest, now - last);
  last = now;
  console.log("longest " + longest + ";");
}, 5);`;

it("stands still from being suspended to being resumed", async () => {
  const process = new EmulatorProcess(globalThis.process.execPath, ["-e", CLOCK]);
  const longest = async () => Number((await process.expect(/longest (\d+);/, 10_000))[1]);
  try {
    await longest();
    process.suspend();
    await delay(1000);
    process.resume();
    let standstill = 0;
    for (let n = 0; n < 200 && standstill < 900; n++) standstill = await longest();
    expect(standstill).toBeGreaterThanOrEqual(900);
  } finally {
    await process.kill();
  }
});

it("can be ended while it is suspended", async () => {
  const process = new EmulatorProcess(globalThis.process.execPath, ["-e", CLOCK]);
  await process.expect(/longest/, 10_000);
  process.suspend();
  await process.kill();
  await expect(process.expect(/never/, 10_000)).rejects.toThrow("the emulator ended with SIGKILL");
});
