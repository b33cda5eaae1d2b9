/** Counts how often each row of the ISA table, and each compressed one, has retired, and trapped, in fuzzed programs. */
import { decodeInstruction } from "../isa/decode.js";
import { compressed } from "../isa/table/compressed.js";
import { instructions } from "../isa/table.js";
import { isVector } from "./driver.js";
import { SLOTS_BASE } from "./slot.js";
import type { StepObserver } from "./subject.js";

export class Coverage {
  readonly #retired = new Map<string, number>([...instructions, ...compressed].map(({ name }) => [name, 0]));
  readonly #trapped = new Map<string, number>();
  #present: string[] = [];
  #total = 0;

  /** Instructions of programs that retired. */
  get total(): number {
    return this.#total;
  }

  /** Sees each instruction before it is executed; the one before it has retired unless a trap leads here. */
  readonly observe: StepObserver = (pc, { memory }) => {
    const counts = isVector(pc) ? this.#trapped : this.#retired;
    if (this.#present.length > 0 && counts === this.#retired) this.#total++;
    for (const name of this.#present) counts.set(name, (counts.get(name) ?? 0) + 1);
    this.#present = [];
    if (pc < SLOTS_BASE) return;
    const bytes = memory.read(pc, 4);
    const decoded = bytes && decodeInstruction(new DataView(bytes.buffer).getUint32(0, true));
    if (decoded === undefined) return;
    this.#present = [decoded.row.name, ...(decoded.compressed === undefined ? [] : [decoded.compressed.name])];
  };

  /** A table of rows: how often each retired, and trapped; the rarest first. */
  table(): string {
    const rows = [...this.#retired].sort(([, a], [, b]) => a - b);
    const column = (count: number) => String(count).padStart(9);
    return rows.map(([name, count]) => `${column(count)} ${column(this.#trapped.get(name) ?? 0)}  ${name}`).join("\n");
  }
}
