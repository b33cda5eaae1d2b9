import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { contentOf, readTar, type TarLimits } from "./tar-reader.js";

type Header = Parameters<ReturnType<typeof pack>["entry"]>[0];

async function archive(...entries: readonly (Header & { readonly content?: string })[]): Promise<Buffer> {
  const writer = pack();
  for (const { content = "", ...header } of entries) {
    if (header.type === undefined || header.type === "file") writer.entry(header, content);
    else writer.entry(header).end(Buffer.alloc(0));
  }
  writer.finalize();
  const parts: Buffer[] = [];
  for await (const part of writer as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

async function read(bytes: Uint8Array, limits?: TarLimits) {
  const entries = [];
  for await (const entry of readTar(Readable.from([bytes]), "layer 1", limits)) {
    const { path, type, target, mode, size } = entry;
    entries.push({ path, type, target, mode, size, text: (await contentOf(entry)).toString() });
  }
  return entries;
}

describe("readTar", () => {
  it("gives names from the root, without what means nothing in them", async () => {
    const bytes = await archive(
      { name: "./", type: "directory" },
      { name: "./a//b/", type: "directory", mode: 0o1777 },
      { name: "a/./b/c", mode: 0o4755, content: "hello" },
      { name: "a/d", type: "link", linkname: "./a/b/c" },
      { name: "e", type: "symlink", linkname: "../../anywhere" },
    );
    expect((await read(bytes)).map(({ path, type, target, text }) => [path, type, target, text])).toEqual([
      ["", "directory", "", ""],
      ["a/b", "directory", "", ""],
      ["a/b/c", "file", "", "hello"],
      ["a/d", "link", "a/b/c", ""],
      ["e", "symlink", "../../anywhere", ""],
    ]);
    expect((await read(bytes)).map(({ mode }) => mode)).toEqual([0o755, 0o1777, 0o4755, 0o644, 0o644]);
  });

  it("passes over contents that nobody reads", async () => {
    const bytes = await archive({ name: "a", content: "x".repeat(100_000) }, { name: "b", content: "y" });
    const paths: string[] = [];
    for await (const { path } of readTar(Readable.from([bytes]), "layer")) paths.push(path);
    expect(paths).toEqual(["a", "b"]);
  });

  it.each<[string, Header, string]>([
    ["leads out of it", { name: "a/../../b" }, '"a/../../b" leads out of the archive'],
    ["is absolute", { name: "/etc/passwd" }, '"/etc/passwd" has an absolute name'],
    ["is a hard link out of it", { name: "a", type: "link", linkname: "../b" }, '"../b" leads out of the archive'],
    ["has a name that is too long", { name: "n".repeat(256) }, "has a name that is too long"],
    ["has a path that is too long", { name: "d/".repeat(2100) }, "has a name that is too long"],
    ["stands in the place of the root", { name: "./", type: "symlink", linkname: "/" }, "in the place of the root"],
    ["has a device number that none has", { name: "d", type: "block-device", devmajor: 5000 }, "device number 5000"],
  ])("refuses an entry that %s", async (_, entry, message) => {
    const problem = await read(await archive(entry)).catch((error: unknown) => error);
    expect(problem).toMatchObject({ code: "invalid-image", message: expect.stringMatching(/^layer 1: [^\n]*$/) });
    expect((problem as Error).message).toContain(message);
  });

  it("refuses an archive that is cut short", async () => {
    const bytes = await archive({ name: "a", content: "x".repeat(10_000) });
    for (const length of [100, 5000]) {
      await expect(read(bytes.subarray(0, length))).rejects.toThrow("layer 1: the archive is cut short");
    }
  });

  it("refuses what is no archive", async () => {
    await expect(read(Buffer.alloc(2048, 7))).rejects.toThrow("layer 1: it is no tar archive, or damaged");
  });

  it("refuses an archive that says less than it unpacks to", async () => {
    const bytes = await archive({ name: "a", content: "x".repeat(3 * 2 ** 20) });
    await expect(read(bytes, { maxBytes: 2 ** 20 })).rejects.toThrow("layer 1: it unpacks to more than 1 MiB");
    const many = await archive(...Array.from({ length: 20 }, (_, n) => ({ name: `${n}` })));
    await expect(read(many, { maxEntries: 10 })).rejects.toThrow("layer 1: it has more than 10 entries");
  });
});
