/**
 * `npm run bench:io`: disk, network and exec in the Debian guest, here and in
 * QEMU with the same kinds of devices, image file and cache mode, in turn. Prints
 * medians and the quotients of the two, by the guest's clock and by the CPU time of
 * the emulator's process; above 1 we are faster.
 */
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { linux, Machine } from "hartvisor";
import { debianDemoImage } from "hartvisor/debian";
import { cpio } from "../../../hartvisor/src/demo/cpio.js";
import { obtainQemu } from "../../../hartvisor/src/host/node/debian-qemu.js";
import { EmulatorProcess } from "../peers/emulator-process.js";
import { cpuBetween } from "../peers/process-cpu.js";
import { median } from "../statistics.js";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    engine: { type: "string", default: "auto" },
    filter: { type: "string", default: "" },
  },
});
const ROUNDS = Number(values.rounds);
/** Of each command in each round, after one that warms up. */
const RUNS = 3;
const MIB = 2 ** 20;
const DISK_BYTES = 256 * MIB;
const MOVED = 256 * MIB;
const RANDOM_READS = 20_000;
const TIMEOUT_MS = 120_000;

const CLI = fileURLToPath(import.meta.resolve("hartvisor/package.json")).replace(/package\.json$/, "dist/cli.js");
const IO = fileURLToPath(new URL("../guests/built/io.elf", import.meta.url));

/** Runs as process 1: as the demo's /init, but the host types commands, and their output comes back. */
const INIT = `#!/bin/sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s
stty -echo
for device in /sys/bus/virtio/devices/*/modalias; do modprobe -q "$(cat "$device")"; done
ip link set eth0 up
udhcpc -i eth0 -s /etc/udhcpc.sh -q -n >/dev/null 2>&1
echo @shell
while read -r command; do
  eval "$command"
  echo "@exit $?"
done
`;

/** A command for the guest, and what its nanoseconds mean. */
interface Measure {
  readonly name: string;
  readonly command: (ports: { readonly source: number; readonly sink: number }) => string;
  readonly unit: string;
  readonly figure: (ns: number) => number;
}

const megabytes = (ns: number) => MOVED / MIB / (ns / 1e9);
const MEASURES: readonly Measure[] = [
  {
    name: "sequential read",
    command: () => `/io disk-read /dev/vda ${MOVED} ${MIB}`,
    unit: "MiB/s",
    figure: megabytes,
  },
  {
    name: "sequential write",
    command: () => `/io disk-write /dev/vda ${MOVED} ${MIB}`,
    unit: "MiB/s",
    figure: megabytes,
  },
  {
    name: "random 4 KiB read",
    command: () => `/io disk-random /dev/vda ${RANDOM_READS} 4096`,
    unit: "reads/s",
    figure: (ns) => RANDOM_READS / (ns / 1e9),
  },
  {
    name: "TCP from host",
    command: ({ source }) => `/io tcp-read 10.0.2.2 ${source} ${MOVED}`,
    unit: "MiB/s",
    figure: megabytes,
  },
  {
    name: "TCP to host",
    command: ({ sink }) => `/io tcp-write 10.0.2.2 ${sink} ${MOVED}`,
    unit: "MiB/s",
    figure: megabytes,
  },
];

const work = await mkdtemp(join(tmpdir(), "hartvisor-io-"));
try {
  await bench();
} finally {
  await rm(work, { recursive: true, force: true });
}
process.exit();

async function bench(): Promise<void> {
  const image = await debianDemoImage();
  const qemu = await obtainQemu(() => {});
  const [kernel, initrd, disk] = ["Image", "initrd", "disk.img"].map((name) => join(work, name)) as [
    string,
    string,
    string,
  ];
  const ours = cpio([
    { type: "file", path: "io", content: await readFile(IO), mode: 0o755 },
    { type: "file", path: "io-init", content: INIT, mode: 0o755 },
  ]);
  await writeFile(kernel, image.kernel);
  await writeFile(initrd, Buffer.concat([image.initrd, ours]));
  const file = await open(disk, "w");
  for (let at = 0; at < DISK_BYTES; at += MIB) await file.write(Buffer.alloc(MIB, at / MIB));
  await file.close();

  const source = createServer((socket) => {
    socket.on("error", () => {});
    socket.end(Buffer.alloc(MOVED));
  });
  const sink = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => {});
  });
  const ports = { source: await listen(source), sink: await listen(sink) };
  const append = "console=ttyS0 quiet rdinit=/io-init";
  const boot = ["-kernel", kernel, "-initrd", initrd, "-append", append];
  const [program, ...args] = qemu.command;
  const machines: Readonly<Record<string, () => EmulatorProcess>> = {
    hartvisor: () =>
      new EmulatorProcess(process.execPath, [
        ...[CLI, "run", "--engine", values.engine, "--kernel", kernel, "--initrd", initrd, "--append", append],
        ...["--disk", disk, "--net", "nat", "--allow", "127.0.0.1"],
      ]),
    QEMU: () =>
      new EmulatorProcess(program, [
        ...[...args, "-machine", "virt", "-m", "512M", "-no-reboot", "-nodefaults"],
        ...["-display", "none", "-monitor", "none", "-serial", "stdio", ...boot],
        ...["-drive", `file=${disk},if=none,format=raw,id=disk,cache=writeback`],
        ...["-device", "virtio-blk-pci,drive=disk,disable-legacy=on"],
        ...["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,disable-legacy=on"],
      ]),
  };
  console.log(`hartvisor --engine ${values.engine}, Node ${process.version}; QEMU ${qemu.version}; rounds: ${ROUNDS}`);
  const samples = new Map<string, number[]>();
  const note = (what: string, sample: number) => samples.set(what, [...(samples.get(what) ?? []), sample]);
  const measures = MEASURES.filter((each) => each.name.includes(values.filter));
  for (let round = 0; round < ROUNDS; round++) {
    const running = new Map<string, EmulatorProcess>();
    try {
      for (const [name, start] of Object.entries(machines)) {
        const begin = performance.now();
        const machine = start();
        running.set(name, machine);
        await machine.expect(/@shell/, TIMEOUT_MS);
        note(`boot ${name}`, (performance.now() - begin) / 1000);
      }
      for (const measure of measures) {
        // In turn, so that a slow spell of the host meets both; first as warm-up: a machine that has done it before is the usual case.
        for (let run = 0; run <= RUNS; run++) {
          for (const [name, machine] of running) {
            const before = machine.cpu();
            machine.send(measure.command(ports));
            const [, ns] = (await machine.expect(/^(\d+)\s[\s\S]*@exit 0/m, TIMEOUT_MS)) as unknown as [string, string];
            if (run === 0) continue;
            note(`${measure.name} ${name}`, measure.figure(Number(ns)));
            const { totalMs, waitMs } = cpuBetween(before, machine.cpu());
            note(`${measure.name} CPU ${name}`, measure.figure(totalMs * 1e6));
            note(`waiting ${name}`, waitMs / (Number(ns) / 1e6));
          }
        }
      }
    } finally {
      for (const machine of running.values()) await machine.kill();
    }
  }
  source.close();
  sink.close();
  const of = (what: string) => median(samples.get(what) ?? [Number.NaN]);
  console.log(`${"".padEnd(20)}${"hartvisor".padStart(10)}${"QEMU".padStart(10)} ${"".padEnd(8)}    by time   by CPU`);
  for (const { name, unit } of measures) {
    const [ours, theirs] = [of(`${name} hartvisor`), of(`${name} QEMU`)];
    row(name, ours, theirs, unit, ours / theirs, of(`${name} CPU hartvisor`) / of(`${name} CPU QEMU`));
  }
  row("boot to shell", of("boot hartvisor"), of("boot QEMU"), "s", of("boot QEMU") / of("boot hartvisor"));
  const percent = (name: string) => Math.round(100 * of(`waiting ${name}`));
  console.log(`of this time, waiting for a CPU: hartvisor ${percent("hartvisor")} %, QEMU ${percent("QEMU")} %`);
  await execFigures(image);
}

function row(name: string, ours: number, theirs: number, unit: string, byTime: number, byCpu?: number): void {
  const figures = `${ours.toFixed(1).padStart(10)}${theirs.toFixed(1).padStart(10)}`;
  const quotients = `${byTime.toFixed(2).padStart(11)}${byCpu === undefined ? "" : byCpu.toFixed(2).padStart(9)}`;
  console.log(`${name.padEnd(20)}${figures} ${unit.padEnd(8)}${quotients}`);
}

/** The round trip of a command that does nothing, and `hartvisor exec` from its start to its end. */
async function execFigures(image: { readonly kernel: Uint8Array; readonly initrd: Uint8Array }): Promise<void> {
  await using vm = await Machine.create({
    boot: linux({ ...image, cmdline: "console=ttyS0 quiet" }),
    engine: values.engine as "auto",
  });
  void vm.console.output.cancel();
  vm.start();
  const times: number[] = [];
  for (let n = 0; n < 110; n++) {
    const begin = performance.now();
    await vm.exec(["true"]);
    if (n >= 10) times.push(performance.now() - begin);
  }
  console.log(`exec of true: ${median(times).toFixed(1)} ms (median of ${times.length})`);
  const begin = performance.now();
  const command = new EmulatorProcess(process.execPath, [CLI, "exec", "--engine", values.engine, "--", "uname", "-a"]);
  await command.expect(/riscv64 GNU\/Linux/, TIMEOUT_MS);
  console.log(`hartvisor exec -- uname -a: ${((performance.now() - begin) / 1000).toFixed(1)} s`);
  await command.kill();
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
