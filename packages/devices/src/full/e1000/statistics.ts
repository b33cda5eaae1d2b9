/** The statistics registers (82540EM manual, 13.7): counters that stop at their end, and are 0 again once they were read. */
import { Register, STATISTICS_END } from "./registers.js";

/** The counters that count anything here; the others count errors that no cable without noise brings. */
export const Counter = {
  ReceiveLengthErrors: 0x4040,
  /** Six registers: up to 64 bytes, 127, 255, 511, 1023, and longer. */
  ReceivedBySize: 0x405c,
  GoodReceived: 0x4074,
  BroadcastReceived: 0x4078,
  MulticastReceived: 0x407c,
  GoodTransmitted: 0x4080,
  GoodBytesReceived: 0x4088,
  GoodBytesTransmitted: 0x4090,
  ReceiveOversize: 0x40ac,
  BytesReceived: 0x40c0,
  BytesTransmitted: 0x40c8,
  Received: 0x40d0,
  Transmitted: 0x40d4,
  TransmittedBySize: 0x40d8,
  MulticastTransmitted: 0x40f0,
  BroadcastTransmitted: 0x40f4,
  SegmentationContexts: 0x40f8,
} as const;

const WORDS = (STATISTICS_END - Register.Statistics) / 4;
/** Registers of 64 bits, by the offset of their lower half: reading the upper one clears both. */
const WIDE: ReadonlySet<number> = new Set([
  Counter.GoodBytesReceived,
  Counter.GoodBytesTransmitted,
  Counter.BytesReceived,
  Counter.BytesTransmitted,
]);

export class Statistics {
  readonly #words = new Uint32Array(WORDS);

  /** Reads a register, which clears it. */
  read(offset: number): number {
    const value = this.#words[index(offset)] ?? 0;
    if (WIDE.has(offset - 4)) {
      this.#words[index(offset - 4)] = 0;
      this.#words[index(offset)] = 0;
    } else if (!WIDE.has(offset)) this.#words[index(offset)] = 0;
    return value;
  }

  count(counter: number, events = 1): void {
    const at = index(counter);
    this.#words[at] = Math.min((this.#words[at] ?? 0) + events, 0xffff_ffff);
  }

  countBytes(counter: number, bytes: number): void {
    const at = index(counter);
    const low = (this.#words[at] ?? 0) + bytes;
    this.#words[at] = low % 2 ** 32;
    if (low >= 2 ** 32) this.count(counter + 4);
  }

  /** Counts packets of a length, check sequence included, in one of six registers. */
  countSize(first: number, bytes: number, packets = 1): void {
    const size = bytes <= 64 ? 0 : bytes < 128 ? 1 : bytes < 256 ? 2 : bytes < 512 ? 3 : bytes < 1024 ? 4 : 5;
    this.count(first + 4 * size, packets);
  }

  reset(): void {
    this.#words.fill(0);
  }

  save(): Uint32Array {
    return this.#words.slice();
  }

  restore(words: Uint32Array): void {
    this.#words.set(words);
  }
}

export const STATISTICS_WORDS: number = WORDS;

function index(offset: number): number {
  return (offset - Register.Statistics) / 4;
}
