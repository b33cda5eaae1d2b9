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

  /** Calls what is due. */
  fire(now: bigint): void {
    for (const [name, { deadline, callback }] of this.#pending) {
      if (deadline > now) continue;
      this.#pending.delete(name);
      callback();
    }
  }
}
