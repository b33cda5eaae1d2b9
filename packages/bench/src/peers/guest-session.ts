/**
 * A booted guest that runs the programs of the benchmark one after another, and what each run took. Between them its emulator
 * is suspended, so that what it does when its guest is idle, or compiles behind it, does not disturb whoever is measured then.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { EmulatorProcess } from "./emulator-process.js";
import type { Emulator, GuestImage } from "./emulators.js";
import { SHELL_READY } from "./guest-image.js";
import { type CpuTime, cpuBetween } from "./process-cpu.js";
import type { GuestProgram } from "./programs.js";

/** What a piece of work took. */
export interface Cost {
  /** By the clock of whoever measured. */
  readonly wallMs: number;
  /** Of the emulator's whole process. */
  readonly cpu: CpuTime;
}

/** One run of a program. */
export interface Sample extends Cost {
  /** The same time by the host's clock, which the guest's has to agree with. */
  readonly hostMs: number;
  /** From the shell's command to the program's exit: with its start, its warm-up and all translation. */
  readonly whole: Cost;
  /** The program's checksum, of one whose results do not depend on its speed. */
  readonly result?: string;
}

const BOOT_TIMEOUT_MS = 180_000;
const PROGRAM_TIMEOUT_MS = 300_000;
/** How far a guest's clock may be from the host's, and how long its words may take to reach the host when that is busy. */
const CLOCK_TOLERANCE = 0.9;
const CONSOLE_DELAY_MS = 1000;
/** For what an emulator has yet to do: compile on behind a program, and make up for ticks of the clock when it is resumed. */
const SETTLE_MS = 500;
const DEMO_PROMPT = /hartvisor:~# /;

/** Boots the demo to its prompt in a process of its own, and ends it there. */
export async function measureBoot(emulator: Emulator, image: GuestImage): Promise<Cost> {
  const begin = performance.now();
  const process = emulator.start(image);
  try {
    await process.expect(DEMO_PROMPT, BOOT_TIMEOUT_MS);
    return { cpu: process.cpu(), wallMs: performance.now() - begin };
  } finally {
    await process.kill();
  }
}

function scaled({ wallMs, cpu }: Cost, scale: number): Cost {
  const { userMs, systemMs, totalMs, waitMs } = cpu;
  return {
    wallMs: wallMs * scale,
    cpu: { userMs: userMs * scale, systemMs: systemMs * scale, totalMs: totalMs * scale, waitMs: waitMs * scale },
  };
}

export class GuestSession {
  readonly #process: EmulatorProcess;

  /** Boots a guest whose /init is that of the benchmark; ready when the promise resolves. */
  static async boot(emulator: Emulator, image: GuestImage): Promise<GuestSession> {
    const process = emulator.start(image);
    try {
      await process.expect(new RegExp(`${SHELL_READY}\\r?\\n`), BOOT_TIMEOUT_MS);
    } catch (error) {
      await process.kill();
      throw error;
    }
    const session = new GuestSession(process);
    await session.#suspend();
    return session;
  }

  private constructor(process: EmulatorProcess) {
    this.#process = process;
  }

  /**
   * Runs a program.
   *
   * @throws Error when it fails, or the emulator does; the session is of no use then
   */
  async run(program: GuestProgram): Promise<Sample> {
    this.#process.resume();
    await delay(SETTLE_MS);
    const sample = await this.#measure(program);
    await this.#suspend();
    return sample;
  }

  async #measure({ command, unitMs }: GuestProgram): Promise<Sample> {
    const whole = this.#stopwatch();
    this.#process.send(command);
    await this.#expect(/@ready\r?\n/);
    const timed = this.#stopwatch();
    this.#process.send("");
    const [, ns, result = ""] = await this.#expect(/@done (\d+) (\w+)\r?\n/);
    const { wallMs: hostMs, cpu } = timed();
    const exit = await this.#process.expect(/@exit (\d+)\r?\n/, PROGRAM_TIMEOUT_MS);
    if (exit[1] !== "0") throw new Error(`the program ended with status ${exit[1]} after its work`);
    const sample = { wallMs: Number(ns) / 1e6, hostMs, cpu, whole: whole() };
    if (hostMs < sample.wallMs * CLOCK_TOLERANCE || hostMs > sample.wallMs / CLOCK_TOLERANCE + CONSOLE_DELAY_MS) {
      throw new Error(`the guest's clock says ${sample.wallMs.toFixed(0)} ms, the host's ${hostMs.toFixed(0)} ms`);
    }
    if (unitMs === undefined) return { ...sample, result };
    // Its time is given: what it did in that time decides. CPU times are those of a unit, too.
    const scale = unitMs(exit.input.slice(0, exit.index)) / sample.wallMs;
    return { ...scaled(sample, scale), hostMs: hostMs * scale, whole: scaled(sample.whole, scale) };
  }

  /** Ends the guest. */
  async close(): Promise<void> {
    await this.#process.kill();
  }

  async #suspend(): Promise<void> {
    await delay(SETTLE_MS);
    this.#process.suspend();
  }

  /** Waits for a mark of the program's, or for its early end. */
  async #expect(mark: RegExp): Promise<RegExpExecArray> {
    const match = await this.#process.expect(new RegExp(`${mark.source}|@exit \\d+\\r?\\n`), PROGRAM_TIMEOUT_MS);
    if (!match[0].startsWith("@exit")) return match;
    throw new Error(`the program ended early: ${match.input.trim()}`);
  }

  #stopwatch(): () => Cost {
    const from = { cpu: this.#process.cpu(), wall: performance.now() };
    return () => {
      return { wallMs: performance.now() - from.wall, cpu: cpuBetween(from.cpu, this.#process.cpu()) };
    };
  }
}
