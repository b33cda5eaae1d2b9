/** A compiled module of regions, and its functions in the present table. */
import type { TranslationHost } from "@hartvisor/core";
import type { FunctionCode } from "../wasm/module.js";

export class RegionModule {
  readonly madeAt = performance.now();
  /** Whether they came from other modules. */
  readonly isGathered: boolean;
  readonly #code: readonly FunctionCode[];
  readonly #module: WebAssembly.Module;
  #functions: readonly unknown[] = [];

  /** Compiles a module, of which there is no instance yet; throws what the host throws. */
  constructor(
    bytes: Uint8Array<ArrayBuffer>,
    { code, isGathered }: { readonly code: readonly FunctionCode[]; readonly isGathered: boolean },
  ) {
    this.#code = code;
    this.isGathered = isGathered;
    this.#module = new WebAssembly.Module(bytes);
  }

  /** How many regions it was made of. */
  get size(): number {
    return this.#code.length;
  }

  /** By what its nth region can be made again in another module. */
  code(number: number): FunctionCode {
    const code = this.#code[number];
    if (code === undefined) throw new RangeError(`the module has no region ${number}`);
    return code;
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
