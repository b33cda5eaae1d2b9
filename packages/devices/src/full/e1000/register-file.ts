/** The registers that only keep what is written to them, and the descriptor rings that eight of them describe. */
import type { DmaMemory } from "@hartvisor/core";
import { INITIAL_REGISTERS, PLAIN_REGISTERS, REGISTERS_END } from "./registers.js";

export const DESCRIPTOR_SIZE = 16;

/** Words by the offset of their register. */
export class RegisterFile {
  readonly words = new Uint32Array(REGISTERS_END / 4);

  get(offset: number): number {
    return this.words[offset >>> 2] ?? 0;
  }

  set(offset: number, value: number): void {
    this.words[offset >>> 2] = value;
  }

  /** A guest's write to a register without effects; others are left alone. */
  write(offset: number, value: number): void {
    const mask = PLAIN_REGISTERS.get(offset);
    if (mask !== undefined) this.set(offset, value & mask);
  }

  reset(): void {
    this.words.fill(0);
    for (const [offset, value] of INITIAL_REGISTERS) this.set(offset, value);
  }
}

/** Where a ring's registers are, from its base address on. */
const Ring = { Low: 0x0, High: 0x4, Length: 0x8, Head: 0x10, Tail: 0x18 } as const;

/**
 * A ring of descriptors in guest memory (82540EM manual, 3.2.6, 3.4): the card works from the head on, the guest has
 * written up to the tail. All of it is the guest's word.
 */
export class DescriptorRing {
  readonly #file: RegisterFile;
  readonly #memory: DmaMemory;
  readonly #first: number;

  /** @param first - the register of the base address's lower half */
  constructor(file: RegisterFile, memory: DmaMemory, first: number) {
    this.#file = file;
    this.#memory = memory;
    this.#first = first;
  }

  get head(): number {
    return this.#file.get(this.#first + Ring.Head);
  }

  get isEmpty(): boolean {
    return this.head === this.#file.get(this.#first + Ring.Tail);
  }

  get count(): number {
    return this.#file.get(this.#first + Ring.Length) / DESCRIPTOR_SIZE;
  }

  /** Descriptors that the card may work on; the ring is usable. */
  get available(): number {
    const steps = this.#file.get(this.#first + Ring.Tail) - this.head;
    return steps >= 0 ? steps : steps + this.count;
  }

  /** What keeps the card from using it, if anything does. */
  get problem(): string | undefined {
    const { count } = this;
    if (count === 0) return "a ring without descriptors";
    if (this.head >= count || this.#file.get(this.#first + Ring.Tail) >= count)
      return "a ring that ends before its tail";
    return this.#memory.contains(this.#base, DESCRIPTOR_SIZE * count) ? undefined : "a ring that is not in RAM";
  }

  /** Where the descriptor so many places behind the head is. */
  at(steps: number): number {
    return this.#base + DESCRIPTOR_SIZE * ((this.head + steps) % this.count);
  }

  advance(steps: number): void {
    this.#file.set(this.#first + Ring.Head, (this.head + steps) % this.count);
  }

  get #base(): number {
    return this.#file.get(this.#first + Ring.Low) + this.#file.get(this.#first + Ring.High) * 2 ** 32;
  }
}
