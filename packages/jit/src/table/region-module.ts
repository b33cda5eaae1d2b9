/** A compiled module of regions, and its functions in the present table. */
import type { TranslationHost } from "@hartvisor/core";

export class RegionModule {
  readonly #module: WebAssembly.Module;
  #functions: readonly unknown[];

  /** Compiles and instantiates a module; throws what the host throws. */
  constructor(bytes: Uint8Array<ArrayBuffer>, host: TranslationHost) {
    this.#module = new WebAssembly.Module(bytes);
    this.#functions = functionsOf(this.#module, host);
  }

  /** The function of its nth region. */
  region(number: number): unknown {
    return this.#functions[number];
  }

  /** Instantiates it again, for a table and an interpreter that were made anew. */
  renew(host: TranslationHost): void {
    this.#functions = functionsOf(this.#module, host);
  }
}

function functionsOf(module: WebAssembly.Module, { memory, table, interpreter }: TranslationHost): readonly unknown[] {
  const imports = { e: { memory, table }, i: interpreter as unknown as WebAssembly.ModuleImports };
  const { exports } = new WebAssembly.Instance(module, imports);
  return Object.keys(exports).map((name) => exports[name]);
}
