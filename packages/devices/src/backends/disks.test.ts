import { describe, expect, it } from "vitest";
import { blobDisk } from "./blob-disk.js";
import { httpDisk } from "./http-disk.js";
import { memoryDisk } from "./memory-disk.js";
import { overlayDisk } from "./overlay-disk.js";

const image = Uint8Array.from({ length: 100_000 }, (_, n) => (n * 7 + (n >> 8)) & 0xff);
/** The image with its last sector filled up. */
const padded = new Uint8Array(196 * 512);
padded.set(image);

async function read(
  disk: { read(offset: number, into: Uint8Array): void | Promise<void> },
  offset: number,
  length: number,
) {
  const into = new Uint8Array(length).fill(0xee);
  await disk.read(offset, into);
  return into;
}

/** A server with one file, and the requests that it got. */
function server({ status = 206, etag = (): string => "1" } = {}) {
  const ranges: string[] = [];
  const get = async (_: string, { headers }: { headers: Record<string, string> }) => {
    const range = headers.Range ?? "";
    ranges.push(range);
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
    const end = Math.min(Number(last) + 1, image.length);
    return new Response(status === 206 ? image.slice(Number(first), end) : "no", {
      status,
      headers: { "content-range": `bytes ${first}-${end - 1}/${image.length}`, etag: etag() },
    });
  };
  return { get, ranges };
}

describe("a disk at a URL", () => {
  it("is the file behind it", async () => {
    const disk = await httpDisk("http://x/", { fetch: server().get, blockBytes: 4096 });
    expect(disk.size).toBe(padded.length);
    for (const [offset, length] of [
      [0, 512],
      [3584, 8192],
      [195 * 512, 512],
      [0, padded.length],
    ] as const) {
      expect(await read(disk, offset, length)).toEqual(padded.subarray(offset, offset + length));
    }
  });

  it("is asked once for what is read twice, and again for what was read long ago", async () => {
    const { get, ranges } = server();
    const disk = await httpDisk("http://x/", { fetch: get, blockBytes: 4096, cacheBytes: 8192 });
    await Promise.all([read(disk, 0, 512), read(disk, 512, 512)]);
    await read(disk, 0, 4096);
    expect(ranges).toEqual(["bytes=0-511", "bytes=0-4095"]);
    await read(disk, 4096, 8192);
    await read(disk, 0, 512);
    expect(ranges.slice(2)).toEqual(["bytes=4096-8191", "bytes=8192-12287", "bytes=0-4095"]);
  });

  it.each([
    ["a server that knows no ranges", 200, /range requests/],
    ["a file that is not there", 404, /HTTP status 404/],
  ])("is not made from %s", async (_, status, reason) => {
    await expect(httpDisk("http://x/", { fetch: server({ status }).get })).rejects.toThrow(reason);
  });

  it("fails when the file changes, and recovers when the server does", async () => {
    let version = "1";
    const disk = await httpDisk("http://x/", { fetch: server({ etag: () => version }).get });
    version = "2";
    await expect(read(disk, 0, 512)).rejects.toThrow(/has changed/);
    version = "1";
    expect(await read(disk, 0, 512)).toEqual(image.subarray(0, 512));
  });
});

describe("a disk from a blob", () => {
  it("is the blob, filled up to a sector", async () => {
    const disk = blobDisk(new Blob([image]));
    expect(disk.isReadOnly).toBe(true);
    expect(await read(disk, 0, padded.length)).toEqual(padded);
  });

  it("cannot be made from nothing", () => {
    expect(() => blobDisk(new Blob([]))).toThrow(/empty/);
  });
});

describe.each([
  ["at once", () => memoryDisk(padded.slice(), { readOnly: true })],
  ["later", () => blobDisk(new Blob([image]))],
])("an overlay over a disk that answers %s", (_, below) => {
  it("reads as the disk below until it is written, sector by sector", async () => {
    const base = below();
    const disk = overlayDisk(base);
    const expected = padded.slice();
    for (const [offset, length] of [
      [512, 512],
      [128 * 512, 1024],
      [126 * 512, 2048],
      [190 * 512, 6 * 512],
    ] as const) {
      const bytes = new Uint8Array(length).fill(offset / 512);
      await disk.write(offset, bytes);
      expected.set(bytes, offset);
    }
    await disk.writeZeroes?.(3 * 512, 512);
    expected.fill(0, 3 * 512, 4 * 512);
    expect(await read(disk, 0, padded.length)).toEqual(expected);
    expect(await read(disk, 512, 512)).toEqual(expected.subarray(512, 1024));
    expect(await read(base, 0, padded.length)).toEqual(padded);
  });

  it("takes and gives sectors at once that guest memory has in pieces of any length", async () => {
    const disk = overlayDisk(memoryDisk(padded.slice(), { readOnly: true }));
    const bytes = Uint8Array.from({ length: 129 * 512 }, (_, n) => (n * 3) & 0xff);
    const pieces = (whole: Uint8Array) => [whole.subarray(0, 100), whole.subarray(100, 1700), whole.subarray(1700)];
    expect(disk.writeNow?.(5 * 512, pieces(bytes))).toBe(true);
    const expected = padded.slice();
    expected.set(bytes, 5 * 512);
    const into = new Uint8Array(160 * 512);
    expect(disk.readNow?.(512, pieces(into))).toBe(true);
    expect(into).toEqual(expected.subarray(512, 161 * 512));
  });
});
