/** What commands took in each machine, and the table of it. */
import { cpuBetween } from "../peers/process-cpu.js";
import { median } from "../statistics.js";
import type { Contender } from "./contenders.js";
import { MEASURES, type Measure } from "./guest.js";

export class Samples {
  readonly #of = new Map<string, number[]>();

  /** Runs a command, and keeps what it took if it counts. */
  async take({ name, before, command }: Measure, contender: Contender, counts: boolean): Promise<void> {
    if (before !== undefined) await contender.run(before);
    const [cpu, begin] = [contender.cpu(), performance.now()];
    await contender.run(command);
    if (!counts) return;
    const ms = performance.now() - begin;
    const { totalMs, waitMs } = cpuBetween(cpu, contender.cpu());
    this.#note(`${name} ${contender.name}`, ms);
    this.#note(`${name} CPU ${contender.name}`, totalMs);
    this.#note(`waiting ${contender.name}`, waitMs / ms);
  }

  /** Draws the table: times of all, and for each peer the quotients by time and by CPU time. */
  print(names: readonly string[]): void {
    const [ours = "", ...peers] = names;
    const quotients = peers.map((name) => `time, CPU: ${name}`.padStart(24)).join("");
    console.log(`${"".padEnd(8)}${names.map((name) => `${name}, s`.padStart(14)).join("")}${quotients}`);
    for (const { name } of MEASURES) {
      const times = names.map((each) => (this.#median(`${name} ${each}`) / 1000).toFixed(2).padStart(14));
      const byBoth = peers.map((peer) => {
        const byTime = this.#median(`${name} ${peer}`) / this.#median(`${name} ${ours}`);
        const byCpu = this.#median(`${name} CPU ${peer}`) / this.#median(`${name} CPU ${ours}`);
        return `${byTime.toFixed(2)}, ${byCpu.toFixed(2)}`.padStart(24);
      });
      console.log(`${name.padEnd(8)}${times.join("")}${byBoth.join("")}`);
    }
    const waits = names.map((name) => `${name} ${Math.round(100 * this.#median(`waiting ${name}`))} %`);
    console.log(`of this time, waiting for a CPU: ${waits.join(", ")}`);
  }

  #note(what: string, sample: number): void {
    this.#of.set(what, [...(this.#of.get(what) ?? []), sample]);
  }

  #median(what: string): number {
    return median(this.#of.get(what) ?? [Number.NaN]);
  }
}
