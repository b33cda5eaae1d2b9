/** The benchmarks that come with the package. */
import type { Benchmark } from "../micro/definition.js";

/** All of them, in the order in which they are run and shown. */
export const BENCHMARKS: readonly Benchmark[] = [];
