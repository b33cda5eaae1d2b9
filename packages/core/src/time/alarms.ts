/** Callbacks that devices want at a guest time. The scheduler looks at them between slices. */
export class Alarms {
  readonly #pending = new Map<string, { deadline: bigint; callback: () => void }>();

  /** Sets the alarm of this name, replacing the one before; undefined cancels it. */
  set(name: string, deadline: bigint | undefined, callback: () => void): void {
    if (deadline === undefined) this.#pending.delete(name);
    else this.#pending.set(name, { deadline, callback });
  }

  /** The earliest deadline in ticks. */
  get next(): bigint | undefined {
    let earliest: bigint | undefined;
    for (const { deadline } of this.#pending.values()) {
      if (earliest === undefined || deadline < earliest) earliest = deadline;
    }
    return earliest;
  }

  /** Calls what is due, the earliest first; what the callbacks set anew waits for the next time, even if it is due. */
  fire(now: bigint): void {
    if (this.#pending.size === 0) return;
    const due = [...this.#pending].filter(([, alarm]) => alarm.deadline <= now);
    due.sort(([, one], [, other]) => (one.deadline < other.deadline ? -1 : 1));
    for (const [name, alarm] of due) {
      if (this.#pending.get(name) !== alarm) continue; // cancelled, or set anew, by another's callback
      this.#pending.delete(name);
      alarm.callback();
    }
  }
}
