/**
 * The ends of a function where instructions are given back: each stores the
 * registers that are dirty on the ways that lead to it. A block's later stubs
 * store what was written since its earlier ones and go on there. They stand
 * behind the body, the first that was made outermost, so that all can be reached.
 */
import { difference, isSame, NO_REGISTERS, type RegisterSet } from "../guest/registers.js";
import { EMPTY, Op } from "../wasm/opcodes.js";
import type { ByteWriter } from "../wasm/writer.js";

interface Stub {
  readonly number: number;
  /** All that it and those behind it store. */
  readonly dirty: RegisterSet;
  /** The stub that goes on, with some of it. */
  readonly rest: Stub | undefined;
}

export class ExitStubs {
  readonly #stubs: Stub[] = [];
  /** By the set: by its integer registers alone if there are no others. */
  readonly #byDirty = new Map<number | string, Stub>();
  /** Where the body branches to a stub, and to which, less the constructs around. */
  readonly #branches: { readonly position: number; readonly depth: number }[] = [];
  /** The last one that the current block used. */
  #last: Stub | undefined;

  /** Another block begins, where other registers are dirty. */
  beginBlock(): void {
    this.#last = undefined;
  }

  /** Branches to the stub for these registers out of so many open constructs of the body. */
  branch(body: ByteWriter, opcode: number, depth: number, dirty: RegisterSet): void {
    const stub = this.#for(dirty);
    body.byte(opcode);
    // Two bytes, for only in the end is known how many stubs there are.
    this.#branches.push({ position: body.length, depth: depth - stub.number });
    body.append([0, 0]);
  }

  #for(dirty: RegisterSet): Stub {
    const last = this.#last;
    if (last !== undefined && isSame(last.dirty, dirty)) return last;
    const key = dirty.f === 0 ? dirty.x : `${dirty.x} ${dirty.f}`;
    let stub = this.#byDirty.get(key);
    if (stub === undefined) {
      const continues = last !== undefined && isSame(difference(last.dirty, dirty), NO_REGISTERS);
      stub = { number: this.#stubs.length, dirty, rest: continues ? last : undefined };
      this.#stubs.push(stub);
      this.#byDirty.set(key, stub);
    }
    this.#last = stub;
    return stub;
  }

  /** Completes the body's branches. */
  resolve(body: ByteWriter): void {
    for (const { position, depth } of this.#branches) {
      const label = depth + this.#stubs.length - 1;
      body.bytes[position] = (label & 0x7f) | 0x80;
      body.bytes[position + 1] = label >> 7;
    }
  }

  /** Opens a block for each stub. */
  open(out: ByteWriter): void {
    for (const _ of this.#stubs) out.append([Op.block, EMPTY]);
  }

  /** Closes the blocks, each followed by its stub's stores; the last goes on behind the block around all. */
  close(out: ByteWriter, store: (dirty: RegisterSet) => void): void {
    for (let number = this.#stubs.length - 1; number >= 0; number--) {
      const { dirty, rest } = this.#stubs[number] as Stub;
      out.byte(Op.end);
      store(difference(dirty, rest?.dirty ?? NO_REGISTERS));
      const label = number - 1 - (rest?.number ?? -1);
      if (label === 0) continue; // what follows is next
      out.byte(Op.br);
      out.unsigned(label);
    }
  }
}
