/** The benchmarks that come with the package. */
import type { Benchmark } from "../micro/definition.js";
import { CALLS } from "./calls.js";
import { DEVICES } from "./devices.js";
import { HOST_FUNCTIONS } from "./host.js";
import { INTERRUPTS } from "./interrupts.js";
import { LINUX } from "./linux.js";
import { PAGING } from "./paging.js";

/** All of them, in the order in which they are run and shown. */
export const BENCHMARKS: readonly Benchmark[] = [
  ...CALLS,
  ...PAGING,
  ...INTERRUPTS,
  ...DEVICES,
  ...LINUX,
  ...HOST_FUNCTIONS,
];
