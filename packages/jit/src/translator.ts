/**
 * The translator of one machine: hot blocks grow into regions, regions become
 * functions of the table, and what the guest overwrites is forgotten.
 */
import type { HotBlock, TranslationHost, Translator } from "@hartvisor/core";
import { GuestDecoder } from "./guest/instruction.js";
import { type LoweringOptions, lower } from "./lower/function.js";
import { isTranslatable } from "./lower/instruction.js";
import { CodeMemory, type CodeSite } from "./memory/code-memory.js";
import type { Region } from "./region/block.js";
import { discover, type Limits } from "./region/discover.js";
import { absentRegion } from "./table/absent-region.js";
import { RegionTable } from "./table/region-table.js";
import { ModuleBuilder } from "./wasm/module.js";

/** What {@link RegionTranslator} needs to know beside its machine. */
export interface RegionTranslatorOptions extends LoweringOptions {
  readonly limits: Limits;
}

const WASM_PAGE = 65536;

export class RegionTranslator implements Translator {
  readonly #host: TranslationHost;
  readonly #options: RegionTranslatorOptions;
  readonly #decoder: GuestDecoder;
  readonly #memory: CodeMemory;
  readonly #table: RegionTable;
  #stats = { regions: 0, instructions: 0, modules: 0, wasmBytes: 0, generateMs: 0, compileMs: 0, refused: 0 };

  constructor(host: TranslationHost, options: RegionTranslatorOptions) {
    this.#host = host;
    this.#options = options;
    this.#decoder = new GuestDecoder(host.isa);
    this.#memory = new CodeMemory(host.memory, host.vm);
    this.#table = new RegionTable(host, this.#memory, absentRegion());
  }

  get stats(): Readonly<Record<string, number>> {
    return { ...this.#stats, ...this.#table.stats };
  }

  translate(blocks: readonly HotBlock[]): void {
    const begin = performance.now();
    const module = new ModuleBuilder();
    const made: { readonly site: CodeSite; readonly region: Region }[] = [];
    const seen = new Set<number>();
    for (const block of blocks) {
      if (seen.has(block.slot)) continue;
      seen.add(block.slot);
      const site = this.#memory.site(block);
      if (site === undefined || this.#memory.hasRegion(site)) continue;
      const code = this.#memory.code(site, this.#decoder);
      const region = discover(site.offset, code, this.#options.limits, isTranslatable);
      if (region.blocks.size === 0) continue;
      lower(module, region, this.#options);
      made.push({ site, region });
      this.#stats.instructions += region.instructionCount;
    }
    if (made.length === 0) return;
    const { memory, table } = this.#host;
    const bytes = module.finish(memory.buffer.byteLength / WASM_PAGE, table.length);
    const generated = performance.now();
    this.#stats.generateMs += generated - begin;
    const functions = this.#compile(bytes);
    this.#stats.compileMs += performance.now() - generated;
    if (functions === undefined) return;
    this.#stats.modules++;
    this.#stats.wasmBytes += bytes.length;
    this.#stats.regions += made.length;
    for (const [n, { site, region }] of made.entries()) this.#table.install(site, region, functions[n]);
  }

  forget(frame: number, lines: bigint): void {
    this.#table.forget(frame, lines);
  }

  /** The functions of a module; undefined if the host refuses it. */
  #compile(bytes: Uint8Array<ArrayBuffer>): readonly unknown[] | undefined {
    const { memory, table, interpreter } = this.#host;
    try {
      const module = new WebAssembly.Module(bytes);
      const imports = { e: { memory, table }, i: interpreter as unknown as WebAssembly.ModuleImports };
      const { exports } = new WebAssembly.Instance(module, imports);
      return Object.keys(exports).map((name) => exports[name]);
    } catch (error) {
      if ((globalThis as { JITDEBUG?: boolean }).JITDEBUG) throw error;
      console.error(error);
      this.#stats.refused++;
      return undefined;
    }
  }
}
