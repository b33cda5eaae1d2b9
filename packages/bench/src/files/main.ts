/**
 * `npm run bench:files`: a tree of 10,000 files in a folder of the host's, unpacked, listed, searched and deleted by the
 * Debian guest, and one large file written and read: here by virtio-fs, by 9p if wanted, in QEMU by 9p and by virtiofsd,
 * in turn. Prints medians and the quotients with each peer, by time and by the CPU time of its processes; above 1 we are faster.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { type Contender, prepare } from "./contenders.js";
import { MEASURES } from "./guest.js";
import { type Options, parseOptions } from "./options.js";
import { Samples } from "./samples.js";

// Leaving by process.exit() ends the emulators and removes what was written.
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.on(signal, () => process.exit(128 + constants.signals[signal]));

const work = mkdtempSync(join(tmpdir(), "hartvisor-files-"));
process.on("exit", () => rmSync(work, { recursive: true, force: true }));
try {
  await bench(parseOptions(process.argv.slice(2)));
} catch (error) {
  console.error(`bench:files: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 2;
}
process.exit();

async function bench(options: Options): Promise<void> {
  const { description, start } = await prepare(work, options);
  console.log(`${description}; ${options.directories * 100} files; rounds: ${options.rounds}`);
  const samples = new Samples();
  const running: Contender[] = [];
  try {
    for (const each of start) {
      const contender = await each();
      running.push(contender);
      await contender.isUp();
    }
    // The first round is the warm-up.
    for (let round = 0; round <= options.rounds; round++) {
      for (const measure of MEASURES) {
        for (const contender of running) await samples.take(measure, contender, round > 0);
      }
    }
  } finally {
    for (const each of running) await each.kill();
  }
  samples.print(running.map(({ name }) => name));
}
