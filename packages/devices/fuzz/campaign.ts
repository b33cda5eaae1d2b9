/**
 * Drives a device with requests of a driver that is wrong, or evil: valid ones,
 * mutated in their descriptors, rings and contents. What must hold: nothing
 * throws, nothing outside RAM is touched (the test's RAM throws), no request
 * keeps the host long, a broken driver reads NEEDS_RESET, and after a
 * reset the device serves as before.
 */

import { TestBench } from "../src/para/virtio/test-device.js";
import { Descriptor, type TestDriver } from "../src/para/virtio/test-memory.js";
import { Random } from "./random.js";
import { type Part, SUBJECTS, type Subject } from "./subjects.js";

/** Where buffers and indirect tables lie, behind the queues. */
const BUFFERS = 0x8_0000;
const BUFFER_ROOM = 0x6_0000;
const TABLE = 0xf_0000;
const QUEUE_SIZE = 16;
const NEEDS_RESET = 64;
/** The host waits at most so long for one doorbell. */
const PATIENCE_MS = 2000;
/** The event loop turns after so many requests, unless the subject wants it more often. */
const BURST = 256;

export interface CampaignOptions {
  readonly device: string;
  readonly chains: number;
  readonly seed: number;
  readonly progress?: (done: number) => void;
}

export interface CampaignResult {
  /** Chains that were offered. */
  readonly chains: number;
  /** Of these, chains that the device took for requests and answered. */
  readonly answered: number;
  /** Times that the driver was told to reset the device. */
  readonly resets: number;
  readonly slowestMs: number;
}

/** Runs a campaign; rejects with what went wrong, and the seed and number of the chain that did it. */
export async function runCampaign({ device, chains, seed, progress }: CampaignOptions): Promise<CampaignResult> {
  const make = SUBJECTS[device];
  if (make === undefined) throw new Error(`there is no device "${device}": ${Object.keys(SUBJECTS).join(", ")}`);
  const subject = await make();
  const { turnEvery = BURST } = subject;
  const campaign = new Campaign(subject, new Random(seed));
  for (let done = 0; done < chains; done++) {
    try {
      campaign.step();
      if (done % turnEvery === 0) {
        progress?.(done);
        await new Promise((resolve) => setImmediate(resolve));
      }
    } catch (cause) {
      throw new Error(`${device}, seed ${seed}, chain ${done}: ${String(cause)}`, { cause });
    }
  }
  subject.device.reset();
  subject.letGo?.();
  await subject.device.quiesce();
  await new Promise((resolve) => setImmediate(resolve));
  try {
    subject.atEnd?.();
  } catch (cause) {
    throw new Error(`${device}, seed ${seed}, at the end: ${String(cause)}`, { cause });
  }
  return campaign.result(chains);
}

class Campaign {
  readonly #subject: Subject;
  readonly #random: Random;
  readonly #bench: TestBench;
  #drivers: TestDriver[] = [];
  #answered = 0;
  #resets = 0;
  #slowestMs = 0;

  constructor(subject: Subject, random: Random) {
    this.#subject = subject;
    this.#random = random;
    this.#bench = new TestBench(subject.device);
    this.#restart();
  }

  result(chains: number): CampaignResult {
    return { chains, answered: this.#answered, resets: this.#resets, slowestMs: this.#slowestMs };
  }

  step(): void {
    const random = this.#random;
    if (random.once(500)) this.#scribbleRegisters();
    if (random.once(6)) this.#subject.disturb?.(random);
    const { queue, parts } = this.#subject.request(random);
    const isWrong = this.#subject.isCareful ? random.once(40) : random.below(10) < 4;
    this.#offer(queue, parts, isWrong ? 1 + random.below(3) : 0);
    const begin = performance.now();
    this.#bench.ring(random.once(50) ? random.below(70_000) : queue);
    this.#slowestMs = Math.max(this.#slowestMs, performance.now() - begin);
    if (this.#slowestMs > PATIENCE_MS) throw new Error(`a doorbell took ${Math.round(this.#slowestMs)} ms`);
    for (const driver of this.#drivers) while (driver.take() !== undefined) this.#answered++;
    this.#checkFailure();
  }

  /** A device that has told the host of a failure has told the driver, too. */
  #checkFailure(): void {
    const needsReset = (this.#bench.status & NEEDS_RESET) !== 0;
    const failed = this.#bench.failures.splice(0).length > 0;
    if (failed && !needsReset) throw new Error("the device failed, and does not say that it needs a reset");
    if (needsReset || this.#random.once(300)) this.#restart();
  }

  #restart(): void {
    const features = this.#random.once(4) ? BigInt(this.#random.below(2 ** 30)) : (1n << 64n) - 1n;
    this.#bench.start({ queueSize: QUEUE_SIZE, features });
    this.#drivers = this.#bench.drivers;
    this.#subject.restarted?.();
    this.#resets++;
  }

  /** Writes a chain, with mistakes, and makes it available. */
  #offer(queue: number, parts: readonly Part[], mistakes: number): void {
    const random = this.#random;
    const driver = this.#drivers[queue];
    if (driver === undefined) return;
    const { memory } = this.#bench;
    const isIndirect = random.once(3);
    const table = isIndirect ? memory.base + TABLE + 16 * random.below(64) : driver.table;
    const first = isIndirect ? 0 : random.below(QUEUE_SIZE);
    const indices = parts.map((_, n) => (isIndirect ? n : (first + n) % QUEUE_SIZE));
    for (const [n, part] of parts.entries()) {
      const length = typeof part === "number" ? part : part.length;
      const address = memory.base + BUFFERS + random.below(BUFFER_ROOM - length);
      if (typeof part !== "number") memory.bytes.set(part, address - memory.base);
      const flags = (n < parts.length - 1 ? Descriptor.Next : 0) | (typeof part === "number" ? Descriptor.Write : 0);
      driver.descriptor(indices[n] ?? 0, address, length, flags, indices[n + 1] ?? 0, table);
    }
    if (isIndirect) driver.descriptor(first, table, 16 * parts.length, Descriptor.Indirect);
    for (let n = 0; n < mistakes; n++) this.#mutate(driver, table, random.pick(indices));
    driver.offer(random.once(200) ? random.below(0x10000) : first);
  }

  /** Changes a descriptor, a ring, or a byte somewhere. */
  #mutate(driver: TestDriver, table: number, index: number): void {
    const random = this.#random;
    const { memory } = this.#bench;
    const at = (random.once(4) ? driver.table : table) + 16 * index;
    const end = memory.base + memory.bytes.length;
    switch (random.below(12)) {
      case 0:
        memory.store64(at, random.pick([0, 0x1000, end, end - 8, memory.base - 8, 2 ** 40, 2 ** 63]));
        break;
      case 1:
        memory.store64(at, random.pick([driver.table, driver.available, driver.used, memory.base]) + random.below(64));
        break;
      case 2:
        memory.store32(at + 8, random.pick([0, 1, 0xffff_ffff, 0x8000_0000, 0x10_0000, random.below(5000)]));
        break;
      case 3:
        memory.store16(at + 12, random.below(16));
        break;
      case 4:
        memory.store16(at + 14, random.pick([index, random.below(QUEUE_SIZE), random.below(0x10000)]));
        break;
      case 5:
        if (random.once(4)) memory.store16(driver.available + 2, random.below(0x10000));
        break;
      case 6:
        memory.store16(driver.available, random.below(4));
        memory.store16(driver.available + 4 + 2 * QUEUE_SIZE, random.below(0x10000));
        break;
      default: {
        // Mostly the contents: what gets through to the device's own code.
        const address = memory.load64(at);
        if (memory.contains(address, 64)) memory.store8(address + random.below(64), random.below(256));
      }
    }
  }

  /** Writes to registers as no driver would. */
  #scribbleRegisters(): void {
    const random = this.#random;
    for (let n = 0; n < 20; n++) {
      const offset = random.below(0x140);
      const width = random.pick([1, 2, 4, 4] as const);
      const value = random.pick([0, 1, 0xff, 15, random.below(2 ** 16), random.below(2 ** 32)]);
      if (random.once(2)) this.#bench.mmio.write(offset, width, value % 2 ** (8 * width));
      else this.#bench.mmio.read(offset, width);
    }
    this.#bench.failures.length = 0;
    this.#restart();
  }
}
