import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryDirectory, MemoryFile, type MemoryTree } from "@hartvisor/devices";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { layerTree, markTree, writeChanges } from "./layer-tree.js";
import { LayerWriter, type NewTarEntry } from "./layer-writer.js";

let folder: string;
let count = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hartvisor-layers-"));
});

afterEach(() => rm(folder, { recursive: true }));

const file = (path: string, content: string, mode = 0o644): NewTarEntry => ({ path, type: "file", mode, content });
const directory = (path: string, mode = 0o755): NewTarEntry => ({ path, type: "directory", mode });

async function layer(...entries: readonly NewTarEntry[]) {
  const name = `layer ${++count}`;
  const writer = new LayerWriter(join(folder, name));
  for (const entry of entries) await writer.add(entry);
  await writer.finish();
  return { path: join(folder, name), name };
}

/** What a tree holds: contents by path, and of directories their modes. */
async function listing(tree: MemoryTree): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const visit = async (node: MemoryDirectory, path: string): Promise<void> => {
    for (const [name, { node: below }] of node.entries) {
      const where = `${path}${name}`;
      if (below instanceof MemoryDirectory) {
        found[where] = below.stat().mode.toString(8);
        await visit(below, `${where}/`);
      } else if (below instanceof MemoryFile) {
        const bytes = new Uint8Array(below.size);
        await below.open({ read: true, write: false }).read(0, bytes);
        found[where] = new TextDecoder().decode(bytes);
      } else found[where] = `-> ${await below.readLink()}`;
    }
  };
  await visit(tree.root, "");
  return found;
}

describe("layerTree", () => {
  it("lays each layer over those below", async () => {
    const below = await layer(file("etc/a", "old"), file("etc/b", "stays"), directory("tmp", 0o1777));
    const above = await layer(file("etc/a", "new"), { path: "link", type: "symlink", mode: 0o777, target: "/etc/a" });
    expect(await listing(await layerTree([below, above]))).toEqual({
      ...{ etc: "40755", "etc/a": "new", "etc/b": "stays", tmp: "41777", link: "-> /etc/a" },
    });
  });

  it("removes what a whiteout names, and only what is below", async () => {
    const below = await layer(file("a/gone", "1"), file("a/kept", "2"), file("b/c/d", "3"));
    const above = await layer(file("a/.wh.gone", ""), file("a/new", "4"), file("a/.wh.new", ""), file(".wh.b", ""));
    const tree = await layerTree([below, above]);
    expect(await listing(tree)).toEqual({ a: "40755", "a/kept": "2", "a/new": "4" });
  });

  it("hides what an opaque directory covers, wherever the mark stands", async () => {
    const below = await layer(file("d/old", "1"), file("d/sub/old", "2"));
    const above = await layer(file("d/new", "3"), file("d/.wh..wh..opq", ""), file("d/later", "4"));
    expect(await listing(await layerTree([below, above]))).toEqual({ d: "40755", "d/new": "3", "d/later": "4" });
  });

  it("replaces a directory by a file, and a file by a directory", async () => {
    const below = await layer(file("a/b", "1"), file("c", "2"));
    const above = await layer(file("a", "now a file"), file("c/d", "3"));
    const whole = layerTree([below, await layer(file("a", "now a file"), directory("c"), file("c/d", "3"))]);
    expect(await listing(await whole)).toEqual({ a: "now a file", c: "40755", "c/d": "3" });
    expect(above).toBeDefined();
  });

  it("gives a file its further names", async () => {
    const tree = await layerTree([
      await layer(file("a", "same"), { path: "b", type: "link", mode: 0o644, target: "a" }),
    ]);
    expect(tree.root.lookup("b")).toBe(tree.root.lookup("a"));
    expect(tree.root.lookup("a").links).toBe(2);
  });

  it.each<[string, NewTarEntry[], string]>([
    [
      "goes through a symbolic link",
      [{ path: "out", type: "symlink", mode: 0o777, target: "/" }, file("out/etc", "x")],
      '"out/etc" stands below what is no directory',
    ],
    [
      "links to what is not there",
      [{ path: "a", type: "link", mode: 0o644, target: "nothing" }],
      '"a" is a link to what is not there',
    ],
  ])("refuses a layer that %s", async (_, entries, message) => {
    await expect(layerTree([await layer(...entries)])).rejects.toMatchObject({
      code: "invalid-image",
      message: expect.stringContaining(message),
    });
  });
});

describe("writeChanges", () => {
  it("writes what has changed, so that the layer on top of the others gives the same tree", async () => {
    const below = await layer(
      ...[file("etc/a", "1"), file("etc/gone", "2"), directory("root", 0o700), file("root/b", "3")],
      ...[file("old/x", "4"), file("old/y", "5"), file("same/z", "6")],
    );
    const tree = await layerTree([below]);
    const mark = markTree(tree);
    const etc = tree.root.lookup("etc");
    etc.remove("gone", "other");
    const b = tree.root.lookup("root").lookup("b") as MemoryFile;
    await b.open({ read: false, write: true }).write(0, new TextEncoder().encode("changed"));
    tree.root.link("also", b);
    const old = tree.root.lookup("old");
    old.remove("x", "other");
    old.remove("y", "other");
    tree.root.remove("old", "directory");
    tree.root.create("old", { mode: 0o040711, uid: 5, gid: 6 }).create("w", { mode: 0o100600, uid: 0, gid: 0 });
    tree.root.create("skipped", { mode: 0o100600, uid: 0, gid: 0 });

    const writer = new LayerWriter(join(folder, "changes"));
    await writeChanges(tree, mark, writer, (path) => path !== "skipped");
    await writer.finish();
    expect(writer.typeOf("same")).toBeUndefined();
    expect(writer.typeOf("etc/a")).toBeUndefined();
    tree.root.remove("skipped", "other");
    const again = await layerTree([below, { path: join(folder, "changes"), name: "changes" }]);
    expect(await listing(again)).toEqual(await listing(tree));
    expect(again.root.lookup("also")).toBe(again.root.lookup("root").lookup("b"));
    expect(again.root.lookup("old").stat()).toMatchObject({ uid: 5, gid: 6 });
  });
});
