import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fileDisk } from "./file-disk.js";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hartvisor-disk-"));
  path = join(folder, "disk.img");
  await writeFile(path, new Uint8Array(1300).fill(7));
});

afterEach(() => rm(folder, { recursive: true }));

describe("a disk in a file", () => {
  it("is the file, its last sector filled up with zeroes", async () => {
    const disk = await fileDisk(path);
    const into = new Uint8Array(1536).fill(1);
    await disk.read(0, into);
    expect([disk.size, disk.isReadOnly]).toEqual([1536, false]);
    expect(into).toEqual(Uint8Array.from({ length: 1536 }, (_, n) => (n < 1300 ? 7 : 0)));
    await disk.close();
  });

  it("has what was written, in the file once it is flushed", async () => {
    const disk = await fileDisk(path);
    await disk.write(512, new Uint8Array(512).fill(9));
    await disk.flush();
    await disk.close();
    await disk.close();
    const bytes = await readFile(path);
    expect([bytes[511], bytes[512], bytes[1023], bytes[1024], bytes.length]).toEqual([7, 9, 9, 7, 1300]);
  });

  it("fills and takes pieces of memory at once while that is fast", async () => {
    const disk = await fileDisk(path);
    const pieces = [new Uint8Array(100).fill(1), new Uint8Array(412).fill(2)];
    expect(disk.writeNow?.(512, pieces)).toBe(true);
    const into = [new Uint8Array(512), new Uint8Array(500), new Uint8Array(12)];
    expect(disk.readNow?.(0, into)).toBe(true);
    await disk.close();
    expect(into.map((piece) => [piece[0], piece[99], piece[499]])).toEqual([
      [7, 7, 7],
      [1, 1, 2],
      [2, undefined, undefined],
    ]);
  });

  it("leaves what it cannot do at once to the patient way, which says what is wrong", async () => {
    const disk = await fileDisk(path, { readOnly: true });
    expect(disk.readNow?.(1024, [new Uint8Array(512)])).toBe(false);
    expect(disk.writeNow?.(0, [new Uint8Array(512)])).toBe(false);
    await disk.close();
  });

  it("says so when its file has become shorter", async () => {
    const disk = await fileDisk(path);
    await truncate(path, 100);
    await expect(disk.read(0, new Uint8Array(512))).rejects.toThrow(/shorter/);
    await disk.close();
  });

  it("cannot be written when it is opened for reading", async () => {
    const disk = await fileDisk(path, { readOnly: true });
    expect(disk.isReadOnly).toBe(true);
    await expect(disk.write(0, new Uint8Array(512))).rejects.toThrow();
    await disk.close();
  });

  it.each([
    ["a file that is not there", "nothing.img", /no such file/],
    ["a folder", ".", /regular file|EISDIR|directory/],
    ["an empty file", "empty.img", /empty/],
  ])("cannot be %s", async (_, name, reason) => {
    await writeFile(join(folder, "empty.img"), "");
    await expect(fileDisk(join(folder, name))).rejects.toMatchObject({
      code: "unreadable-file",
      message: expect.stringMatching(reason),
    });
  });
});
