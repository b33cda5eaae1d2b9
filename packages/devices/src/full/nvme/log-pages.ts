/** The log pages that every controller has (NVM Express 1.4, 5.14.1): errors, health, firmware. */
import type { NvmeCommand } from "./command.js";
import type { NamespaceStatistics } from "./namespace.js";

export const LogPage = { Error: 0x01, Health: 0x02, Firmware: 0x03 } as const;

/** Errors that are remembered. */
export const ERROR_LOG_ENTRIES = 16;
const ENTRY_SIZE = 64;
/** Unit of the data counters: a thousand blocks of 512 bytes. */
const DATA_UNIT = 512_000;
/** What the disk always has, as it has none. */
export const TEMPERATURE_KELVINS = 310;
/** Critical warning: the temperature is beyond a limit. */
const TEMPERATURE_WARNING = 2;

/** The last commands that failed, newest first (5.14.1.1). */
export class ErrorLog {
  #entries: Uint8Array[] = [];
  #count = 0;

  /** Errors since power-on. */
  get count(): number {
    return this.#count;
  }

  add(command: NvmeCommand, outcome: number): void {
    const full = this.#entries.length === ERROR_LOG_ENTRIES;
    const entry = (full ? this.#entries.pop() : undefined) ?? new Uint8Array(ENTRY_SIZE);
    const view = new DataView(entry.buffer);
    this.#count++;
    view.setBigUint64(0, BigInt(this.#count), true);
    view.setUint16(8, command.queue.id, true);
    view.setUint16(10, command.id, true);
    view.setUint16(12, outcome << 1, true);
    view.setUint16(14, 0xffff, true); // the error is in no particular parameter
    view.setUint32(16, command.dword(10), true);
    view.setUint32(20, command.dword(11), true);
    view.setUint32(24, command.namespace, true);
    this.#entries.unshift(entry);
  }

  page(): Uint8Array {
    const bytes = new Uint8Array(ERROR_LOG_ENTRIES * ENTRY_SIZE);
    for (const [n, entry] of this.#entries.entries()) bytes.set(entry, n * ENTRY_SIZE);
    return bytes;
  }

  save(): Uint8Array {
    const bytes = new Uint8Array(8 + this.#entries.length * ENTRY_SIZE);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(this.#count), true);
    for (const [n, entry] of this.#entries.entries()) bytes.set(entry, 8 + n * ENTRY_SIZE);
    return bytes;
  }

  /** Takes what {@link save} gave: eight bytes and up to sixteen entries. */
  restore(bytes: Uint8Array): void {
    this.#count = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    this.#entries = [];
    for (let at = 8; at + ENTRY_SIZE <= bytes.length; at += ENTRY_SIZE) {
      this.#entries.push(bytes.slice(at, at + ENTRY_SIZE));
    }
  }
}

/** SMART / health information (5.14.1.2). */
export function healthPage(statistics: NamespaceStatistics, errors: number, isBeyondLimits: boolean): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  bytes[0] = isBeyondLimits ? TEMPERATURE_WARNING : 0;
  view.setUint16(1, TEMPERATURE_KELVINS, true);
  bytes[3] = 100; // spare, in percent
  bytes[4] = 10; // its threshold
  const { readBytes, writtenBytes, reads, writes, mediaErrors } = statistics;
  const counters: readonly (readonly [number, number])[] = [
    [32, Math.ceil(readBytes / DATA_UNIT)],
    [48, Math.ceil(writtenBytes / DATA_UNIT)],
    [64, reads],
    [80, writes],
    [112, 1], // power cycles
    [160, mediaErrors],
    [176, errors],
  ];
  for (const [at, value] of counters) view.setBigUint64(at, BigInt(value), true);
  return bytes;
}

/** Firmware slot information (5.14.1.3): slot 1 is active. */
export function firmwarePage(revision: string): Uint8Array {
  const bytes = new Uint8Array(512);
  bytes[0] = 1;
  bytes.set(new TextEncoder().encode(revision.padEnd(8)), 8);
  return bytes;
}
