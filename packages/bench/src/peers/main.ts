/**
 * `pnpm bench:peers`: the same programs here and in other emulators, in turn. Prints a table
 * of speeds for each peer, and writes all that was measured with `--json`. Ends with 1 if a
 * program failed, and with 2 where there is nothing to run or nothing to run it in.
 */
import { rmSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { constants, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { ProgressLine } from "../../../hartvisor/src/cli/progress.js";
import { prepare } from "./contenders.js";
import { type Options, parseOptions } from "./options.js";
import { BOOT } from "./programs.js";
import { type Contender, type Measurements, runRounds } from "./rounds.js";
import { summarise } from "./summary.js";
import { drawTable } from "./table.js";

// Leaving by process.exit() ends the emulators and removes what was written.
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => process.exit(128 + constants.signals[signal]));

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.list) list(options);
  else process.exitCode = await compare(options);
} catch (error) {
  console.error(`bench:peers: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 2;
}

function list({ programs, boot }: Options): void {
  for (const { name, group } of programs) console.log(`${name.padEnd(16)}${group}`);
  if (boot) console.log(`${BOOT.padEnd(16)}${BOOT}`);
}

/** Measures and reports; returns the exit status. */
async function compare(options: Options): Promise<number> {
  const date = new Date().toISOString();
  const { rounds } = options;
  const work = await mkdtemp(join(tmpdir(), "hartvisor-peers-"));
  process.on("exit", () => rmSync(work, { recursive: true, force: true }));
  const progress = new ProgressLine();
  let contenders: [Contender, ...Contender[]];
  let measurements: Measurements;
  try {
    contenders = await prepare(options, work, (event) => progress.show(event));
    progress.end();
    measurements = await runRounds(contenders, rounds, ({ round, emulator, what, fraction }) =>
      progress.draw(`round ${round + 1} of ${rounds}: ${what} in ${emulator}`, fraction),
    );
  } finally {
    progress.end();
  }

  const [ours, ...peers] = contenders.map(({ emulator }) => emulator) as [
    Contender["emulator"],
    ...Contender["emulator"][],
  ];
  const host = `${cpus().length} x ${cpus()[0]?.model ?? process.arch}`;
  console.log(`${ours.description}\n${host}, ${date}, rounds: ${rounds}`);
  const summaries = peers.map((peer) => ({
    peer: peer.name,
    ...summarise(measurements, options.programs, ours.name, peer.name),
  }));
  for (const [index, summary] of summaries.entries()) {
    console.log(`\nAgainst ${peers[index]?.description}\n${drawTable(summary, ours.name, summary.peer)}`);
  }
  if (options.json !== undefined) {
    const report = {
      ...{ date, command: `bench:peers ${process.argv.slice(2).join(" ")}`.trim(), rounds, host },
      emulators: [ours, ...peers].map(({ description }) => description),
      summaries,
      samples: { ...Object.fromEntries(measurements.programs), ...(options.boot && { [BOOT]: measurements.boots }) },
    };
    await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  return summaries.some(({ failures }) => failures.length > 0) ? 1 : 0;
}
