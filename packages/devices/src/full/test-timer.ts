/** For tests: the guest's clock, which stands still until it is told to go on. */
import type { GuestTimer } from "../para/pci/function.js";

interface Alarm {
  deadline: number | undefined;
  readonly callback: () => void;
}

export class TestTimer {
  #now = 0;
  readonly #alarms: Alarm[] = [];

  make(callback: () => void): GuestTimer {
    const alarm: Alarm = { deadline: undefined, callback };
    this.#alarms.push(alarm);
    return {
      now: () => this.#now,
      set: (deadline) => {
        alarm.deadline = deadline;
      },
    };
  }

  /** Lets so many nanoseconds pass; alarms ring in order, each at its time. */
  pass(nanoseconds: number): void {
    const end = this.#now + nanoseconds;
    for (;;) {
      const due = this.#alarms.filter(({ deadline }) => deadline !== undefined && deadline <= end);
      const [next] = due.sort((a, b) => (a.deadline ?? 0) - (b.deadline ?? 0));
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.deadline ?? 0);
      next.deadline = undefined;
      next.callback();
    }
    this.#now = end;
  }
}
