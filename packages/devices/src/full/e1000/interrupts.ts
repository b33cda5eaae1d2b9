/**
 * Causes, mask and moderation of the card's interrupt (82540EM manual, 3.2.7,
 * 3.4.3, 13.4.17 to 13.4.21): causes may wait for more of their kind, and
 * interrupts for their turn. Time is the guest's.
 */
import type { GuestTimer } from "../../para/pci/function.js";
import { CAUSES } from "./registers.js";

const THROTTLE_NS = 256;
const DELAY_NS = 1024;

/** A cause that waits for more of its kind. */
export class DelayedCause {
  readonly cause: number;
  /** Nanoseconds of the guest's time. */
  deadline = Number.POSITIVE_INFINITY;
  #latest = Number.POSITIVE_INFINITY;

  constructor(cause: number) {
    this.cause = cause;
  }

  /** Begins to wait, or waits longer, in units of 1.024 us: after the last of its kind, and (0: any time) the first. */
  start(now: number, delay: number, most: number): void {
    if (most > 0 && this.#latest === Number.POSITIVE_INFINITY) this.#latest = now + most * DELAY_NS;
    this.deadline = Math.min(now + delay * DELAY_NS, this.#latest);
  }

  stop(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    this.#latest = Number.POSITIVE_INFINITY;
  }
}

export class Interrupts {
  readonly #timer: GuestTimer;
  readonly #drive: (level: boolean) => void;
  readonly #delayed: readonly DelayedCause[];
  #causes = 0;
  #mask = 0;
  #throttle = 0;
  #isHigh = false;
  #quietUntil = 0;
  #isTimerSet = false;

  constructor(
    timer: (callback: () => void) => GuestTimer,
    drive: (level: boolean) => void,
    delayed: readonly DelayedCause[],
  ) {
    this.#timer = timer(() => {
      this.#isTimerSet = false;
      this.#update();
    });
    this.#drive = drive;
    this.#delayed = delayed;
  }

  /** What happened, without clearing it. */
  get causes(): number {
    this.#collect();
    return this.#causes;
  }

  get mask(): number {
    return this.#mask;
  }

  set mask(value: number) {
    this.#mask = value & CAUSES;
    this.#update();
  }

  /** Units of 256 ns between two interrupts. */
  get throttle(): number {
    return this.#throttle;
  }

  set throttle(value: number) {
    this.#throttle = value & 0xffff;
    if (this.#throttle === 0) this.#quietUntil = 0;
    this.#update();
  }

  raise(causes: number): void {
    this.#causes |= causes & CAUSES;
    this.#update();
  }

  /** As {@link raise}, when its time has come. */
  raiseLater(delayed: DelayedCause, delay: number, most: number): void {
    if (delay === 0) {
      this.raise(delayed.cause);
      return;
    }
    delayed.start(this.#timer.now(), delay, most);
    this.#update();
  }

  clear(causes: number): void {
    this.#collect();
    this.#causes &= ~causes;
    this.#update();
  }

  reset(): void {
    this.restore({ causes: 0, mask: 0, throttle: 0 });
  }

  /** Delays end with it: what waits is a cause at once. */
  save(): { readonly causes: number; readonly mask: number; readonly throttle: number } {
    const waiting = this.#delayed.filter(({ deadline }) => deadline !== Number.POSITIVE_INFINITY);
    const causes = waiting.reduce((sum, { cause }) => sum | cause, this.#causes);
    return { causes, mask: this.#mask, throttle: this.#throttle };
  }

  restore({ causes, mask, throttle }: ReturnType<Interrupts["save"]>): void {
    for (const delayed of this.#delayed) delayed.stop();
    this.#causes = causes;
    this.#mask = mask;
    this.#throttle = throttle;
    this.#quietUntil = 0;
    this.#update();
  }

  /** Delayed causes whose time has come are causes. */
  #collect(): void {
    for (const delayed of this.#delayed) {
      if (delayed.deadline === Number.POSITIVE_INFINITY || delayed.deadline > this.#timer.now()) continue;
      delayed.stop();
      this.#causes |= delayed.cause;
    }
  }

  /** Drives the wire, and sets the timer for what would change it. */
  #update(): void {
    this.#collect();
    let next = Number.POSITIVE_INFINITY;
    if ((this.#causes & this.#mask) === 0) {
      this.#set(false);
      for (const { cause, deadline } of this.#delayed) if (cause & this.#mask) next = Math.min(next, deadline);
    } else if (!this.#isHigh) {
      const now = this.#throttle === 0 ? 0 : this.#timer.now();
      if (now < this.#quietUntil) next = this.#quietUntil;
      else {
        this.#quietUntil = this.#throttle === 0 ? 0 : now + this.#throttle * THROTTLE_NS;
        this.#set(true);
      }
    }
    if (next === Number.POSITIVE_INFINITY && !this.#isTimerSet) return;
    this.#isTimerSet = next !== Number.POSITIVE_INFINITY;
    this.#timer.set(this.#isTimerSet ? next : undefined);
  }

  #set(level: boolean): void {
    if (level === this.#isHigh) return;
    this.#isHigh = level;
    this.#drive(level);
  }
}
