/** For tests: a virtio device on the MMIO transport with its driver, brought up as Linux brings devices up. */

import type { VirtioDevice } from "./device.js";
import { VirtioMmio } from "./mmio.js";
import { TestDriver, TestMemory } from "./test-memory.js";

const ALL = (1n << 64n) - 1n;
const VERSION_1 = 1n << 32n;

export interface StartOptions {
  /** Feature bits to take of those offered. Default: all. */
  readonly features?: bigint;
  readonly queueSize?: number;
  readonly beforeReady?: () => void;
}

export class TestBench {
  readonly memory: TestMemory;
  readonly mmio: VirtioMmio;
  readonly failures: string[] = [];
  readonly drivers: TestDriver[] = [];
  interrupt = false;

  /** Two benches on one memory are a device that is moved. */
  constructor(device: VirtioDevice, memory = new TestMemory()) {
    this.memory = memory;
    this.mmio = new VirtioMmio({
      device,
      memory: this.memory,
      interrupt: {
        set: (level) => {
          this.interrupt = level;
        },
      },
      interruptSource: 1,
      base: 0x1000_1000,
      onFailure: (_, reason) => this.failures.push(reason),
    });
    this.#queues = device.queueSizes;
  }

  readonly #queues: readonly number[];

  read(offset: number): number {
    return this.mmio.read(offset, 4);
  }

  write(offset: number, value: number): void {
    this.mmio.write(offset, 4, value);
  }

  get status(): number {
    return this.read(0x70);
  }

  get offered(): bigint {
    const half = (select: number) => {
      this.write(0x14, select);
      return BigInt(this.read(0x10));
    };
    return half(0) | (half(1) << 32n);
  }

  /** Negotiates, sets every queue up with 8 descriptors at a place of its own, and says that the driver is ready. */
  start({ features = ALL, queueSize = 8, beforeReady = () => {} }: StartOptions = {}): this {
    this.write(0x70, 0);
    this.write(0x70, 3);
    const taken = (this.offered & features) | VERSION_1;
    this.write(0x24, 0);
    this.write(0x20, Number(taken & 0xffff_ffffn));
    this.write(0x24, 1);
    this.write(0x20, Number(taken >> 32n));
    this.write(0x70, 11);
    this.drivers.length = 0;
    for (const n of this.#queues.keys()) {
      const driver = new TestDriver(this.memory, queueSize, this.memory.base + 0x8000 * n);
      this.memory.bytes.fill(0, 0x8000 * n, 0x8000 * (n + 1));
      this.write(0x30, n);
      this.write(0x38, queueSize);
      this.write(0x80, driver.table);
      this.write(0x90, driver.available);
      this.write(0xa0, driver.used);
      this.write(0x44, 1);
      this.drivers.push(driver);
    }
    beforeReady();
    this.write(0x70, 15);
    return this;
  }

  ring(queue = 0): void {
    this.write(0x50, queue);
  }

  /** Reads and acknowledges the causes of the interrupt. */
  acknowledge(): number {
    const causes = this.read(0x60);
    this.write(0x64, causes);
    return causes;
  }
}
