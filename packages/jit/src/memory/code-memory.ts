/** The guest's code as it lies in linear memory: frames, their code pages, and the decoded slots that say what was executed. */
import type { HotBlock } from "@hartvisor/core";
import { CONSTANTS, vmOffset } from "@hartvisor/core/isa";
import { instructionBits } from "../guest/bits.js";
import type { GuestDecoder, GuestInstruction } from "../guest/instruction.js";
import type { Code } from "../region/discover.js";

const { CODE_PAGE_SIZE, OP_REGION, SAMPLE_COUNTS, SLOT_IMM, SLOT_SIZE } = CONSTANTS;
const PAGE = 4096;
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

export class CodeMemory {
  readonly #view: DataView;
  readonly #vm: number;

  constructor(memory: WebAssembly.Memory, vm: number) {
    this.#view = new DataView(memory.buffer);
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
    const distance = Math.floor(offset / PAGE);
    const page = site.pages.find((candidate) => candidate.distance === distance);
    return page && page.codePage + ((offset - distance * PAGE) / 2) * SLOT_SIZE;
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
    const least = this.vmField("sampleThreshold") / ARRIVAL_SHARE;
    const offsets: number[] = [];
    const add = (slot: number) => {
      const page = site.pages.find(({ codePage }) => slot >= codePage && slot < codePage + CODE_PAGE_SIZE);
      if (page !== undefined) offsets.push(page.distance * PAGE + ((slot - page.codePage) / SLOT_SIZE) * 2);
    };
    const counts = this.vmField("sampleCounts");
    for (let n = 0; n < SAMPLE_COUNTS; n++) {
      const count = this.#view.getUint32(counts + n * 8 + 4, true);
      if (count > 0 && count >= least) add(this.#view.getUint32(counts + n * 8, true));
    }
    for (const { codePage } of site.pages) {
      for (let slot = codePage; slot < codePage + CODE_PAGE_SIZE - SLOT_SIZE; slot += SLOT_SIZE) {
        if (this.#view.getUint16(slot, true) === OP_REGION) add(slot);
      }
    }
    return offsets;
  }

  code(site: CodeSite, decoder: GuestDecoder): Code {
    const framesBase = this.vmField("framesBase");
    const half = (offset: number): number | undefined => {
      const distance = Math.floor(offset / PAGE);
      const page = site.pages.find((candidate) => candidate.distance === distance);
      return page && this.#view.getUint16(framesBase + page.frame * PAGE + (offset - distance * PAGE), true);
    };
    const breakpoints = this.#breakpoints();
    const at = (offset: number): GuestInstruction | undefined => {
      if (breakpoints.has(offset & (PAGE - 1))) return undefined;
      const bits = instructionBits(half, offset);
      return bits === undefined ? undefined : decoder.decode(bits);
    };
    const executed = (offset: number): boolean => {
      const slot = this.slot(site, offset);
      return slot !== undefined && this.#view.getUint16(slot, true) !== UNDECODED;
    };
    return { at, executed, arrivals: () => this.#arrivals(site) };
  }
}
