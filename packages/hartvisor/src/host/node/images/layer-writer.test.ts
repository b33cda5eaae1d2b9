import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tarEntries } from "@hartvisor/devices";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LayerEntry, LayerWriter } from "./layer-writer.js";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hartvisor-layer-"));
});

afterEach(() => rm(folder, { recursive: true }));

async function write(name: string, entries: readonly LayerEntry[]) {
  const path = join(folder, name);
  const writer = await LayerWriter.create(path);
  for (const entry of entries) await writer.add(entry);
  return { path, ...(await writer.finish()) };
}

const long = `${"directory/".repeat(30)}file`;
const ENTRIES: readonly LayerEntry[] = [
  { path: "etc", mode: 0o040750, uid: 5, gid: 6, modified: 1_700_000_000 },
  { path: "etc/a", mode: 0o104755, content: "hello", attributes: new Map([["user.x", Uint8Array.of(0, 255, 10)]]) },
  { path: "etc/b", mode: 0o104755, linkTo: "etc/a" },
  { path: "etc/none", mode: 0o100000 },
  { path: "link", mode: 0o120777, target: "t".repeat(150) },
  { path: "null", mode: 0o020666, major: 1, minor: 3 },
  { path: "disk", mode: 0o060660, major: 254, minor: 70_000 },
  { path: "pipe", mode: 0o010600 },
  { path: "n\udcff", mode: 0o100644, uid: 4_000_000, content: "x".repeat(1000) },
  { path: long, mode: 0o100644, content: "deep" },
];

describe("LayerWriter", () => {
  it("writes what the reader reads: every kind, long names, names that are no text, attributes", async () => {
    const { path, size } = await write("a.tar", ENTRIES);
    const bytes = await readFile(path);
    expect(bytes.length).toBe(size);
    const read = [...tarEntries(bytes, "a.tar")].map((entry) => ({ ...entry, path: entry.path.replace(/\/$/, "") }));
    for (const entry of ENTRIES) {
      const { content = "", modified = 0, attributes = new Map(), ...rest } = entry;
      const found = read.find(({ path }) => path === entry.path);
      expect(found).toMatchObject({ ...rest, mtime: { seconds: modified } });
      expect(Buffer.from(found?.content ?? []).toString()).toBe(content);
      expect([...(found?.attributes ?? [])].map(([key, value]) => [key, Uint8Array.from(value)])).toEqual([
        ...attributes,
      ]);
    }
    expect(read.filter(({ path }) => path.startsWith("directory"))).toHaveLength(31);
  });

  it("writes what tar(1) reads", async () => {
    const { path } = await write("a.tar", ENTRIES);
    const { stdout, stderr, status } = spawnSync("tar", ["--list", "--verbose", "--numeric-owner", "--file", path]);
    expect([stderr.toString(), status]).toEqual(["", 0]);
    for (const line of [
      /drwxr-x--- 5\/6 .* etc\/$/m,
      /-rwsr-xr-x .* 5 .* etc\/a$/m,
      / link -> t{150}$/m,
      /1,3 .* null$/m,
    ]) {
      expect(stdout.toString()).toMatch(line);
    }
    expect(stdout.toString()).toContain(long);
  });

  it("gives the same bytes for the same entries", async () => {
    const [one, other] = [await write("a.tar", ENTRIES), await write("b.tar", ENTRIES)];
    expect(one.digest).toBe(other.digest);
  });

  it("refuses a path twice", async () => {
    await expect(write("a.tar", [ENTRIES[3] as LayerEntry, ENTRIES[3] as LayerEntry])).rejects.toThrow(
      "is there twice",
    );
  });
});
