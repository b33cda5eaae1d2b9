/** Microbenchmarks that compare virtualization techniques, and measurements of hartvisor that programs can call. */

export { type CommandContext, main } from "./command/main.js";
export { type EventLoopReport, measureEventLoop } from "./event-loop.js";
export { type ExitCost, measureExits } from "./exits.js";
export {
  type Benchmark,
  type BenchmarkDefinition,
  type BenchmarkMachine,
  defineBenchmark,
  type Expectation,
  type Findings,
  type GuestProgram,
  type HostFunction,
  type HostWork,
  type LinuxBoot,
  type LinuxProgram,
} from "./micro/definition.js";
export type { CountsPerOperation, Figures, Spread } from "./micro/figures.js";
export { geometricMean, median } from "./statistics.js";
