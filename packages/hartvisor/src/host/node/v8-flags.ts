/**
 * V8 had branch hints and relaxed SIMD for years before Node turned them on: translated code that may use them runs a quarter
 * faster, and multiply-adds many times. A program that embeds hartvisor gives the flags to node itself.
 */
import { setFlagsFromString } from "node:v8";

/** Flags, and the first major version of V8 that needs none. */
const FLAGS = [
  ["--experimental-wasm-relaxed-simd", 12],
  ["--experimental-wasm-branch-hinting", 14],
] as const;

/** Turns on what this V8 has, but does not do unasked. To be called before the first module is compiled. */
export function enableWasmFeatures(): void {
  const version = Number.parseInt(process.versions.v8 ?? "", 10); // Bun and Deno say nothing, or are new
  for (const [flag, isDefaultFrom] of FLAGS) if (version < isDefaultFrom) setFlagsFromString(flag);
}
