/** The measuring kernel's drivers: what they bring to a device's backend, and how often they leave to the monitor for it. */
import {
  Balloon,
  type BlockBackend,
  ConsolePort,
  e1000,
  memoryDisk,
  nvme,
  virtioBlock,
  virtioConsole,
  virtioNet,
} from "hartvisor";
import { describe, expect, it } from "vitest";
import { answeringNetwork } from "../src/benchmarks/answering-network.js";
import { SKIP_REASONS } from "../src/micro/abi.js";
import { cost, run } from "./measuring-kernel.js";

const DISK_BYTES = 2 ** 21;

/** A disk that keeps the places it was read at. */
function watchedDisk(): { readonly disk: BlockBackend; readonly reads: string[] } {
  const reads: string[] = [];
  const { readNow: _, ...memory } = memoryDisk(new Uint8Array(DISK_BYTES));
  const read = (offset: number, into: Uint8Array) => {
    reads.push(`${offset}+${into.length}`);
    return memory.read(offset, into);
  };
  return { disk: { ...memory, read }, reads };
}

/** A terminal whose output is thrown away. */
function sinkPort(): ConsolePort {
  const port = new ConsolePort({ isTerminal: true });
  void port.readable.pipeTo(new WritableStream());
  return port;
}

const devices = () => [
  virtioConsole({ ports: [sinkPort()] }),
  virtioBlock({ backend: memoryDisk(new Uint8Array(DISK_BYTES)) }),
  nvme({ backend: memoryDisk(new Uint8Array(DISK_BYTES)) }),
  e1000({ backend: answeringNetwork() }),
  virtioNet({ backend: answeringNetwork() }),
];

describe.each(["direct", "trap-and-emulate", "paravirtual"] as const)("under %s, an operation takes", (technique) => {
  it.each<[string, string, Readonly<Record<string, number>>]>([
    ["console-byte", "uart", { "mmio-read": 1, "mmio-write": 1 }],
    ["console-byte", "sbi", { hypercall: 1 }],
    ["console-byte", "virtio", { "mmio-write": 1 }],
    // The FIFO is looked at before every sixteen bytes.
    ["console-4k", "uart", { "mmio-read": 256, "mmio-write": 4096 }],
    ["console-4k", "sbi", { hypercall: 1 }],
    ["console-4k", "virtio", { "mmio-write": 1 }],
    // The doorbells of the submission and of the completion queue.
    ["block-read-4k", "nvme", { "mmio-write": 2 }],
    ["block-read-4k", "virtio", { "mmio-write": 1 }],
    ["block-read-1m", "nvme", { "mmio-write": 2 }],
    ["block-read-1m", "virtio", { "mmio-write": 1 }],
    ["packet-send", "e1000", { "mmio-write": 1 }],
    ["packet-send", "virtio", { "mmio-write": 1 }],
    // The frame that asks for 64, and their buffers given back; virtio wants no doorbell for those while the card has some.
    ["packet-receive", "e1000", { "mmio-write": 2 / 64 }],
    ["packet-receive", "virtio", { "mmio-write": 1 / 64 }],
  ])("%s by %s its exits", async (name, device, exits) => {
    const count = name === "packet-receive" ? 64 : 4;
    expect((await cost(name, { technique, devices: devices() }, count, device)).exits).toEqual(exits);
  });
});

it.each(["direct", "trap-and-emulate", "paravirtual"] as const)(
  "gives 256 pages to a balloon by two exits, %s",
  async (technique) => {
    const balloon = new Balloon();
    const { exits } = await cost("balloon-inflate", { technique, devices: [balloon.device] }, 512);
    // The doorbell, and how large the balloon is.
    expect(exits).toEqual({ "mmio-write": 2 / 256 });
  },
);

it("gives no more pages to a balloon than it has", async () => {
  const balloon = new Balloon();
  const outcome = await run("balloon-inflate", { memory: "16MiB", devices: [balloon.device] }, 1_000_000);
  expect(outcome).toMatchObject({ operations: 3840 });
  expect(balloon.actualBytes).toBe(0);
});

it.each([
  ["nvme", (backend: BlockBackend) => nvme({ backend })],
  ["virtio", (backend: BlockBackend) => virtioBlock({ backend })],
])("reads a disk on %s from its beginning to its end, and again", async (name, plug) => {
  const { disk, reads } = watchedDisk();
  expect(await run("block-read-1m", { devices: [plug(disk)] }, 3, name)).toMatchObject({ operations: 3 });
  expect(await run("block-read-4k", { devices: [plug(disk)] }, 2, name)).toMatchObject({ operations: 2 });
  expect(reads).toEqual(["0+1048576", "1048576+1048576", "0+1048576", "0+4096", "4096+4096"]);
});

it("writes what it says to a virtio console", async () => {
  const port = new ConsolePort({ isTerminal: true });
  await run("console-4k", { devices: [virtioConsole({ ports: [port] })] }, 1, "virtio");
  const { value } = await port.readable.getReader().read();
  expect(value).toEqual(new Uint8Array(4096).fill(".".charCodeAt(0)));
});

it.each([
  ["console-4k", "virtio"],
  ["block-read-4k", "nvme"],
  ["block-read-4k", "virtio"],
  ["packet-send", "e1000"],
  ["packet-receive", "virtio"],
  ["console-byte", "telegraph"],
  ["balloon-inflate", "balloon"],
])("skips %s by %s where there is none", async (name, device) => {
  expect(await run(name, {}, 1, device)).toEqual({ skipped: SKIP_REASONS[2] });
});
