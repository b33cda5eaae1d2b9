import { describe, expect, it } from "vitest";
import { TestBench } from "../virtio/test-device.js";
import { VirtioBalloon } from "./device.js";

const RAM = 0x8000_0000;
/** Free for buffers, and free to be given up. */
const DATA = 0x8008_0000;
const PAGE = DATA / 4096 + 16;

/** Puts page numbers into a request of the inflate or deflate queue. */
function offer(bench: TestBench, queue: number, ...pages: readonly number[]): void {
  bench.memory.bytes.set(new Uint8Array(Uint32Array.from(pages).buffer), DATA - RAM);
  bench.drivers[queue]?.add({ address: DATA, length: 4 * pages.length });
  bench.ring(queue);
}

/** Writes a word of the configuration space. */
const configure = (bench: TestBench, offset: number, value: number) => bench.write(0x100 + offset, value);

/** Answers for the driver with statistics. */
function giveStatistics(
  bench: TestBench,
  entries: readonly (readonly [tag: number, value: bigint])[],
  extra = 0,
): void {
  const bytes = new Uint8Array(entries.length * 10 + extra);
  const view = new DataView(bytes.buffer);
  for (const [n, [tag, value]] of entries.entries()) {
    view.setUint16(n * 10, tag, true);
    view.setBigUint64(n * 10 + 2, value, true);
  }
  bench.memory.bytes.set(bytes, DATA - RAM);
  bench.drivers[2]?.add({ address: DATA, length: bytes.length });
  bench.ring(2);
}

describe("a balloon", () => {
  it("tells the driver its target, and again when it changes", () => {
    const balloon = new VirtioBalloon({ targetBytes: 8 * 4096 });
    const bench = new TestBench(balloon).start();
    expect(bench.read(0x100)).toBe(8);
    balloon.targetBytes = 3 * 4096;
    expect(bench.read(0x100)).toBe(3);
    expect(bench.acknowledge()).toBe(2);
  });

  it.each([-4096, 1, 4097, 2 ** 44, Number.NaN])("refuses a target of %d bytes", (targetBytes) => {
    expect(() => new VirtioBalloon({ targetBytes })).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  });

  it("hears from the driver what it gave up, which cannot change the target", () => {
    const balloon = new VirtioBalloon({ targetBytes: 4096 });
    const bench = new TestBench(balloon).start();
    configure(bench, 0, 77);
    configure(bench, 4, 5);
    expect(balloon.actualBytes).toBe(5 * 4096);
    expect(balloon.targetBytes).toBe(4096);
    bench.write(0x70, 0);
    expect(balloon.actualBytes).toBe(0);
  });

  it("passes on what the driver gave up whenever that changes", () => {
    const sizes: number[] = [];
    const bench = new TestBench(new VirtioBalloon({ onResize: (bytes) => sizes.push(bytes) })).start();
    for (const [offset, value] of [
      [4, 5],
      [4, 5],
      [12, 1],
      [4, 6],
    ] as const)
      configure(bench, offset, value);
    bench.write(0x70, 0);
    expect(sizes).toEqual([5 * 4096, 6 * 4096, 0]);
  });

  it("gives the pages of a request back", () => {
    const bench = new TestBench(new VirtioBalloon()).start();
    offer(bench, 0, PAGE, PAGE + 2, PAGE + 7);
    expect(bench.memory.discarded).toEqual([PAGE, PAGE + 2, PAGE + 7]);
    expect(bench.drivers[0]?.take()).toEqual({ head: 0, written: 0 });
    expect(bench.acknowledge()).toBe(1);
  });

  it("ignores pages that are no RAM", () => {
    const bench = new TestBench(new VirtioBalloon()).start();
    offer(bench, 0, 0, RAM / 4096 - 1, PAGE, RAM / 4096 + 256, 0xffff_ffff);
    expect(bench.memory.discarded).toEqual([PAGE]);
    expect(bench.failures).toEqual([]);
  });

  it("answers a request that lies in a page it gives up", () => {
    const bench = new TestBench(new VirtioBalloon()).start();
    offer(bench, 0, DATA / 4096, DATA / 4096);
    expect(bench.drivers[0]?.take()).toEqual({ head: 0, written: 0 });
  });

  it("ignores the ragged end of an array", () => {
    const bench = new TestBench(new VirtioBalloon()).start();
    bench.memory.store32(DATA, PAGE);
    bench.memory.store32(DATA + 4, PAGE + 1);
    bench.drivers[0]?.add({ address: DATA, length: 7 });
    bench.ring();
    expect(bench.memory.discarded).toEqual([PAGE]);
  });

  it("takes at most 16,384 pages of a request", () => {
    const bench = new TestBench(new VirtioBalloon()).start();
    for (let n = 0; n < 0x8000; n++) bench.memory.store32(DATA + 4 * n, PAGE + 64);
    bench.drivers[0]?.add({ address: DATA, length: 0x2_0000 });
    bench.ring();
    expect(bench.memory.discarded).toHaveLength(16384);
  });

  it("answers what the driver takes back, and changes nothing", () => {
    const bench = new TestBench(new VirtioBalloon()).start();
    offer(bench, 1, PAGE);
    expect(bench.memory.discarded).toEqual([]);
    expect(bench.drivers[1]?.take()).toEqual({ head: 0, written: 0 });
  });

  it("waits while it is quiesced", async () => {
    const balloon = new VirtioBalloon();
    const bench = new TestBench(balloon).start();
    await balloon.quiesce();
    offer(bench, 0, PAGE);
    expect(bench.memory.discarded).toEqual([]);
    balloon.resume();
    expect(bench.memory.discarded).toEqual([PAGE]);
  });

  it("goes on after save and restore with its target, what was given up, and statistics to come", async () => {
    const balloon = new VirtioBalloon({ targetBytes: 8 * 4096 });
    const bench = new TestBench(balloon).start();
    configure(bench, 4, 6);
    giveStatistics(bench, [[4, 1n]]);
    expect(() => bench.mmio.save()).toThrow(expect.objectContaining({ code: "invalid-state" }));
    await balloon.quiesce();
    const state = structuredClone(bench.mmio.save());
    const other = new VirtioBalloon();
    const moved = new TestBench(other, bench.memory);
    moved.mmio.restore(state);
    expect(other.targetBytes).toBe(8 * 4096);
    expect(other.actualBytes).toBe(6 * 4096);
    void other.statistics();
    expect(bench.drivers[2]?.take()).toEqual({ head: 0, written: 0 });
  });

  it("restores nothing but what it saved", () => {
    const balloon = new VirtioBalloon();
    for (const state of [
      { version: 2 },
      { version: 1 },
      { ...balloon.save(), target: -1 },
      { ...balloon.save(), more: 1 },
    ]) {
      expect(() => balloon.restore(state as never)).toThrow(expect.objectContaining({ code: "invalid-argument" }));
    }
  });
});

describe("free page reporting", () => {
  it.each([3, 4])("gives whole pages of the buffers back, on queue %d", (queue) => {
    const bench = new TestBench(new VirtioBalloon()).start();
    bench.drivers[queue]?.add(
      { address: PAGE * 4096, length: 0x2000, write: true },
      { address: (PAGE + 4) * 4096 + 1, length: 0x2000, write: true },
    );
    bench.ring(queue);
    expect(bench.memory.discarded).toEqual([PAGE, PAGE + 1, PAGE + 5]);
    expect(bench.drivers[queue]?.take()).toEqual({ head: 0, written: 0 });
  });

  it("asks for no frames behind what it takes away", () => {
    const bench = new TestBench(new VirtioBalloon()).start();
    bench.memory.hasFrames = false;
    bench.drivers[4]?.add({ address: PAGE * 4096, length: 0x1000, write: true });
    bench.ring(4);
    expect(bench.memory.discarded).toEqual([PAGE]);
  });

  it("ignores what a driver would only let it read", () => {
    const bench = new TestBench(new VirtioBalloon()).start();
    bench.drivers[4]?.add({ address: PAGE * 4096, length: 0x1000 });
    bench.ring(4);
    expect(bench.memory.discarded).toEqual([]);
  });

  it("leaves poisoned pages as they are", () => {
    const bench = new TestBench(new VirtioBalloon()).start();
    configure(bench, 12, 0xaaaa_aaaa);
    bench.drivers[4]?.add({ address: PAGE * 4096, length: 0x1000, write: true });
    bench.ring(4);
    expect(bench.memory.discarded).toEqual([]);
    expect(bench.drivers[4]?.take()).toEqual({ head: 0, written: 0 });
  });

  it("is not offered unless wanted", () => {
    expect(new TestBench(new VirtioBalloon()).offered & 0x3fn).toBe(0b110110n);
    expect(new TestBench(new VirtioBalloon({ reporting: false, deflateOnOom: false })).offered & 0x3fn).toBe(0b010010n);
  });
});

describe("a balloon's statistics", () => {
  it("come from the driver when they are asked for", async () => {
    const balloon = new VirtioBalloon();
    const bench = new TestBench(balloon).start();
    giveStatistics(bench, [[4, 1n]]);
    expect(bench.drivers[2]?.take()).toBeUndefined();
    const statistics = balloon.statistics();
    expect(bench.drivers[2]?.take()).toEqual({ head: 0, written: 0 });
    giveStatistics(bench, [
      [4, 0x1_0000_0000n],
      [5, 9n],
      [99, 1n],
      [3, 7n],
    ]);
    expect(await statistics).toEqual({ freeBytes: 2 ** 32, totalBytes: 9, minorFaults: 7 });
  });

  it("ignore a ragged end", async () => {
    const balloon = new VirtioBalloon();
    const bench = new TestBench(balloon).start();
    const statistics = balloon.statistics();
    giveStatistics(bench, [[6, 5n]], 9);
    expect(await statistics).toEqual({ availableBytes: 5 });
  });

  it("are not to be had without a driver, nor from one that does not give them", async () => {
    const balloon = new VirtioBalloon();
    await expect(balloon.statistics()).rejects.toMatchObject({ code: "invalid-state" });
    new TestBench(balloon).start({ features: 0n });
    await expect(balloon.statistics()).rejects.toMatchObject({ code: "invalid-state" });
  });

  it("do not come any more after a reset", async () => {
    const balloon = new VirtioBalloon();
    const bench = new TestBench(balloon).start();
    const statistics = balloon.statistics();
    bench.write(0x70, 0);
    await expect(statistics).rejects.toMatchObject({ code: "invalid-state" });
  });
});
