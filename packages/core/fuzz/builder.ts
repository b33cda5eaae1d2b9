/**
 * Builds a program's code unit by unit. Branches and jumps name how many units
 * they skip; their distance is filled in when the program is complete, so that
 * control never lands inside a unit.
 */
import { assemble } from "../isa/assemble.js";
import { encode, type Operands } from "../isa/encode.js";
import type { Code, Unit } from "./program.js";
import type { Random } from "./random.js";

/** An instruction that is encoded once distances are known. */
interface Pending {
  readonly name: string;
  readonly length: 2 | 4;
  /** Operands, given the distance from this instruction to the unit that is meant. */
  readonly operands: (distance: number) => Operands;
  /** Units to skip, counted from the next; -1 is this unit's own beginning and so on. */
  readonly skip: number;
}

export type Step = Code | Pending;

const lengthOf = (name: string): 2 | 4 => (name.startsWith("c.") ? 2 : 4);

/** An instruction with all its operands. */
export function instruction(name: string, operands: Operands = {}): Code {
  return { bits: encode(name, operands), length: lengthOf(name) };
}

/** An instruction with a distance among its operands. */
export function toUnit(name: string, skip: number, operands: (distance: number) => Operands): Pending {
  return { name, length: lengthOf(name), operands, skip };
}

/** What `assemble` makes of text; no compressed instructions. */
export function assembled(text: string): Code[] {
  const bytes = assemble(text);
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, n) => ({ bits: view.getUint32(n * 4, true), length: 4 }));
}

/** Loads a constant into a register. */
export const constant = (register: number, value: bigint): Code[] =>
  assembled(`li x${register}, ${BigInt.asIntN(64, value)}`);

export class Builder {
  readonly random: Random;
  /** Guest-physical address of the slot. */
  readonly base: number;
  /** Whether the program may have gone down to U-mode. */
  mayBeUser = false;
  /** Whether it runs in virtual memory, where its code has more than one address. */
  isPaged = false;
  readonly #units: (readonly Step[])[] = [];
  #size = 0;
  #count = 0;
  readonly #memory = new Map<number, Uint8Array>();

  constructor(random: Random, base: number) {
    this.random = random;
    this.base = base;
  }

  /** Bytes of code so far. */
  get size(): number {
    return this.#size;
  }

  /** Instructions so far. */
  get count(): number {
    return this.#count;
  }

  /** Units so far. */
  get units(): number {
    return this.#units.length;
  }

  /** Appends a unit. */
  unit(...steps: readonly Step[]): void {
    this.#units.push(steps);
    this.#count += steps.length;
    this.#size += steps.reduce((sum, { length }) => sum + length, 0);
  }

  /** Sets memory of the slot. */
  memory(offset: number, bytes: Uint8Array): void {
    this.#memory.set(offset, bytes);
  }

  get contents(): ReadonlyMap<number, Uint8Array> {
    return this.#memory;
  }

  /** Encodes all units; targets beyond the last are the program's end. */
  finish(): Unit[] {
    const starts: number[] = [];
    let at = 0;
    for (const steps of this.#units) {
      starts.push(at);
      for (const { length } of steps) at += length;
    }
    const end = at;
    return this.#units.map((steps, n): Unit => {
      const offset = starts[n] ?? 0;
      let here = offset;
      const code = steps.map((step): Code => {
        const target = "skip" in step ? (starts[n + 1 + step.skip] ?? end) : 0;
        const distance = target - here;
        here += step.length;
        return "skip" in step ? instruction(step.name, step.operands(distance)) : step;
      });
      return { offset, code };
    });
  }
}
