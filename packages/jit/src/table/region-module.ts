/** A compiled module of regions, and its functions in the present table. */
import type { TranslationHost } from "@hartvisor/core";

export class RegionModule {
  /** How many regions it was made of. */
  readonly size: number;
  /** Whether they came from other modules. */
  readonly isGathered: boolean;
  readonly #module: WebAssembly.Module;
  #functions: readonly unknown[] = [];

  /** Compiles a module, of which there is no instance yet; throws what the host throws. */
  constructor(
    bytes: Uint8Array<ArrayBuffer>,
    { size, isGathered }: { readonly size: number; readonly isGathered: boolean },
  ) {
    this.size = size;
    this.isGathered = isGathered;
    this.#module = new WebAssembly.Module(bytes);
  }

  /** The function of its nth region. */
  region(number: number): unknown {
    return this.#functions[number];
  }

  /** Makes an instance with the present table and interpreter, in the place of the one that it may have; throws what the host throws. */
  instantiate({ memory, table, interpreter }: TranslationHost): void {
    const imports = { e: { memory, table }, i: interpreter as unknown as WebAssembly.ModuleImports };
    const { exports } = new WebAssembly.Instance(this.#module, imports);
    this.#functions = Object.keys(exports).map((name) => exports[name]);
  }
}
