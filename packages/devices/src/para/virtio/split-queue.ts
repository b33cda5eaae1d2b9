/**
 * A split virtqueue as its device sees it (virtio 1.2, 2.7), indirect
 * descriptors and event index included. Everything in it is the guest's
 * word: each index, address and length is checked before it is used, and a
 * queue that breaks the rules takes no more requests until it is reset.
 */
import type { DmaMemory } from "@hartvisor/core";
import { DescriptorChain } from "./descriptor-chain.js";

/** Descriptor flags (2.7.5). */
const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const DESCRIPTOR_SIZE = 16;

/** Flags of the two rings (2.7.6, 2.7.8). */
const NO_INTERRUPT = 1;
const NO_NOTIFY = 1;

/**
 * Buffers of one chain, whatever the tables say: Linux asks for at most one more than a device's segment limit, and an
 * indirect table of 2^28 entries would otherwise be walked.
 */
export const MAX_CHAIN_BUFFERS = 1024;

/** A chain holds less than 4 GiB (2.7.5: "more than 2^32 bytes long in total" is forbidden). */
const MAX_CHAIN_BYTES = 2 ** 32;

/** The three parts of a queue, each at an address of its own. */
export type QueueArea = "descriptorTable" | "driverArea" | "deviceArea";

/** What a driver sets up of a queue. Addresses are guest-physical. */
export interface QueueSetup {
  size: number;
  descriptorTable: number;
  /** The available ring. */
  driverArea: number;
  /** The used ring. */
  deviceArea: number;
  enabled: boolean;
}

/** A queue's part of a saved device. */
export interface SplitQueueState extends Readonly<QueueSetup> {
  readonly lastAvailable: number;
  readonly nextUsed: number;
  readonly signalledUsed: number;
}

/** Whom a queue tells of what happens in it. */
export interface QueueOwner {
  /** The driver asked to be interrupted for what was used. */
  interrupt(): void;
  /** The driver broke the rules. */
  fail(reason: string): void;
  /** A request that there were no frames for can be taken now. */
  retry(): void;
}

/** One queue. */
export class SplitQueue {
  readonly index: number;
  readonly maximumSize: number;
  /** What the driver wrote; the transports change it. */
  readonly setup: QueueSetup;
  readonly #memory: DmaMemory;
  readonly #owner: QueueOwner;
  readonly #idle: DescriptorChain[] = [];
  #eventIndex = false;
  #indirect = false;
  #lastAvailable = 0;
  #nextUsed = 0;
  #publishedUsed = 0;
  #signalledUsed = 0;
  #inFlight = 0;
  #generation = 0;
  #broken = false;

  constructor(index: number, maximumSize: number, memory: DmaMemory, owner: QueueOwner) {
    this.index = index;
    this.maximumSize = maximumSize;
    this.#memory = memory;
    this.#owner = owner;
    this.setup = { size: maximumSize, descriptorTable: 0, driverArea: 0, deviceArea: 0, enabled: false };
  }

  /** Requests taken and not yet completed. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether the device may take requests. */
  get isLive(): boolean {
    return this.setup.enabled && !this.#broken;
  }

  /** Forgets everything; chains in flight can no longer be completed. */
  reset(): void {
    Object.assign(this.setup, {
      size: this.maximumSize,
      descriptorTable: 0,
      driverArea: 0,
      deviceArea: 0,
      enabled: false,
    });
    this.#lastAvailable = 0;
    this.#nextUsed = 0;
    this.#publishedUsed = 0;
    this.#signalledUsed = 0;
    this.#inFlight = 0;
    this.#generation++;
    this.#broken = false;
    this.#idle.length = 0;
  }

  /** Says which features the driver took. */
  negotiated(features: { readonly eventIndex: boolean; readonly indirect: boolean }): void {
    this.#eventIndex = features.eventIndex;
    this.#indirect = features.indirect;
  }

  /** Checks what the driver set up and turns the queue on; false, and the device has failed, where it cannot be. */
  enable(): boolean {
    const problem = this.#setupProblem();
    if (problem !== undefined) {
      this.#fail(problem);
      return false;
    }
    this.setup.enabled = true;
    return true;
  }

  /**
   * Takes the next request; undefined when there is none, or as long as the machine has no frames for what the device
   * may write. Hot: the I/O benchmark guards it.
   */
  pop(): DescriptorChain | undefined {
    const chain = this.popUnpopulated();
    if (chain === undefined || chain.populate(this.#owner.retry)) return chain;
    this.unpop(chain);
    return undefined;
  }

  /** As {@link pop}, for requests of which no buffer will be written. */
  popUnpopulated(): DescriptorChain | undefined {
    if (!this.isLive) return undefined;
    const { driverArea, size } = this.setup;
    const waiting = (this.#memory.load16(driverArea + 2) - this.#lastAvailable) & 0xffff;
    if (waiting === 0) return undefined;
    if (waiting > size) return this.#fail(`the available index is ${waiting} ahead in a queue of ${size}`);
    if (this.#inFlight >= size) return this.#fail(`more than ${size} requests at once in a queue of ${size}`);
    const head = this.#memory.load16(driverArea + 4 + 2 * (this.#lastAvailable & (size - 1)));
    const chain = this.#idle.pop() ?? new DescriptorChain(this.#memory);
    chain.begin(head, this.#generation);
    if (!this.#walk(chain)) return undefined;
    this.#lastAvailable = (this.#lastAvailable + 1) & 0xffff;
    this.#inFlight++;
    return chain;
  }

  /** Puts the request that was taken last back, as if it had not been taken. */
  unpop(chain: DescriptorChain): void {
    if (chain.generation !== this.#generation) return;
    this.#lastAvailable = (this.#lastAvailable - 1) & 0xffff;
    this.#inFlight--;
    this.#idle.push(chain);
  }

  /** Whether {@link complete} would still reach the driver: its queue was not reset in the meantime. */
  isCurrent(chain: DescriptorChain): boolean {
    return chain.generation === this.#generation;
  }

  /**
   * Hands a request back with the number of bytes written to its buffers. The driver sees it after {@link publish}. A
   * chain is used no more afterwards.
   */
  complete(chain: DescriptorChain, written: number): void {
    if (chain.generation !== this.#generation) return;
    this.#inFlight--;
    if (this.#broken) return;
    const element = this.setup.deviceArea + 4 + 8 * (this.#nextUsed & (this.setup.size - 1));
    this.#memory.store32(element, chain.head);
    this.#memory.store32(element + 4, written);
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
    this.#idle.push(chain);
  }

  /** Shows the driver what was completed, and interrupts it if it wants to know (2.7.7, 2.7.8). */
  publish(): void {
    if (!this.isLive || this.#publishedUsed === this.#nextUsed) return;
    this.#memory.store16(this.setup.deviceArea + 2, this.#nextUsed);
    this.#publishedUsed = this.#nextUsed;
    if (this.#wantsInterrupt()) this.#owner.interrupt();
  }

  /**
   * Asks the driver for a doorbell with the next request it makes available (2.7.10). That may lie behind some that are there
   * already, and are too few for what the device wants to do: a driver rings only when it passes the index that it was told.
   */
  askForNotification(): void {
    if (!this.isLive) return;
    const { driverArea, deviceArea, size } = this.setup;
    if (this.#eventIndex) this.#memory.store16(deviceArea + 4 + 8 * size, this.#memory.load16(driverArea + 2));
    else this.#memory.store16(deviceArea, 0);
  }

  /** Tells a driver without event index that doorbells are of no use now. */
  declineNotifications(): void {
    if (this.isLive && !this.#eventIndex) this.#memory.store16(this.setup.deviceArea, NO_NOTIFY);
  }

  save(): SplitQueueState {
    const { setup } = this;
    return {
      ...setup,
      lastAvailable: this.#lastAvailable,
      nextUsed: this.#nextUsed,
      signalledUsed: this.#signalledUsed,
    };
  }

  /** Takes back what {@link save} gave; a setup that no driver could have made leaves the queue failed. */
  restore(state: SplitQueueState): void {
    this.reset();
    const { lastAvailable, nextUsed, signalledUsed, enabled, ...setup } = state;
    Object.assign(this.setup, setup);
    this.#lastAvailable = lastAvailable;
    this.#nextUsed = nextUsed;
    this.#publishedUsed = nextUsed;
    this.#signalledUsed = signalledUsed;
    if (enabled) this.enable();
  }

  #setupProblem(): string | undefined {
    const { size, descriptorTable, driverArea, deviceArea } = this.setup;
    if (size === 0 || size > this.maximumSize || (size & (size - 1)) !== 0) return `its size is ${size}`;
    // Alignment and length of the three parts (2.7, table), the event index words included.
    const parts: readonly (readonly [string, number, number, number])[] = [
      ["descriptor table", descriptorTable, 16, DESCRIPTOR_SIZE * size],
      ["driver area", driverArea, 2, 6 + 2 * size],
      ["device area", deviceArea, 4, 6 + 8 * size],
    ];
    for (const [name, address, alignment, length] of parts) {
      if (address % alignment !== 0) return `its ${name} is not aligned to ${alignment}`;
      if (!this.#memory.contains(address, length)) return `its ${name} is not in RAM`;
    }
    return undefined;
  }

  #walk(chain: DescriptorChain): boolean {
    const memory = this.#memory;
    let table = this.setup.descriptorTable;
    let count = this.setup.size;
    let index = chain.head;
    let indirect = false;
    let left = count;
    for (;;) {
      if (index >= count) return this.#refuse(`descriptor ${index} of ${count}`);
      if (left-- === 0) return this.#refuse("a descriptor chain that is longer than its table, or a loop");
      const descriptor = table + DESCRIPTOR_SIZE * index;
      const address = memory.load64(descriptor);
      const length = memory.load32(descriptor + 8);
      const flags = memory.load16(descriptor + 12);
      if (flags & INDIRECT) {
        if (!this.#indirect) return this.#refuse("an indirect descriptor, which was not negotiated");
        if (indirect) return this.#refuse("an indirect descriptor in an indirect table");
        if (flags & NEXT) return this.#refuse("an indirect descriptor with a successor");
        if (length === 0 || length % DESCRIPTOR_SIZE !== 0) return this.#refuse(`an indirect table of ${length} bytes`);
        if (!memory.contains(address, length)) return this.#refuse("an indirect table outside RAM");
        indirect = true;
        table = address;
        count = length / DESCRIPTOR_SIZE;
        left = Math.min(count, MAX_CHAIN_BUFFERS);
        index = 0;
        continue;
      }
      if (length > 0 && !memory.contains(address, length)) return this.#refuse("a buffer outside RAM");
      if (chain.count >= MAX_CHAIN_BUFFERS) return this.#refuse(`a chain of more than ${MAX_CHAIN_BUFFERS} buffers`);
      const writable = (flags & WRITE) !== 0;
      if (!writable && chain.writableBytes > 0) return this.#refuse("a readable buffer behind a writable one");
      chain.add(address, length, writable);
      if (chain.readableBytes + chain.writableBytes >= MAX_CHAIN_BYTES) return this.#refuse("a chain of 4 GiB or more");
      if ((flags & NEXT) === 0) return true;
      index = memory.load16(descriptor + 14);
    }
  }

  #wantsInterrupt(): boolean {
    const { driverArea, size } = this.setup;
    const since = (this.#nextUsed - this.#signalledUsed) & 0xffff;
    this.#signalledUsed = this.#nextUsed;
    if (!this.#eventIndex) return (this.#memory.load16(driverArea) & NO_INTERRUPT) === 0;
    const event = this.#memory.load16(driverArea + 4 + 2 * size);
    return ((this.#nextUsed - event - 1) & 0xffff) < since;
  }

  #refuse(reason: string): false {
    this.#fail(reason);
    return false;
  }

  #fail(reason: string): undefined {
    this.#broken = true;
    this.#owner.fail(`queue ${this.index}: ${reason}`);
  }
}
