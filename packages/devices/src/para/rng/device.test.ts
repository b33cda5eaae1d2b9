import { describe, expect, it } from "vitest";
import { TestBench } from "../virtio/test-device.js";
import { MAX_RNG_BYTES, VirtioRng } from "./device.js";

const DATA = 0x8008_0000;

describe("an entropy source", () => {
  it("fills what the driver offers, over its buffers", () => {
    const bench = new TestBench(
      new VirtioRng({ source: (into) => into.set([1, 2, 3, 4, 5].slice(0, into.length)) }),
    ).start();
    bench.drivers[0]?.add({ address: DATA, length: 2, write: true }, { address: DATA + 8, length: 3, write: true });
    bench.ring();
    expect(bench.drivers[0]?.take()).toEqual({ head: 0, written: 5 });
    expect([...bench.memory.bytes.subarray(0x8_0000, 0x8_000c)]).toEqual([1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 5, 0]);
    expect(bench.acknowledge()).toBe(1);
  });

  it("gives a request no more than its cap", () => {
    const bench = new TestBench(new VirtioRng()).start();
    bench.drivers[0]?.add(
      { address: DATA, length: MAX_RNG_BYTES, write: true },
      { address: DATA, length: 100, write: true },
    );
    bench.ring();
    expect(bench.drivers[0]?.take()).toEqual({ head: 0, written: MAX_RNG_BYTES });
  });

  it("answers a request without room with nothing", () => {
    const bench = new TestBench(new VirtioRng()).start();
    bench.drivers[0]?.add({ address: DATA, length: 4 });
    bench.ring();
    expect(bench.drivers[0]?.take()).toEqual({ head: 0, written: 0 });
    expect(bench.failures).toEqual([]);
  });

  it("is the host's unless it is told otherwise", () => {
    const bench = new TestBench(new VirtioRng()).start();
    bench.drivers[0]?.add({ address: DATA, length: 64, write: true });
    bench.ring();
    expect(new Set(bench.memory.bytes.subarray(0x8_0000, 0x8_0040)).size).toBeGreaterThan(16);
  });
});
