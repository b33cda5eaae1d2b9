/**
 * A virtio block device (virtio 1.2, 5.2) over any {@link BlockBackend}. All
 * requests of a doorbell are begun together and answered with one interrupt
 * where the backend answers at once; a backend that waits for its host keeps
 * the machine running meanwhile. The I/O benchmark guards its hot paths.
 */
import { type BlockBackend, type DeviceState, HartvisorError } from "@hartvisor/core";
import { BufferPool } from "../../backends/buffer-pool.js";
import { SavedFields } from "../../full/saved-fields.js";
import type { DescriptorChain } from "../virtio/descriptor-chain.js";
import { featureBits, type VirtioContext, type VirtioDevice } from "../virtio/device.js";
import { HostTurns } from "../virtio/host-turns.js";
import type { SplitQueue } from "../virtio/split-queue.js";
import {
  type BlockRequest,
  type DiskRange,
  HEADER_SIZE,
  MAX_SEGMENT_SECTORS,
  MAX_SEGMENTS,
  parseRequest,
  RequestStatus,
  SECTOR_SIZE,
} from "./request.js";

/** So much that a request of Linux's largest size, 1.25 MiB, has a descriptor for each of its pages. */
const QUEUE_SIZE = 512;
/** Data buffers of a request: the queue holds one more for the header and one for the status. */
const SEGMENT_LIMIT = QUEUE_SIZE - 2;
const MAX_QUEUES = 16;
const ID_SIZE = 20;

/** Feature bits (5.2.3). */
const Feature = { SegmentMax: 2, ReadOnly: 5, BlockSize: 6, Flush: 9, MultiQueue: 12, Discard: 13, WriteZeroes: 14 };

/** Bytes that requests under way may hold in buffers of the host: others wait in the queue. */
const MAX_BUFFERED_BYTES = 64 * 2 ** 20;
/** Bytes moved for one doorbell before the host gets its turn. */
const BYTES_PER_TURN = 64 * 2 ** 20;

/** What a {@link VirtioBlock} is made of. */
export interface VirtioBlockOptions {
  readonly backend: BlockBackend;
  /** What the guest reads as the disk's serial number, up to 20 bytes of ASCII. Default: the name. */
  readonly serial?: string;
  /** Request queues, 1 to 16. Default: 1. */
  readonly queues?: number;
  /** Unique on its machine. Default: `disk`. */
  readonly name?: string;
  /** Hears of each failure of the backend, which the guest sees as an I/O error. Default: nobody. */
  readonly onError?: (error: unknown) => void;
}

/** A disk. */
export class VirtioBlock implements VirtioDevice {
  readonly name: string;
  readonly type = 2;
  readonly features: bigint;
  readonly queueSizes: readonly number[];
  readonly configuration: Uint8Array;
  readonly #backend: BlockBackend;
  readonly #serial: Uint8Array;
  readonly #onError: (error: unknown) => void;
  readonly #buffers = new BufferPool();
  readonly #turns = new HostTurns();
  #context: VirtioContext | undefined;
  #writesThrough = false;
  #bufferedBytes = 0;
  #underWay = 0;
  #isPaused = false;
  #drained: (() => void)[] = [];

  /** Throws `invalid-argument` for a disk that no guest could use. */
  constructor({ backend, serial, queues = 1, name = "disk", onError }: VirtioBlockOptions) {
    if (!Number.isSafeInteger(backend.size) || backend.size <= 0 || backend.size % SECTOR_SIZE !== 0) {
      throw new HartvisorError(
        "invalid-argument",
        `a disk of ${backend.size} bytes: give a multiple of ${SECTOR_SIZE}`,
      );
    }
    if (!Number.isInteger(queues) || queues < 1 || queues > MAX_QUEUES) {
      throw new HartvisorError("invalid-argument", `a disk has 1 to ${MAX_QUEUES} queues, not ${queues}`);
    }
    const id = serial ?? name.slice(0, ID_SIZE);
    if (!/^[\x20-\x7e]{0,20}$/.test(id)) {
      throw new HartvisorError(
        "invalid-argument",
        `a disk's serial has at most ${ID_SIZE} bytes of ASCII, not "${id}"`,
      );
    }
    this.name = name;
    this.#backend = backend;
    this.#serial = new Uint8Array(ID_SIZE);
    this.#serial.set(new TextEncoder().encode(id));
    this.#onError = onError ?? (() => {});
    this.queueSizes = new Array<number>(queues).fill(QUEUE_SIZE);
    const { SegmentMax, BlockSize, Flush, ReadOnly, MultiQueue, Discard, WriteZeroes } = Feature;
    this.features =
      featureBits(SegmentMax, BlockSize, Flush) |
      (backend.isReadOnly ? featureBits(ReadOnly) : featureBits(Discard, WriteZeroes)) |
      (queues > 1 ? featureBits(MultiQueue) : 0n);
    this.configuration = configurationSpace(backend.size, queues);
  }

  activate(context: VirtioContext): void {
    this.#context = context;
    // 5.2.6.2: to a driver that cannot flush, a write that is done is durable.
    this.#writesThrough = (context.features & featureBits(Feature.Flush)) === 0n;
  }

  notify(index: number): void {
    const queue = this.#context?.queues[index];
    if (queue === undefined || this.#isPaused || this.#turns.has(index)) return;
    let bytes = 0;
    while (this.#bufferedBytes < MAX_BUFFERED_BYTES) {
      if (bytes > BYTES_PER_TURN) {
        this.#turns.await(index, () => this.notify(index));
        break;
      }
      const chain = queue.pop();
      if (chain === undefined) break;
      bytes += chain.readableBytes + chain.writableBytes;
      this.#begin(queue, chain);
    }
    queue.askForNotification();
    queue.publish();
  }

  reset(): void {
    this.#context = undefined;
    this.#turns.reset();
  }

  quiesce(): Promise<void> {
    this.#isPaused = true;
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  resume(): void {
    this.#isPaused = false;
    this.#notifyAll();
  }

  save(): DeviceState & { readonly capacity: number } {
    return { version: 1, capacity: this.#backend.size };
  }

  restore(state: DeviceState): void {
    const fields = new SavedFields(this.name, state, 1, ["capacity"]);
    const { capacity } = state as ReturnType<VirtioBlock["save"]>;
    fields.require(capacity === this.#backend.size, `its disk had ${capacity} bytes, not ${this.#backend.size}`);
  }

  #begin(queue: SplitQueue, chain: DescriptorChain): void {
    const request = parseRequest(chain, this.#backend);
    if (request.kind === "malformed") {
      this.#context?.fail("a block request without room for header or status");
      return;
    }
    let outcome: void | Promise<void>;
    const buffered = request.kind === "read" || request.kind === "write" ? request.length : 0;
    try {
      outcome = this.#perform(request, queue, chain);
    } catch (error) {
      this.#onError(error);
      this.#finish(queue, chain, RequestStatus.IoError, 0);
      return;
    }
    const written = request.kind === "read" ? request.length : request.kind === "identify" ? ID_SIZE : 0;
    const status = request.kind === "refused" ? request.status : RequestStatus.Ok;
    if (outcome === undefined) {
      this.#finish(queue, chain, status, written);
      return;
    }
    this.#underWay++;
    this.#bufferedBytes += buffered;
    outcome
      .then(
        () => this.#finish(queue, chain, RequestStatus.Ok, written),
        (error: unknown) => {
          this.#onError(error);
          this.#finish(queue, chain, RequestStatus.IoError, 0);
        },
      )
      .finally(() => this.#settle(queue, buffered));
  }

  /** Moves the bytes; a promise where the backend waits for its host. */
  #perform(request: BlockRequest, queue: SplitQueue, chain: DescriptorChain): void | Promise<void> {
    switch (request.kind) {
      case "read":
        return this.#read(request, queue, chain);
      case "write": {
        const outcome = this.#write(request, chain);
        if (!this.#writesThrough) return outcome;
        return outcome === undefined ? this.#backend.flush() : outcome.then(() => this.#backend.flush());
      }
      case "flush":
        return this.#backend.flush();
      case "identify":
        chain.write(0, this.#serial);
        return;
      case "discard":
        return this.#each(request.ranges, ({ offset, length }) => this.#backend.discard?.(offset, length));
      case "write-zeroes":
        return this.#each(request.ranges, (range) => this.#zero(range));
      case "refused":
      case "malformed":
        return;
    }
  }

  #read({ offset, length }: DiskRange, queue: SplitQueue, chain: DescriptorChain): void | Promise<void> {
    if (this.#backend.readNow !== undefined) {
      const views: Uint8Array[] = [];
      chain.writableViews(0, length, views);
      if (this.#backend.readNow(offset, views)) return;
    }
    // Guest memory must not be written behind the write guard's back while the machine runs: hence a buffer.
    const buffer = this.#buffers.take(length);
    const bytes = buffer.subarray(0, length);
    const copy = () => {
      if (queue.isCurrent(chain)) chain.write(0, bytes);
      this.#buffers.give(buffer);
    };
    const outcome = this.#backend.read(offset, bytes);
    return outcome === undefined ? copy() : outcome.then(copy);
  }

  #write({ offset, length }: DiskRange, chain: DescriptorChain): void | Promise<void> {
    if (this.#backend.writeNow !== undefined) {
      const views: Uint8Array[] = [];
      chain.readableViews(HEADER_SIZE, length, views);
      if (this.#backend.writeNow(offset, views)) return;
    }
    const buffer = this.#buffers.take(length);
    const bytes = buffer.subarray(0, length);
    chain.read(HEADER_SIZE, bytes);
    const outcome = this.#backend.write(offset, bytes);
    if (outcome === undefined) {
      this.#buffers.give(buffer);
      return;
    }
    return outcome.then(() => this.#buffers.give(buffer));
  }

  #zero({ offset, length }: DiskRange): void | Promise<void> {
    if (this.#backend.writeZeroes) return this.#backend.writeZeroes(offset, length);
    return this.#backend.write(offset, new Uint8Array(length));
  }

  #each(ranges: readonly DiskRange[], act: (range: DiskRange) => void | Promise<void>): void | Promise<void> {
    const waiting = ranges.filter(({ length }) => length > 0).map(act);
    if (waiting.some((outcome) => outcome !== undefined)) return Promise.all(waiting).then(() => {});
  }

  /** Answers a request; the driver sees it when the queue is published. */
  #finish(queue: SplitQueue, chain: DescriptorChain, status: number, written: number): void {
    if (!queue.isCurrent(chain)) return;
    chain.storeLast(status);
    queue.complete(chain, written + 1);
  }

  /** A request that waited for the host is answered: others may wait for its place. */
  #settle(queue: SplitQueue, buffered: number): void {
    const wasFull = this.#bufferedBytes >= MAX_BUFFERED_BYTES;
    this.#underWay--;
    this.#bufferedBytes -= buffered;
    queue.publish();
    if (wasFull) this.#notifyAll();
    if (this.#underWay === 0) for (const resolve of this.#drained.splice(0)) resolve();
  }

  #notifyAll(): void {
    for (const { index } of this.#context?.queues ?? []) this.notify(index);
  }
}

/** `struct virtio_blk_config` (5.2.4). */
function configurationSpace(size: number, queues: number): Uint8Array {
  const bytes = new Uint8Array(60);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(size / SECTOR_SIZE), true);
  view.setUint32(12, SEGMENT_LIMIT, true);
  view.setUint32(20, SECTOR_SIZE, true);
  view.setUint8(32, 1); // writeback
  view.setUint16(34, queues, true);
  view.setUint32(36, MAX_SEGMENT_SECTORS, true);
  view.setUint32(40, MAX_SEGMENTS, true);
  view.setUint32(44, 1, true); // discards are aligned to sectors
  view.setUint32(48, MAX_SEGMENT_SECTORS, true);
  view.setUint32(52, MAX_SEGMENTS, true);
  view.setUint8(56, 1); // write zeroes may unmap
  return bytes;
}
