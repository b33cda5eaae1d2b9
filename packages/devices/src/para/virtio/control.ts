/**
 * What is common to virtio devices on every transport (virtio 1.2, 2.1, 2.2,
 * 3.1): status, feature negotiation, queues, interrupt causes. A transport
 * gives it registers; the device does the work.
 */
import { type DeviceState, type DmaMemory, HartvisorError, type InterruptLine } from "@hartvisor/core";
import { SavedFields } from "../../full/saved-fields.js";
import { CommonFeature, featureBits, type VirtioContext, type VirtioDevice } from "./device.js";
import { type QueueArea, SplitQueue, type SplitQueueState } from "./split-queue.js";

/** Bits of the status field (2.1). */
export const Status = {
  Acknowledge: 1,
  Driver: 2,
  DriverOk: 4,
  FeaturesOk: 8,
  NeedsReset: 64,
  Failed: 128,
} as const;

/** Causes of an interrupt, as the ISR status of PCI and the InterruptStatus of MMIO show them. */
export const Cause = { Queue: 1, Configuration: 2 } as const;

const COMMON_FEATURES = featureBits(
  CommonFeature.IndirectDescriptors,
  CommonFeature.EventIndex,
  CommonFeature.Version1,
);

/** What a virtio device's transport saves of it. */
export interface VirtioControlState extends DeviceState {
  readonly version: 1;
  readonly status: number;
  readonly causes: number;
  readonly generation: number;
  readonly deviceFeatureSelect: number;
  readonly driverFeatureSelect: number;
  readonly driverFeatures: bigint;
  readonly queueSelect: number;
  readonly queues: readonly SplitQueueState[];
  readonly device: DeviceState;
}

const STATE_FIELDS = [
  "status",
  "causes",
  "generation",
  "deviceFeatureSelect",
  "driverFeatureSelect",
  "driverFeatures",
  "queueSelect",
  "queues",
  "device",
] as const;

/** What a transport gives its device. */
export interface VirtioControlOptions {
  readonly memory: DmaMemory;
  readonly interrupt: InterruptLine;
  /** Hears of a driver that broke the rules, once each time. Default: nobody. */
  readonly onFailure?: ((device: string, reason: string) => void) | undefined;
}

/** A virtio device's life, whatever its transport. */
export class VirtioControl {
  readonly device: VirtioDevice;
  readonly queues: readonly SplitQueue[];
  readonly offered: bigint;
  deviceFeatureSelect = 0;
  driverFeatureSelect = 0;
  queueSelect = 0;
  /** Changes with the configuration space, so that a driver sees that it read halves of two (2.5.1). */
  generation = 0;
  readonly #memory: DmaMemory;
  readonly #interrupt: InterruptLine;
  readonly #onFailure: (device: string, reason: string) => void;
  #driverFeatures = 0n;
  #status = 0;
  #causes = 0;

  constructor(device: VirtioDevice, { memory, interrupt, onFailure }: VirtioControlOptions) {
    this.device = device;
    this.#memory = memory;
    this.#interrupt = interrupt;
    this.#onFailure = onFailure ?? (() => {});
    this.offered = COMMON_FEATURES | device.features;
    const owner = { interrupt: () => this.#raise(Cause.Queue), fail: (reason: string) => this.#fail(reason) };
    this.queues = device.queueSizes.map(
      (size, index) => new SplitQueue(index, size, memory, { ...owner, retry: () => this.notify(index) }),
    );
  }

  get status(): number {
    return this.#status;
  }

  /** The driver writes the status field (2.1.1): 0 resets, and what is set stays set otherwise. */
  set status(value: number) {
    if (value === 0) {
      this.reset();
      return;
    }
    let added = value & ~this.#status & 0x8f;
    // The driver learns by reading it back that its features are not accepted (3.1.1, step 6).
    if (added & Status.FeaturesOk && !this.#featuresAreFine()) added &= ~Status.FeaturesOk;
    this.#status |= added;
    if (added & Status.FeaturesOk) {
      const has = (feature: number) => (this.#driverFeatures & featureBits(feature)) !== 0n;
      for (const queue of this.queues) {
        queue.negotiated({
          eventIndex: has(CommonFeature.EventIndex),
          indirect: has(CommonFeature.IndirectDescriptors),
        });
      }
    }
    if (added & Status.DriverOk) {
      if (this.#status & Status.FeaturesOk) this.#activate();
      else this.#fail("DRIVER_OK without FEATURES_OK");
    }
  }

  /** The half of the features offered that the driver selected. */
  get deviceFeatures(): number {
    return half(this.offered, this.deviceFeatureSelect);
  }

  get driverFeatures(): number {
    return half(this.#driverFeatures, this.driverFeatureSelect);
  }

  /** The driver takes features; too late once it has said that it is done. */
  set driverFeatures(value: number) {
    if (this.#status & Status.FeaturesOk || this.driverFeatureSelect > 1) return;
    const shift = BigInt(32 * this.driverFeatureSelect);
    this.#driverFeatures = (this.#driverFeatures & ~(0xffff_ffffn << shift)) | (BigInt(value) << shift);
  }

  /** The queue that the driver selected, if there is one. */
  get selectedQueue(): SplitQueue | undefined {
    return this.queues[this.queueSelect];
  }

  /** The driver chooses the size of the selected queue. A queue that is on keeps its setup (4.1.4.3.2, 4.2.2.2). */
  set queueSize(size: number) {
    const setup = this.selectedQueue?.setup;
    if (setup?.enabled === false) setup.size = size;
  }

  /** The driver writes one word of a 64-bit address of the selected queue. */
  placeQueue(area: QueueArea, isHighWord: boolean, word: number): void {
    const setup = this.selectedQueue?.setup;
    if (setup?.enabled !== false) return;
    const address = setup[area];
    setup[area] = isHighWord ? word * 2 ** 32 + (address % 2 ** 32) : Math.floor(address / 2 ** 32) * 2 ** 32 + word;
  }

  /** Turns the selected queue on. */
  enableQueue(): void {
    if (this.selectedQueue?.setup.enabled === false) this.selectedQueue.enable();
  }

  /** A doorbell. One for a queue that does not exist, or before the device is active, means nothing. */
  notify(index: number): void {
    if (this.#isActive && this.queues[index]?.isLive) this.device.notify(index);
  }

  get interruptCauses(): number {
    return this.#causes;
  }

  acknowledge(causes: number): void {
    this.#causes &= ~causes;
    this.#interrupt.set(this.#causes !== 0);
  }

  /** Reads up to four bytes of the configuration space, zero beyond its end. */
  readConfiguration(offset: number, width: number): number {
    const { configuration } = this.device;
    let value = 0;
    for (let n = width - 1; n >= 0; n--) value = value * 256 + (configuration[offset + n] ?? 0);
    return value;
  }

  writeConfiguration(offset: number, width: number, value: number): void {
    if (offset + width > this.device.configuration.length) return;
    this.device.writeConfiguration?.(offset, new Uint8Array(Uint32Array.of(value).buffer, 0, width));
  }

  reset(): void {
    this.device.reset();
    for (const queue of this.queues) queue.reset();
    this.#status = 0;
    this.#driverFeatures = 0n;
    this.deviceFeatureSelect = 0;
    this.driverFeatureSelect = 0;
    this.queueSelect = 0;
    this.acknowledge(0xff);
  }

  /** Throws `invalid-state` while requests are in flight: quiesce the device first. */
  save(): VirtioControlState {
    if (this.queues.some(({ inFlight }) => inFlight > 0)) {
      throw new HartvisorError("invalid-state", `${this.device.name} has requests in flight: await quiesce() first`);
    }
    return {
      version: 1,
      status: this.#status,
      causes: this.#causes,
      generation: this.generation,
      deviceFeatureSelect: this.deviceFeatureSelect,
      driverFeatureSelect: this.driverFeatureSelect,
      driverFeatures: this.#driverFeatures,
      queueSelect: this.queueSelect,
      queues: this.queues.map((queue) => queue.save()),
      device: this.device.save(),
    };
  }

  restore(state: DeviceState): void {
    const fields = new SavedFields(this.device.name, state, 1, STATE_FIELDS);
    const status = fields.bits("status", 0xcf);
    const driverFeatures = fields.unsigned64("driverFeatures");
    const accepted = (driverFeatures & ~this.offered) === 0n;
    fields.require((status & Status.FeaturesOk) === 0 || accepted, `"driverFeatures" has bits that are not offered`);
    const { queues, device } = state as VirtioControlState;
    fields.require(Array.isArray(queues) && queues.length === this.queues.length, `"queues" are not its queues`);
    const parsed = queues.map((queue) => parseQueue(this.device.name, queue));
    const saved = {
      causes: fields.bits("causes", 3),
      generation: fields.bits("generation", 0xff),
      deviceFeatureSelect: fields.bits("deviceFeatureSelect", 0xffff_ffff),
      driverFeatureSelect: fields.bits("driverFeatureSelect", 0xffff_ffff),
      queueSelect: fields.bits("queueSelect", 0xffff_ffff),
    };
    this.reset();
    this.device.restore(device);
    this.#driverFeatures = driverFeatures;
    const { causes, ...rest } = saved;
    Object.assign(this, rest);
    this.#status = status & ~(Status.DriverOk | Status.FeaturesOk);
    this.status = status & ~Status.NeedsReset & ~Status.DriverOk;
    for (const [n, queue] of this.queues.entries()) queue.restore(parsed[n] as SplitQueueState);
    // One that waits for a reset has failed, and does nothing until then.
    if (status & Status.NeedsReset) this.#status = status;
    else this.status = status;
    if (causes !== 0) this.#raise(causes);
  }

  get #isActive(): boolean {
    return (this.#status & (Status.DriverOk | Status.NeedsReset)) === Status.DriverOk;
  }

  /** 2.2.2: no bit that was not offered; and there is no legacy interface here (6.1). */
  #featuresAreFine(): boolean {
    const version1 = featureBits(CommonFeature.Version1);
    return (this.#driverFeatures & ~this.offered) === 0n && (this.#driverFeatures & version1) !== 0n;
  }

  #activate(): void {
    const context: VirtioContext = {
      features: this.#driverFeatures,
      queues: this.queues,
      memory: this.#memory,
      configurationChanged: () => this.#configurationChanged(),
      fail: (reason) => this.#fail(reason),
    };
    this.device.activate(context);
    for (const { index } of this.queues) this.notify(index);
  }

  #configurationChanged(): void {
    this.generation = (this.generation + 1) & 0xff;
    if (this.#isActive) this.#raise(Cause.Configuration);
  }

  /** 2.1.2: the driver is told that nothing works any more until it resets the device. */
  #fail(reason: string): void {
    const first = (this.#status & Status.NeedsReset) === 0;
    this.#status |= Status.NeedsReset;
    if (!first) return;
    if (this.#status & Status.DriverOk) this.#raise(Cause.Configuration);
    this.#onFailure(this.device.name, reason);
  }

  #raise(cause: number): void {
    this.#causes |= cause;
    this.#interrupt.set(true);
  }
}

function half(features: bigint, select: number): number {
  return select > 1 ? 0 : Number((features >> BigInt(32 * select)) & 0xffff_ffffn);
}

function parseQueue(device: string, state: unknown): SplitQueueState {
  const names = ["size", "descriptorTable", "driverArea", "deviceArea", "enabled"];
  const indices = ["lastAvailable", "nextUsed", "signalledUsed"];
  const fields = new SavedFields(device, { version: 1, ...(state as object) }, 1, [...names, ...indices]);
  const { descriptorTable, driverArea, deviceArea } = state as SplitQueueState;
  for (const address of [descriptorTable, driverArea, deviceArea]) {
    fields.require(Number.isInteger(address) && address >= 0, `a queue's address is ${String(address)}`);
  }
  return {
    size: fields.bits("size", 0xffff),
    descriptorTable,
    driverArea,
    deviceArea,
    enabled: fields.boolean("enabled"),
    lastAvailable: fields.bits("lastAvailable", 0xffff),
    nextUsed: fields.bits("nextUsed", 0xffff),
    signalledUsed: fields.bits("signalledUsed", 0xffff),
  };
}
