import type { BlockBackend } from "@hartvisor/core";
import { beforeEach, describe, expect, it } from "vitest";
import { memoryDisk } from "../../backends/memory-disk.js";
import { TestBench } from "../virtio/test-device.js";
import { VirtioBlock } from "./device.js";

const HEADER = 0x8008_0000;
const STATUS = 0x8008_0100;
const DATA = 0x8009_0000;
const DATA_OFFSET = 0x9_0000;
const Type = { In: 0, Out: 1, Flush: 4, GetId: 8, Discard: 11, WriteZeroes: 13 } as const;
const Result = { Ok: 0, IoError: 1, Unsupported: 2, None: 0xee } as const;
const FLUSH = 1n << 9n;

let bytes: Uint8Array;
let bench: TestBench;
let errors: unknown[];

function begin(backend: BlockBackend, features?: bigint): void {
  errors = [];
  const device = new VirtioBlock({ backend, serial: "a serial", onError: (error) => errors.push(error) });
  bench = new TestBench(device).start(features === undefined ? {} : { features });
}

beforeEach(() => {
  bytes = Uint8Array.from({ length: 16 * 512 }, (_, n) => n >> 9);
  begin(memoryDisk(bytes));
});

/** Makes a request available and rings; what it is answered with is at `STATUS` then. */
function request(
  type: number,
  sector: number,
  ...data: readonly { length: number; write?: boolean; at?: number }[]
): void {
  bench.memory.store32(HEADER, type);
  bench.memory.store32(HEADER + 4, 0);
  bench.memory.store64(HEADER + 8, sector);
  bench.memory.store8(STATUS, Result.None);
  let at = DATA;
  const buffers = data.map(({ length, write = false, at: address }) => {
    const buffer = { address: address ?? at, length, write };
    at += length;
    return buffer;
  });
  bench.drivers[0]?.add({ address: HEADER, length: 16 }, ...buffers, { address: STATUS, length: 1, write: true });
  bench.ring();
}

const status = () => bench.memory.bytes[STATUS - bench.memory.base];
const data = (length: number) => [...bench.memory.bytes.subarray(DATA_OFFSET, DATA_OFFSET + length)];
/** Lets promises of backends settle. */
const settled = () => new Promise((resolve) => setTimeout(resolve));

/** A backend that answers later, as a file does. */
function later({ readNow: _, writeNow: __, ...disk }: BlockBackend): BlockBackend {
  return {
    ...disk,
    read: async (offset, into) => {
      await settled();
      await disk.read(offset, into);
    },
    write: async (offset, source) => {
      await settled();
      await disk.write(offset, source);
    },
    flush: () => settled().then(() => {}),
  };
}

describe.each([
  ["that answers at once", (disk: BlockBackend) => disk],
  ["that answers later", later],
])("a disk with a backend %s", (_, wrap) => {
  beforeEach(() => begin(wrap(memoryDisk(bytes))));

  it("reads sectors into buffers of any length", async () => {
    request(Type.In, 3, { length: 100, write: true }, { length: 924, write: true });
    await settled();
    await settled();
    expect(status()).toBe(Result.Ok);
    expect(bench.drivers[0]?.take()).toEqual({ head: 0, written: 1025 });
    expect(data(1025)).toEqual([...new Array(512).fill(3), ...new Array(512).fill(4), 0]);
    expect(bench.acknowledge()).toBe(1);
  });

  it("writes sectors", async () => {
    bench.memory.bytes.fill(0x77, DATA_OFFSET, DATA_OFFSET + 512);
    request(Type.Out, 15, { length: 511 }, { length: 1 });
    await settled();
    await settled();
    expect(status()).toBe(Result.Ok);
    expect([...bytes.subarray(14 * 512 + 511, 16 * 512)]).toEqual([14, ...new Array(512).fill(0x77)]);
  });

  it("does not touch guest memory after a reset", async () => {
    request(Type.In, 3, { length: 512, write: true });
    bench.memory.bytes.fill(0, DATA_OFFSET);
    bench.start();
    await settled();
    await settled();
    expect(data(512)).toEqual(new Array(512).fill(0));
    expect(bench.drivers[0]?.take()).toBeUndefined();
    request(Type.In, 3, { length: 512, write: true });
    await settled();
    await settled();
    expect(status()).toBe(Result.Ok);
  });
});

describe("a disk", () => {
  it("says how large it is, and its name", () => {
    expect(bench.mmio.read(0x100, 4)).toBe(16);
    request(Type.GetId, 0, { length: 20, write: true });
    expect(new TextDecoder().decode(Uint8Array.from(data(20)))).toBe(`a serial${"\0".repeat(12)}`);
  });

  it("zeroes, discards and flushes", () => {
    bench.memory.store64(DATA, 4);
    bench.memory.store32(DATA + 8, 2);
    bench.memory.store32(DATA + 12, 1);
    request(Type.WriteZeroes, 0, { length: 16 });
    expect([status(), bytes[4 * 512 - 1], bytes[4 * 512], bytes[6 * 512 - 1], bytes[6 * 512]]).toEqual([0, 3, 0, 0, 6]);
    bench.memory.store32(DATA + 12, 0);
    request(Type.Discard, 0, { length: 16 });
    expect(status()).toBe(Result.Ok);
    request(Type.Flush, 0);
    expect(status()).toBe(Result.Ok);
  });

  it.each([
    ["a read beyond the end", Type.In, 15, [{ length: 1024, write: true }], Result.IoError],
    ["a read far beyond the end", Type.In, 2 ** 60, [{ length: 512, write: true }], Result.IoError],
    ["a write beyond the end", Type.Out, 16, [{ length: 512 }], Result.IoError],
    ["part of a sector", Type.In, 0, [{ length: 100, write: true }], Result.IoError],
    ["no data", Type.In, 0, [], Result.IoError],
    ["too little room for the serial", Type.GetId, 0, [{ length: 19, write: true }], Result.IoError],
    ["a discard of part of a segment", Type.Discard, 0, [{ length: 15 }], Result.IoError],
    ["too many segments", Type.Discard, 0, [{ length: 17 * 16 }], Result.IoError],
    ["an unknown type", 99, 0, [{ length: 512 }], Result.Unsupported],
  ])("answers %s with an error", (_, type, sector, buffers, result) => {
    request(type, sector, ...buffers);
    expect(status()).toBe(result);
    expect(bench.failures).toEqual([]);
  });

  it("does not know flags of discards", () => {
    bench.memory.store64(DATA, 0);
    bench.memory.store64(DATA + 8, 2 ** 32 + 1);
    request(Type.Discard, 0, { length: 16 });
    expect(status()).toBe(Result.Unsupported);
  });

  it("is not written when it is read-only", () => {
    begin(memoryDisk(bytes, { readOnly: true }));
    expect(bench.offered & (1n << 5n)).toBe(1n << 5n);
    request(Type.Out, 0, { length: 512 });
    expect([status(), bytes[0]]).toEqual([Result.IoError, 0]);
  });

  it("needs a reset after a request without room for header or status", () => {
    bench.drivers[0]?.add({ address: HEADER, length: 15 }, { address: STATUS, length: 1, write: true });
    bench.ring();
    expect(bench.failures).toHaveLength(1);
    bench.start();
    bench.drivers[0]?.add({ address: HEADER, length: 16 });
    bench.ring();
    expect(bench.failures).toHaveLength(2);
  });

  it("turns failures of the host into I/O errors of the guest, and reports each once", async () => {
    const failure = new Error("disk full");
    begin({
      ...later(memoryDisk(bytes)),
      write: () => Promise.reject(failure),
      flush: () => {
        throw failure;
      },
    });
    request(Type.Out, 0, { length: 512 });
    await settled();
    expect([status(), errors]).toEqual([Result.IoError, [failure]]);
    request(Type.Flush, 0);
    expect([status(), errors]).toEqual([Result.IoError, [failure, failure]]);
  });

  it("flushes each write of a driver that cannot", () => {
    const log: string[] = [];
    const disk = memoryDisk(bytes);
    begin({ ...disk, flush: () => void log.push("flush") }, ~FLUSH);
    request(Type.Out, 0, { length: 512 });
    expect(log).toEqual(["flush"]);
  });

  it("is saved only while no request is under way", async () => {
    begin(later(memoryDisk(bytes)));
    request(Type.In, 1, { length: 512, write: true });
    expect(() => bench.mmio.save()).toThrow(/in flight/);
    await settled();
    await settled();
    const saved = bench.mmio.save();
    bench.mmio.restore(structuredClone(saved));
    expect(bench.mmio.save()).toEqual(saved);
  });

  it.each([0, 100, -512, 0.5])("cannot have %s bytes", (size) => {
    expect(() => new VirtioBlock({ backend: { ...memoryDisk(bytes), size } })).toThrow(/multiple of 512/);
  });
});
