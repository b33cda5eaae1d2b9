/**
 * The two kinds of queues of NVMe (NVM Express 1.4, 4.1): rings in guest
 * memory. What the guest writes to a doorbell moves one end of a ring, and is
 * checked here; where the rings are was checked when they were made.
 */
import type { DmaMemory } from "@hartvisor/core";
import { COMPLETION_EXPONENT, SUBMISSION_EXPONENT } from "./registers.js";

export const SUBMISSION_SIZE = 2 ** SUBMISSION_EXPONENT;
export const COMPLETION_SIZE = 2 ** COMPLETION_EXPONENT;

/** Where a ring is, and what is in it. */
export interface RingState {
  readonly id: number;
  readonly base: number;
  /** Entries. */
  readonly size: number;
  readonly head: number;
  readonly tail: number;
}

/** A completion queue as saved. */
export interface CompletionQueueState extends RingState {
  readonly phase: boolean;
  readonly interrupts: boolean;
}

/** A submission queue as saved. */
export interface SubmissionQueueState extends RingState {
  readonly completionQueue: number;
}

/** Completions for the guest. */
export class CompletionQueue {
  readonly id: number;
  readonly base: number;
  readonly size: number;
  readonly interrupts: boolean;
  /** Places that commands under way will need. */
  reserved = 0;
  readonly #memory: DmaMemory;
  #head = 0;
  #tail = 0;
  #phase = 1;

  constructor(memory: DmaMemory, setup: Pick<CompletionQueueState, "id" | "base" | "size" | "interrupts">) {
    this.#memory = memory;
    this.id = setup.id;
    this.base = setup.base;
    this.size = setup.size;
    this.interrupts = setup.interrupts;
  }

  get isEmpty(): boolean {
    return this.#head === this.#tail;
  }

  /** Whether there is a place that nobody has reserved. */
  get hasRoom(): boolean {
    return this.#used + this.reserved < this.size - 1;
  }

  /** Writes a completion (4.6); there is room. */
  post(submission: SubmissionQueue, command: number, outcome: number, result: number): void {
    const memory = this.#memory;
    const at = this.base + COMPLETION_SIZE * this.#tail;
    memory.store32(at, result);
    memory.store32(at + 4, 0);
    memory.store32(at + 8, submission.head | (submission.id << 16));
    memory.store32(at + 12, (command | (this.#phase << 16) | (outcome << 17)) >>> 0);
    this.#tail++;
    if (this.#tail === this.size) {
      this.#tail = 0;
      this.#phase ^= 1;
    }
  }

  /** The guest has taken completions; false if it cannot have. */
  consume(head: number): boolean {
    if (head >= this.size || distance(this.#head, head, this.size) > this.#used) return false;
    this.#head = head;
    return true;
  }

  save(): CompletionQueueState {
    const { id, base, size, interrupts } = this;
    return { id, base, size, interrupts, head: this.#head, tail: this.#tail, phase: this.#phase === 1 };
  }

  restore(state: CompletionQueueState): void {
    this.#head = state.head;
    this.#tail = state.tail;
    this.#phase = state.phase ? 1 : 0;
  }

  get #used(): number {
    return distance(this.#head, this.#tail, this.size);
  }
}

/** Commands from the guest. */
export class SubmissionQueue {
  readonly id: number;
  readonly base: number;
  readonly size: number;
  readonly completions: CompletionQueue;
  /** The queue was deleted, or its controller reset: what is under way has nobody to answer to. */
  isGone = false;
  #head = 0;
  #tail = 0;

  constructor(setup: Pick<RingState, "id" | "base" | "size">, completions: CompletionQueue) {
    this.id = setup.id;
    this.base = setup.base;
    this.size = setup.size;
    this.completions = completions;
  }

  get head(): number {
    return this.#head;
  }

  get isEmpty(): boolean {
    return this.#head === this.#tail;
  }

  /** Where the next command is, which is taken hereby. */
  next(): number {
    const at = this.base + SUBMISSION_SIZE * this.#head;
    this.#head = (this.#head + 1) % this.size;
    return at;
  }

  /** The guest has written commands; false if there is no room for so many. */
  produce(tail: number): boolean {
    const room = this.size - 1 - distance(this.#head, this.#tail, this.size);
    if (tail >= this.size || distance(this.#tail, tail, this.size) > room) return false;
    this.#tail = tail;
    return true;
  }

  save(): SubmissionQueueState {
    const { id, base, size, completions } = this;
    return { id, base, size, head: this.#head, tail: this.#tail, completionQueue: completions.id };
  }

  restore(state: SubmissionQueueState): void {
    this.#head = state.head;
    this.#tail = state.tail;
  }
}

/** Steps from one place of a ring on to another. */
function distance(from: number, to: number, size: number): number {
  return to >= from ? to - from : to - from + size;
}
