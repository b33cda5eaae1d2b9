/** For tests: an NVMe controller in a slot's place, and a driver that sets it up and gives it commands as Linux does. */

import { TestMemory } from "../../para/virtio/test-memory.js";
import { TestTimer } from "../test-timer.js";
import { NvmeController, type NvmeOptions } from "./controller.js";

/** Where the queues are, a page each; data begin at {@link DATA}. */
const QUEUES = 0x8000_0000;
const PAGE = 0x1000;
export const DATA = 0x8008_0000;

const ENABLE = 0x0046_0001; // entries of 64 and 16 bytes

/** What a command is answered with. */
export interface Completion {
  readonly command: number;
  /** Status code and its type; what says "do not retry" is apart. */
  readonly status: number;
  readonly isFinal: boolean;
  readonly result: number;
  readonly head: number;
}

/** The words of a command that are not 0. */
export interface CommandWords {
  readonly opcode: number;
  readonly namespace?: number;
  readonly prp1?: number;
  readonly prp2?: number;
  readonly words?: readonly number[];
  readonly flags?: number;
}

interface Rings {
  readonly size: number;
  tail: number;
  head: number;
  phase: number;
}

export class NvmeTestDriver {
  readonly memory: TestMemory;
  readonly controller: NvmeController;
  readonly timer = new TestTimer();
  readonly failures: string[] = [];
  interrupt = false;
  #rings: (Rings | undefined)[] = [];
  #nextCommand = 0;

  constructor(options: NvmeOptions, memory = new TestMemory(2 ** 22)) {
    this.memory = memory;
    this.controller = new NvmeController(options, {
      memory,
      interrupt: {
        set: (level) => {
          this.interrupt = level;
        },
      },
      timer: (callback) => this.timer.make(callback),
      onFailure: (_, reason) => this.failures.push(reason),
    });
  }

  read(register: number): number {
    return this.controller.readMemory(register, 4);
  }

  write(register: number, value: number): void {
    this.controller.writeMemory(register, 4, value);
  }

  /** Resets the controller and sets up admin queues of so many entries. */
  start({ size = 16, configuration = ENABLE } = {}): this {
    this.write(0x14, 0);
    this.write(0x24, ((size - 1) << 16) | (size - 1));
    this.write(0x28, this.submissionBase(0));
    this.write(0x2c, 0);
    this.write(0x30, this.completionBase(0));
    this.write(0x34, 0);
    this.#rings = [];
    this.#place(0, size);
    this.write(0x14, configuration);
    return this;
  }

  /** Makes a pair of I/O queues; gives both statuses. */
  createQueues(id = 1, size = 16, { interrupts = true } = {}): readonly number[] {
    const identity = ((size - 1) << 16) | id;
    const completion = this.admin({
      opcode: 5,
      prp1: this.completionBase(id),
      words: [identity, interrupts ? 3 : 1],
    });
    const submission = this.admin({ opcode: 1, prp1: this.submissionBase(id), words: [identity, (id << 16) | 1] });
    this.#place(id, size);
    return [completion?.status ?? -1, submission?.status ?? -1];
  }

  submissionBase(id: number): number {
    return QUEUES + 2 * id * PAGE;
  }

  completionBase(id: number): number {
    return QUEUES + (2 * id + 1) * PAGE;
  }

  /** Writes a command into a queue without ringing; gives its identifier. */
  put(queue: number, { opcode, namespace = 0, prp1 = 0, prp2 = 0, words = [], flags = 0 }: CommandWords): number {
    const ring = this.#ring(queue);
    const { memory } = this;
    const at = this.submissionBase(queue) + 64 * ring.tail;
    const id = this.#nextCommand;
    this.#nextCommand = (id + 1) & 0xffff;
    memory.bytes.fill(0, at - memory.base, at - memory.base + 64);
    memory.store32(at, (opcode | (flags << 8) | (id << 16)) >>> 0);
    memory.store32(at + 4, namespace);
    memory.store64(at + 24, prp1);
    memory.store64(at + 32, prp2);
    for (const [n, word] of words.entries()) memory.store32(at + 40 + 4 * n, word);
    ring.tail = (ring.tail + 1) % ring.size;
    return id;
  }

  /** Rings a submission queue. */
  ring(queue: number): void {
    this.write(0x1000 + 8 * queue, this.#ring(queue).tail);
  }

  /** Takes the next completion of a queue, if there is one, and says so. */
  take(queue: number): Completion | undefined {
    const ring = this.#ring(queue);
    const at = this.completionBase(queue) + 16 * ring.head;
    const last = this.memory.load32(at + 12);
    if (((last >>> 16) & 1) !== ring.phase) return undefined;
    const completion = {
      command: last & 0xffff,
      status: (last >>> 17) & 0x7ff,
      isFinal: last >>> 31 === 1,
      result: this.memory.load32(at),
      head: this.memory.load16(at + 8),
    };
    ring.head = (ring.head + 1) % ring.size;
    if (ring.head === 0) ring.phase ^= 1;
    this.write(0x1004 + 8 * queue, ring.head);
    return completion;
  }

  admin(command: CommandWords): Completion | undefined {
    return this.submit(0, command);
  }

  submit(queue: number, command: CommandWords): Completion | undefined {
    this.put(queue, command);
    this.ring(queue);
    return this.take(queue);
  }

  /** A read or write of whole blocks, of 512 bytes, at an address that is a page's or within the data of two. */
  transfer(opcode: 1 | 2, block: number, blocks: number, prp1 = DATA, prp2 = DATA + PAGE): CommandWords {
    const words = [block % 2 ** 32, Math.floor(block / 2 ** 32), blocks - 1];
    return { opcode, namespace: 1, prp1, prp2, words };
  }

  data(length: number, at = DATA): Uint8Array {
    return this.memory.bytes.subarray(at - this.memory.base, at - this.memory.base + length);
  }

  /** Forgets what was taken from a queue: its rings lie at the same places. */
  #place(id: number, size: number): void {
    this.memory.bytes.fill(0, this.completionBase(id) - QUEUES, this.completionBase(id) - QUEUES + PAGE);
    this.#rings[id] = { size, tail: 0, head: 0, phase: 1 };
  }

  #ring(queue: number): Rings {
    const ring = this.#rings[queue];
    if (ring === undefined) throw new Error(`the test has set up no queue ${queue}`);
    return ring;
  }
}
