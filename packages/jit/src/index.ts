/**
 * The place of the dynamic binary translator, which turns hot guest code into
 * WebAssembly. This version has the interface only; machines interpret.
 */

/** What a translator makes one Wasm function of. */
export type TranslationUnit = "block" | "region";

/** How a translator is set up. */
export interface TranslatorOptions {
  /** `region`: a guest function at a time. `block`: one basic block, for comparison. Default: region. */
  readonly unit?: TranslationUnit;
  /** Executions of a block before it is translated. */
  readonly threshold?: number;
}
