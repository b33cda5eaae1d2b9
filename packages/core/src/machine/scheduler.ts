/**
 * Gives harts their turns. Two clocks of patience: a turn leaves Wasm after at
 * most 100,000 instructions, and the host's event loop runs at least every
 * 8 ms. With the virtual clock turns are counted exactly, so that runs repeat.
 */
import { CONSTANTS } from "../../isa/layout.js";
import type { InterpreterExports } from "../engine/interpreter.js";
import type { Alarms } from "../time/alarms.js";
import { TIMEBASE_HZ } from "../time/host-clock.js";
import { Sleeper, yieldToHost } from "./host-loop.js";
import type { MachineLimits } from "./options.js";
import type { Vcpu } from "./vcpu.js";

/** Instructions of a turn. */
const TURN = 100_000;
/** A lone hart with the virtual clock has longer turns: the exact end of each costs up to 0.2 ms. */
const LONE_VIRTUAL_TURN = 500_000;
/** A turn may run this much over unless it is exact. */
const SLACK = 4096;
/** The first turns are short: V8 replaces its baseline code only when a call returns. */
const EARLY_TURN = 10_000;
const EARLY_TURNS = 200;
const YIELD_MS = 8;
/** Exits between looks at the clock: most take at most a few microseconds. */
const EXITS_PER_CLOCK_CHECK = 64;
/** The host is awake at least this often, so that a running machine keeps its process alive. */
const LONGEST_SLEEP_MS = 1000;
const NEVER = 0xffff_ffff_ffff_ffffn;
const TICKS_PER_MS = TIMEBASE_HZ / 1000;

/** What the scheduler asks of its machine. */
export interface SchedulerHost {
  /** Answers an exit, `isEarly` if it is for the budget and some of that is left; false if the hart's turn is over. */
  answer(vcpu: Vcpu, kind: number, isEarly: boolean): boolean;
  limitReached(limit: "instructions" | "wall-time"): void;
  /** Something that the machine called threw; no hart runs any more. */
  failed(error: unknown): void;
}

/** Whether a look at the clock follows each such exit: a doorbell may be megabytes to move, a hypercall fences of every hart. */
const mayTakeLong = (kind: number): boolean => kind === CONSTANTS.EXIT_WRITE || kind === CONSTANTS.EXIT_HYPERCALL;

export class Scheduler {
  readonly #vcpus: readonly [Vcpu, ...Vcpu[]];
  readonly #interpreter: InterpreterExports;
  readonly #alarms: Alarms;
  readonly #host: SchedulerHost;
  readonly #limits: MachineLimits;
  readonly #virtualTime: boolean;
  readonly #sleeper = new Sleeper();
  #turn = -1; // whose turn it is; -1 between rounds
  #left = 0; // of that turn
  #exact = false; // whether that turn must not run over
  #turns = 0;
  #exits = 0; // since the last look at the clock
  #longestTurn = Number.POSITIVE_INFINITY; // of the present round
  #last: Vcpu | undefined; // the hart that ran last
  #measuresSteal = false;
  #running: Promise<void> | undefined;
  #stopping = false;
  #wanted = false; // the last word: started, or asked to stop
  #wallDeadline = Number.POSITIVE_INFINITY;

  constructor(
    vcpus: readonly [Vcpu, ...Vcpu[]],
    interpreter: InterpreterExports,
    alarms: Alarms,
    host: SchedulerHost,
    limits: MachineLimits,
    virtualTime: boolean,
  ) {
    this.#vcpus = vcpus;
    this.#interpreter = interpreter;
    this.#alarms = alarms;
    this.#host = host;
    this.#limits = limits;
    this.#virtualTime = virtualTime;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Whether it was started and not asked to stop since. */
  get isWanted(): boolean {
    return this.#wanted;
  }

  /** Runs harts until {@link stop}; after a stop that is still under way, once it is done. */
  start(): void {
    this.#wanted = true;
    if (this.#running === undefined) this.#begin();
  }

  #begin(): void {
    if (this.#limits.wallTimeMs !== undefined && this.#wallDeadline === Number.POSITIVE_INFINITY) {
      this.#wallDeadline = performance.now() + this.#limits.wallTimeMs;
    }
    this.#stopping = false;
    this.#running = this.#loop()
      .catch((error: unknown) => {
        this.#wanted = false;
        this.#host.failed(error);
      })
      .finally(() => {
        this.#running = undefined;
        if (this.#wanted) this.#begin();
      });
  }

  /** Asks the loop to end after the present turn; resolves when it has. */
  async stop(): Promise<void> {
    this.requestStop();
    await this.#running;
  }

  /** The loop ends at the next exit or turn. */
  requestStop(): void {
    this.#wanted = false;
    this.#stopping = true;
    this.#sleeper.wake();
  }

  /** An alarm was set or cancelled. With the virtual clock it rings in the midst of a lone hart's turn. */
  alarmChanged(): void {
    if (this.#vcpus.length === 1 && this.#turn === 0) this.#left = Math.min(this.#left, this.#instructionsToAlarm());
    this.#sleeper.wake();
  }

  /** Says whether harts are told how long they wait for their turns. With the virtual clock they do not wait. */
  measureSteal(isWanted: boolean): void {
    this.#measuresSteal = isWanted && !this.#virtualTime;
  }

  /** The present turn ends after this exit. */
  yieldTurn(): void {
    this.#left = 0;
  }

  /** Something happened that a sleeping machine should look at. */
  wake(): void {
    this.#sleeper.wake();
  }

  /** Runs one hart for exactly so many instructions, now; false if it stopped earlier. */
  step(vcpu: Vcpu, instructions: number): boolean {
    this.#stopping = false;
    if (!vcpu.wake()) return false;
    this.#turn = -1;
    this.#left = instructions;
    while (this.#left > 0 && !this.#stopping && this.#run(vcpu, true)) {}
    const finished = this.#left <= 0;
    this.#left = 0;
    return finished;
  }

  async #loop(): Promise<void> {
    while (!this.#stopping) {
      const begin = performance.now();
      const busy = this.#runUntil(begin + YIELD_MS);
      if (this.#stopping) return;
      const now = performance.now();
      if (now > this.#wallDeadline) {
        this.#host.limitReached("wall-time");
        return;
      }
      if (!busy) await this.#idle();
      else {
        const current = this.#measuresSteal ? this.#vcpus[this.#turn] : undefined;
        if (this.#left > 0) current?.leaveTurn(now);
        await this.#yield(now - begin);
        if (this.#left > 0) current?.enterTurn(performance.now());
      }
    }
  }

  /** Yields, and rests if the machine may use only a share of the CPU. */
  async #yield(busyMs: number): Promise<void> {
    const share = this.#limits.cpuShare ?? 1;
    if (share < 1) await this.#sleeper.sleep(busyMs * (1 / share - 1));
    else await yieldToHost();
  }

  /** Gives turns until the host's clock says so; false if no hart has anything to do. */
  #runUntil(deadline: number): boolean {
    this.#exits = 0;
    while (!this.#stopping) {
      if (this.#left <= 0 && !this.#nextTurn()) return false;
      const vcpu = this.#vcpus[this.#turn];
      if (vcpu === undefined) continue;
      const exited = this.#run(vcpu, this.#exact) || this.#idleInTurn(vcpu);
      // A breakpoint, which stops the machine, leaves the turn to go on with.
      if (!exited && !this.#stopping) this.#left = 0;
      if (!exited || ++this.#exits >= EXITS_PER_CLOCK_CHECK) {
        this.#exits = 0;
        if (performance.now() > deadline) return true;
      }
    }
    return true;
  }

  /**
   * Runs the hart in its turn up to the next exit. True if that was an exit
   * after which the turn goes on; false if the turn is over.
   */
  #run(vcpu: Vcpu, exact: boolean): boolean {
    const { state } = vcpu;
    if (this.#last !== vcpu) {
      // Another hart may have stored to what this one has reserved.
      vcpu.executor.set32("reservation", 0);
      this.#last = vcpu;
    }
    const before = state.getNumber("executed");
    const kind = vcpu.run(this.#left, exact);
    const executed = state.getNumber("executed");
    this.#left -= executed - before;
    // The budget is not used up where hot code is to be translated, or other work was done, that takes as long as many exits.
    const isEarly = kind === CONSTANTS.EXIT_BUDGET && this.#left > 0;
    const goesOn = this.#host.answer(vcpu, kind, isEarly);
    // What a monitor makes of an exit may be an instruction more, or one that has yet to be executed again.
    this.#left -= state.getNumber("executed") - executed;
    if (isEarly || mayTakeLong(kind)) this.#exits = EXITS_PER_CLOCK_CHECK;
    return goesOn || isEarly;
  }

  /**
   * With the virtual clock and several harts, time goes on for one that gives
   * up its turn; true if one of its timers wakes it within the turn. A lone
   * hart needs no turns: `#idle` takes it to the next deadline.
   */
  #idleInTurn(vcpu: Vcpu): boolean {
    if (!this.#virtualTime || this.#vcpus.length === 1) return false;
    while (this.#left > 0 && !this.#stopping) {
      const { address } = vcpu;
      const ticks = BigInt.asUintN(64, this.#interpreter.nextDeadline(address)) - this.#interpreter.timeNow(address);
      const idle = Math.min(Number(ticks) * CONSTANTS.VIRTUAL_INSTRUCTIONS_PER_TICK, this.#left);
      this.#addIdle(vcpu, idle);
      this.#left -= idle;
      if (this.#left > 0 && vcpu.wake()) return true;
    }
    return false;
  }

  /** Chooses the next hart that has something to do; false if there is none. */
  #nextTurn(): boolean {
    if (this.#measuresSteal) this.#vcpus[this.#turn]?.leaveTurn(performance.now());
    for (;;) {
      this.#turn++;
      if (this.#turn >= this.#vcpus.length || this.#turn === 0) {
        this.#turn = 0;
        this.#alarms.fire(this.#now());
        this.#longestTurn = this.#instructionsToAlarm();
        if (!this.#vcpus.some((vcpu) => vcpu.wake())) {
          this.#turn = -1;
          return false;
        }
      }
      const vcpu = this.#vcpus[this.#turn];
      if (vcpu === undefined) continue;
      const length = this.#turnLength();
      if (length === 0) return false;
      this.#left = length;
      if (vcpu.wake() || this.#idleInTurn(vcpu)) {
        if (this.#measuresSteal) vcpu.enterTurn(performance.now());
        return true;
      }
      this.#left = 0;
    }
  }

  /** Instructions of the next turn; 0 when the instruction limit is reached. */
  #turnLength(): number {
    let length = this.#turns++ < EARLY_TURNS ? EARLY_TURN : TURN;
    if (this.#virtualTime) length = this.#vcpus.length === 1 ? LONE_VIRTUAL_TURN : TURN;
    length = Math.min(length, this.#longestTurn);
    this.#exact = this.#virtualTime;
    const limit = this.#limits.instructions;
    if (limit === undefined) return length;
    const executed = this.#vcpus.reduce((sum, { state }) => sum + state.getNumber("executed"), 0);
    const rest = limit - executed;
    if (rest <= 0) this.#host.limitReached("instructions");
    if (rest < length + SLACK) this.#exact = true;
    return Math.max(0, Math.min(length, rest));
  }

  /** With the virtual clock a round of turns ends where the next alarm is due. */
  #instructionsToAlarm(): number {
    const next = this.#alarms.next;
    if (!this.#virtualTime || next === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(1, Number(next - this.#now()) * CONSTANTS.VIRTUAL_INSTRUCTIONS_PER_TICK);
  }

  #now(): bigint {
    return this.#interpreter.timeNow(this.#vcpus[0].address);
  }

  #addIdle({ state }: Vcpu, instructions: number): void {
    state.set64("virtualIdle", state.get64("virtualIdle") + BigInt(instructions));
  }

  /** Every hart waits: until the next deadline, or until something wakes the machine. */
  async #idle(): Promise<void> {
    let deadline = this.#alarms.next ?? NEVER;
    for (const { address, lifecycle } of this.#vcpus) {
      if (lifecycle === 1) continue;
      const next = BigInt.asUintN(64, this.#interpreter.nextDeadline(address));
      if (next < deadline) deadline = next;
    }
    if (deadline === NEVER) {
      await this.#sleeper.sleep(LONGEST_SLEEP_MS);
      return;
    }
    const ahead = deadline - this.#now();
    if (this.#virtualTime) {
      const instructions = ahead > 0n ? ahead * BigInt(CONSTANTS.VIRTUAL_INSTRUCTIONS_PER_TICK) : 1n;
      for (const { state } of this.#vcpus) state.set64("virtualIdle", state.get64("virtualIdle") + instructions);
      await yieldToHost();
      return;
    }
    // A timer of the host is a millisecond late at worst; the last stretch is waited for by yielding.
    const ms = Math.min(Math.floor(Number(ahead) / TICKS_PER_MS) - 1, LONGEST_SLEEP_MS);
    if (ms > 0) await this.#sleeper.sleep(ms);
    else await yieldToHost();
  }
}
