/** A machine with a guest of the benchmark ABI. */
import { type ExitReason, Machine, type MachineOptions, sbiExtensions, supervisor } from "hartvisor";
import { benchmarkHypercalls, type NextRequest, SKIP_REASONS } from "./abi.js";
import { begin, end, type Moment, type Stretch } from "./stretch.js";
import type { Outcome, Subject } from "./subject.js";

/** What the guest is, and the machine it runs on. */
export interface GuestSubjectOptions {
  readonly image: Uint8Array;
  /** What messages call the image. */
  readonly imageName: string;
  /** What the guest calls the benchmark. */
  readonly benchmark: string;
  /** Words behind the count. */
  readonly arguments: readonly (string | number)[];
  readonly machine: Omit<MachineOptions, "boot" | "hypercalls">;
  /** How long the guest may take from one `next` to the following. */
  readonly patienceMs: number;
}

/** Registers of an SBI call's results (SBI 2.0, chapter 3). */
const A1 = 11;

/** What a guest is asked for when nothing is to be measured. */
const EMPTY = "empty";

export class GuestSubject implements Subject {
  readonly #machine: Machine;
  readonly #options: GuestSubjectOptions;
  readonly #state: GuestState;

  /** Makes the machine; the guest has not run yet. */
  static async create(options: GuestSubjectOptions): Promise<GuestSubject> {
    const state = new GuestState();
    const machine = await Machine.create({
      ...options.machine,
      boot: supervisor({ image: options.image, name: options.imageName }),
      hypercalls: [...sbiExtensions, benchmarkHypercalls(state)],
    });
    state.machine = machine;
    // What it prints is for people who write it: it goes nowhere here.
    void machine.console.output.cancel();
    return new GuestSubject(machine, options, state);
  }

  private constructor(machine: Machine, options: GuestSubjectOptions, state: GuestState) {
    this.#machine = machine;
    this.#options = options;
    this.#state = state;
  }

  run(operations: number): Promise<Outcome> {
    return this.#request([this.#options.benchmark, operations, ...this.#options.arguments].join(" "));
  }

  runEmpty(): Promise<Outcome> {
    return this.#request(`${EMPTY} 1`);
  }

  async close(): Promise<void> {
    await this.#machine.destroy();
  }

  async #request(text: string): Promise<Outcome> {
    const state = this.#state;
    if (state.waiting === undefined) await this.#goOn("before it asked what to run");
    this.#answer(text);
    await this.#goOn(`in "${text}"`);
    if (state.stretch !== undefined) return state.stretch;
    if (state.skipCode !== undefined) {
      return { skipped: SKIP_REASONS[state.skipCode] ?? `the guest skips it with code ${state.skipCode}` };
    }
    throw new Error(`the guest came back from "${text}" without having measured or skipped it`);
  }

  /** Completes the `next` that the guest waits in. */
  #answer(text: string): void {
    const { waiting } = this.#state;
    if (waiting === undefined) throw new Error("the guest waits for nothing");
    const bytes = new TextEncoder().encode(`${text}\0`);
    if (bytes.length > waiting.room) {
      throw new Error(`the guest has room for ${waiting.room} bytes, and "${text}" is longer`);
    }
    this.#machine.memory.write(Number(waiting.address), bytes);
    this.#machine.harts[waiting.hart]?.setRegister(A1, BigInt(bytes.length - 1));
    this.#state.began();
  }

  /** Lets the guest run until it asks again. */
  async #goOn(where: string): Promise<void> {
    const { patienceMs } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const impatience = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`the guest did not come back within ${patienceMs / 1000} s ${where}`)),
        patienceMs,
      );
    });
    const asked = this.#state.asked();
    const ended = this.#machine.exited.then((reason) => {
      throw new Error(`the guest ${describe(reason)} ${where}`);
    });
    this.#machine.start();
    try {
      await Promise.race([asked, ended, impatience]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What the guest has said since it was told what to run. */
class GuestState {
  machine: Machine | undefined;
  waiting: NextRequest | undefined;
  stretch: Stretch | undefined;
  skipCode: number | undefined;
  #from: Moment | undefined;
  #resolveAsked: () => void = () => {};

  /** It has got something to run. */
  began(): void {
    this.waiting = undefined;
    this.stretch = undefined;
    this.skipCode = undefined;
    this.#from = undefined;
  }

  /** Resolves when it stands still in `next`. */
  asked(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolveAsked = resolve;
    });
  }

  readonly start = (): boolean => {
    if (this.machine === undefined || this.#from !== undefined || this.stretch !== undefined) return false;
    this.#from = begin(this.machine.stats);
    return true;
  };

  readonly stop = (operations: number): boolean => {
    const [from, machine] = [this.#from, this.machine];
    if (from === undefined || machine === undefined) return false;
    this.stretch = end(from, () => machine.stats, operations);
    this.#from = undefined;
    return true;
  };

  readonly next = (request: NextRequest): void => {
    this.waiting = request;
    void this.machine?.pause().then(() => this.#resolveAsked());
  };

  readonly skip = (code: number): boolean => {
    if (this.stretch !== undefined) return false;
    this.skipCode = code;
    return true;
  };
}

function describe(reason: ExitReason): string {
  switch (reason.kind) {
    case "poweroff":
      return `powered off with code ${reason.exitCode}`;
    case "crash":
      return `crashed (${reason.message})`;
    case "reboot":
      return "rebooted";
    case "limit":
      return `reached its limit of ${reason.limit}`;
    case "destroyed":
      return "was ended";
  }
}
