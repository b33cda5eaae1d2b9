/**
 * The page tables of a paravirtual guest ("direct paging": its harts walk them as they are). A page becomes a table by
 * being pinned: all of its entries are checked, and from then on it can be changed entry by entry, through here, only.
 * So no table that a hart walks ever names what is not the guest's, or lets a table be written past the monitor.
 */
import type { Bus } from "../bus/bus.js";
import { SbiError, type SbiResult } from "../hypercall/extension.js";
import { FRAME_SIZE, type FramePool } from "../memory/frame-pool.js";
import type { GuestMemory } from "../memory/guest-memory.js";

/** Tables of Sv57 have five levels, of which 0 is the lowest. */
export const HIGHEST_LEVEL = 4;
const ENTRIES = 512;
/** Bytes of an update: the entry's address and its value. */
const UPDATE_SIZE = 16;
/** Updates of one call: a hart is held up for about a millisecond at most. */
export const MAX_UPDATES = 4096;

// Bits of the lower word of an entry (Privileged ISA 1.13, 10.4).
const V = 1;
const R = 2;
const W = 4;
const X = 8;
const U = 16;
const A = 64;
const D = 128;
/** Bits 54 to 63 in the upper word: reserved, Svpbmt's and Svnapot's, which tables here do not use. */
const RESERVED_SHIFT = 22;

export interface PinnedTablesHost {
  readonly pool: FramePool;
  readonly memory: GuestMemory;
  readonly bus: Bus;
  /** Whether a page of RAM is a root of a hart's, or holds its area. */
  isInUse(page: number): boolean;
  /** Goes by the write guard, as every write does. */
  prepareWrite(address: number, length: number): void;
}

/** What an entry becomes in place of a value, as hooks have it. */
export type UpdateFilter = (address: number, before: bigint, value: bigint) => bigint | "deny";

export class PinnedTables {
  readonly #host: PinnedTablesHost;
  readonly #words: Uint32Array;
  /** By page of RAM: its level plus one; 0 if it is no table. */
  readonly #levels: Uint8Array;
  /** By page of RAM: entries of pinned tables that lead to it as a table. */
  readonly #references: Uint32Array;
  readonly #firstPage: number;
  #pinned = 0;
  #updated = 0;

  constructor(host: PinnedTablesHost) {
    this.#host = host;
    this.#words = new Uint32Array(host.pool.memory.buffer);
    const pages = host.memory.size / FRAME_SIZE;
    this.#levels = new Uint8Array(pages);
    this.#references = new Uint32Array(pages);
    this.#firstPage = host.memory.base / FRAME_SIZE;
  }

  /** How many pages are pinned. */
  get pinned(): number {
    return this.#pinned;
  }

  /** How many entries were updated. */
  get updated(): number {
    return this.#updated;
  }

  /** Makes a page a table of a level; the value of a refusal is the first entry that is wrong. */
  pin(pageNumber: bigint, level: bigint): SbiResult {
    if (level > BigInt(HIGHEST_LEVEL)) return { error: SbiError.InvalidParam };
    const page = this.#pageOf(pageNumber);
    if (page === undefined) return { error: SbiError.InvalidAddress };
    if (this.#levels[page] !== 0) return { error: SbiError.AlreadyAvailable };
    if (this.#host.isInUse(page)) return { error: SbiError.Denied };
    const first = this.#wordOf(page);
    for (let n = 0; n < ENTRIES; n++) {
      const error = this.#errorOf(this.#word(first + 2 * n), this.#word(first + 2 * n + 1), Number(level));
      if (error !== SbiError.Success) return { error, value: BigInt(n) };
    }
    this.#levels[page] = Number(level) + 1;
    this.#host.memory.pinTable(page, Number(level));
    this.#refer(first, 1);
    this.#pinned++;
    return { error: SbiError.Success };
  }

  /** Makes a table an ordinary page again. */
  unpin(pageNumber: bigint): SbiResult {
    const page = this.#pageOf(pageNumber);
    if (page === undefined) return { error: SbiError.InvalidAddress };
    if (this.#levels[page] === 0 || this.#references[page] !== 0 || this.#host.isInUse(page)) {
      return { error: SbiError.Denied };
    }
    this.#levels[page] = 0;
    this.#host.memory.pinTable(page, undefined);
    // What a hart has reserved in it, updates may have changed.
    this.#host.prepareWrite((page + this.#firstPage) * FRAME_SIZE, FRAME_SIZE);
    this.#refer(this.#wordOf(page), -1);
    this.#pinned--;
    return { error: SbiError.Success };
  }

  /** Applies an array of updates in guest memory in order, up to the first that is refused; the value is how many were done. */
  update(count: bigint, address: bigint, filter?: UpdateFilter): SbiResult {
    if (count > BigInt(MAX_UPDATES) || address % 8n !== 0n) return { error: SbiError.InvalidParam };
    const bytes = this.#host.memory.read(address, Number(count) * UPDATE_SIZE);
    if (bytes === undefined) return { error: SbiError.InvalidAddress };
    const words = new Uint32Array(bytes.buffer);
    let done = 0;
    let error: number = SbiError.Success;
    for (let n = 0; n < words.length; n += 4) {
      const entry = (words[n + 1] ?? 0) * 2 ** 32 + (words[n] ?? 0);
      if (filter !== undefined && !this.#filter(words.subarray(n, n + 4), entry, filter)) error = SbiError.Denied;
      else error = this.#set(entry, words[n + 2] ?? 0, words[n + 3] ?? 0);
      if (error !== SbiError.Success) break;
      done++;
    }
    this.#updated += done;
    return { error, value: BigInt(done) };
  }

  /** Whether the host or a device may write to a range of RAM: not to a table. */
  admitsWrite(address: number, length: number): boolean {
    if (this.#pinned === 0) return true;
    const last = Math.floor((address + length - 1) / FRAME_SIZE) - this.#firstPage;
    for (let page = Math.floor(address / FRAME_SIZE) - this.#firstPage; page <= last; page++) {
      if ((this.#levels[page] ?? 0) !== 0) return false;
    }
    return true;
  }

  /** Guest pages have other frames now, of the same contents: the guards go with them. */
  framesChanged(): void {
    this.#host.memory.unpinAllTables();
    for (const [page, level] of this.#levels.entries()) {
      if (level !== 0) this.#host.memory.pinTable(page, level - 1);
    }
  }

  /** Puts into an update what a filter makes of it; false if that denies it. What is no entry is refused later on. */
  #filter(update: Uint32Array, address: number, filter: UpdateFilter): boolean {
    const page = Math.floor(address / FRAME_SIZE) - this.#firstPage;
    if (address % 8 !== 0 || (this.#levels[page] ?? 0) === 0) return true;
    const word = this.#wordOf(page) + (address % FRAME_SIZE) / 4;
    const before = wordsToEntry(this.#word(word), this.#word(word + 1));
    const value = filter(address, before, wordsToEntry(update[2] ?? 0, update[3] ?? 0));
    if (value === "deny") return false;
    update[2] = Number(BigInt.asUintN(32, value));
    update[3] = Number(value >> 32n);
    return true;
  }

  #set(address: number, low: number, high: number): number {
    if (address % 8 !== 0) return SbiError.InvalidParam;
    const page = Math.floor(address / FRAME_SIZE) - this.#firstPage;
    const level = this.#levels[page];
    if (level === undefined) return SbiError.InvalidAddress;
    if (level === 0) return SbiError.Denied;
    const error = this.#errorOf(low, high, level - 1);
    if (error !== SbiError.Success) return error;
    if (this.#host.memory.isWriteGuarded(page)) this.#host.prepareWrite(address, 8);
    const word = this.#wordOf(page) + (address % FRAME_SIZE) / 4;
    this.#referTo(low, high, 1);
    this.#referTo(this.#word(word), this.#word(word + 1), -1);
    this.#words[word] = low;
    this.#words[word + 1] = high;
    return SbiError.Success;
  }

  /** What speaks against an entry of a table of this level. */
  #errorOf(low: number, high: number, level: number): number {
    if ((low & V) === 0) return SbiError.Success;
    if (high >>> RESERVED_SHIFT !== 0) return SbiError.InvalidParam;
    const target = pageIn(low, high);
    const page = target - this.#firstPage;
    if ((low & (R | W | X)) === 0) {
      if (level === 0 || (low & (U | A | D)) !== 0) return SbiError.InvalidParam;
      const levelBelow = this.#levels[page];
      if (levelBelow === undefined) return SbiError.InvalidAddress;
      return levelBelow === level ? SbiError.Success : SbiError.Denied;
    }
    const pages = ENTRIES ** level;
    if ((low & (R | W)) === W || (low & U) === 0 || target % pages !== 0) return SbiError.InvalidParam;
    const count = this.#levels.length;
    if (page >= 0 && page + pages <= count) return SbiError.Success;
    const isDevice = (page >= count || page + pages <= 0) && this.#holdsDevice(target, pages);
    return isDevice ? SbiError.Success : SbiError.InvalidAddress;
  }

  #holdsDevice(target: number, pages: number): boolean {
    const start = target * FRAME_SIZE;
    const end = start + pages * FRAME_SIZE;
    return this.#host.bus.devices.some(({ base, size }) => base < end && start < base + size);
  }

  /** Counts the tables that those of a page's entries lead to. */
  #refer(first: number, change: number): void {
    for (let n = 0; n < ENTRIES; n++) this.#referTo(this.#word(first + 2 * n), this.#word(first + 2 * n + 1), change);
  }

  #referTo(low: number, high: number, change: number): void {
    if ((low & (V | R | W | X)) !== V) return;
    const page = pageIn(low, high) - this.#firstPage;
    this.#references[page] = (this.#references[page] ?? 0) + change;
  }

  #word(index: number): number {
    return this.#words[index] ?? 0;
  }

  /** Index in linear memory of a page's first word. */
  #wordOf(page: number): number {
    return (this.#host.pool.framesBase + this.#host.memory.frameOf(page) * FRAME_SIZE) / 4;
  }

  /** The page of RAM of a guest-physical page number. */
  #pageOf(pageNumber: bigint): number | undefined {
    const page = Number(pageNumber) - this.#firstPage;
    return page >= 0 && page < this.#levels.length ? page : undefined;
  }
}

const wordsToEntry = (low: number, high: number): bigint => (BigInt(high) << 32n) | BigInt(low);
/** The page number in an entry. */
const pageIn = (low: number, high: number): number => (low >>> 10) + (high & 0x3fffff) * 2 ** 22;
