/**
 * Which local of a region's function holds which guest register; locals are
 * numbered as code first mentions them. What the instructions of a batch write
 * has locals of its own until the batch is done, so that it can begin again.
 */
import { FLOAT_REGISTERS, INTEGER_REGISTERS } from "@hartvisor/core/isa";
import { lowest, type RegisterSet, withoutLowest } from "../guest/registers.js";

/** Kinds of locals, a number for each register of a file: for what it holds, and for what a batch writes to it. */
const X = 0;
const F = 32;
const NEXT_X = 64;
const NEXT_F = 96;
const KINDS_END = 128;

export class RegisterLocals {
  /** In the order of their numbers. */
  readonly types: ("i64" | "f64" | "f32")[] = [];
  readonly #first: number;
  /** Float registers whose locals are f32. */
  readonly #singles: number;
  /** By kind and register; 0: none yet. */
  readonly #numbers = new Uint16Array(KINDS_END);
  #isBatch = false;
  /** Registers that the batch has written so far, by their bits. */
  #writtenX = 0;
  #writtenF = 0;

  /** For a region that names these registers: they have the first numbers. */
  constructor(first: number, { x, f }: RegisterSet, singles: number) {
    this.#first = first;
    this.#singles = singles;
    for (let rest = x; rest !== 0; rest = withoutLowest(rest)) this.#local(X, lowest(rest));
    for (let rest = f; rest !== 0; rest = withoutLowest(rest)) this.#local(F, lowest(rest));
  }

  /** Whether a float register's local is an f32. */
  isSingle(register: number): boolean {
    return ((this.#singles >>> register) & 1) !== 0;
  }

  readX(register: number): number {
    return this.#local(((this.#writtenX >>> register) & 1) !== 0 ? NEXT_X : X, register);
  }

  writeX(register: number): number {
    if (!this.#isBatch) return this.#local(X, register);
    this.#writtenX |= 1 << register;
    return this.#local(NEXT_X, register);
  }

  readF(register: number): number {
    return this.#local(((this.#writtenF >>> register) & 1) !== 0 ? NEXT_F : F, register);
  }

  writeF(register: number): number {
    if (!this.#isBatch) return this.#local(F, register);
    this.#writtenF |= 1 << register;
    return this.#local(NEXT_F, register);
  }

  /** Begins a batch, or begins it again: registers are what they were before. */
  beginBatch(): void {
    this.#isBatch = true;
    this.#writtenX = 0;
    this.#writtenF = 0;
  }

  /** Ends the batch; `move` makes what a local holds that of another, the register's own. */
  endBatch(move: (from: number, to: number) => void): void {
    if (!this.#isBatch) throw new RangeError("no batch has begun");
    const [x, f] = [this.#writtenX, this.#writtenF];
    this.#isBatch = false;
    this.#writtenX = 0;
    this.#writtenF = 0;
    for (let rest = x; rest !== 0; rest = withoutLowest(rest))
      move(this.#local(NEXT_X, lowest(rest)), this.#local(X, lowest(rest)));
    for (let rest = f; rest !== 0; rest = withoutLowest(rest))
      move(this.#local(NEXT_F, lowest(rest)), this.#local(F, lowest(rest)));
  }

  #local(kind: number, register: number): number {
    const known = this.#numbers[kind + register] as number;
    if (known !== 0) return known;
    const type = kind === X || kind === NEXT_X ? "i64" : this.isSingle(register) ? "f32" : "f64";
    const local = this.#first + this.types.push(type) - 1;
    this.#numbers[kind + register] = local;
    return local;
  }

  /** Says which name each local has. */
  tell(names: string[]): void {
    for (const [index, local] of this.#numbers.entries()) {
      if (local === 0) continue;
      const register = index < NEXT_X ? index : index - NEXT_X;
      const name = (register < F ? INTEGER_REGISTERS[register] : FLOAT_REGISTERS[register - F]) ?? "";
      names[local] = index < NEXT_X ? name : `next_${name}`;
    }
  }
}
