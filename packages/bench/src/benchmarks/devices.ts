/** The same input and output by devices of real machines, and by those that know of the monitor. */
import { ConsolePort, e1000, memoryDisk, nvme, virtioBlock, virtioConsole, virtioNet } from "hartvisor";
import type { Benchmark, BenchmarkMachine } from "../micro/definition.js";
import { answeringNetwork } from "./answering-network.js";
import { atLeast, atMost, type Condition, compare, exitsOf, expected } from "./expect.js";
import { kernelBenchmark } from "./kernel.js";

type Devices = Exclude<BenchmarkMachine["devices"], undefined>;

const MIB = 2 ** 20;
const DISK_BYTES = 16 * MIB;
const KIB4 = 4096;

let content: Uint8Array | undefined;
/** One for all machines, which only read it. */
const disk = () => {
  content ??= new Uint8Array(DISK_BYTES);
  return memoryDisk(content, { readOnly: true });
};

/** A console whose output goes nowhere. */
const console = () => {
  const port = new ConsolePort({});
  void port.readable.cancel();
  return virtioConsole({ ports: [port] })();
};

/** What a device is called in `next`, in titles, and how it is plugged in. */
interface Kind {
  readonly name: string;
  readonly title: string;
  readonly devices: Devices;
}

const CONSOLES: readonly Kind[] = [
  { name: "uart", title: "a 16550A UART", devices: [] },
  { name: "sbi", title: "SBI's debug console", devices: [] },
  { name: "virtio", title: "a virtio console", devices: [console] },
];
const DISKS: readonly Kind[] = [
  { name: "nvme", title: "an NVMe controller", devices: [() => nvme({ backend: disk() })()] },
  { name: "virtio", title: "a virtio disk", devices: [() => virtioBlock({ backend: disk() })()] },
];
const CARDS: readonly Kind[] = [
  { name: "e1000", title: "an e1000", devices: [() => e1000({ backend: answeringNetwork() })()] },
  { name: "virtio", title: "a virtio network card", devices: [() => virtioNet({ backend: answeringNetwork() })()] },
];

/** What is asked of all devices of a kind. */
interface Work {
  /** What the kernel calls it. */
  readonly name: string;
  readonly title: string;
  readonly explanation: string;
  readonly operations: number;
  readonly kinds: readonly Kind[];
  /** What the textbook says, and how many exits it allows, by the device's name. */
  readonly text: string;
  readonly exits: Readonly<Record<string, (count: number) => boolean>>;
  readonly otherwise?: string;
}

/** Under whatever technique: devices are the same under all of them. */
const underAll =
  (isRight: (count: number) => boolean): Condition =>
  (findings, engine) =>
    compare(exitsOf(findings, "direct", engine), isRight);

function benchmarksOf({
  name,
  title,
  explanation,
  operations,
  kinds,
  text,
  exits,
  otherwise,
}: Work): readonly Benchmark[] {
  return kinds.map((kind) =>
    kernelBenchmark({
      name: `${name}-${kind.name}`,
      group: "Input and output",
      title: `${title} ${kind.title}`,
      ...{ explanation, operations },
      guest: { name, arguments: [kind.name] },
      machine: { devices: kind.devices },
      expectation: {
        ...expected(
          text,
          ...Object.entries(exits).flatMap(([name, isRight]) => (name === kind.name ? [underAll(isRight)] : [])),
        ),
        ...(otherwise !== undefined && { otherwise }),
      },
    }),
  );
}

export const DEVICES: readonly Benchmark[] = [
  {
    name: "console-byte",
    title: "A byte to",
    explanation:
      "The kernel prints one character. A UART has a register to ask whether there is room, and one to write to; the call and the queue take the byte with one exit.",
    operations: 500,
    kinds: CONSOLES,
    text: "A byte alone costs about the same everywhere: one exit or two.",
    exits: { uart: atLeast(1), sbi: atMost(1), virtio: atMost(2) },
  },
  {
    name: "console-4k",
    title: "4 KiB to",
    explanation:
      "The kernel prints 4,096 characters: a store to a register each, by the UART; one call or one buffer in a queue, paravirtual. This is what batching is for.",
    operations: 10,
    kinds: CONSOLES,
    text: "At least 4,096 exits by UART; at most two by virtio, and one by call.",
    exits: { uart: atLeast(KIB4), sbi: atMost(1), virtio: atMost(2) },
  },
  {
    name: "block-read-4k",
    title: "4 KiB from",
    explanation:
      "The kernel reads one page and waits for it. A modern real controller has queues in memory and doorbells, too, and is not far from the paravirtual one; what it exits for is the doorbells, of which NVMe has two.",
    operations: 200,
    kinds: DISKS,
    text: "Emulated devices exit for each register, paravirtual ones once a batch: at most two for virtio, and more for NVMe.",
    exits: { nvme: atLeast(2), virtio: atMost(3) },
  },
  {
    name: "block-read-1m",
    title: "1 MiB from",
    explanation:
      "The kernel reads a mebibyte in one request. The bytes are copied by the host either way, which outweighs the exits.",
    operations: 4,
    kinds: DISKS,
    text: "Exits are those of a small read; the device's kind matters little.",
    exits: { nvme: atMost(16), virtio: atMost(3) },
  },
  {
    name: "packet-send",
    title: "A packet out by",
    explanation: "The kernel sends a full frame of 1,514 bytes and waits until the card has taken it.",
    operations: 200,
    kinds: CARDS,
    text: "An emulated card exits for several registers a packet, a paravirtual one at most twice.",
    exits: { e1000: atLeast(2), virtio: atMost(2) },
    otherwise:
      "This card, too, has its ring in memory and one tail register, and this kernel looks at the ring instead of taking interrupts, whose cause and mask would be the other registers. The textbook's card has neither.",
  },
  {
    name: "packet-receive",
    title: "A packet in by",
    explanation: "The host sends 64 full frames at once, which the kernel takes from its ring. Figures are per frame.",
    operations: 256,
    kinds: CARDS,
    text: "Far less than an exit a packet where they come in batches.",
    exits: { e1000: atMost(1), virtio: atMost(0.5) },
  },
].flatMap(benchmarksOf);
