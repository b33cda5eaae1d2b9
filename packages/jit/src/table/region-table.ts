/**
 * The regions that are installed: their places in the table of functions, the
 * slots that lead into them, and the lines of the frames that they are made of.
 */
import type { TranslationHost, TranslatorStats } from "@hartvisor/core";
import { CONSTANTS } from "@hartvisor/core/isa";
import { Backoff } from "../backoff.js";
import type { InvalidatedEvent, RegionEvent, TranslatorListener } from "../event.js";
import { type CodeMemory, type CodeSite, pageOf, type SitePage } from "../memory/code-memory.js";
import type { Region } from "../region/block.js";
import type { RegionModule } from "./region-module.js";

const { MAX_REGIONS, REGION_SIZE } = CONSTANTS;
const PAGE = 4096;
const LINE = 64;
const LINE_BITS = 6;

/** By which events name a region. */
export type RegionIdentity = Pick<RegionEvent, "region" | "pc" | "frame">;

/** A region's function: which of which module. */
export interface RegionCode {
  readonly module: RegionModule;
  readonly number: number;
}

/** Instances that the table may keep alive for nothing before it is made anew: some 100 KB each, where the host keeps them. */
const WASTED_MODULES = 256;

/**
 * By how many places the table grows at first, and then twofold: some hosts (V8 in Node 20) copy it for each instance that
 * imports it.
 */
const FIRST_PLACES = 64;

interface Installed {
  readonly identity: RegionIdentity;
  readonly code: RegionCode;
  readonly index: number;
  readonly slot: number;
  /** Lines of 64 bytes by frame, as a set of bits. */
  readonly lines: ReadonlyMap<number, bigint>;
}

export class RegionTable {
  readonly #host: TranslationHost;
  readonly #memory: CodeMemory;
  readonly #absent: unknown;
  readonly #onEvent: TranslatorListener | undefined;
  readonly #byFrame = new Map<number, Set<Installed>>();
  /** By frame: where code was overwritten. */
  readonly #overwritten: Backoff;
  /** Places that no slot leads to; jump caches may still name them. */
  #freed: number[] = [];
  /** Places that nothing names. */
  #free: number[] = Array.from({ length: MAX_REGIONS - 1 }, (_, n) => MAX_REGIONS - 1 - n);
  #installed = new Set<Installed>();
  /** Modules instantiated with the present table, and with how many of them it is looked how many are in use. */
  #instantiated = 0;
  #looksAt = WASTED_MODULES;
  #invalidations = 0;

  constructor(
    host: TranslationHost,
    memory: CodeMemory,
    absent: unknown,
    { retryMs, onEvent }: { readonly retryMs: number; readonly onEvent: TranslatorListener | undefined },
  ) {
    this.#host = host;
    this.#memory = memory;
    this.#absent = absent;
    this.#overwritten = new Backoff(retryMs);
    this.#onEvent = onEvent;
  }

  get stats(): Pick<TranslatorStats, "installed" | "invalidations"> {
    return { installed: this.#installed.size, invalidations: this.#invalidations };
  }

  install(site: CodeSite, region: Region, code: RegionCode, identity: RegionIdentity): void {
    const slot = this.#memory.slot(site, site.offset);
    if (slot === undefined) return;
    const index = this.#takeIndex();
    const lines = this.#guard(site, region);
    const installed = { identity, code, index, slot, lines };
    this.#installed.add(installed);
    for (const frame of lines.keys()) {
      let regions = this.#byFrame.get(frame);
      if (regions === undefined) {
        regions = new Set();
        this.#byFrame.set(frame, regions);
      }
      regions.add(installed);
    }
    this.#host.table.set(index, code.module.region(code.number));
    this.#describe(index, site, lines);
    this.#memory.enter(slot, index);
  }

  /** Whether a region may begin in a frame: not where code was overwritten again and again, until it holds for a while. */
  accepts({ frame }: CodeSite): boolean {
    return this.#overwritten.allows(frame);
  }

  /** No region that is made of these lines may run from now on. */
  forget(frame: number, lines: bigint): void {
    for (const region of this.#byFrame.get(frame) ?? []) {
      if (((region.lines.get(frame) ?? 0n) & lines) === 0n) continue;
      this.#remove(region, "code-changed");
      this.#overwritten.failed(frame);
    }
  }

  #remove(region: Installed, reason: InvalidatedEvent["reason"]): void {
    this.#invalidations++;
    this.#onEvent?.({ kind: "invalidated", ...region.identity, reason });
    this.#installed.delete(region);
    for (const frame of region.lines.keys()) this.#byFrame.get(frame)?.delete(region);
    this.#memory.leave(region.slot, region.index);
    this.#host.table.set(region.index, this.#absent);
    this.#freed.push(region.index);
  }

  #takeIndex(): number {
    if (this.#free.length === 0) {
      if (this.#freed.length === 0) for (const region of this.#installed) this.#remove(region, "table-full");
      this.#reclaim();
    }
    const index = this.#free.pop() as number;
    const { table } = this.#host;
    if (index >= table.length) table.grow(Math.min(Math.max(table.length, FIRST_PLACES), MAX_REGIONS - table.length));
    return index;
  }

  /** Makes places that were given up free to use. */
  #reclaim(): void {
    this.#host.interpreter.dropJumpCaches(this.#host.vm);
    this.#free.push(...this.#freed);
    this.#freed = [];
  }

  /** Before a module is instantiated: makes the table anew if most of what it saw is of no use any more. */
  prepare(): void {
    if (++this.#instantiated < this.#looksAt) return;
    const live = new Set(Array.from(this.#installed, ({ code }) => code.module));
    this.#looksAt = live.size + WASTED_MODULES;
    if (this.#instantiated < this.#looksAt) return;
    this.#reclaim(); // the places are empty then
    this.#host.renew();
    for (const module of live) module.renew(this.#host);
    for (const { code, index } of this.#installed) this.#host.table.set(index, code.module.region(code.number));
    this.#instantiated = live.size;
  }

  /** Guards the lines that a region is made of. */
  #guard(site: CodeSite, region: Region): Map<number, bigint> {
    const guarded = new Map<SitePage, Uint8Array>();
    const guard = (offset: number) => {
      const page = pageOf(site, offset);
      if (page === undefined) return;
      let lines = guarded.get(page);
      if (lines === undefined) {
        lines = new Uint8Array(PAGE / LINE);
        guarded.set(page, lines);
      }
      lines[(offset & (PAGE - 1)) >> LINE_BITS] = 1;
    };
    for (const { instructions } of region.blocks.values()) {
      for (const { offset, instruction } of instructions) {
        guard(offset);
        guard(offset + instruction.length - 1); // perhaps in the next page
      }
    }
    const bits = new Map<number, bigint>();
    for (const [{ frame }, lines] of guarded) {
      let set = bits.get(frame) ?? 0n;
      for (let line = lines.indexOf(1); line !== -1; line = lines.indexOf(1, line + 1)) {
        set |= 1n << BigInt(line);
        this.#host.interpreter.guardRegion(this.#host.vm, frame, line * LINE, LINE);
      }
      bits.set(frame, set);
    }
    return bits;
  }

  /** Tells the interpreter on which pages a region relies beside the one where it begins. */
  #describe(index: number, site: CodeSite, lines: ReadonlyMap<number, bigint>): void {
    const { view } = this.#memory;
    const address = this.#memory.vmField("regions") + index * REGION_SIZE;
    const extra = site.pages.filter(({ distance, frame }) => distance !== 0 && lines.has(frame));
    view.setUint32(address, extra.length, true);
    for (const [n, { distance, codePage }] of extra.entries()) {
      view.setInt32(address + 4 + n * 8, distance, true);
      view.setUint32(address + 8 + n * 8, codePage, true);
    }
  }
}
