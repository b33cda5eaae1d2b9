/**
 * Runs every program in every emulator, in turn: each round boots each emulator once, and
 * then a program runs in the one and at once in the other, so that whatever else the host
 * does falls on both alike. One boot serves all programs of a round: to boot for each would
 * multiply the time, and a machine that has run something before is the usual case.
 */
import type { Emulator, GuestImage } from "./emulators.js";
import { type Cost, GuestSession, measureBoot, type Sample } from "./guest-session.js";
import { BOOT, type GuestProgram } from "./programs.js";

/** An emulator and what it runs. */
export interface Contender {
  readonly emulator: Emulator;
  readonly programs: readonly GuestProgram[];
  /** What the programs run in. */
  readonly bench: GuestImage;
  /** What is booted for the boot's own figure; none if that is not wanted. */
  readonly demo: GuestImage | undefined;
}

/** How far it is. */
export interface Progress {
  readonly round: number;
  readonly emulator: string;
  readonly what: string;
  /** 0 to 1. */
  readonly fraction: number;
}

/** One attempt: of an emulator's name, in a round counted from 0. */
export interface Attempt<Result> {
  readonly emulator: string;
  readonly round: number;
  /** What it took, or why it failed. */
  readonly outcome: Result | { readonly error: string };
}

/** Everything that was measured. */
export interface Measurements {
  readonly boots: readonly Attempt<Cost>[];
  /** By the program's name. */
  readonly programs: ReadonlyMap<string, readonly Attempt<Sample>[]>;
}

/** A machine that is booted when it is needed, and anew after a failure. */
class Guest {
  readonly #emulator: Emulator;
  readonly #image: GuestImage;
  #session: GuestSession | undefined;

  constructor(emulator: Emulator, image: GuestImage) {
    this.#emulator = emulator;
    this.#image = image;
  }

  async run(program: GuestProgram): Promise<Sample> {
    this.#session ??= await GuestSession.boot(this.#emulator, this.#image);
    try {
      return await this.#session.run(program);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#session?.close();
    this.#session = undefined;
  }
}

/** Carries out so many rounds. A program that fails is noted, and the others go on. */
export async function runRounds(
  contenders: readonly Contender[],
  rounds: number,
  onProgress: (progress: Progress) => void,
): Promise<Measurements> {
  const boots: Attempt<Cost>[] = [];
  const samples = new Map<string, Attempt<Sample>[]>();
  const jobs = contenders.map(({ programs, demo }) => programs.length + (demo === undefined ? 0 : 1));
  const total = rounds * jobs.reduce((sum, count) => sum + count, 0);
  let done = 0;
  const attempt = async <Result>(
    { name }: Emulator,
    round: number,
    what: string,
    work: () => Promise<Result>,
  ): Promise<Attempt<Result>> => {
    onProgress({ round, emulator: name, what, fraction: done++ / total });
    const outcome = await work().catch((error: unknown) => ({
      error: String(error instanceof Error ? error.message : error),
    }));
    return { emulator: name, round, outcome };
  };

  const programs = [...new Set(contenders.flatMap((contender) => contender.programs))];
  for (const { name } of programs) samples.set(name, []);
  for (let round = 0; round < rounds; round++) {
    // Who goes first changes, too.
    const order = round % 2 === 0 ? contenders : [...contenders].reverse();
    for (const { emulator, demo } of order) {
      if (demo !== undefined) boots.push(await attempt(emulator, round, BOOT, () => measureBoot(emulator, demo)));
    }
    const guests = order.map((contender) => ({ ...contender, guest: new Guest(contender.emulator, contender.bench) }));
    try {
      for (const program of programs) {
        for (const { guest, emulator, programs: own } of guests) {
          if (!own.includes(program)) continue;
          samples.get(program.name)?.push(await attempt(emulator, round, program.name, () => guest.run(program)));
        }
      }
    } finally {
      await Promise.all(guests.map(({ guest }) => guest.close()));
    }
  }
  return { boots, programs: samples };
}
