/**
 * A machine's physical memory: guest-physical pages, each mapped to a frame of
 * the pool. It begins as one extent and can be broken page by page. Devices
 * and the host reach guest memory through here only, so that the write guard
 * sees every write.
 */
import { CONSTANTS } from "../../isa/layout.js";
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
}

export interface GuestMemoryTables {
  /** Offset of the guest page -> frame table (u32 each). */
  readonly physicalToFrame: number;
  /** Offset of the pool's frame metadata. */
  readonly frameMetadata: number;
}

const PIN_GUARDS = CONSTANTS.GUARD_PINNED | (7 << CONSTANTS.PIN_LEVEL_SHIFT);

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
  readonly #nowhere = new Uint8Array(FRAME_SIZE);

  constructor(pool: FramePool, base: number, size: number, tables: GuestMemoryTables, guard: WriteGuard) {
    this.base = base;
    this.size = size;
    this.#pool = pool;
    this.#guard = guard;
    const pages = size / FRAME_SIZE;
    const { buffer } = pool.memory;
    this.#bytes = new Uint8Array(buffer);
    this.#scalars = new DataView(buffer);
    this.#frames = new Uint32Array(buffer, tables.physicalToFrame, pages);
    this.#metadata = new Uint32Array(
      buffer,
      tables.frameMetadata,
      (pool.frameCount * CONSTANTS.FRAME_METADATA_SIZE) / 4,
    );
    const first = pool.allocateExtent(pages);
    for (let page = 0; page < pages; page++) this.#frames[page] = first + page;
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

  /** Copies into guest memory; false, and nothing written, where the range is not all RAM or holds a pinned page table. */
  write(address: number | bigint, bytes: Uint8Array): boolean {
    const start = this.#offset(address, bytes.length);
    if (start === undefined) return false;
    if (bytes.length === 0) return true;
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

  writableViews(address: number, length: number, into: Uint8Array[]): void {
    if (this.#guard.prepareHostWrite(BigInt(address), length)) {
      this.readableViews(address, length, into);
      return;
    }
    // What is meant for a page that cannot be written goes nowhere.
    for (let at = 0; at < length; ) {
      const count = Math.min(FRAME_SIZE - ((address + at) % FRAME_SIZE), length - at);
      if (this.#guard.prepareHostWrite(BigInt(address + at), count)) this.readableViews(address + at, count, into);
      else into.push(this.#nowhere.subarray(0, count));
      at += count;
    }
  }

  /** The frame behind a guest page, counted from the first page of RAM. */
  frameOf(page: number): number {
    const frame = this.#frames[page];
    if (frame === undefined) throw new RangeError(`the machine has no page ${page}`);
    return frame;
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
    for (let page = 0; page < this.#frames.length; page++) this.#setGuard(page, CONSTANTS.GUARD_DIRTY_LOG);
  }

  /** The pages written since tracking began or since the last call, which begins anew for them. */
  dirtyPages(): number[] {
    const dirty: number[] = [];
    for (let page = 0; page < this.#frames.length; page++) {
      if ((this.#guards(page) & CONSTANTS.GUARD_DIRTY_LOG) !== 0) continue;
      dirty.push(page);
      this.#setGuard(page, CONSTANTS.GUARD_DIRTY_LOG);
    }
    return dirty;
  }

  /** Guards the page that holds an address, so that stores to the watched bytes are reported. */
  guardWatch(address: number): void {
    this.#setGuard((address - this.base) / FRAME_SIZE, CONSTANTS.GUARD_WATCH);
  }

  /** Makes stores to the page behind a frame the monitor's business, or leaves them to the guest again. */
  guardTable(frame: number, isShadowed: boolean): void {
    const index = frame * (CONSTANTS.FRAME_METADATA_SIZE / 4);
    const guards = (this.#metadata[index] ?? 0) & ~CONSTANTS.GUARD_SHADOW;
    this.#metadata[index] = isShadowed ? guards | CONSTANTS.GUARD_SHADOW : guards;
    if (isShadowed) this.#guard.dropStoreEntries(this.#pool.framesBase + frame * FRAME_SIZE);
  }

  /** Makes a page a page table of a level, which stores do not reach, or an ordinary page again. */
  pinTable(page: number, level: number | undefined): void {
    const index = this.frameOf(page) * (CONSTANTS.FRAME_METADATA_SIZE / 4);
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
    const step = CONSTANTS.FRAME_METADATA_SIZE / 4;
    for (let index = 0; index < this.#metadata.length; index += step) {
      this.#metadata[index] = (this.#metadata[index] ?? 0) & ~PIN_GUARDS;
    }
  }

  /** Offset in linear memory of a guest-physical address that is RAM. */
  machineOffset(address: number): number {
    const start = address - this.base;
    return this.#machine(start);
  }

  /** The guest-physical address of what lies at an offset in linear memory, in one of the guest's frames. */
  addressOf(machine: number): number {
    const frame = Math.floor((machine - this.#pool.framesBase) / FRAME_SIZE);
    const inExtent = frame - this.frameOf(0);
    const page = this.#frames[inExtent] === frame ? inExtent : this.#frames.indexOf(frame);
    return this.base + page * FRAME_SIZE + ((machine - this.#pool.framesBase) % FRAME_SIZE);
  }

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
    const machine = this.#scalar(address, width);
    if (machine < 0) {
      this.write(address, new Uint8Array(Uint32Array.of(value).buffer, 0, width));
      return;
    }
    if (!this.#guard.prepareHostWrite(BigInt(address), width)) return;
    if (width === 2) this.#scalars.setUint16(machine, value, true);
    else this.#scalars.setUint32(machine, value, true);
  }

  #guards(page: number): number {
    return this.#metadata[this.frameOf(page) * (CONSTANTS.FRAME_METADATA_SIZE / 4)] ?? 0;
  }

  #setGuard(pageIndex: number, guard: number): void {
    const page = Math.floor(pageIndex);
    const index = this.frameOf(page) * (CONSTANTS.FRAME_METADATA_SIZE / 4);
    this.#metadata[index] = (this.#metadata[index] ?? 0) | guard;
    this.#guard.dropStoreEntries(this.#frameOffset(page));
  }

  #frameOffset(page: number): number {
    return this.#pool.framesBase + this.frameOf(page) * FRAME_SIZE;
  }

  /** Distance of a range from the first byte of RAM, if all of it is RAM. */
  #offset(address: number | bigint, length: number): number | undefined {
    const start = Number(address) - this.base;
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
