/**
 * `pnpm bench:peers`: the same programs, in the same Debian guest, here and in QEMU's
 * system emulation, in turn. Prints a table of speeds, and writes all that was measured
 * with `--json`. Ends with 1 if a program failed, and with 2 for a wrong command line.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { debianDemoImage } from "hartvisor/debian";
import { ProgressLine } from "../../../hartvisor/src/cli/progress.js";
import { obtainQemu } from "../../../hartvisor/src/host/node/debian-qemu.js";
import { obtainDebianTree } from "../../../hartvisor/src/host/node/debian-tree.js";
import { type Emulator, hartvisorEmulator, qemuEmulator } from "./emulators.js";
import { BENCH_CMDLINE, benchInitramfs, CMDLINE } from "./guest-image.js";
import { findNode } from "./node-runtime.js";
import { BOOT, DEBIAN_PACKAGES, type GuestProgram, PROGRAMS } from "./programs.js";
import { type Measurements, type Progress, runRounds } from "./rounds.js";
import { summarise } from "./summary.js";
import { drawTable } from "./table.js";

const USAGE = `bench:peers [--engine interpreter|jit|auto] [--node PATH|VERSION] [--rounds N] [--filter TEXT,...]
            [--json FILE] [--list]`;
const ENGINES = ["interpreter", "jit", "auto"];
const DEFAULT_ROUNDS = "5";
const GUESTS = fileURLToPath(new URL("../guests", import.meta.url));

interface Options {
  readonly engine: string;
  readonly node: string | undefined;
  readonly rounds: number;
  readonly json: string | undefined;
  readonly programs: readonly GuestProgram[];
  readonly boot: boolean;
}

function fail(message: string): never {
  console.error(`bench:peers: ${message}`);
  process.exit(2);
}

function parseOptions(): Options {
  const { values } = readArguments();
  const { engine, node, json } = values;
  if (!ENGINES.includes(engine)) fail(`--engine ${engine}: give one of ${ENGINES.join(", ")}`);
  const rounds = Number(values.rounds);
  if (!Number.isSafeInteger(rounds) || rounds < 1) fail(`--rounds ${values.rounds}: give a whole number above 0`);
  const parts = values.filter?.split(",");
  const names = [...PROGRAMS.map(({ name }) => name), BOOT];
  // A whole name means that program alone: "lu" is not "lua", too.
  const isWanted = (name: string, group: string) =>
    parts?.some((part) => (names.includes(part) ? name === part : name.includes(part) || group.startsWith(part))) ??
    true;
  const programs = PROGRAMS.filter(({ name, group }) => isWanted(name, group));
  const boot = isWanted(BOOT, BOOT);
  if (values.list) {
    for (const { name, group } of programs) console.log(`${name.padEnd(16)}${group}`);
    if (boot) console.log(`${BOOT.padEnd(16)}${BOOT}`);
    process.exit(0);
  }
  if (programs.length === 0 && !boot) fail(`--filter ${values.filter}: no program of that name or group; see --list`);
  return { engine, node, rounds, json, programs, boot };
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        engine: { type: "string", default: "auto" },
        node: { type: "string" },
        rounds: { type: "string", default: DEFAULT_ROUNDS },
        filter: { type: "string" },
        json: { type: "string" },
        list: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
}

async function measure(options: Options, emulators: readonly [Emulator, Emulator]): Promise<Measurements> {
  const { programs, rounds, boot } = options;
  const work = await mkdtemp(join(tmpdir(), "hartvisor-peers-"));
  const progress = new ProgressLine();
  try {
    const image = await debianDemoImage({ progress: (event) => progress.show(event) });
    const debian = programs.some(({ group }) => group === "real programs") ? await debianPrograms(progress) : undefined;
    progress.end();
    const [kernel, demo, bench] = ["Image", "demo.cpio", "bench.cpio"].map((name) => join(work, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(kernel, image.kernel);
    await writeFile(demo, image.initrd);
    const folders = { programs: join(GUESTS, "built/peers"), scripts: join(GUESTS, "peers/scripts") };
    await writeFile(bench, await benchInitramfs({ demo: image.initrd, ...folders, debian }));
    const show = ({ round, emulator, what, fraction }: Progress) =>
      progress.draw(`round ${round + 1} of ${rounds}: ${what} in ${emulator}`, fraction);
    return await runRounds(
      {
        ...{ emulators, programs, rounds, bench: { kernel, initrd: bench, cmdline: BENCH_CMDLINE } },
        demo: boot ? { kernel, initrd: demo, cmdline: CMDLINE } : undefined,
      },
      show,
    );
  } finally {
    progress.end();
    await rm(work, { recursive: true, force: true });
  }
}

/** The folder with Debian's programs for the guest. */
async function debianPrograms(progress: ProgressLine): Promise<string> {
  const what = { name: "peers", suite: "trixie", architecture: "riscv64", packages: DEBIAN_PACKAGES };
  return (await obtainDebianTree({ ...what, progress: (event) => progress.show(event) })).root;
}

const options = parseOptions();
const progress = new ProgressLine();
const qemu = await obtainQemu((event) => progress.show(event))
  .finally(() => progress.end())
  .catch((error: unknown) => fail(`QEMU cannot be had: ${error instanceof Error ? error.message : error}`));
const node = await findNode(options.node).catch((error: unknown) =>
  fail(error instanceof Error ? error.message : String(error)),
);
const ours = hartvisorEmulator(node.path, node.version, options.engine);
const peer = qemuEmulator(qemu);
const date = new Date().toISOString();
const measurements = await measure(options, [ours, peer]);
const summary = summarise(measurements, options.programs, ours.name, peer.name);

const [cpu] = cpus();
const setting = {
  date,
  command: `pnpm bench:peers ${process.argv.slice(2).join(" ")}`.trim(),
  rounds: options.rounds,
  host: `${cpus().length} x ${cpu?.model ?? process.arch}`,
  emulators: [ours.description, peer.description],
};
console.log(`${setting.emulators.join(" against ")}\n${setting.host}, ${date}, ${options.rounds} rounds\n`);
console.log(drawTable(summary, ours.name, peer.name));
if (options.json !== undefined) {
  const programs = Object.fromEntries(measurements.programs);
  const samples = { ...programs, ...(options.boot && { [BOOT]: measurements.boots }) };
  await writeFile(options.json, `${JSON.stringify({ ...setting, summary, samples }, undefined, 2)}\n`);
}
if (summary.failures.length > 0) process.exitCode = 1;
