/**
 * Takes requests from queues and has them answered, for devices whose requests are independent of each other: what is
 * answered at once is published before the doorbell returns, what waits for the host comes later, and so much may wait
 * at a time. The device does the work.
 */
import type { DescriptorChain } from "./descriptor-chain.js";
import { HostTurns } from "./host-turns.js";
import type { SplitQueue } from "./split-queue.js";

/** Requests of a queue that wait for the host, each of which may hold a buffer: others wait in the queue. */
const MAX_WAITING = 64;
/** All that wait, those of a driver that has reset the device among them: nothing makes a host answer sooner. */
const MAX_TOTAL = 256;
/** Milliseconds of work for one doorbell before the host gets its turn. */
const TURN_MS = 8;

/** Does a request and completes its chain: at once, or when the promise resolves, which never rejects. */
export type BeginRequest = (queue: SplitQueue, chain: DescriptorChain) => void | Promise<void>;

/** The requests of a device. */
export class RequestLoop {
  readonly #begin: BeginRequest;
  #queues: readonly SplitQueue[] = [];
  /** By queue, since the last reset. */
  #waiting: number[] = [];
  #total = 0;
  readonly #turns = new HostTurns();
  #isPaused = false;
  #drained: (() => void)[] = [];

  constructor(begin: BeginRequest) {
    this.#begin = begin;
  }

  activate(queues: readonly SplitQueue[]): void {
    this.#queues = queues;
    this.#waiting = queues.map(() => 0);
  }

  /** A doorbell. Hot. */
  notify(index: number): void {
    const queue = this.#queues[index];
    if (queue === undefined || this.#isPaused || this.#turns.has(index)) return;
    const end = performance.now() + TURN_MS;
    while (this.#hasRoom(index)) {
      const chain = queue.pop();
      if (chain === undefined) break;
      if (performance.now() > end) {
        queue.unpop(chain);
        this.#turns.await(index, () => this.notify(index));
        break;
      }
      const outcome = this.#begin(queue, chain);
      if (outcome !== undefined) this.#wait(queue, outcome);
    }
    queue.askForNotification();
    queue.publish();
  }

  reset(): void {
    this.#queues = [];
    this.#turns.reset();
  }

  /** Resolves when nothing waits for the host; nothing is begun until {@link resume}. */
  quiesce(): Promise<void> {
    this.#isPaused = true;
    if (this.#total === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  resume(): void {
    this.#isPaused = false;
    this.#notifyAll();
  }

  #hasRoom(index: number): boolean {
    return (this.#waiting[index] ?? 0) < MAX_WAITING && this.#total < MAX_TOTAL;
  }

  #wait(queue: SplitQueue, outcome: Promise<void>): void {
    const { index } = queue;
    const waiting = this.#waiting;
    waiting[index] = (waiting[index] ?? 0) + 1;
    this.#total++;
    void outcome.then(() => {
      const wasFull = !this.#hasRoom(index);
      waiting[index] = (waiting[index] ?? 0) - 1;
      this.#total--;
      queue.publish();
      if (wasFull) this.#notifyAll();
      if (this.#total === 0) for (const resolve of this.#drained.splice(0)) resolve();
    });
  }

  #notifyAll(): void {
    for (const { index } of this.#queues) this.notify(index);
  }
}
