/** Counts how often each row of the ISA table, and each compressed one, has retired in fuzzed programs. */
import { decodeInstruction } from "../isa/decode.js";
import { compressed } from "../isa/table/compressed.js";
import { instructions } from "../isa/table.js";
import { isVector } from "./driver.js";
import { SLOTS_BASE } from "./slot.js";
import type { StepObserver } from "./subject.js";

export class Coverage {
  readonly #retired = new Map<string, number>([...instructions, ...compressed].map(({ name }) => [name, 0]));
  #present: string[] = [];
  #total = 0;

  /** Instructions of programs that retired. */
  get total(): number {
    return this.#total;
  }

  /** Sees each instruction before it is executed; the one before it has retired unless a trap leads here. */
  readonly observe: StepObserver = (pc, fetch) => {
    if (this.#present.length > 0 && !isVector(pc)) {
      this.#total++;
      for (const name of this.#present) this.#retired.set(name, (this.#retired.get(name) ?? 0) + 1);
    }
    this.#present = [];
    if (pc < SLOTS_BASE) return;
    const word = fetch(pc);
    const decoded = word === undefined ? undefined : decodeInstruction(word);
    if (decoded === undefined) return;
    this.#present = [decoded.row.name, ...(decoded.compressed === undefined ? [] : [decoded.compressed.name])];
  };

  /** A table of rows and counts, the rarest first. */
  table(): string {
    const rows = [...this.#retired].sort(([, a], [, b]) => a - b);
    return rows.map(([name, count]) => `${String(count).padStart(9)}  ${name}`).join("\n");
  }

  /** Rows that retired fewer than so many times. */
  below(count: number): string[] {
    return [...this.#retired].filter(([, retired]) => retired < count).map(([name]) => name);
  }
}
