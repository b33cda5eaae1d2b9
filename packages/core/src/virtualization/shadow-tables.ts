/**
 * Shadow page tables of a deprivileged guest. A shadow table stands for one of
 * the guest's own in one *role* (the guest's privilege with SUM and MXR), has an
 * entry for each of that table's, and is filled when the guest faults. While it
 * lives, stores to the guest's table leave to the monitor, which empties the
 * entry; so shadows never say what the guest's tables do not.
 * `assembly/memory/translation/shadow.ts` walks them.
 */
import { CONSTANTS } from "../../isa/layout.js";
import type { InterpreterExports } from "../engine/interpreter.js";
import type { HartState } from "../machine/hart-state.js";
import type { Vcpu } from "../machine/vcpu.js";
import { FRAME_SIZE, type FramePool } from "../memory/frame-pool.js";
import type { GuestMemory } from "../memory/guest-memory.js";

/**
 * Frames for shadow tables: 16 MiB, enough for some hundred processes at a time. A guest can name any page as a table and
 * so ask for more without end; where they are used up, all are given up and filled again.
 */
export const SHADOW_FRAMES = 4096;

/** A walk goes through at most five tables. */
const LONGEST_WALK = 5;

/**
 * After so many writes to a table with no fault in between that goes through it, the page is taken to serve for something
 * else, and its shadows are given up: a page of data that was a table once would exit at every store for ever.
 */
const WRITES_UNTIL_GIVEN_UP = 16;

const PTE_V = 1;
const PTE_LEAF = 0xa; // R or X
const PTE_N_HIGH = 0x8000_0000; // bit 63, in the upper word
const NAPOT_SHIFT = 16;
const ENTRY_WORDS = 2;
const SERIALS = 0x10000;

interface ShadowTable {
  /** Machine frame of the guest's table. */
  readonly guestFrame: number;
  readonly level: number;
  readonly role: number;
  /** Frame of the shadow. */
  readonly frame: number;
  /** Entries that lead here, as indices of words in linear memory. */
  readonly parents: Set<number>;
  /** What the executor's satp is for it as a root; 0n before it is one. */
  satp: bigint;
}

/** The shadows of one of the guest's tables. */
interface Shadowed {
  readonly tables: ShadowTable[];
  /** Writes since a fault last went through it. */
  writes: number;
}

export interface ShadowTablesHost {
  readonly pool: FramePool;
  readonly memory: GuestMemory;
  readonly interpreter: InterpreterExports;
  readonly executors: readonly HartState[];
}

export class ShadowTables {
  readonly #host: ShadowTablesHost;
  readonly #words: Uint32Array;
  readonly #free: number[] = [];
  #allocated = 0;
  readonly #byKey = new Map<number, ShadowTable>();
  readonly #byFrame = new Map<number, ShadowTable>();
  readonly #shadowed = new Map<number, Shadowed>();
  #serial = 0;
  #nextRoot = 0;

  constructor(host: ShadowTablesHost) {
    this.#host = host;
    this.#words = new Uint32Array(host.pool.memory.buffer);
  }

  /** Gives an executor the shadow for a virtual hart's satp and mode. */
  provideRoot({ state, id }: Vcpu): void {
    const executor = this.#host.executors[id];
    if (executor === undefined) return;
    const satp = state.get64("satp");
    const role = this.#host.interpreter.dataRegime(state.address);
    this.#makeRoom();
    const root = this.#root(satp, role);
    const n = this.#nextRoot++ % CONSTANTS.SHADOW_ROOTS;
    executor.set64("shadowSatps", satp, n);
    executor.set32("shadowRoles", role, n);
    executor.set64("shadowRoots", root, n);
  }

  /** Fills the entries for an address that the virtual hart has just walked its own tables for, and found. */
  fill({ state }: Vcpu, address: bigint): void {
    const { memory, interpreter } = this.#host;
    const role = interpreter.dataRegime(state.address);
    const satp = state.get64("satp");
    const shift = state.get32("walkLevel");
    const leafLevel = shift === NAPOT_SHIFT ? 0 : (shift - 12) / 9;
    this.#makeRoom();
    let guestTable = tableOf(satp);
    let table = this.#table(this.#frameOf(guestTable), levelsOf(satp) - 1, role);
    for (;;) {
      const index = Number((address >> BigInt(12 + 9 * table.level)) & 0x1ffn);
      const entry = this.#entryOf(table, index);
      const guestEntry = guestTable * FRAME_SIZE + index * 8;
      const low = memory.load32(guestEntry);
      if (table.level === leafLevel) {
        this.#writeLeaf(entry, state.get64("walkAddress"), shift, interpreter.leafPermissions(low, role));
        return;
      }
      guestTable = (low >>> 10) + (memory.load32(guestEntry + 4) & 0x3fffff) * 2 ** 22;
      table = this.#table(this.#frameOf(guestTable), table.level - 1, role);
      this.#link(entry, table);
    }
  }

  /** The guest has written to a table, at a machine address: what its shadows made of these bytes is void. */
  written(machine: number, width: number): void {
    const frame = Math.floor((machine - this.#host.pool.framesBase) / FRAME_SIZE);
    const shadowed = this.#shadowed.get(frame);
    if (shadowed === undefined) return;
    const first = Math.floor((machine % FRAME_SIZE) / 8);
    const last = Math.floor(((machine % FRAME_SIZE) + width - 1) / 8);
    // Entries are written whole.
    if (width !== 8 || ++shadowed.writes >= WRITES_UNTIL_GIVEN_UP) {
      this.#giveUp(frame);
      return;
    }
    for (const table of shadowed.tables) {
      for (let index = first; index <= last; index++) this.#clear(this.#entryOf(table, index));
    }
  }

  /** The host or a device is about to write to guest memory. */
  hostWrites(address: number, length: number): void {
    if (this.#shadowed.size === 0) return;
    const { memory } = this.#host;
    const first = Math.floor((address - memory.base) / FRAME_SIZE);
    const last = Math.floor((address - memory.base + length - 1) / FRAME_SIZE);
    for (let page = first; page <= last; page++) {
      const frame = memory.frameOf(page);
      if (this.#shadowed.has(frame)) this.#giveUp(frame);
    }
  }

  /** Guest pages have lost these frames: tables that lay in them read as zeros. Leaves hold guest-physical numbers, and stay. */
  released(frames: readonly number[]): void {
    for (const frame of frames) this.#giveUp(frame);
  }

  /** Gives all of them up. */
  clear(): void {
    for (const frame of [...this.#shadowed.keys()]) this.#giveUp(frame);
  }

  /** The frame of a page that satp or an entry names; {@link #nowhere} for a root that is not RAM, whose shadow stays empty. */
  #frameOf(guestPage: number): number {
    const { memory } = this.#host;
    if (!memory.contains(guestPage * FRAME_SIZE, FRAME_SIZE)) return this.#nowhere;
    return memory.frameOf(guestPage - memory.base / FRAME_SIZE);
  }

  get #nowhere(): number {
    return this.#host.pool.frameCount;
  }

  #root(satp: bigint, role: number): bigint {
    const table = this.#table(this.#frameOf(tableOf(satp)), levelsOf(satp) - 1, role);
    if (table.satp === 0n) {
      // TLB banks go by satp: a frame that serves another root later must not find the first one's.
      this.#serial = (this.#serial + 1) % SERIALS;
      if (this.#serial === 0) {
        for (const { address } of this.#host.executors) this.#host.interpreter.dropAllBanks(address);
      }
      const machinePage = (this.#host.pool.framesBase + table.frame * FRAME_SIZE) / FRAME_SIZE;
      table.satp = ((satp >> 60n) << 60n) | (BigInt(this.#serial) << 44n) | BigInt(machinePage);
    }
    return table.satp;
  }

  /** The shadow of a guest's table, made if there is none. */
  #table(guestFrame: number, level: number, role: number): ShadowTable {
    const shadowed = this.#shadowed.get(guestFrame);
    if (shadowed !== undefined) shadowed.writes = 0;
    const key = keyOf(guestFrame, level, role);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const frame = this.#takeFrame();
    const table: ShadowTable = { guestFrame, level, role, frame, parents: new Set(), satp: 0n };
    this.#byKey.set(key, table);
    this.#byFrame.set(frame, table);
    if (shadowed !== undefined) shadowed.tables.push(table);
    else {
      this.#shadowed.set(guestFrame, { tables: [table], writes: 0 });
      if (guestFrame !== this.#nowhere) this.#host.memory.guardTable(guestFrame, true);
    }
    return table;
  }

  /** Where an entry lies, as an index of words. */
  #entryOf({ frame }: ShadowTable, index: number): number {
    return (this.#host.pool.framesBase + frame * FRAME_SIZE) / 4 + index * ENTRY_WORDS;
  }

  #link(entry: number, table: ShadowTable): void {
    const machinePage = (this.#host.pool.framesBase + table.frame * FRAME_SIZE) / FRAME_SIZE;
    const low = machinePage * 1024 + PTE_V;
    if (this.#words[entry] === low) return;
    this.#clear(entry);
    this.#words[entry] = low;
    table.parents.add(entry);
  }

  #writeLeaf(entry: number, physical: bigint, shift: number, permissions: number): void {
    this.#clear(entry);
    const size = shift === NAPOT_SHIFT ? 12n : BigInt(shift);
    const bits = ((physical >> size) << size) >> 2n;
    this.#words[entry] = Number(bits & 0xffff_ffffn) + permissions + PTE_V;
    this.#words[entry + 1] = Number(bits >> 32n) + (shift === NAPOT_SHIFT ? PTE_N_HIGH : 0);
  }

  #clear(entry: number): void {
    const low = this.#words[entry] ?? 0;
    if (low === 0) return;
    if ((low & PTE_LEAF) === 0) {
      const frame = Math.floor(low / 1024) - this.#host.pool.framesBase / FRAME_SIZE;
      this.#byFrame.get(frame)?.parents.delete(entry);
    }
    this.#words[entry] = 0;
    this.#words[entry + 1] = 0;
  }

  /** Gives up the shadows of one of the guest's tables, in all roles. */
  #giveUp(guestFrame: number): void {
    const shadowed = this.#shadowed.get(guestFrame);
    if (shadowed === undefined) return;
    this.#shadowed.delete(guestFrame);
    if (guestFrame !== this.#nowhere) this.#host.memory.guardTable(guestFrame, false);
    for (const table of shadowed.tables) {
      for (const entry of table.parents) {
        this.#words[entry] = 0;
        this.#words[entry + 1] = 0;
      }
      for (let index = 0; index < 512; index++) this.#clear(this.#entryOf(table, index));
      this.#byKey.delete(keyOf(guestFrame, table.level, table.role));
      this.#byFrame.delete(table.frame);
      this.#free.push(table.frame);
      if (table.satp !== 0n) this.#forgetRoot(table.satp);
    }
  }

  #forgetRoot(satp: bigint): void {
    for (const executor of this.#host.executors) {
      for (let n = 0; n < CONSTANTS.SHADOW_ROOTS; n++) {
        if (executor.get64("shadowRoots", n) === satp) executor.set64("shadowRoots", 0n, n);
      }
    }
  }

  /** A zeroed frame; {@link #makeRoom} has seen to it that there is one. */
  #takeFrame(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    this.#allocated++;
    return this.#host.pool.allocateFrame();
  }

  #makeRoom(): void {
    if (this.#free.length + SHADOW_FRAMES - this.#allocated < LONGEST_WALK) this.clear();
  }
}

const keyOf = (guestFrame: number, level: number, role: number): number => (guestFrame * 8 + level) * 16 + role;
/** Page number of the root that satp names. */
const tableOf = (satp: bigint): number => Number(satp & 0xfff_ffff_ffffn);
const levelsOf = (satp: bigint): number => Number(satp >> 60n) - 5;
