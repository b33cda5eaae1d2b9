/**
 * A machine's physical memory: guest-physical pages, each mapped to a frame of
 * the pool, or to none. With a pool of the machine's own it begins as one
 * extent that can be broken page by page; on a shared one pages get frames when
 * they are first touched. A page without frame reads as zeros. Devices and the
 * host reach guest memory through here only, so that the write guard
 * sees every write.
 */
import { CONSTANTS } from "../../isa/layout.js";
import { HartvisorError } from "../error.js";
import type { HypercallMemory } from "../hypercall/extension.js";
import type { DmaMemory } from "./dma.js";
import { FRAME_SIZE, type FramePool } from "./frame-pool.js";

/** What the interpreter does for guest memory; the harts' TLBs are its business. */
export interface WriteGuard {
  /** Makes frames ready for a write; false where the range is not all RAM, or holds a page table that only its monitor writes. */
  prepareHostWrite(address: bigint, length: number): boolean;
  /** Drops the store-TLB entries of the frame at a machine offset, on every hart. */
  dropStoreEntries(offset: number): void;
  /** Drops every translation and all decoded code: a guest page has another frame now. */
  dropTranslations(): void;
  /** Drops what leads to frames: their decoded code, and translations to those with GUARD_RELEASED. */
  dropFrames(frames: readonly number[]): void;
  /** The pool has no frame for a page, or only one of its reserve: the machine must wait. */
  framesExhausted(): void;
}

export interface GuestMemoryTables {
  /** Offset of the guest page -> frame table (u32 each). */
  readonly physicalToFrame: number;
  /** Offset of the pool's frame metadata. */
  readonly frameMetadata: number;
}

const PIN_GUARDS = CONSTANTS.GUARD_PINNED | (7 << CONSTANTS.PIN_LEVEL_SHIFT);
const { ABSENT, ABSENT_UNCHANGED, FRAME_METADATA_SIZE } = CONSTANTS;
/** Words of a frame's metadata. */
const METADATA_WORDS = FRAME_METADATA_SIZE / 4;

/** What is written to a page without frame where there is none to have. */
const SINK = new Uint8Array(FRAME_SIZE);

export class GuestMemory implements HypercallMemory, DmaMemory {
  /** Guest-physical address of the first byte. */
  readonly base: number;
  /** Length in bytes. */
  readonly size: number;
  readonly #pool: FramePool;
  readonly #guard: WriteGuard;
  readonly #bytes: Uint8Array;
  readonly #scalars: DataView;
  readonly #frames: Uint32Array;
  /** Four words per frame; the first holds the guards. */
  readonly #metadata: Uint32Array;
  /** Pages that have no frame. */
  #absent = 0;
  /** Who waits for frames. */
  readonly #retries = new Set<() => void>();
  #isClosed = false;

  /** On a pool that it shares, memory begins without frames. */
  constructor(
    pool: FramePool,
    base: number,
    size: number,
    tables: GuestMemoryTables,
    guard: WriteGuard,
    isShared = false,
  ) {
    this.base = base;
    this.size = size;
    this.#pool = pool;
    this.#guard = guard;
    const pages = size / FRAME_SIZE;
    const { buffer } = pool.memory;
    this.#bytes = new Uint8Array(buffer);
    this.#scalars = new DataView(buffer);
    this.#frames = new Uint32Array(buffer, tables.physicalToFrame, pages);
    this.#metadata = new Uint32Array(buffer, tables.frameMetadata, pool.frameCount * METADATA_WORDS);
    if (isShared) {
      this.#frames.fill(ABSENT);
      this.#absent = pages;
      return;
    }
    const first = pool.allocateExtent(pages);
    for (let page = 0; page < pages; page++) this.#frames[page] = first + page;
  }

  /** Pages that have a frame. */
  get framesInUse(): number {
    return this.#frames.length - this.#absent;
  }

  /** Copies guest memory out; undefined where the range is not all RAM. */
  read(address: number | bigint, length: number): Uint8Array | undefined {
    const start = this.#offset(address, length);
    if (start === undefined) return undefined;
    const bytes = new Uint8Array(length);
    for (const { at, machine, count } of this.#pieces(start, length)) {
      bytes.set(this.#bytes.subarray(machine, machine + count), at);
    }
    return bytes;
  }

  /**
   * Copies into guest memory; false, and nothing written, where the range is not all RAM or holds a pinned page table. Throws
   * `out-of-memory`, with nothing written, where pages need frames and the pool has none left.
   */
  write(address: number | bigint, bytes: Uint8Array): boolean {
    const start = this.#offset(address, bytes.length);
    if (start === undefined) return false;
    if (bytes.length === 0) return true;
    if (!this.#supplyRange(start, bytes.length, false)) {
      throw new HartvisorError(
        "out-of-memory",
        `the pool has no frames left for ${bytes.length} bytes of guest memory`,
      );
    }
    if (!this.#guard.prepareHostWrite(BigInt(this.base + start), bytes.length)) return false;
    for (const { at, machine, count } of this.#pieces(start, bytes.length)) {
      this.#bytes.set(bytes.subarray(at, at + count), machine);
    }
    return true;
  }

  contains(address: number, length: number): boolean {
    return this.#offset(address, length) !== undefined;
  }

  load16(address: number): number {
    const machine = this.#scalar(address, 2);
    if (machine >= 0) return this.#scalars.getUint16(machine, true);
    return this.#split(address, 2).getUint16(0, true);
  }

  load32(address: number): number {
    const machine = this.#scalar(address, 4);
    if (machine >= 0) return this.#scalars.getUint32(machine, true);
    return this.#split(address, 4).getUint32(0, true);
  }

  load64(address: number): number {
    return this.load32(address + 4) * 2 ** 32 + this.load32(address);
  }

  store8(address: number, value: number): void {
    if (!this.#supplyRange(address - this.base, 1, true)) return;
    if (!this.#guard.prepareHostWrite(BigInt(address), 1)) return;
    this.#scalars.setUint8(this.#scalar(address, 1), value);
  }

  store16(address: number, value: number): void {
    this.#store(address, 2, value);
  }

  store32(address: number, value: number): void {
    this.#store(address, 4, value);
  }

  readableViews(address: number, length: number, into: Uint8Array[]): void {
    const start = address - this.base;
    for (let at = 0; at < length; ) {
      const machine = this.#machine(start + at);
      let count = FRAME_SIZE - ((start + at) % FRAME_SIZE);
      while (at + count < length && this.#machine(start + at + count) === machine + count) count += FRAME_SIZE;
      count = Math.min(count, length - at);
      into.push(this.#bytes.subarray(machine, machine + count));
      at += count;
    }
  }

  /** Where a guest has given up what a device still writes to, and the pool has no frame left, the views lead nowhere. */
  writableViews(address: number, length: number, into: Uint8Array[]): void {
    if (this.#supplyRange(address - this.base, length, true) && this.#guard.prepareHostWrite(BigInt(address), length)) {
      this.readableViews(address, length, into);
      return;
    }
    // What is meant for a page that cannot be written goes nowhere.
    for (let at = 0; at < length; ) {
      const count = Math.min(FRAME_SIZE - ((address + at) % FRAME_SIZE), length - at);
      if (this.#guard.prepareHostWrite(BigInt(address + at), count)) this.readableViews(address + at, count, into);
      else into.push(SINK.subarray(0, count));
      at += count;
    }
  }

  populate(address: number, length: number, retry: () => void): boolean {
    if (this.#supplyRange(address - this.base, length, false)) return true;
    this.#retries.add(retry);
    this.#guard.framesExhausted();
    return false;
  }

  /** As {@link populate}, for a few bytes that must not wait: even from the pool's reserve. False, too, if the range is not all RAM. */
  supplyReserved(address: number | bigint, length: number): boolean {
    const start = this.#offset(address, length);
    return start !== undefined && this.#supplyRange(start, length, true);
  }

  /** Calls back whom {@link populate} has refused. */
  retry(): void {
    const retries = [...this.#retries];
    this.#retries.clear();
    for (const retry of retries) retry();
  }

  discard(pages: readonly number[]): void {
    const first = this.base / FRAME_SIZE;
    const frames: number[] = [];
    for (const number of pages) {
      const page = number - first;
      const frame = this.#frames[page];
      if (frame === undefined) throw new RangeError(`page ${number} is not RAM`);
      if (frame >= ABSENT_UNCHANGED) continue;
      const guards = this.#metadata[frame * METADATA_WORDS] ?? 0;
      if (guards & CONSTANTS.GUARD_PINNED) continue;
      this.#metadata[frame * METADATA_WORDS] = guards | CONSTANTS.GUARD_RELEASED;
      this.#frames[page] = ABSENT;
      frames.push(frame);
    }
    if (frames.length === 0) return;
    this.#guard.dropFrames(frames);
    this.#release(frames);
  }

  /** Gives every frame back; from now on nothing is RAM. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const frames = [...this.#frames].filter((frame) => frame < ABSENT_UNCHANGED);
    this.#frames.fill(ABSENT);
    this.#release(frames);
  }

  /** For the interpreter: puts a frame behind a page that has none; ABSENT if the pool is exhausted. */
  supply(page: number): number {
    return this.#supply(page, false) ? (this.#frames[page] ?? ABSENT) : ABSENT;
  }

  /** Whether a guest page has a frame. */
  hasFrame(page: number): boolean {
    return (this.#frames[page] ?? ABSENT) < ABSENT_UNCHANGED;
  }

  /** The frame behind a guest page, counted from the first page of RAM; one that has none gets one. Throws `out-of-memory`. */
  frameOf(page: number): number {
    const frame = this.#frames[page];
    if (frame === undefined) throw new RangeError(`the machine has no page ${page}`);
    if (frame < ABSENT_UNCHANGED) return frame;
    if (!this.#supply(page, true)) throw new HartvisorError("out-of-memory", "the pool has no frame left");
    return this.#frames[page] ?? ABSENT;
  }

  /** Puts another frame of the pool behind a guest page. */
  remap(page: number, frame: number): void {
    this.frameOf(page);
    if (!(frame >= 0 && frame < this.#pool.frameCount)) throw new RangeError(`the pool has no frame ${frame}`);
    this.#frames[page] = frame;
    this.#guard.dropTranslations();
  }

  /** Begins dirty tracking: from now on {@link dirtyPages} tells which pages were written. */
  trackWrites(): void {
    for (let page = 0; page < this.#frames.length; page++) this.#logWrites(page);
  }

  /** The pages written since tracking began or since the last call, which begins anew for them. */
  dirtyPages(): number[] {
    const dirty: number[] = [];
    for (let page = 0; page < this.#frames.length; page++) {
      if (this.#isUnchanged(page)) continue;
      dirty.push(page);
      this.#logWrites(page);
    }
    return dirty;
  }

  /** Guards the page that holds an address, so that stores to the watched bytes are reported. */
  guardWatch(address: number): void {
    this.#setGuard((address - this.base) / FRAME_SIZE, CONSTANTS.GUARD_WATCH);
  }

  /** Makes stores to the page behind a frame the monitor's business, or leaves them to the guest again. */
  guardTable(frame: number, isShadowed: boolean): void {
    const index = frame * METADATA_WORDS;
    const guards = (this.#metadata[index] ?? 0) & ~CONSTANTS.GUARD_SHADOW;
    this.#metadata[index] = isShadowed ? guards | CONSTANTS.GUARD_SHADOW : guards;
    if (isShadowed) this.#guard.dropStoreEntries(this.#pool.framesBase + frame * FRAME_SIZE);
  }

  /** Makes a page a page table of a level, which stores do not reach, or an ordinary page again. */
  pinTable(page: number, level: number | undefined): void {
    const index = this.frameOf(page) * METADATA_WORDS;
    const guards = (this.#metadata[index] ?? 0) & ~PIN_GUARDS;
    if (level === undefined) this.#metadata[index] = guards;
    else {
      this.#metadata[index] = guards | CONSTANTS.GUARD_PINNED | (level << CONSTANTS.PIN_LEVEL_SHIFT);
      this.#guard.dropStoreEntries(this.#frameOffset(page));
    }
  }

  /** Whether a write to a page concerns more than its monitor: code was decoded from it, or writes are logged. */
  isWriteGuarded(page: number): boolean {
    return (this.#guards(page) & ~PIN_GUARDS) !== 0;
  }

  /** Takes the guard of pinned tables from every frame. */
  unpinAllTables(): void {
    for (let index = 0; index < this.#metadata.length; index += METADATA_WORDS) {
      this.#metadata[index] = (this.#metadata[index] ?? 0) & ~PIN_GUARDS;
    }
  }

  /** Offset in linear memory of a guest-physical address that is RAM. */
  machineOffset(address: number): number {
    const start = address - this.base;
    this.frameOf(Math.floor(start / FRAME_SIZE));
    return this.#machine(start);
  }

  /** The guest-physical address of what lies at an offset in linear memory, in one of the guest's frames. */
  addressOf(machine: number): number {
    const frame = Math.floor((machine - this.#pool.framesBase) / FRAME_SIZE);
    const inExtent = frame - this.frameOf(0);
    const page = this.#frames[inExtent] === frame ? inExtent : this.#frames.indexOf(frame);
    return this.base + page * FRAME_SIZE + ((machine - this.#pool.framesBase) % FRAME_SIZE);
  }

  /** Where a byte of RAM lies; for a page without frame, among the zeros at the memory's beginning. */
  #machine(start: number): number {
    return this.#frameOffset(Math.floor(start / FRAME_SIZE)) + (start % FRAME_SIZE);
  }

  /** Offset in linear memory of a scalar in RAM; negative if it lies in two frames. */
  #scalar(address: number, width: number): number {
    const start = address - this.base;
    return (start % FRAME_SIZE) + width > FRAME_SIZE ? -1 : this.#machine(start);
  }

  /** A copy of a scalar that lies in two frames. */
  #split(address: number, width: number): DataView {
    const bytes = this.read(address, width);
    if (bytes === undefined) throw new RangeError(`0x${address.toString(16)} is not RAM`);
    return new DataView(bytes.buffer);
  }

  #store(address: number, width: 2 | 4, value: number): void {
    if (!this.#supplyRange(address - this.base, width, true)) return;
    const machine = this.#scalar(address, width);
    if (machine < 0) {
      this.write(address, new Uint8Array(Uint32Array.of(value).buffer, 0, width));
      return;
    }
    if (!this.#guard.prepareHostWrite(BigInt(address), width)) return;
    if (width === 2) this.#scalars.setUint16(machine, value, true);
    else this.#scalars.setUint32(machine, value, true);
  }

  /** Puts frames behind the pages of a range that have none; false, and the machine pauses, where the pool is exhausted. */
  #supplyRange(start: number, length: number, mayUseReserve: boolean): boolean {
    if (this.#absent === 0) return true;
    for (let page = Math.floor(start / FRAME_SIZE); page * FRAME_SIZE < start + length; page++) {
      if ((this.#frames[page] ?? 0) >= ABSENT_UNCHANGED && !this.#supply(page, mayUseReserve)) return false;
    }
    return true;
  }

  /** Puts a frame behind a page that has none; one of the reserve makes the machine pause. */
  #supply(page: number, mayUseReserve: boolean): boolean {
    if (this.#isClosed) return false;
    let frame = this.#pool.takeFrame(false);
    if (frame === undefined && mayUseReserve) {
      this.#guard.framesExhausted();
      frame = this.#pool.takeFrame(true);
    }
    if (frame === undefined) return false;
    this.#metadata[frame * METADATA_WORDS] = this.#frames[page] === ABSENT ? 0 : CONSTANTS.GUARD_DIRTY_LOG;
    this.#frames[page] = frame;
    this.#absent--;
    return true;
  }

  #release(frames: readonly number[]): void {
    this.#absent += frames.length;
    for (const frame of frames) {
      this.#metadata.fill(0, frame * METADATA_WORDS, (frame + 1) * METADATA_WORDS);
      this.#pool.releaseFrame(frame);
    }
  }

  /** Whether a page was not written since {@link #logWrites}. */
  #isUnchanged(page: number): boolean {
    const frame = this.#frames[page] ?? ABSENT;
    if (frame >= ABSENT_UNCHANGED) return frame === ABSENT_UNCHANGED;
    return ((this.#metadata[frame * METADATA_WORDS] ?? 0) & CONSTANTS.GUARD_DIRTY_LOG) !== 0;
  }

  #guards(page: number): number {
    return this.#metadata[this.frameOf(page) * METADATA_WORDS] ?? 0;
  }

  #logWrites(page: number): void {
    if ((this.#frames[page] ?? 0) >= ABSENT_UNCHANGED) this.#frames[page] = ABSENT_UNCHANGED;
    else this.#setGuard(page, CONSTANTS.GUARD_DIRTY_LOG);
  }

  #setGuard(pageIndex: number, guard: number): void {
    const page = Math.floor(pageIndex);
    const index = this.frameOf(page) * METADATA_WORDS;
    this.#metadata[index] = (this.#metadata[index] ?? 0) | guard;
    this.#guard.dropStoreEntries(this.#frameOffset(page));
  }

  #frameOffset(page: number): number {
    const frame = this.#frames[page];
    if (frame === undefined) throw new RangeError(`the machine has no page ${page}`);
    return frame >= ABSENT_UNCHANGED ? 0 : this.#pool.framesBase + frame * FRAME_SIZE;
  }

  /** Distance of a range from the first byte of RAM, if all of it is RAM. */
  #offset(address: number | bigint, length: number): number | undefined {
    const start = Number(address) - this.base;
    if (this.#isClosed) return undefined;
    return start >= 0 && length >= 0 && start + length <= this.size ? start : undefined;
  }

  /** The parts of a range that lie in one frame each. */
  *#pieces(start: number, length: number): Iterable<{ at: number; machine: number; count: number }> {
    for (let at = 0; at < length; ) {
      const inPage = (start + at) % FRAME_SIZE;
      const count = Math.min(FRAME_SIZE - inPage, length - at);
      yield { at, machine: this.#frameOffset(Math.floor((start + at) / FRAME_SIZE)) + inPage, count };
      at += count;
    }
  }
}
