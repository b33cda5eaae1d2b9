/** An unmodified Debian, with devices that real machines have and with those that know of the monitor. */
import { type AddressInfo, createServer } from "node:net";
import { e1000, memoryDisk, nvme, virtioBlock, virtioNet } from "hartvisor";
import { nat } from "hartvisor/node";
import { type Benchmark, type BenchmarkDefinition, defineBenchmark } from "../micro/definition.js";
import { atLeast, type Condition, close, compare, exits, exitsOf, expected, slower } from "./expect.js";

const group = "Debian";
const MIB = 2 ** 20;
const DISK_BYTES = 64 * MIB;

/** The card to use has the address that the network expects; the other one, of the same network, is off. */
const use = (driver: string) =>
  `for n in /sys/class/net/eth*; do d=$(basename "$(readlink $n/device/driver)"); i=\${n##*/}; ip addr flush dev $i; ` +
  `if [ $d = ${driver} ]; then ip addr add 10.0.2.15/24 dev $i; ip link set $i up; else ip link set $i down; fi; done; `;

/** All of them in one machine, so that it is booted once. */
async function devices() {
  const disk = () => memoryDisk(new Uint8Array(DISK_BYTES), { readOnly: true });
  const network = () => nat({ policy: { allow: ["127.0.0.1"] } });
  const [first, second] = [await network(), await network()];
  return [
    virtioBlock({ backend: disk() }),
    nvme({ backend: disk() }),
    virtioNet({ backend: first }),
    e1000({ backend: second }),
  ];
}

/** Why Linux hides the price of an exit. */
const COMPUTES =
  "The exits are there; but between them Linux executes hundreds to thousands of instructions, which take as long under every technique here and outweigh an exit of about a microsecond.";

let port: Promise<number> | undefined;
/** A server on this host that gives to each who connects as many MiB as its first line says. */
function source(): Promise<number> {
  port ??= new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", (line) => socket.end(Buffer.alloc(Number(line.toString()) * MIB)));
    });
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
    server.unref();
  });
  return port;
}

/** Of Debian's kernel, which knows no monitor. */
const UNMODIFIED = ["direct", "trap-and-emulate", "binary-translation"] as const;

function linuxBenchmark(definition: Omit<BenchmarkDefinition, "group" | "techniques" | "machine">): Benchmark {
  return defineBenchmark({
    mostRepetitions: 5,
    ...definition,
    group,
    techniques: UNMODIFIED,
    machine: { devices },
  });
}

/** The exits of the device's own: those of the technique come on top, and are others. */
const deviceExits =
  (isRight: (count: number) => boolean): Condition =>
  (findings, engine) =>
    compare(exitsOf(findings, "direct", engine), isRight);

const diskRead = (device: string, title: string) =>
  linuxBenchmark({
    name: `linux-disk-${title === "NVMe" ? "nvme" : "virtio"}`,
    title: `dd: a MiB from a disk, by ${title}`,
    explanation:
      "dd reads past the page cache, a mebibyte at a time. The exits are doorbells, interrupts and, under trap-and-emulate, all that the kernel's block layer does with privileged registers on the way.",
    guest: { command: (operations) => `dd if=/dev/${device} of=/dev/null bs=1M count=${operations} iflag=direct 2>&1` },
    operations: 32,
    exactly: true,
    expectation: expected(
      "A few exits a request, whatever the device: both have queues in memory.",
      deviceExits((count) => count < 40),
    ),
  });

const tcp = (driver: string, name: string) =>
  linuxBenchmark({
    name: `linux-tcp-${name}`,
    title: `A MiB by TCP from the host, by ${name}`,
    explanation:
      "A connection through the NAT to a server of this host. An e1000 of Linux's is interrupt-driven: each interrupt reads its cause and writes its mask; a virtio card shares rings and says when it wants to hear.",
    guest: {
      command: async (operations) => `${use(driver)} echo ${operations} | nc 10.0.2.2 ${await source()} >/dev/null`,
    },
    operations: 8,
    exactly: true,
    expectation: expected(
      "The emulated card exits several times as often as the paravirtual one.",
      (findings, engine) => {
        const [full, para] = ["linux-tcp-e1000", "linux-tcp-virtio"].map((other) =>
          exitsOf(findings.other(other), "direct", engine),
        );
        return full === undefined || para === undefined ? undefined : full > 1.5 * para;
      },
    ),
  });

export const LINUX: readonly Benchmark[] = [
  linuxBenchmark({
    name: "linux-boot",
    title: "Booting to the first program",
    explanation:
      "Debian's kernel and a busybox, from the first instruction until the guest runs what it is told, drivers for four devices included. Twice, without a warm-up.",
    guest: { boot: "debian" },
    operations: 1,
    mostRepetitions: 2,
    expectation: {
      otherwise: COMPUTES,
      ...expected(
        "An unmodified kernel boots under full virtualization, at a price: hundreds of thousands of exits under trap-and-emulate, and fewer where privileged instructions are rewritten.",
        slower("trap-and-emulate", 1.1),
        exits("trap-and-emulate", atLeast(100_000)),
        (findings, engine) => {
          const [trapped, rewritten] = [
            exitsOf(findings, "trap-and-emulate", engine),
            exitsOf(findings, "binary-translation", engine),
          ];
          return trapped === undefined || rewritten === undefined ? undefined : rewritten < trapped;
        },
      ),
    },
  }),
  linuxBenchmark({
    name: "linux-syscall",
    title: "A system call of Linux's",
    explanation:
      "dd copies bytes one at a time: a read and a write for each, with the kernel's whole way in and out around very little work.",
    guest: { command: (operations) => `dd if=/dev/zero of=/dev/null bs=1 count=${operations / 2} 2>&1` },
    operations: 10_000,
    exactly: true,
    expectation: expected(
      "Far dearer under trap-and-emulate than direct; close to direct under binary translation.",
      slower("trap-and-emulate", 3),
      close("binary-translation", 3),
      exits("trap-and-emulate", atLeast(3)),
    ),
  }),
  linuxBenchmark({
    name: "linux-fork-exec",
    title: "A process: fork, exec, exit and wait",
    explanation:
      "The shell runs a program that does nothing. Copying an address space is page-table writes and faults: what shadow paging is worst at.",
    guest: {
      command: (operations) => `n=0; while [ $n -lt ${operations} ]; do /bin/true; n=$((n+1)); done`,
    },
    operations: 20,
    exactly: true,
    expectation: {
      otherwise: COMPUTES,
      ...expected(
        "Dear under shadow paging, by either technique that has it: hundreds of exits a process.",
        slower("trap-and-emulate", 2),
        exits("trap-and-emulate", atLeast(100)),
        exits("binary-translation", atLeast(100)),
      ),
    },
  }),
  diskRead("vda", "virtio"),
  diskRead("nvme0n1", "NVMe"),
  tcp("virtio_net", "virtio"),
  tcp("e1000", "e1000"),
];
