import type { FrameOffload, NetworkBackend, NetworkCard } from "@hartvisor/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TestBench } from "../virtio/test-device.js";
import { VirtioNet } from "./device.js";

const BUFFER = 0x8008_0000;
const OFFSET = 0x8_0000;
const Feature = { GuestChecksum: 1n << 1n, GuestTso4: 1n << 7n, Merged: 1n << 15n } as const;

let card: NetworkCard | undefined;
let log: string[];
let frames: Uint8Array[];
let device: VirtioNet;
let bench: TestBench;

const backend: NetworkBackend = {
  connect: (next) => {
    card = next;
  },
  receive: (frame) => void frames.push(frame),
  flush: () => void log.push("flush"),
  ready: () => void log.push("ready"),
  close: async () => {},
};

function begin(features?: bigint, options: Partial<ConstructorParameters<typeof VirtioNet>[0]> = {}): void {
  log = [];
  frames = [];
  device = new VirtioNet({ backend, ...options });
  bench = new TestBench(device).start(features === undefined ? {} : { features });
}

beforeEach(() => begin());
afterEach(() => {
  vi.useRealTimers();
});

const give = (length: number, at = 0) => bench.drivers[0]?.add({ address: BUFFER + at, length, write: true });
const memory = (length: number, at = 0) => [...bench.memory.bytes.subarray(OFFSET + at, OFFSET + at + length)];
const frame = Uint8Array.from({ length: 60 }, (_, n) => n + 1);
const offload: FrameOffload = { checksumStart: 34, checksumOffset: 16, segmentSize: 1460 };

describe("a network card", () => {
  it("has an address, a link and an MTU", () => {
    const bytes = Array.from({ length: 12 }, (_, n) => bench.mmio.read(0x100 + n, 1));
    expect(bytes).toEqual([0x52, 0x54, 0, 0x12, 0x34, 0x56, 1, 0, 1, 0, 0xdc, 5]);
  });

  it("hands over what the guest sends, without the header, and says when that is all", () => {
    bench.memory.bytes.set(frame, OFFSET + 12);
    bench.drivers[1]?.add({ address: BUFFER, length: 12 }, { address: BUFFER + 12, length: 60 });
    bench.drivers[1]?.add({ address: BUFFER, length: 72 });
    bench.ring(1);
    expect(frames).toEqual([frame, frame]);
    expect(log.filter((entry) => entry === "flush").length).toBeGreaterThan(0);
    expect([bench.drivers[1]?.take(), bench.drivers[1]?.take()]).toEqual([
      { head: 0, written: 0 },
      { head: 2, written: 0 },
    ]);
  });

  it.each([0, 5, 12, 25, 12 + 14 + 65536])("drops a frame of %i bytes", (length) => {
    bench.drivers[1]?.add({ address: BUFFER, length });
    bench.ring(1);
    expect([frames, bench.failures, bench.drivers[1]?.take()]).toEqual([[], [], { head: 0, written: 0 }]);
  });

  it("gives the guest a frame of several parts in one buffer", () => {
    give(100);
    expect(card?.deliver([frame.subarray(0, 14), frame.subarray(14)])).toBe(true);
    expect(bench.drivers[0]?.take()).toEqual({ head: 0, written: 72 });
    expect(memory(73)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, ...frame, 0]);
    expect(bench.acknowledge()).toBe(1);
  });

  it("spreads a frame over buffers that the guest merges", () => {
    give(30);
    give(30, 0x100);
    give(30, 0x200);
    expect(card?.deliver([frame])).toBe(true);
    expect([0, 1, 2].map(() => bench.drivers[0]?.take()?.written)).toEqual([30, 30, 12]);
    expect(memory(12)[10]).toBe(3);
    expect([...memory(18, 12), ...memory(30, 0x100), ...memory(12, 0x200)]).toEqual([...frame]);
  });

  it("keeps the guest's buffers when there is no room for a whole frame, and tells when there is", () => {
    give(30);
    expect(card?.deliver([frame])).toBe(false);
    expect([bench.drivers[0]?.take(), log.includes("ready")]).toEqual([undefined, false]);
    give(60, 0x100);
    bench.ring(0);
    expect(log).toContain("ready");
    expect(card?.deliver([frame])).toBe(true);
    expect(bench.drivers[0]?.take()).toEqual({ head: 0, written: 30 });
  });

  it("leaves checksum and segments to a guest that does them", () => {
    expect(card?.largestSegment).toBeGreaterThan(65_000);
    give(100);
    card?.deliver([frame], offload);
    expect(memory(12)).toEqual([1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0, 1, 0]);
  });

  it("does the checksum for a guest that cannot", () => {
    begin(Feature.Merged | Feature.GuestTso4);
    expect(card?.largestSegment).toBe(1460);
    give(100);
    card?.deliver([frame.subarray(0, 54), frame.subarray(54)], { ...offload, segmentSize: 0 });
    expect(memory(12)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    const bytes = memory(60, 12).slice(34);
    let sum = 0;
    for (let n = 0; n < bytes.length; n += 2) sum += ((bytes[n] ?? 0) << 8) | (bytes[n + 1] ?? 0);
    // The field held the sum of the pseudo-header: here, what the frame had there.
    const pseudo = ((frame[50] ?? 0) << 8) | (frame[51] ?? 0);
    expect((sum + pseudo) % 0xffff).toBe(0);
  });

  it("cuts a frame for a guest that does not merge", () => {
    begin(Feature.GuestChecksum);
    give(40);
    expect(card?.deliver([frame])).toBe(true);
    expect(bench.drivers[0]?.take()).toEqual({ head: 0, written: 40 });
  });

  it("loses what passes while the cable is out, and tells the guest", () => {
    device.link = false;
    expect([bench.acknowledge(), bench.mmio.read(0x106, 2)]).toEqual([2, 0]);
    give(100);
    expect(card?.deliver([frame])).toBe(true);
    bench.drivers[1]?.add({ address: BUFFER, length: 72 });
    bench.ring(1);
    expect([bench.drivers[0]?.take(), frames]).toEqual([undefined, []]);
    bench.acknowledge();
    device.link = true;
    expect(bench.acknowledge()).toBe(2);
  });

  it("tells its network when the driver goes", () => {
    const old = card;
    bench.write(0x70, 0);
    expect([card, old?.deliver([frame])]).toEqual([undefined, false]);
  });

  it("lets no more pass than its rate", async () => {
    vi.useFakeTimers();
    begin(undefined, { rateLimit: { fromGuest: 1000 } });
    for (let n = 0; n < 3; n++) bench.drivers[1]?.add({ address: BUFFER, length: 300 });
    bench.ring(1);
    expect(frames).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(180);
    expect(frames).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(290);
    expect(frames).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(20);
    expect(frames).toHaveLength(3);
  });

  it("goes on after save and restore", () => {
    device.link = false;
    const saved = structuredClone(bench.mmio.save());
    bench.mmio.reset();
    device.link = true;
    bench.mmio.restore(saved);
    expect([bench.mmio.save(), device.link, card !== undefined]).toEqual([saved, false, true]);
  });

  it.each(["52:54:00", "53:54:00:12:34:56", "52:54:00:12:34:5g"])("cannot have the address %s", (mac) => {
    expect(() => new VirtioNet({ backend, mac })).toThrow(/no MAC address/);
  });
});
