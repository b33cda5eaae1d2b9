/**
 * The translator of one machine: hot blocks grow into regions, regions become
 * functions of the table, and what the guest overwrites is forgotten.
 */
import type { HotBlock, TranslationHost, Translator, TranslatorStats } from "@hartvisor/core";
import { Backoff } from "./backoff.js";
import type { TranslatorListener } from "./event.js";
import { GuestDecoder } from "./guest/instruction.js";
import type { LoweringOptions } from "./lower/context.js";
import { lower, type RegionProbes } from "./lower/function.js";
import { isTranslatable } from "./lower/instruction.js";
import { isMisalignedAccess } from "./lower/memory.js";
import { CodeMemory, type CodeSite } from "./memory/code-memory.js";
import type { Region } from "./region/block.js";
import { discover, type Limits } from "./region/discover.js";
import { flowGraph } from "./region/flow-graph.js";
import { reducible } from "./region/reducible.js";
import { absentRegion } from "./table/absent-region.js";
import { RegionModule } from "./table/region-module.js";
import { type Entry, type RegionCode, RegionTable } from "./table/region-table.js";
import { Callees, ModuleBuilder, makeWriters } from "./wasm/module.js";

/** What {@link RegionTranslator} needs to know beside its machine. */
export interface RegionTranslatorOptions extends LoweringOptions {
  readonly limits: Limits;
  /** How long code that the host refused, or that the guest overwrote, is left alone at first. */
  readonly retryMs: number;
  /** Reports that make an access one that misses often. */
  readonly missReports: number;
  readonly onEvent: TranslatorListener | undefined;
}

/** A region whose function is the next of its module. */
interface Made extends Entry {
  readonly region: Region;
  readonly probes: RegionProbes;
  readonly generateMs: number;
}

/**
 * How long the guest, and the host's event loop, wait for regions to be made, and for how many of the guest's instructions
 * where time stands still meanwhile; what is left over comes next time.
 */
const PATIENCE_MS = 4;
const MOST_INSTRUCTIONS = 2000;
const NONE: ReadonlySet<number> = new Set();
const WASM_PAGE = 65536;
const PAGE = 4096;

/** Whether the first instruction lies in two pages: the interpreter, which keeps such slots, must be able to execute it by itself. */
function crossesPage({ entry, blocks }: Region): boolean {
  const first = blocks.get(entry)?.instructions[0]?.instruction;
  return (entry & (PAGE - 1)) + (first?.length ?? 0) > PAGE;
}

/** Whether a block of the region begins where this one would. */
const holds = ({ site, region }: Made, { frame, offset }: CodeSite): boolean =>
  site.frame === frame && region.blocks.has(offset);

export class RegionTranslator implements Translator {
  readonly #host: TranslationHost;
  readonly #options: RegionTranslatorOptions;
  readonly #decoder: GuestDecoder;
  readonly #memory: CodeMemory;
  readonly #table: RegionTable;
  readonly #writers = makeWriters();
  readonly #callees = new Callees();
  /** By slot: where a region began that the host refused. */
  readonly #refused: Backoff;
  #stats = { regions: 0, instructions: 0, modules: 0, wasmBytes: 0, generateMs: 0, compileMs: 0, refused: 0 };

  constructor(host: TranslationHost, options: RegionTranslatorOptions) {
    this.#host = host;
    this.#options = options;
    this.#decoder = new GuestDecoder(host.isa, isTranslatable);
    this.#memory = new CodeMemory(host.memory, host.vm, options.missReports);
    this.#refused = new Backoff(options.retryMs, () => host.now());
    this.#table = new RegionTable(host, this.#memory, absentRegion(), options);
  }

  get stats(): TranslatorStats {
    return { ...this.#stats, ...this.#table.stats };
  }

  translate(blocks: readonly HotBlock[]): number {
    this.#gather();
    const begin = performance.now();
    const module = new ModuleBuilder(this.#writers, this.#callees);
    const made: Made[] = [];
    const underWay = new Set<number>();
    const patience = this.#host.now() + PATIENCE_MS;
    let before = begin;
    let instructions = 0;
    let seen = 0;
    for (const block of blocks) {
      if (instructions > 0 && (instructions >= MOST_INSTRUCTIONS || this.#host.now() > patience)) break;
      seen++;
      for (const entry of this.#entries(block)) {
        if (!block.misses && made.some((other) => holds(other, entry.site))) continue;
        const code = this.#memory.code(entry, this.#decoder, underWay);
        const grown = discover(entry.site.offset, code, this.#options.limits);
        const { region, graph } = this.#options.limits.eager
          ? { region: grown, graph: flowGraph(grown) }
          : reducible(grown);
        if (region.blocks.size === 0 || crossesPage(region)) continue;
        const probes = lower(module, { region, graph }, this.#options);
        const now = performance.now();
        underWay.add(entry.slot);
        made.push({ ...entry, region, probes, generateMs: now - before });
        before = now;
        instructions += region.instructionCount;
      }
    }
    this.#stats.instructions += instructions;
    if (made.length === 0) return seen;
    const { memory, table } = this.#host;
    const bytes = module.finish(memory.buffer.byteLength / WASM_PAGE, table.length);
    const generated = performance.now();
    this.#stats.generateMs += generated - begin;
    const compiledModule = this.#compile(module, bytes, made);
    const compiled = performance.now();
    this.#stats.compileMs += compiled - generated;
    if (compiledModule === undefined) return seen;
    const number = this.#stats.modules++;
    this.#stats.wasmBytes += bytes.length;
    this.#options.onEvent?.({
      ...{ kind: "module", module: number, regions: made.length, bytes: bytes.length },
      ...{ generateMs: generated - begin, compileMs: compiled - generated },
    });
    for (const [n, region] of made.entries()) this.#install(region, { module: compiledModule, number: n }, number);
    return seen;
  }

  #gather(): void {
    const gathered = this.#table.gather(() => new ModuleBuilder(makeWriters(), this.#callees)); // large, and seldom
    if (gathered === undefined) return;
    const module = this.#stats.modules++;
    this.#stats.wasmBytes += gathered.bytes;
    this.#stats.generateMs += gathered.generateMs;
    this.#stats.compileMs += gathered.compileMs;
    this.#options.onEvent?.({ kind: "gathered", module, ...gathered });
  }

  /** Where regions are to begin for a hot block; or begin anew, with another probe or a slow path for an access. */
  #entries(block: HotBlock): readonly Entry[] {
    const site = this.#memory.site(block);
    if (site === undefined) return [];
    if (!block.misses)
      return this.#isWanted(site, block.slot) ? [{ pc: block.pc, slot: block.slot, site, kept: NONE }] : [];
    const instruction = this.#memory.code({ site, kept: NONE }, this.#decoder, NONE).at(site.offset);
    const isMisaligned = instruction !== undefined && isMisalignedAccess(instruction, block.base);
    return this.#table.giveUpMissing(site, block.base, isMisaligned);
  }

  #isWanted(site: CodeSite, slot: number): boolean {
    return !this.#memory.hasRegion(site) && this.#refused.allows(slot) && this.#table.accepts(site);
  }

  #install({ pc, site, region, probes, generateMs }: Made, code: RegionCode, module: number): void {
    const identity = { region: this.#stats.regions++, pc, frame: site.frame };
    this.#table.install(site, { region, probes }, code, identity);
    this.#options.onEvent?.({
      ...{ kind: "region", ...identity, module },
      ...{ blocks: region.blocks.size, instructions: region.instructionCount },
      ...{ bytes: code.module.code(code.number).bytes.length, generateMs },
    });
  }

  forget(frame: number, lines: bigint): void {
    this.#table.forget(frame, lines);
    this.#memory.missing.forget(frame);
  }

  /** Undefined if the host refuses the module. */
  #compile(builder: ModuleBuilder, bytes: Uint8Array<ArrayBuffer>, made: readonly Made[]): RegionModule | undefined {
    try {
      const module = new RegionModule(bytes, { code: builder.functions(), isGathered: false });
      this.#table.instantiate(module);
      return module;
    } catch (error) {
      this.#stats.refused++;
      for (const { slot } of made) this.#refused.failed(slot);
      const pcs = made.map(({ pc }) => pc);
      this.#options.onEvent?.({ kind: "refused", pcs, bytes: bytes.length, message: String(error) });
      return undefined;
    }
  }
}
