/** A virtio entropy device (virtio 1.2, 5.4): fills the driver's buffers from a source of the host's. */
import { type DeviceState, HartvisorError } from "@hartvisor/core";
import type { VirtioContext, VirtioDevice } from "../virtio/device.js";

/**
 * Bytes that one request gets. The driver may name more than exists, because buffers may overlap; a device may use
 * as little of a buffer as it likes (5.4.6.2 wants at least one byte).
 */
export const MAX_RNG_BYTES = 64 * 1024;

/** What a {@link VirtioRng} is made of. */
export interface VirtioRngOptions {
  /** Fills a buffer with entropy. Default: the host's `crypto.getRandomValues`. */
  readonly source?: (into: Uint8Array) => void;
  /** Unique on its machine. Default: `rng`. */
  readonly name?: string;
}

/**
 * An entropy source for the guest.
 *
 * @example
 * ```ts
 * host.plug((interrupt) => new VirtioPci({ device: new VirtioRng(), memory, interrupt }));
 * ```
 */
export class VirtioRng implements VirtioDevice {
  readonly name: string;
  readonly type = 4;
  readonly features = 0n;
  readonly queueSizes = [64];
  readonly configuration = new Uint8Array(0);
  readonly #source: (into: Uint8Array) => void;
  readonly #bytes = new Uint8Array(MAX_RNG_BYTES);
  #context: VirtioContext | undefined;
  #isPaused = false;

  constructor({ source, name = "rng" }: VirtioRngOptions = {}) {
    this.name = name;
    this.#source = source ?? ((into) => crypto.getRandomValues(into as Uint8Array<ArrayBuffer>));
  }

  activate(context: VirtioContext): void {
    this.#context = context;
  }

  notify(): void {
    const queue = this.#context?.queues[0];
    if (queue === undefined || this.#isPaused) return;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const bytes = this.#bytes.subarray(0, Math.min(chain.writableBytes, MAX_RNG_BYTES));
      this.#source(bytes);
      queue.complete(chain, chain.write(0, bytes));
    }
    queue.askForNotification();
    queue.publish();
  }

  reset(): void {
    this.#context = undefined;
  }

  async quiesce(): Promise<void> {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.notify();
  }

  save(): DeviceState {
    return { version: 1 };
  }

  restore({ version }: DeviceState): void {
    if (version !== 1) throw new HartvisorError("invalid-argument", `cannot restore ${this.name}: version ${version}`);
  }
}
