/** The guest's time base: 10 MHz, from the host's clock or from the count of executed instructions. */
import type { Clock } from "./clock.js";

export const TIMEBASE_HZ = 10_000_000;
const TICKS_PER_MS = TIMEBASE_HZ / 1000;
const NS_PER_TICK = 1_000_000_000n / BigInt(TIMEBASE_HZ);

/** Host time in ticks since the module was loaded. */
export const hostTicks = (): number => Math.floor((performance.now() - origin) * TICKS_PER_MS);
const origin = performance.now();

/**
 * A machine's clock. `readTicks` is what hart 0 sees in its `time` CSR. With
 * the virtual clock the date begins at 2026-01-01, so that runs are alike.
 */
export class MachineClock implements Clock {
  readonly frequencyHz = TIMEBASE_HZ;
  readonly #readTicks: () => bigint;
  readonly #epochNs: bigint;

  constructor(readTicks: () => bigint, virtual: boolean) {
    this.#readTicks = readTicks;
    this.#epochNs = virtual ? 1_767_225_600_000_000_000n : BigInt(Date.now()) * 1_000_000n;
  }

  ticks(): bigint {
    return this.#readTicks();
  }

  unixTimeNs(): bigint {
    return this.#epochNs + this.#readTicks() * NS_PER_TICK;
  }
}

/** Milliseconds that went by since some moment: of the host's clock, or of the machine's where that is virtual. */
export const elapsedMs = (clock: Clock, virtual: boolean): number =>
  virtual ? Number(clock.ticks()) / TICKS_PER_MS : performance.now();
