/** For tests: RAM that is an array, and a driver that speaks a split virtqueue as Linux does. */
import type { DmaMemory } from "@hartvisor/core";
import type { SplitQueue } from "./split-queue.js";

export class TestMemory implements DmaMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly base: number;

  constructor(size = 1 << 20, base = 0x8000_0000) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
    this.base = base;
  }

  contains(address: number, length: number): boolean {
    return address >= this.base && length >= 0 && address + length <= this.base + this.bytes.length;
  }
  load16(address: number): number {
    return this.view.getUint16(address - this.base, true);
  }
  load32(address: number): number {
    return this.view.getUint32(address - this.base, true);
  }
  load64(address: number): number {
    return this.load32(address + 4) * 2 ** 32 + this.load32(address);
  }
  store8(address: number, value: number): void {
    this.view.setUint8(address - this.base, value);
  }
  store16(address: number, value: number): void {
    this.view.setUint16(address - this.base, value, true);
  }
  store32(address: number, value: number): void {
    this.view.setUint32(address - this.base, value, true);
  }
  store64(address: number, value: number): void {
    this.view.setBigUint64(address - this.base, BigInt(value), true);
  }
  /** Whether {@link populate} finds frames. */
  hasFrames = true;
  /** Whom it refused. */
  readonly retries = new Set<() => void>();
  populate(address: number, length: number, retry: () => void): boolean {
    if (!this.contains(address, length)) throw new RangeError(`0x${address.toString(16)} is not RAM`);
    if (!this.hasFrames) this.retries.add(retry);
    return this.hasFrames;
  }
  /** Pages that were given back, in their order. */
  readonly discarded: number[] = [];
  discard(pages: readonly number[]): void {
    for (const page of pages) {
      if (!this.contains(page * 4096, 4096)) throw new RangeError(`page ${page} is not RAM`);
      this.bytes.fill(0, page * 4096 - this.base, (page + 1) * 4096 - this.base);
    }
    this.discarded.push(...pages);
  }
  readableViews(address: number, length: number, into: Uint8Array[]): void {
    if (!this.contains(address, length)) throw new RangeError(`0x${address.toString(16)} is not RAM`);
    into.push(this.bytes.subarray(address - this.base, address - this.base + length));
  }
  writableViews(address: number, length: number, into: Uint8Array[]): void {
    this.readableViews(address, length, into);
  }
}

/** A buffer of a chain: where it is, how long, and whether the device writes it. */
export interface TestBuffer {
  readonly address: number;
  readonly length: number;
  readonly write?: boolean;
}

export const Descriptor = { Next: 1, Write: 2, Indirect: 4 } as const;

/** The driver's half of a queue, at fixed places in memory. */
export class TestDriver {
  readonly memory: TestMemory;
  readonly size: number;
  readonly table: number;
  readonly available: number;
  readonly used: number;
  #nextDescriptor = 0;
  #availableIndex = 0;
  #usedIndex = 0;

  constructor(memory: TestMemory, size = 8, at: number = memory.base) {
    this.memory = memory;
    this.size = size;
    this.table = at;
    this.available = at + 0x4000;
    this.used = at + 0x5000;
  }

  /** Tells a queue where everything is. */
  setUp(queue: SplitQueue): void {
    Object.assign(queue.setup, {
      size: this.size,
      descriptorTable: this.table,
      driverArea: this.available,
      deviceArea: this.used,
    });
  }

  descriptor(index: number, address: number, length: number, flags = 0, next = 0, table = this.table): void {
    const at = table + 16 * index;
    this.memory.store64(at, address);
    this.memory.store32(at + 8, length);
    this.memory.store16(at + 12, flags);
    this.memory.store16(at + 14, next);
  }

  /** Writes a chain into the descriptor table and makes it available; returns its head. */
  add(...buffers: readonly TestBuffer[]): number {
    const head = this.#nextDescriptor;
    for (const [n, { address, length, write }] of buffers.entries()) {
      const index = (head + n) % this.size;
      const next = (index + 1) % this.size;
      const flags = (n < buffers.length - 1 ? Descriptor.Next : 0) | (write ? Descriptor.Write : 0);
      this.descriptor(index, address, length, flags, next);
    }
    this.#nextDescriptor = (head + buffers.length) % this.size;
    this.offer(head);
    return head;
  }

  /** Makes a chain available. */
  offer(head: number): void {
    this.memory.store16(this.available + 4 + 2 * (this.#availableIndex % this.size), head);
    this.#availableIndex = (this.#availableIndex + 1) & 0xffff;
    this.memory.store16(this.available + 2, this.#availableIndex);
  }

  /** Takes the next used element, if there is one. */
  take(): { readonly head: number; readonly written: number } | undefined {
    if (this.memory.load16(this.used + 2) === this.#usedIndex) return undefined;
    const at = this.used + 4 + 8 * (this.#usedIndex % this.size);
    this.#usedIndex = (this.#usedIndex + 1) & 0xffff;
    return { head: this.memory.load32(at), written: this.memory.load32(at + 4) };
  }
}
