/** Measurements of hartvisor that programs can call; `pnpm bench:interpreter` prints them. */
export { type EventLoopReport, measureEventLoop } from "./event-loop.js";
export { type ExitCost, measureExits } from "./exits.js";
export { geometricMean, median } from "./statistics.js";
