/**
 * A virtio memory balloon (virtio 1.2, 5.5): the guest gives pages up, and
 * their frames go back to the pool. What it takes back gets frames when it is
 * touched, so that nothing waits for a deflated page. Free page reporting does
 * the same for pages that the guest happens not to use.
 */
import { type DeviceState, type DmaMemory, HartvisorError } from "@hartvisor/core";
import { SavedFields } from "../../full/saved-fields.js";
import type { DescriptorChain } from "../virtio/descriptor-chain.js";
import { featureBits, type VirtioContext, type VirtioDevice } from "../virtio/device.js";
import { type BalloonStatistics, parseStatistics } from "./statistics.js";

/** Feature bits (5.5.3). */
const Feature = { Statistics: 1, DeflateOnOom: 2, PagePoison: 4, Reporting: 5 } as const;

/** Queues (5.5.2). */
const Queue = {
  Inflate: 0,
  Deflate: 1,
  Statistics: 2,
  /** The free page hinting queue, which is not offered: Linux up to 6.12 numbers the queues that there are, and reports here. */
  CompactReporting: 3,
  Reporting: 4,
} as const;

/** Fields of the configuration space (5.5.4). */
const TARGET = 0;
const ACTUAL = 4;
const POISON = 12;
const CONFIGURATION_SIZE = 16;

/** The unit of page numbers, whatever size the guest's pages have (5.5.6). */
const PAGE_SIZE = 4096;

/** As much as there can be of a guest's memory: buffers may name it many times over. */
const MAX_PAGES_PER_DOORBELL = 2 ** 20;

/** Page numbers of one request, which for Linux are 256. */
const MAX_PAGE_NUMBERS = 2 ** 14;

/** Bytes that a driver's statistics have at most: more than 400 of them. */
const MAX_STATISTICS_BYTES = 4096;

interface BalloonState extends DeviceState {
  readonly version: 1;
  /** In pages. */
  readonly target: number;
  readonly actual: number;
  readonly poison: number;
}

/** What a {@link VirtioBalloon} is made of. */
export interface VirtioBalloonOptions {
  /** Bytes that the guest is to give up, at first. Default: 0. */
  readonly targetBytes?: number;
  /** Whether the guest may take memory back where it would otherwise kill a process. Default: true. */
  readonly deflateOnOom?: boolean;
  /** Whether the guest is asked to report memory that it does not use. Default: true. */
  readonly reporting?: boolean;
  /** Hears that the guest says it has given up more or less; in a doorbell of the guest's, so it must not wait. */
  readonly onResize?: (actualBytes: number) => void;
  /** Unique on its machine. Default: `balloon`. */
  readonly name?: string;
}

interface Asker {
  resolve(statistics: BalloonStatistics): void;
  reject(error: HartvisorError): void;
}

/**
 * A balloon.
 *
 * @example
 * ```ts
 * const balloon = new VirtioBalloon();
 * host.plug((interrupt) => new VirtioPci({ device: balloon, memory, interrupt }));
 * balloon.targetBytes = 64 * 2 ** 20;
 * ```
 */
export class VirtioBalloon implements VirtioDevice {
  readonly name: string;
  readonly type = 5;
  readonly features: bigint;
  readonly queueSizes = [128, 128, 128, 128, 128];
  readonly configuration = new Uint8Array(CONFIGURATION_SIZE);
  readonly #view = new DataView(this.configuration.buffer);
  readonly #onResize: (actualBytes: number) => void;
  readonly #pages: number[] = [];
  readonly #numbers = new Uint8Array(4 * MAX_PAGE_NUMBERS);
  #context: VirtioContext | undefined;
  #isPaused = false;
  /** The buffer for the next statistics, which the device keeps until it wants them (5.5.6.3). */
  #statistics: DescriptorChain | undefined;
  #askers: Asker[] = [];

  /** Throws `invalid-argument` for a target that is no size. */
  constructor(options: VirtioBalloonOptions = {}) {
    const { targetBytes = 0, deflateOnOom = true, reporting = true, name = "balloon", onResize = () => {} } = options;
    this.name = name;
    this.#onResize = onResize;
    this.features =
      featureBits(Feature.Statistics, Feature.PagePoison) |
      (deflateOnOom ? featureBits(Feature.DeflateOnOom) : 0n) |
      (reporting ? featureBits(Feature.Reporting) : 0n);
    this.targetBytes = targetBytes;
  }

  /** Bytes that the guest is asked to give up. */
  get targetBytes(): number {
    return this.#view.getUint32(TARGET, true) * PAGE_SIZE;
  }

  /** Throws `invalid-argument` for what is no multiple of 4,096 up to 16 TiB. */
  set targetBytes(bytes: number) {
    const pages = bytes / PAGE_SIZE;
    if (!Number.isInteger(pages) || pages < 0 || pages >= 2 ** 32) {
      throw new HartvisorError("invalid-argument", `a balloon of ${bytes} bytes: give a multiple of ${PAGE_SIZE}`);
    }
    this.#view.setUint32(TARGET, pages, true);
    this.#context?.configurationChanged();
  }

  /** Bytes that the guest says it has given up. */
  get actualBytes(): number {
    return this.#view.getUint32(ACTUAL, true) * PAGE_SIZE;
  }

  /** Asks the guest how it uses its memory. Rejects with `invalid-state` if it has no driver that says so, or resets it. */
  async statistics(): Promise<BalloonStatistics> {
    const context = this.#context;
    if (context === undefined || !has(context, Feature.Statistics)) {
      throw new HartvisorError("invalid-state", `the guest has no driver for ${this.name} that gives statistics`);
    }
    return new Promise((resolve, reject) => {
      this.#askers.push({ resolve, reject });
      this.#handBackStatistics();
    });
  }

  writeConfiguration(offset: number, bytes: Uint8Array): void {
    const isWritable = [ACTUAL, POISON].some((field) => offset >= field && offset + bytes.length <= field + 4);
    if (!isWritable) return;
    const before = this.actualBytes;
    this.configuration.set(bytes, offset);
    if (this.actualBytes !== before) this.#onResize(this.actualBytes);
  }

  activate(context: VirtioContext): void {
    this.#context = context;
  }

  notify(queue: number): void {
    const context = this.#context;
    if (context === undefined || this.#isPaused) return;
    switch (queue) {
      case Queue.Inflate:
        this.#serve(context, queue, (chain) => this.#collectNumbers(chain, context.memory));
        break;
      case Queue.Deflate:
        this.#serve(context, queue, () => {});
        break;
      case Queue.Statistics:
        if (has(context, Feature.Statistics)) this.#takeStatistics(context);
        break;
      default:
        if (has(context, Feature.Reporting)) this.#serve(context, queue, (chain) => this.#collectRanges(chain));
    }
  }

  reset(): void {
    this.#context = undefined;
    this.#statistics = undefined;
    const wasInflated = this.actualBytes > 0;
    this.#view.setUint32(ACTUAL, 0, true);
    this.#view.setUint32(POISON, 0, true);
    if (wasInflated) this.#onResize(0);
    for (const { reject } of this.#askers.splice(0)) {
      reject(new HartvisorError("invalid-state", `the guest has reset ${this.name}`));
    }
  }

  async quiesce(): Promise<void> {
    this.#isPaused = true;
    const chain = this.#statistics;
    this.#statistics = undefined;
    if (chain !== undefined) this.#context?.queues[Queue.Statistics]?.unpop(chain);
  }

  resume(): void {
    this.#isPaused = false;
    for (const queue of this.queueSizes.keys()) this.notify(queue);
  }

  save(): BalloonState {
    return {
      version: 1,
      target: this.#view.getUint32(TARGET, true),
      actual: this.#view.getUint32(ACTUAL, true),
      poison: this.#view.getUint32(POISON, true),
    };
  }

  restore(state: DeviceState): void {
    const fields = new SavedFields(this.name, state, 1, ["target", "actual", "poison"]);
    const [target, actual, poison] = ["target", "actual", "poison"].map((name) => fields.bits(name, 0xffff_ffff));
    this.#view.setUint32(TARGET, target ?? 0, true);
    this.#view.setUint32(ACTUAL, actual ?? 0, true);
    this.#view.setUint32(POISON, poison ?? 0, true);
  }

  /** Answers all requests of a queue at once: to forget what leads to frames costs about the same for one and for many. */
  #serve(context: VirtioContext, index: number, collect: (chain: DescriptorChain) => void): void {
    const queue = context.queues[index];
    if (queue === undefined) return;
    const chains: DescriptorChain[] = [];
    for (let chain = queue.popUnpopulated(); chain !== undefined; chain = queue.popUnpopulated()) {
      collect(chain);
      chains.push(chain);
    }
    context.memory.discard(this.#pages);
    this.#pages.length = 0;
    for (const chain of chains) queue.complete(chain, 0);
    queue.askForNotification();
    queue.publish();
  }

  /** 5.5.6.1: an array of page numbers. Those that are no RAM mean nothing. */
  #collectNumbers(chain: DescriptorChain, memory: DmaMemory): void {
    const length = chain.read(0, this.#numbers.subarray(0, Math.min(chain.readableBytes, this.#numbers.length)));
    const numbers = new DataView(this.#numbers.buffer, 0, length);
    for (let at = 0; at + 4 <= length && this.#pages.length < MAX_PAGES_PER_DOORBELL; at += 4) {
      const page = numbers.getUint32(at, true);
      if (memory.contains(page * PAGE_SIZE, PAGE_SIZE)) this.#pages.push(page);
    }
  }

  /** 5.5.6.6: the buffers are the pages. A poisoned page must keep its poison, so it stays as it is. */
  #collectRanges(chain: DescriptorChain): void {
    if (this.#view.getUint32(POISON, true) !== 0) return;
    for (const { address, length } of chain.writableRanges()) {
      const end = Math.floor((address + length) / PAGE_SIZE);
      for (let page = Math.ceil(address / PAGE_SIZE); page < end; page++) {
        if (this.#pages.length >= MAX_PAGES_PER_DOORBELL) return;
        this.#pages.push(page);
      }
    }
  }

  #takeStatistics(context: VirtioContext): void {
    const queue = context.queues[Queue.Statistics];
    for (let chain = queue?.pop(); chain !== undefined; chain = queue?.pop()) {
      const bytes = new Uint8Array(Math.min(chain.readableBytes, MAX_STATISTICS_BYTES));
      const statistics = parseStatistics(bytes.subarray(0, chain.read(0, bytes)));
      this.#handBackStatistics();
      this.#statistics = chain;
      for (const { resolve } of this.#askers.splice(0)) resolve(statistics);
    }
    queue?.askForNotification();
  }

  /** The driver fills a buffer that it gets back anew (5.5.6.3). */
  #handBackStatistics(): void {
    const queue = this.#context?.queues[Queue.Statistics];
    const chain = this.#statistics;
    if (queue === undefined || chain === undefined) return;
    this.#statistics = undefined;
    queue.complete(chain, 0);
    queue.publish();
  }
}

function has({ features }: VirtioContext, feature: number): boolean {
  return (features & featureBits(feature)) !== 0n;
}
