/**
 * The seam of the translator: what a machine offers to whatever turns its hot
 * code into functions of a `WebAssembly.Table`, and what it asks of it. A
 * function takes the guest's pc (i64) and the bytes of host stack it may use
 * (i32), and gives the pc that comes next; with bit 0 set the interpreter
 * executes the instruction there. `isa/layout.ts` says what lies where.
 */
import type { IsaSet } from "../../isa/extensions.js";
import { CONSTANTS, vmOffset } from "../../isa/layout.js";
import type { InterpreterExports } from "./interpreter.js";

/** A block that the interpreter met often, or an access that translated code often leaves to it. */
export interface HotBlock {
  /** Its address, as it was mapped then. */
  readonly pc: bigint;
  /** Its decoded slot: stands for its frame and offset whatever maps it. */
  readonly slot: number;
  /** It is an access of translated code, for which the TLB often has nothing. */
  readonly misses: boolean;
  /** The lower half of such an access's base register, the last time that it missed. */
  readonly base: number;
  /** Code pages of the virtual pages before and after its own; 0 where they are not executable. */
  readonly pageBefore: number;
  readonly pageAfter: number;
}

/** What a translator gets of its machine. */
export interface TranslationHost {
  readonly memory: WebAssembly.Memory;
  /** The functions of regions, by index; 0 stands for none. At first it has that place only. */
  readonly table: WebAssembly.Table;
  readonly interpreter: InterpreterExports;
  /** Makes a new, empty table, and an interpreter that imports it: lets go of the instances that the old one may keep alive. */
  renew(): void;
  /** Address of the VM block. */
  readonly vm: number;
  /** What the harts can do. */
  readonly isa: Pick<IsaSet, "has">;
  /** Misaligned loads and stores trap; else they are done. */
  readonly trapsMisaligned: boolean;
  /** Milliseconds by which the translator delays its work: of the guest's clock where that is virtual, so that runs are alike. */
  now(): number;
}

/** What a translator did since its machine was made. */
export interface TranslatorStats {
  /** Regions that were made. */
  readonly regions: number;
  /** Guest instructions that they are made of; one that lies in two counts twice. */
  readonly instructions: number;
  /** WebAssembly modules that were made of them, those included that regions moved to. */
  readonly modules: number;
  /** Bytes of these modules. */
  readonly wasmBytes: number;
  /** Milliseconds of the host's clock from guest code to modules. */
  readonly generateMs: number;
  /** Milliseconds of the host's clock in which the host compiled and instantiated modules while the guest waited. */
  readonly compileMs: number;
  /** Modules that the host refused; what they hold is interpreted. */
  readonly refused: number;
  /** Regions that are in place now. */
  readonly installed: number;
  /** Regions that were given up: their code was overwritten, others needed their room, or they are made anew for accesses that miss the TLB. */
  readonly invalidations: number;
}

/** What a machine asks of its translator. */
export interface Translator {
  /** Translates blocks, between slices: so many of them, from the first on, as the guest may wait for. Those left over come again. */
  translate(blocks: readonly HotBlock[]): number;
  /** Lines of 64 bytes of a frame were overwritten: no region that they are part of may run from now on. */
  forget(frame: number, lines: bigint): void;
  readonly stats: TranslatorStats;
}

/** How a translator comes to a machine. */
export interface TranslatorFactory {
  /** Instructions between samples of where the interpreter is. */
  readonly sampleInterval: number;
  /** Samples that make a block hot. */
  readonly sampleThreshold: number;
  /** An access of translated code is reported each time that it missed the TLB so often. */
  readonly missThreshold: number;
  /** Hot blocks for whose sake a slice ends early and that are translated at once; fewer wait a little for others. At least 1. */
  readonly hotBatch: number;
  create(host: TranslationHost): Translator;
}

/** The list of hot blocks in linear memory. */
export class HotBlocks {
  readonly #view: DataView;
  readonly #vm: number;
  readonly #batch: number;
  readonly #now: () => number;
  /** When the first on the list was first seen there. */
  #since: number | undefined;
  /** When all batches so far would have been made, one every {@link PAUSE_MS}. */
  #pace = Number.NEGATIVE_INFINITY;

  constructor(memory: WebAssembly.Memory, vm: number, batch: number, now: () => number) {
    this.#view = new DataView(memory.buffer);
    this.#vm = vm;
    this.#batch = batch;
    this.#now = now;
    this.#set("hotBatch", batch);
  }

  /**
   * Those on the list, once they are so many that a module of them is worth its cost, or have waited long enough for others.
   * Accesses that miss come first, so that what is made for hot blocks heeds them.
   */
  read(): readonly HotBlock[] {
    let count = this.#get("hotCount");
    if (count === 0) return NONE;
    if (this.#batch > 1) {
      const now = this.#now();
      this.#since ??= now;
      const isAhead = this.#pace > now + AHEAD_MS;
      const least = isAhead ? CONSTANTS.HOT_BLOCKS : this.#batch;
      this.#set("hotBatch", least);
      if (isAhead && count === least) count = this.#dropRepeated();
      if (count < least && now - this.#since < PATIENCE_MS) return NONE;
      this.#pace = Math.max(this.#pace, now) + PAUSE_MS;
    }
    this.#since = undefined;
    const list = this.#get("hotBlocks");
    this.#sort(list, count);
    return Array.from({ length: count }, (_, n) => {
      const entry = list + n * CONSTANTS.HOT_BLOCK_SIZE;
      const slot = this.#view.getUint32(entry + 8, true);
      return {
        pc: this.#view.getBigUint64(entry, true),
        slot: slot & ~CONSTANTS.SLOT_MISSES,
        misses: (slot & CONSTANTS.SLOT_MISSES) !== 0,
        base: this.#view.getUint32(entry + 20, true),
        pageBefore: this.#view.getUint32(entry + 12, true),
        pageAfter: this.#view.getUint32(entry + 16, true),
      };
    });
  }

  /** Takes the first so many off the list. */
  remove(count: number): void {
    const rest = this.#get("hotCount") - count;
    const list = this.#get("hotBlocks");
    const bytes = new Uint8Array(this.#view.buffer);
    bytes.copyWithin(list, list + count * CONSTANTS.HOT_BLOCK_SIZE, list + (count + rest) * CONSTANTS.HOT_BLOCK_SIZE);
    this.#set("hotCount", rest);
  }

  /** Leaves each on the list once, and says how many these are: a block that waits while its loop goes on is reported again. */
  #dropRepeated(): number {
    const list = this.#get("hotBlocks");
    const bytes = new Uint8Array(this.#view.buffer);
    const slots = new Set<number>();
    for (let n = 0; n < this.#get("hotCount"); n++) {
      const entry = list + n * CONSTANTS.HOT_BLOCK_SIZE;
      const slot = this.#view.getUint32(entry + 8, true);
      if (slots.has(slot)) continue;
      bytes.copyWithin(list + slots.size * CONSTANTS.HOT_BLOCK_SIZE, entry, entry + CONSTANTS.HOT_BLOCK_SIZE);
      slots.add(slot);
    }
    this.#set("hotCount", slots.size);
    return slots.size;
  }

  #sort(list: number, count: number): void {
    const bytes = new Uint8Array(this.#view.buffer, list, count * CONSTANTS.HOT_BLOCK_SIZE);
    const entries = Array.from({ length: count }, (_, n) =>
      bytes.slice(n * CONSTANTS.HOT_BLOCK_SIZE, (n + 1) * CONSTANTS.HOT_BLOCK_SIZE),
    );
    const misses = (entry: Uint8Array) => (entry[8] as number) & CONSTANTS.SLOT_MISSES;
    entries.sort((a, b) => misses(b) - misses(a));
    for (const [n, entry] of entries.entries()) bytes.set(entry, n * CONSTANTS.HOT_BLOCK_SIZE);
  }

  #get(field: string): number {
    return this.#view.getUint32(this.#vm + vmOffset(field), true);
  }

  #set(field: string, value: number): void {
    this.#view.setUint32(this.#vm + vmOffset(field), value, true);
  }
}

const NONE: readonly HotBlock[] = [];

/** Milliseconds for which hot blocks wait for others to share a module with. */
const PATIENCE_MS = 30;

/**
 * Milliseconds between batches in the long run, unless the list is full of different blocks: a guest that goes on rewriting
 * its code would have a module for every region, and for each some hosts (V8 in Node 20) keep a few bytes for ever.
 */
const PAUSE_MS = 8;
/** How far batches may be ahead of that: a program that begins has many. */
const AHEAD_MS = 500;
