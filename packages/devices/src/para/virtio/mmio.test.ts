import { beforeEach, describe, expect, it } from "vitest";
import { VirtioRng } from "../rng/device.js";
import { TestBench } from "./test-device.js";

const BUFFER = 0x8008_0000;
const FEATURES_OK = 8;
const NEEDS_RESET = 64;

let bench: TestBench;

beforeEach(() => {
  bench = new TestBench(new VirtioRng({ source: (into) => into.fill(0xa5) }));
});

describe("virtio over MMIO", () => {
  it("says what it is", () => {
    expect([0, 4, 8].map((offset) => bench.read(offset))).toEqual([0x74726976, 2, 4]);
  });

  it("serves a request from doorbell to interrupt", () => {
    const { drivers, memory } = bench.start();
    drivers[0]?.add({ address: BUFFER, length: 32, write: true });
    bench.ring();
    expect(drivers[0]?.take()).toEqual({ head: 0, written: 32 });
    expect([...memory.bytes.subarray(0x80000, 0x80021)]).toEqual([...new Array(32).fill(0xa5), 0]);
    expect([bench.interrupt, bench.acknowledge(), bench.interrupt]).toEqual([true, 1, false]);
  });

  it("leaves a request in its queue until the machine has memory for the answer", () => {
    const { drivers, memory } = bench.start();
    memory.hasFrames = false;
    drivers[0]?.add({ address: BUFFER, length: 32, write: true });
    bench.ring();
    expect(drivers[0]?.take()).toBeUndefined();
    memory.hasFrames = true;
    for (const retry of memory.retries) retry();
    expect(drivers[0]?.take()).toEqual({ head: 0, written: 32 });
    expect(bench.failures).toEqual([]);
  });

  it("serves what waited when the driver became ready", () => {
    bench.start({
      beforeReady: () => {
        bench.drivers[0]?.add({ address: BUFFER, length: 1, write: true });
        bench.ring();
        expect(bench.drivers[0]?.take()).toBeUndefined();
      },
    });
    expect(bench.drivers[0]?.take()).toEqual({ head: 0, written: 1 });
  });

  it("does not take features that it did not offer", () => {
    bench.write(0x70, 3);
    bench.write(0x24, 1);
    bench.write(0x20, 1);
    bench.write(0x24, 0);
    bench.write(0x20, 1 << 5);
    bench.write(0x70, 11);
    expect(bench.status & FEATURES_OK).toBe(0);
  });

  it("does not serve drivers of the legacy interface", () => {
    bench.write(0x70, 3);
    bench.write(0x70, 11);
    expect(bench.status & FEATURES_OK).toBe(0);
  });

  it("needs a reset when a driver is ready before its features are", () => {
    bench.write(0x70, 7);
    expect(bench.status & NEEDS_RESET).toBe(NEEDS_RESET);
  });

  it("ignores doorbells for queues that do not exist, and before the driver is ready", () => {
    bench.ring(0);
    bench.start();
    for (const queue of [1, 2, 65535, 0xffff_ffff]) bench.ring(queue);
    expect([bench.status, bench.failures]).toEqual([15, []]);
  });

  it("interrupts a driver that broke the rules, and tells the host once", () => {
    const { drivers } = bench.start();
    drivers[0]?.offer(99);
    bench.ring();
    bench.ring();
    expect(bench.status).toBe(15 | NEEDS_RESET);
    expect(bench.acknowledge()).toBe(2);
    expect(bench.failures).toHaveLength(1);
    bench.start();
    bench.drivers[0]?.add({ address: BUFFER, length: 1, write: true });
    bench.ring();
    expect(bench.drivers[0]?.take()).toBeDefined();
  });

  it("keeps the setup of a queue that is on", () => {
    bench.start();
    bench.write(0x30, 0);
    bench.write(0x80, 0);
    bench.write(0x38, 64);
    bench.drivers[0]?.add({ address: BUFFER, length: 1, write: true });
    bench.ring();
    expect(bench.drivers[0]?.take()).toBeDefined();
  });

  it("goes on after save and restore", () => {
    bench.start();
    const saved = structuredClone(bench.mmio.save());
    bench.mmio.reset();
    bench.mmio.restore(saved);
    expect(bench.mmio.save()).toEqual(saved);
    bench.drivers[0]?.add({ address: BUFFER, length: 3, write: true });
    bench.ring();
    expect(bench.drivers[0]?.take()).toEqual({ head: 0, written: 3 });
  });

  it.each([
    ["features that it does not offer", { driverFeatures: 1n << 40n }],
    ["other queues", { queues: [] }],
    ["a negative address", { queues: [{ descriptorTable: -1 }] }],
    ["another version", { version: 2 }],
  ])("refuses to restore %s", (_, change) => {
    bench.start();
    const saved = bench.mmio.save();
    expect(() => bench.mmio.restore({ ...saved, ...change })).toThrow(/cannot restore/);
  });

  it("tells the device tree where it is", () => {
    const [node] = bench.mmio.deviceTree({ hartCount: 1, phandle: () => 9 });
    expect(node).toMatchObject({
      name: "virtio_mmio@10001000",
      properties: { compatible: "virtio,mmio", interrupts: 1, "interrupt-parent": 9 },
    });
  });
});
