/** A command of a submission queue (NVM Express 1.4, 4.2), copied out of guest memory before anybody looks at it. */
import type { DmaMemory } from "@hartvisor/core";
import { DataPages } from "./data-pages.js";
import type { SubmissionQueue } from "./queues.js";

const WORDS = 16;

/** A command under way. The controller uses the objects again. */
export class NvmeCommand {
  readonly words = new Uint32Array(WORDS);
  readonly pages: DataPages;
  readonly #memory: DmaMemory;
  #queue: SubmissionQueue | undefined;
  /** Dword 0 of its completion. */
  result = 0;

  constructor(memory: DmaMemory) {
    this.#memory = memory;
    this.pages = new DataPages(memory);
  }

  /** Takes the next command of a queue. */
  takeFrom(queue: SubmissionQueue): void {
    const at = queue.next();
    for (let n = 0; n < WORDS; n++) this.words[n] = this.#memory.load32(at + 4 * n);
    this.#queue = queue;
    this.result = 0;
  }

  /** Where it came from. */
  get queue(): SubmissionQueue {
    return this.#queue as SubmissionQueue; // it was taken from one
  }

  get opcode(): number {
    return this.#word(0) & 0xff;
  }

  get id(): number {
    return this.#word(0) >>> 16;
  }

  /** Whether it is fused, or has its data described by SGLs: there is neither here (bits 15:8 of dword 0). */
  get isUnsupportedKind(): boolean {
    return (this.#word(0) & 0xc300) !== 0;
  }

  get namespace(): number {
    return this.#word(1);
  }

  get prp1(): number {
    return this.#word(6) + this.#word(7) * 2 ** 32;
  }

  /** One of the dwords 10 to 15, which mean something else for each command. */
  dword(n: 10 | 11 | 12 | 13 | 14 | 15): number {
    return this.#word(n);
  }

  /** Finds the guest memory of so many bytes of data; gives a status. */
  findData(length: number, pageSize: number): number {
    return this.pages.find(this.prp1, this.#word(8) + this.#word(9) * 2 ** 32, length, pageSize);
  }

  #word(n: number): number {
    return this.words[n] ?? 0;
  }
}
