/**
 * The regions that are installed: their places in the table of functions, the
 * slots that lead into them, and the lines of the frames that they are made of.
 */
import type { TranslationHost, TranslatorStats } from "@hartvisor/core";
import { CONSTANTS } from "@hartvisor/core/isa";
import { Backoff } from "../backoff.js";
import type { InvalidatedEvent, RegionEvent, TranslatorListener } from "../event.js";
import type { RegionProbes } from "../lower/function.js";
import { type CodeMemory, type CodeSite, pageOf, type SitePage } from "../memory/code-memory.js";
import type { Region } from "../region/block.js";
import { singlesLoadedAt } from "../region/singles.js";
import type { ModuleBuilder } from "../wasm/module.js";
import { GatheringSchedule, LASTING_MS, WORTHWHILE } from "./gathering.js";
import { RegionModule } from "./region-module.js";

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

/** Bytes of functions that move at a time: the guest, and the host's event loop, wait for it some seven milliseconds. */
const GATHERED_BYTES = 1 << 20;
const WASM_PAGE = 65536;

/**
 * By how many places the table grows at first, and then twofold: some hosts (V8 in Node 20) copy it for each instance that
 * imports it.
 */
const FIRST_PLACES = 64;

/** What it took to move regions to a module of their own. */
export interface Gathered {
  readonly regions: number;
  readonly bytes: number;
  readonly generateMs: number;
  readonly compileMs: number;
}

/** Where a region begins. */
export interface Entry {
  readonly pc: bigint;
  readonly slot: number;
  readonly site: CodeSite;
  /** Offsets of instructions that it shall have again, even if other regions began there since. */
  readonly kept: ReadonlySet<number>;
}

/** Where a group's probe stands, and which bytes it is for, from the base register. */
interface PlacedGroup {
  readonly place: number;
  readonly least: number;
  readonly end: number;
}

interface Installed {
  readonly identity: RegionIdentity;
  code: RegionCode;
  readonly index: number;
  readonly site: CodeSite;
  readonly slot: number;
  /** Offsets of its instructions. */
  readonly offsets: readonly number[];
  /** Where it leaves what it is not made for: accesses without a slow path, and where it loads singles (see {@link place}). */
  readonly assumes: readonly number[];
  /** The groups of accesses that share a probe. */
  readonly groups: readonly PlacedGroup[];
  /** Where a probe predicts what it finds. */
  readonly predicted: readonly number[];
  /** Lines of 64 bytes by frame, as a set of bits. */
  readonly lines: ReadonlyMap<number, bigint>;
}

/** A place in machine memory. */
const place = (frame: number, offset: number): number => frame * PAGE + (offset & (PAGE - 1));

function offsetsOf({ blocks }: Region): readonly number[] {
  const offsets: number[] = [];
  for (const { instructions } of blocks.values()) for (const { offset } of instructions) offsets.push(offset);
  return offsets;
}

/** Where instructions of a site's region lie. */
function placesOf(site: CodeSite, offsets: readonly number[]): readonly number[] {
  return offsets.flatMap((offset) => {
    const page = pageOf(site, offset);
    return page === undefined ? [] : [place(page.frame, offset)];
  });
}

function assumptionsOf(region: Region): readonly number[] {
  const offsets: number[] = [];
  for (const { instructions } of region.blocks.values()) {
    for (const { offset, instruction, misses } of instructions)
      if (misses !== "often" && instruction.isAccess) offsets.push(offset);
  }
  offsets.push(...singlesLoadedAt(region));
  return offsets;
}

const groupsOf = (site: CodeSite, { groups }: RegionProbes): readonly PlacedGroup[] =>
  groups.flatMap(({ first, least, end }) => placesOf(site, [first]).map((place) => ({ place, least, end })));

const pageNumber = (address: number): number => Math.floor(address / PAGE);

/** How many modules have regions that never moved. */
const scattered = (modules: ReadonlySet<RegionModule>): number =>
  [...modules].filter(({ isGathered }) => !isGathered).length;

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
  readonly #gathering = new GatheringSchedule();
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
    this.#overwritten = new Backoff(retryMs, () => host.now());
    this.#onEvent = onEvent;
  }

  get stats(): Pick<TranslatorStats, "installed" | "invalidations"> {
    return { installed: this.#installed.size, invalidations: this.#invalidations };
  }

  install(
    site: CodeSite,
    { region, probes }: { readonly region: Region; readonly probes: RegionProbes },
    code: RegionCode,
    identity: RegionIdentity,
  ): void {
    const slot = this.#memory.slot(site, site.offset);
    if (slot === undefined) return;
    const index = this.#takeIndex();
    const lines = this.#guard(site, region);
    const installed = {
      ...{ identity, code, index, site, slot, offsets: offsetsOf(region), lines },
      assumes: placesOf(site, assumptionsOf(region)),
      groups: groupsOf(site, probes),
      predicted: placesOf(site, probes.predicted),
    };
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

  /**
   * Gives up the regions with an access that was reported, so that they can be made anew, if that makes a difference: its
   * probe is for bytes of two pages, as its base register shows, or it is misaligned, predicts badly, or gets a slow path.
   * Tells where they began.
   */
  giveUpMissing({ frame, offset }: CodeSite, base: number, isMisaligned: boolean): readonly Entry[] {
    const at = place(frame, offset);
    const crosses = ({ place, least, end }: PlacedGroup) =>
      place === at && pageNumber(base + least) !== pageNumber(base + end - 1);
    const regions = [...(this.#byFrame.get(frame) ?? [])].filter(({ assumes }) => assumes.includes(at));
    const isShared = regions.some(({ groups }) => groups.some(crosses));
    const isPredicted = regions.some(({ predicted }) => predicted.includes(at));
    const reason = isShared ? "in-groups" : isMisaligned ? "misaligned" : isPredicted ? "scattered" : undefined;
    if (!this.#memory.missing.report(frame, offset, { base, reason })) return [];
    for (const region of regions) this.#remove(region, "access-missed");
    if (regions.length > 0) this.#reclaim(); // jump caches must lead to those that are made instead
    return regions.map(({ identity, slot, site, offsets }) => ({
      pc: identity.pc,
      slot,
      site,
      kept: new Set(offsets),
    }));
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

  /** Makes an instance of a new module; throws what the host throws. */
  instantiate(module: RegionModule): void {
    module.instantiate(this.#host);
    this.#gathering.added();
  }

  /** Where that is due, moves regions to a module of their own, and makes the table anew without those that nobody needs any more. */
  gather(begin: () => ModuleBuilder): Gathered | undefined {
    const schedule = this.#gathering;
    if (!schedule.isDue()) {
      if (schedule.isWasteful(() => scattered(this.#modules()))) this.#renew();
      return undefined;
    }
    const { regions, areAll } = this.#scattered();
    const gathered = this.#move(regions, begin());
    if (areAll || gathered === undefined) {
      schedule.movedAll();
      if (regions.length > 0) this.#renew();
    } else schedule.movedSome();
    return gathered;
  }

  /** Modules that have regions in place. */
  #modules(): ReadonlySet<RegionModule> {
    return new Set(Array.from(this.#installed, ({ code }) => code.module));
  }

  #renew(): void {
    this.#reclaim(); // the places are empty then
    this.#host.renew();
    const modules = this.#modules();
    for (const module of modules) module.instantiate(this.#host);
    for (const { code, index } of this.#installed) this.#host.table.set(index, code.module.region(code.number));
    this.#gathering.renewed(scattered(modules));
  }

  /** Regions that shall move, as many as may at a time: those that never did but lasted, and those of modules that are half empty. */
  #scattered(): { readonly regions: readonly Installed[]; readonly areAll: boolean } {
    const live = new Map<RegionModule, number>();
    for (const { code } of this.#installed) live.set(code.module, (live.get(code.module) ?? 0) + 1);
    const lasting = performance.now() - LASTING_MS;
    const moves = ({ madeAt, isGathered, size }: RegionModule, used: number) =>
      madeAt < lasting && !(isGathered && used > size / 2);
    const modules = new Set([...live].flatMap(([module, used]) => (moves(module, used) ? [module] : [])));
    if (modules.size < WORTHWHILE) return { regions: [], areAll: true };
    const regions: Installed[] = [];
    let bytes = 0;
    for (const region of this.#installed) {
      const { module, number } = region.code;
      if (!modules.has(module)) continue;
      const { length } = module.code(number).bytes;
      if (bytes + length > GATHERED_BYTES) return { regions, areAll: false };
      bytes += length;
      regions.push(region);
    }
    return { regions, areAll: true };
  }

  /** Makes a module of regions that have others; undefined, and they stay, where there are none or the host refuses it. */
  #move(regions: readonly Installed[], builder: ModuleBuilder): Gathered | undefined {
    if (regions.length === 0) return undefined;
    const begin = performance.now();
    for (const { code } of regions) builder.copyFunction(code.module.code(code.number));
    const bytes = builder.finish(this.#host.memory.buffer.byteLength / WASM_PAGE, this.#host.table.length);
    const generated = performance.now();
    try {
      const module = new RegionModule(bytes, { code: builder.functions(), isGathered: true });
      module.instantiate(this.#host);
      for (const [number, region] of regions.entries()) {
        region.code = { module, number };
        this.#host.table.set(region.index, module.region(number));
      }
    } catch {
      return undefined;
    }
    return {
      ...{ regions: regions.length, bytes: bytes.length },
      ...{ generateMs: generated - begin, compileMs: performance.now() - generated },
    };
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
    for (const { offset, end } of region.blocks.values()) {
      for (let line = offset & -LINE; line < end; line += LINE) guard(line);
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
