/**
 * `pnpm bench:interpreter`: what the interpreter reaches on this host. Six
 * bare-metal programs in fresh processes, taken in turn; Debian's boot; memory
 * after it; how long a spinning guest keeps the host's event loop; and the
 * cost of an exit. Prints a table; nothing here passes or fails.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type EventLoopReport, measureEventLoop } from "./event-loop.js";
import { measureExits } from "./exits.js";
import { child, guest, PROGRAMS, type ProgramName, runProgram } from "./programs.js";
import { geometricMean, median } from "./statistics.js";

const ROUNDS = 5;
const BOOTS = 3;
const MIB = 2 ** 20;

const cli = fileURLToPath(import.meta.resolve("hartvisor/package.json")).replace(/package\.json$/, "dist/cli.js");
const here = fileURLToPath(new URL(".", import.meta.url));

/** What boot-to-shell.js prints. */
interface BootReport {
  readonly userCpuMs: number;
  readonly wallMs: number;
  readonly instructions: number;
  readonly residentBytes: number;
  readonly guestBytesTouched: number;
}

function programs(): void {
  const samples = new Map<ProgramName, number[]>(PROGRAMS.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, values] of samples) values.push(runProgram(cli, name));
  }
  console.log(`\nInstructions per CPU second, in millions (${ROUNDS} rounds, fresh process each)`);
  console.log("program      median     min     max");
  for (const [name, values] of samples) {
    const figures = [median(values), Math.min(...values), Math.max(...values)];
    console.log(name.padEnd(10), ...figures.map((value) => value.toFixed(0).padStart(7)));
  }
  const mean = geometricMean([...samples.values()].map(median));
  console.log(`geometric mean of medians: ${mean.toFixed(0)} (must: 400, none under 200; target: 650)`);
}

function boot(): void {
  const script = join(here, "boot-to-shell.js");
  const reports = Array.from({ length: BOOTS }, () => JSON.parse(child([script])) as BootReport);
  const middle = (pick: (report: BootReport) => number) => median(reports.map(pick));
  console.log(`\nDebian to the busybox shell (${BOOTS} boots, medians)`);
  console.log(`user CPU: ${(middle((r) => r.userCpuMs) / 1000).toFixed(2)} s (must: 8; target: 4)`);
  console.log(`wall: ${(middle((r) => r.wallMs) / 1000).toFixed(2)} s`);
  console.log(`instructions: ${(middle((r) => r.instructions) / 1e6).toFixed(0)} million`);
  const resident = middle((r) => r.residentBytes) / MIB;
  const touched = middle((r) => r.guestBytesTouched) / MIB;
  console.log(
    `resident: ${resident.toFixed(0)} MiB, of which guest memory ${touched.toFixed(0)} MiB: ` +
      `${(resident - touched).toFixed(0)} MiB above it (must: 150 MB)`,
  );
}

function eventLoop({ p50Ms, p99Ms, maxMs }: EventLoopReport): void {
  console.log("\nHost event loop under a spinning guest");
  console.log(
    `turn of the loop: median ${p50Ms.toFixed(1)} ms, 99th percentile ${p99Ms.toFixed(1)} ms (must: 10), longest ${maxMs.toFixed(1)} ms`,
  );
}

console.log(`Node ${process.version}, V8 ${process.versions.v8}, ${process.platform}-${process.arch}`);
programs();
boot();
eventLoop(await measureEventLoop(readFileSync(guest("spin"))));
console.log("\nLeaving WebAssembly and coming back");
for (const { name, ns } of await measureExits()) console.log(`${name}: ${ns.toFixed(0)} ns`);
