/**
 * `npm run bench:files`: a tree of 10,000 files in a folder of the host's, unpacked, listed, searched and deleted by the
 * Debian guest, and one large file written and read: here by virtio-fs, in QEMU by 9p, in turn. Prints medians
 * and the quotients of the two, by time and by the CPU time of the emulator's process; above 1 we are faster.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { debianDemoImage } from "hartvisor/debian";
import { type CpioEntry, cpio } from "../../../hartvisor/src/demo/cpio.js";
import { obtainQemu } from "../../../hartvisor/src/host/node/debian-qemu.js";
import { EmulatorProcess } from "../peers/emulator-process.js";
import { cpuBetween } from "../peers/process-cpu.js";
import { median } from "../statistics.js";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, engine: { type: "string", default: "auto" } },
});
const ROUNDS = Number(values.rounds);
if (!Number.isSafeInteger(ROUNDS) || ROUNDS < 1) {
  console.error(`bench:files: --rounds ${values.rounds}: give a whole number above 0`);
  process.exit(2);
}
const DIRECTORIES = 100;
const FILES = 100;
/** Sizes go from nothing to this, in bytes; 2 KiB in the mean. */
const LARGEST = 4096;
const LARGE_MIB = 256;
const TIMEOUT_MS = 300_000;

const CLI = fileURLToPath(import.meta.resolve("hartvisor/package.json")).replace(/package\.json$/, "dist/cli.js");
/** By which the folder is mounted. */
const TAG = "share";

/** Runs as process 1: the host types commands, and their output comes back. */
const INIT = `#!/bin/sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s
stty -echo
for device in /sys/bus/virtio/devices/*/modalias; do modprobe -q "$(cat "$device")"; done
modprobe -q virtiofs
modprobe -q 9p
mkdir -p /share
mount -t virtiofs ${TAG} /share 2>/dev/null || mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 ${TAG} /share
tar -cf /tree.tar -C /tree .
echo @shell
while read -r command; do
  eval "$command"
  echo "@exit $?"
done
`;

/** What nobody has in memory any more is read from the host. */
const FORGET = "echo 3 >/proc/sys/vm/drop_caches";
const MEASURES: readonly { readonly name: string; readonly before?: string; readonly command: string }[] = [
  { name: "unpack", before: "mkdir /share/tree", command: "tar -xf /tree.tar -C /share/tree && sync" },
  { name: "list", before: FORGET, command: "ls -lR /share/tree >/dev/null" },
  { name: "grep", before: FORGET, command: "! grep -rq 'no such line' /share/tree" },
  { name: "delete", before: FORGET, command: "rm -r /share/tree" },
  { name: "write", command: `dd if=/dev/zero of=/share/large bs=1M count=${LARGE_MIB} conv=fsync 2>/dev/null` },
  { name: "read", before: FORGET, command: "dd if=/share/large of=/dev/null bs=1M 2>/dev/null" },
];

const work = await mkdtemp(join(tmpdir(), "hartvisor-files-"));
try {
  await bench();
} finally {
  await rm(work, { recursive: true, force: true });
}
process.exit();

async function bench(): Promise<void> {
  const image = await debianDemoImage();
  const qemu = await obtainQemu(() => {});
  const [kernel, initrd] = [join(work, "Image"), join(work, "initrd")];
  await writeFile(kernel, image.kernel);
  await writeFile(initrd, Buffer.concat([image.initrd, cpio(guestFiles())]));
  const append = "console=ttyS0 quiet rdinit=/files-init";
  const boot = ["--kernel", kernel, "--initrd", initrd, "--append", append];
  const [program, ...args] = qemu.command;
  const machines: Readonly<Record<string, (folder: string) => EmulatorProcess>> = {
    hartvisor: (folder) =>
      new EmulatorProcess(process.execPath, [
        ...[CLI, "run", "--engine", values.engine, ...boot, "--share", `${folder}:${TAG}`],
      ]),
    QEMU: (folder) =>
      new EmulatorProcess(program, [
        ...[...args, "-machine", "virt", "-m", "512M", "-no-reboot", "-nodefaults"],
        ...["-display", "none", "-monitor", "none", "-serial", "stdio"],
        ...boot.map((word) => word.replace(/^--/, "-")),
        ...["-fsdev", `local,id=share,path=${folder},security_model=none`],
        ...["-device", `virtio-9p-pci,fsdev=share,mount_tag=${TAG},disable-legacy=on`],
      ]),
  };
  console.log(`hartvisor --engine ${values.engine}, Node ${process.version}; QEMU ${qemu.version}; rounds: ${ROUNDS}`);
  const samples = new Map<string, number[]>();
  const note = (what: string, sample: number) => samples.set(what, [...(samples.get(what) ?? []), sample]);
  const running = new Map<string, EmulatorProcess>();
  try {
    for (const [name, start] of Object.entries(machines)) {
      const folder = join(work, name);
      await mkdir(folder);
      const machine = start(folder);
      running.set(name, machine);
      await machine.expect(/@shell/, TIMEOUT_MS);
    }
    // The first round is the warm-up.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const { name: measure, before, command } of MEASURES) {
        for (const [name, machine] of running) {
          if (before !== undefined) await run(machine, before);
          const [cpu, begin] = [machine.cpu(), performance.now()];
          await run(machine, command);
          if (round === 0) continue;
          note(`${measure} ${name}`, performance.now() - begin);
          const { totalMs, waitMs } = cpuBetween(cpu, machine.cpu());
          note(`${measure} CPU ${name}`, totalMs);
          note(`waiting ${name}`, waitMs / (performance.now() - begin));
        }
      }
    }
  } finally {
    for (const machine of running.values()) await machine.kill();
  }
  const of = (what: string) => median(samples.get(what) ?? [Number.NaN]);
  console.log(`${"".padEnd(10)}${"hartvisor".padStart(12)}${"QEMU".padStart(12)}    by time   by CPU`);
  for (const { name } of MEASURES) {
    const [ours, theirs] = [of(`${name} hartvisor`), of(`${name} QEMU`)];
    const byCpu = of(`${name} CPU QEMU`) / of(`${name} CPU hartvisor`);
    const times = [ours, theirs].map((ms) => `${ms.toFixed(0)} ms`.padStart(12)).join("");
    console.log(`${name.padEnd(10)}${times}${(theirs / ours).toFixed(2).padStart(11)}${byCpu.toFixed(2).padStart(9)}`);
  }
  const percent = (name: string) => Math.round(100 * of(`waiting ${name}`));
  console.log(`of this time, waiting for a CPU: hartvisor ${percent("hartvisor")} %, QEMU ${percent("QEMU")} %`);
}

/** Runs a command, which has to succeed. */
async function run(machine: EmulatorProcess, command: string): Promise<void> {
  machine.send(command);
  const [, status] = await machine.expect(/@exit (\d+)\r?\n/, TIMEOUT_MS);
  if (status !== "0") throw new Error(`"${command}" ended with status ${status} in the guest`);
}

/** The tree, in the guest's memory, and what runs there. */
function guestFiles(): CpioEntry[] {
  const entries: CpioEntry[] = [
    { type: "file", path: "files-init", content: INIT, mode: 0o755 },
    { type: "directory", path: "tree" },
  ];
  const text = "Some lines of text, as sources have them.\n".repeat(LARGEST / 40);
  for (let d = 0; d < DIRECTORIES; d++) {
    entries.push({ type: "directory", path: `tree/directory${d}` });
    for (let f = 0; f < FILES; f++) {
      const length = ((d * FILES + f) * 2654435761) % LARGEST;
      entries.push({ type: "file", path: `tree/directory${d}/file${f}`, content: text.slice(0, length), mode: 0o644 });
    }
  }
  return entries;
}
