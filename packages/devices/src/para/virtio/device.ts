/**
 * What a virtio device is to its transport (virtio 1.2, 2 and 5): its type,
 * what it offers, its queues and configuration, and a life between activation
 * and reset. The transport does all that is common to devices.
 */
import type { DeviceState, DmaMemory } from "@hartvisor/core";
import type { SplitQueue } from "./split-queue.js";

/** Feature bits that belong to no device (virtio 1.2, 6), as bit numbers. */
export const CommonFeature = {
  IndirectDescriptors: 28,
  EventIndex: 29,
  Version1: 32,
} as const;

/** A set of feature bits from their numbers. */
export function featureBits(...numbers: readonly number[]): bigint {
  return numbers.reduce((bits, number) => bits | (1n << BigInt(number)), 0n);
}

/** What an activated device gets from its transport. */
export interface VirtioContext {
  /** What the driver took of the features offered. */
  readonly features: bigint;
  readonly queues: readonly SplitQueue[];
  readonly memory: DmaMemory;
  /** Tells the driver that the configuration space changed. */
  configurationChanged(): void;
  /** The driver broke the device's rules: the device works no more until it is reset (2.1.2). */
  fail(reason: string): void;
}

/** A virtio device. No request of a guest makes any of its methods throw. */
export interface VirtioDevice {
  /** Unique on its machine. */
  readonly name: string;
  /** Device ID (virtio 1.2, 5). */
  readonly type: number;
  /** Feature bits of its own that it offers. */
  readonly features: bigint;
  /** The largest size of each queue, powers of two. */
  readonly queueSizes: readonly number[];
  /** The configuration space as the driver reads it now. */
  readonly configuration: Uint8Array;
  /** The driver writes to the configuration space. Default: such writes are ignored. */
  writeConfiguration?(offset: number, bytes: Uint8Array): void;
  /** The driver is ready (DRIVER_OK). Requests may wait in the queues already: each queue is notified next. */
  activate(context: VirtioContext): void;
  /** A doorbell: there may be requests in the queue. */
  notify(queue: number): void;
  /** Returns to the state after power-on; what is in flight must not reach the guest any more. */
  reset(): void;
  /** Resolves when no request is in flight; nothing new is begun until {@link resume}. */
  quiesce(): Promise<void>;
  /** Ends what {@link quiesce} began: requests that arrived in the meantime are begun. */
  resume(): void;
  /** The device's own state as plain data; quiescent. The transport saves the queues. */
  save(): DeviceState;
  /** Takes back what {@link save} gave, before `activate` if the saved device was active. Throws `invalid-argument`. */
  restore(state: DeviceState): void;
}
