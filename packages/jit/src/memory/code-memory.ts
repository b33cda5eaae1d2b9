/** The guest's code as it lies in linear memory: frames, their code pages, and the decoded slots that say what was executed. */
import type { HotBlock } from "@hartvisor/core";
import { CONSTANTS, vmOffset } from "@hartvisor/core/isa";
import { instructionBits } from "../guest/bits.js";
import type { GuestDecoder, GuestInstruction } from "../guest/instruction.js";
import type { Code } from "../region/discover.js";
import { MissingAccesses } from "./missing-accesses.js";

const { CODE_PAGE_SIZE, OP_REGION, SAMPLE_COUNTS, SAMPLE_COUNT_SIZE, SAMPLE_WEIGHT, SLOT_IMM, SLOT_SIZE } = CONSTANTS;
const PAGE = 4096;
const PAGE_BITS = 12;
const UNDECODED = 0;
/** A block is a likely target of indirect jumps if it was met one in so many times that make a block hot. */
const ARRIVAL_SHARE = 20;

/** A page of a region: how many pages from the one where it begins, and what is there. */
export interface SitePage {
  readonly distance: number;
  readonly codePage: number;
  readonly frame: number;
}

/** Where a region may grow. */
export interface CodeSite {
  /** Of the entry, in its page. */
  readonly offset: number;
  /** Where the entry lies. */
  readonly frame: number;
  readonly pages: readonly SitePage[];
}

/** The page of a site in which an offset lies. */
export function pageOf({ pages }: CodeSite, offset: number): SitePage | undefined {
  const distance = offset >> PAGE_BITS;
  for (const page of pages) if (page.distance === distance) return page;
  return undefined;
}

export class CodeMemory {
  readonly #view: DataView;
  readonly #halfwords: Uint16Array;
  readonly #words: Uint32Array;
  readonly #vm: number;
  readonly missing: MissingAccesses;

  /** An access that was reported so often misses often. */
  constructor(memory: WebAssembly.Memory, vm: number, missReports: number) {
    this.missing = new MissingAccesses(missReports);
    this.#view = new DataView(memory.buffer);
    this.#halfwords = new Uint16Array(memory.buffer);
    this.#words = new Uint32Array(memory.buffer);
    this.#vm = vm;
  }

  get view(): DataView {
    return this.#view;
  }

  vmField(name: string): number {
    return this.#view.getUint32(this.#vm + vmOffset(name), true);
  }

  /** The pages around a hot block; undefined if its code page serves another frame by now. */
  site({ slot, pageBefore, pageAfter }: HotBlock): CodeSite | undefined {
    const arena = this.vmField("codeArena");
    const number = Math.floor((slot - arena) / CODE_PAGE_SIZE);
    const codePage = arena + number * CODE_PAGE_SIZE;
    const pages: SitePage[] = [];
    for (const [distance, page] of [
      [0, codePage],
      [-1, pageBefore],
      [1, pageAfter],
    ] as const) {
      const owner = page === 0 ? 0 : this.#owner(page);
      if (owner !== 0) pages.push({ distance, codePage: page, frame: owner - 1 });
    }
    const own = pages[0];
    if (own?.distance !== 0) return undefined;
    return { offset: ((slot - codePage) / SLOT_SIZE) * 2, frame: own.frame, pages };
  }

  /** Frame number + 1 of a code page; 0 if it is free. */
  #owner(codePage: number): number {
    const number = (codePage - this.vmField("codeArena")) / CODE_PAGE_SIZE;
    return this.#view.getUint32(this.vmField("codeOwner") + number * 4, true);
  }

  /** Address of the slot of an offset; undefined outside the site's pages. */
  slot(site: CodeSite, offset: number): number | undefined {
    const page = pageOf(site, offset);
    return page && page.codePage + (offset & (PAGE - 1)) * (SLOT_SIZE / 2);
  }

  hasRegion(site: CodeSite): boolean {
    const slot = this.slot(site, site.offset);
    return slot !== undefined && this.#view.getUint16(slot, true) === OP_REGION;
  }

  /** Makes a slot lead into a region. */
  enter(slot: number, region: number): void {
    this.#view.setUint16(slot, OP_REGION, true);
    this.#view.setUint32(slot + SLOT_IMM, region, true);
  }

  /** Empties a slot if it leads into this region. */
  leave(slot: number, region: number): void {
    if (this.#view.getUint16(slot, true) !== OP_REGION) return;
    if (this.#view.getUint32(slot + SLOT_IMM, true) === region) this.#view.setUint16(slot, UNDECODED, true);
  }

  /** Offsets in their pages of all breakpoints: as the interpreter, code stops at any of them to look. */
  #breakpoints(): ReadonlySet<number> {
    const addresses = this.vmField("breakpointAddresses");
    const offset = (n: number) => this.#view.getUint32(addresses + n * 8, true) & (PAGE - 1);
    return new Set(Array.from({ length: this.vmField("breakpoints") }, (_, n) => offset(n)));
  }

  /** Where samples found control in the pages of a site, and where regions begin. */
  #arrivals(site: CodeSite): readonly number[] {
    const least = Math.max(1, this.vmField("sampleThreshold") / ARRIVAL_SHARE) * SAMPLE_WEIGHT;
    const counts = this.vmField("sampleCounts");
    const offsets: number[] = [];
    for (const { codePage, distance } of site.pages) {
      for (let offset = 0; offset < PAGE; offset += 2) {
        const slot = codePage + offset * (SLOT_SIZE / 2);
        const operation = this.#halfwords[slot / 2];
        if (operation === UNDECODED) continue;
        if (operation === OP_REGION || this.#samples(counts, slot) >= least) offsets.push(distance * PAGE + offset);
      }
    }
    return offsets;
  }

  /** Tells how often accesses of a site miss. */
  #missesOf(site: CodeSite): Code["misses"] {
    return (offset) => {
      const page = pageOf(site, offset);
      return page === undefined ? "seldom" : this.missing.at(page.frame, offset & (PAGE - 1));
    };
  }

  /** How often control was found at a slot, of late (core/assembly/translated/profile.ts). */
  #samples(counts: number, slot: number): number {
    const words = SAMPLE_COUNT_SIZE / 4;
    const first = counts / 4 + (((slot >>> 4) ^ (slot >>> 15)) & (SAMPLE_COUNTS - 1)) * words;
    const counter = this.#words[first] === slot ? first : first ^ words; // in one of two places
    return this.#words[counter] === slot ? (this.#words[counter + 1] ?? 0) : 0;
  }

  /**
   * The code of a site. What is at the offsets `kept` was executed, and no other regions begin there; those at the slots
   * `underWay` are still being made.
   */
  code(
    { site, kept }: { readonly site: CodeSite; readonly kept: ReadonlySet<number> },
    decoder: GuestDecoder,
    underWay: ReadonlySet<number>,
  ): Code {
    const framesBase = this.vmField("framesBase");
    const half = (offset: number): number | undefined => {
      const page = pageOf(site, offset);
      return page && this.#halfwords[(framesBase + page.frame * PAGE + (offset & (PAGE - 1))) / 2];
    };
    const breakpoints = this.#breakpoints();
    const at = (offset: number): GuestInstruction | undefined => {
      if (breakpoints.size > 0 && breakpoints.has(offset & (PAGE - 1))) return undefined;
      const bits = instructionBits(half, offset);
      return bits === undefined ? undefined : decoder.decode(bits);
    };
    const executed = (offset: number): boolean => {
      if (kept.has(offset)) return true;
      const slot = this.slot(site, offset);
      return slot !== undefined && this.#halfwords[slot / 2] !== UNDECODED;
    };
    const isRegion = (offset: number): boolean => {
      if (kept.has(offset)) return false;
      const slot = this.slot(site, offset);
      return slot !== undefined && (this.#halfwords[slot / 2] === OP_REGION || underWay.has(slot));
    };
    return { at, executed, isRegion, misses: this.#missesOf(site), arrivals: () => this.#arrivals(site) };
  }
}
