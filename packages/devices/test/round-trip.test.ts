/** Each virtio device is saved, and restored as another: the guest's driver goes on with its queues and notices nothing. */
import type { BlockBackend } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { memoryDisk } from "../src/backends/memory-disk.js";
import { VirtioBalloon } from "../src/para/balloon/device.js";
import { VirtioBlock } from "../src/para/block/device.js";
import { VirtioConsole } from "../src/para/console/device.js";
import { VirtioNet } from "../src/para/net/device.js";
import { VirtioRng } from "../src/para/rng/device.js";
import type { VirtioDevice } from "../src/para/virtio/device.js";
import { TestBench } from "../src/para/virtio/test-device.js";
import type { TestBuffer } from "../src/para/virtio/test-memory.js";
import { VirtioVsock } from "../src/para/vsock/device.js";
import { writeHeader } from "../src/para/vsock/packet.js";

const HEADER = 0x8008_0000;
const DATA = 0x8008_1000;

interface Case {
  readonly name: string;
  readonly make: () => VirtioDevice;
  readonly queue: number;
  /** A request that is answered at once, with so many bytes. */
  readonly buffers: readonly TestBuffer[];
  readonly contents?: Uint8Array;
  readonly written: number;
}

const frame = new Uint8Array(12 + 60);
const vsockRequest = writeHeader({
  ...{ sourceCid: 3, destinationCid: 2, sourcePort: 9, destinationPort: 1024, length: 0 },
  ...{ type: 1, operation: 1, flags: 0, bufferSize: 4096, forwarded: 0 },
});
const blockRead: Pick<Case, "queue" | "buffers" | "contents" | "written"> = {
  queue: 0,
  buffers: [
    { address: HEADER, length: 16 },
    { address: DATA, length: 512, write: true },
    { address: DATA + 512, length: 1, write: true },
  ],
  contents: new Uint8Array(16),
  written: 513,
};

const cases: readonly Case[] = [
  {
    name: "entropy",
    make: () => new VirtioRng({ source: (into) => into.fill(7) }),
    queue: 0,
    buffers: [{ address: DATA, length: 10, write: true }],
    written: 10,
  },
  {
    name: "a balloon",
    make: () => new VirtioBalloon(),
    queue: 0,
    buffers: [{ address: HEADER, length: 8 }],
    written: 0,
  },
  { name: "a disk", make: () => new VirtioBlock({ backend: memoryDisk(new Uint8Array(4096)) }), ...blockRead },
  {
    name: "a console",
    make: () => new VirtioConsole({ ports: [{ name: "a", receive: () => {} }] }),
    queue: 1,
    buffers: [{ address: HEADER, length: 5 }],
    written: 0,
  },
  {
    name: "a network card",
    make: () =>
      new VirtioNet({
        backend: { connect: () => {}, receive: () => {}, flush: () => {}, ready: () => {}, close: async () => {} },
      }),
    queue: 1,
    buffers: [{ address: HEADER, length: frame.length }],
    contents: frame,
    written: 0,
  },
  {
    name: "sockets",
    make: () => new VirtioVsock(),
    queue: 1,
    buffers: [{ address: HEADER, length: vsockRequest.length }],
    contents: vsockRequest,
    written: 0,
  },
];

/** The device elsewhere, with what was saved of it, in the same guest memory. */
function moved(from: TestBench, device: VirtioDevice): TestBench {
  const to = new TestBench(device, from.memory);
  to.mmio.restore(structuredClone(from.mmio.save()));
  return to;
}

describe.each(cases)("$name", ({ make, queue, buffers, contents, written }) => {
  const offer = (bench: TestBench, driver = bench.drivers[queue]) => {
    if (contents) bench.memory.bytes.set(contents, HEADER - bench.memory.base);
    driver?.add(...buffers);
  };

  it("goes on elsewhere when it was idle", async () => {
    const device = make();
    const first = new TestBench(device).start();
    const driver = first.drivers[queue];
    offer(first);
    first.ring(queue);
    expect(driver?.take()?.written).toBe(written);
    await device.quiesce();
    const second = moved(first, make());
    expect([second.mmio.save(), second.interrupt]).toEqual([first.mmio.save(), first.interrupt]);
    second.acknowledge();
    if (driver) first.memory.store16(driver.available + 4 + 2 * driver.size, 1); // interrupt for the next one
    offer(first);
    second.ring(queue);
    expect(driver?.take()?.written).toBe(written);
    expect([second.interrupt, second.failures]).toEqual([true, []]);
  });

  it("begins no request while it is quiesced, and serves elsewhere what was offered", async () => {
    const device = make();
    const first = new TestBench(device).start();
    await device.quiesce();
    offer(first);
    first.ring(queue);
    expect(first.drivers[queue]?.take()).toBeUndefined();
    moved(first, make());
    expect(first.drivers[queue]?.take()?.written).toBe(written);
  });

  it("serves what was offered when it is resumed where it was", async () => {
    const device = make();
    const bench = new TestBench(device).start();
    await device.quiesce();
    offer(bench);
    bench.ring(queue);
    device.resume();
    expect(bench.drivers[queue]?.take()?.written).toBe(written);
  });

  it("still waits for its reset elsewhere after its driver broke the rules", () => {
    const first = new TestBench(make()).start();
    first.drivers[queue]?.offer(999);
    first.ring(queue);
    expect(first.status & 64).toBe(64);
    const second = moved(first, make());
    expect(second.status).toBe(first.status);
    offer(first);
    second.ring(queue);
    expect(first.drivers[queue]?.take()).toBeUndefined();
    second.start();
    offer(second);
    second.ring(queue);
    expect(second.drivers[queue]?.take()?.written).toBe(written);
  });
});

describe("requests in flight", () => {
  it("of a disk are answered before it is quiet, and others served elsewhere", async () => {
    let answer: () => void = () => {};
    const { readNow: _, writeNow: __, ...disk } = memoryDisk(new Uint8Array(4096).fill(5));
    const backend: BlockBackend = {
      ...disk,
      read: async (offset, into) => {
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
        await disk.read(offset, into);
      },
    };
    const device = new VirtioBlock({ backend });
    const first = new TestBench(device).start();
    first.drivers[0]?.add(...blockRead.buffers);
    first.ring();
    const quiet = device.quiesce();
    first.drivers[0]?.add(...blockRead.buffers);
    first.ring();
    expect(() => first.mmio.save()).toThrow(/in flight/);
    answer();
    await quiet;
    expect(first.drivers[0]?.take()).toEqual({ head: 0, written: 513 });
    expect(first.drivers[0]?.take()).toBeUndefined();
    moved(first, new VirtioBlock({ backend: memoryDisk(new Uint8Array(4096).fill(6)) }));
    expect(first.drivers[0]?.take()).toEqual({ head: 3, written: 513 });
    expect(first.memory.bytes[DATA - first.memory.base]).toBe(6);
  });

  it("of a console are answered before it is quiet", async () => {
    let taken: () => void = () => {};
    const receive = () =>
      new Promise<void>((resolve) => {
        taken = resolve;
      });
    const device = new VirtioConsole({ ports: [{ name: "a", receive }] });
    const bench = new TestBench(device).start();
    bench.drivers[1]?.add({ address: HEADER, length: 5 });
    bench.ring(1);
    const quiet = device.quiesce();
    taken();
    await quiet;
    expect(bench.drivers[1]?.take()).toEqual({ head: 0, written: 0 });
    moved(bench, new VirtioConsole({ ports: [{ name: "a", receive: () => {} }] }));
  });

  it("of sockets end with the move, and the guest is told", async () => {
    const device = new VirtioVsock();
    const first = new TestBench(device).start();
    first.memory.bytes.fill(0xee, DATA - first.memory.base, DATA - first.memory.base + 8);
    first.drivers[2]?.add({ address: DATA, length: 8, write: true });
    first.ring(2);
    await device.quiesce();
    expect(first.drivers[2]?.take()).toBeUndefined();
    const second = moved(first, new VirtioVsock());
    expect(first.drivers[2]?.take()).toEqual({ head: 0, written: 4 });
    expect([...first.memory.bytes.subarray(DATA - first.memory.base, DATA - first.memory.base + 5)]).toEqual([
      0, 0, 0, 0, 0xee,
    ]);
    first.drivers[2]?.add({ address: DATA, length: 8, write: true });
    second.ring(2);
    expect(first.drivers[2]?.take()).toBeUndefined();
  });
});
