import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archiveTree, type FileNode, type FileTree, FileType, MemoryTree, unionTree } from "@hartvisor/devices";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeDifference } from "./layer-difference.js";
import { type LayerEntry, LayerWriter } from "./layer-writer.js";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hartvisor-difference-"));
});

afterEach(() => rm(folder, { recursive: true }));

const file = (path: string, content: string, mode = 0o644): LayerEntry => ({ path, mode: 0o100000 | mode, content });

async function layer(name: string, fill: (writer: LayerWriter) => Promise<void>): Promise<FileTree> {
  const writer = await LayerWriter.create(join(folder, name));
  await fill(writer);
  await writer.finish();
  return archiveTree(await readFile(join(folder, name)), { name });
}

const layerOf = (...entries: readonly LayerEntry[]) =>
  layer("below", async (writer) => {
    for (const entry of entries) await writer.add(entry);
  });

/** What a tree holds, by path: modes, owners, contents. */
async function listing(tree: FileTree): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  const visit = async (directory: FileNode, path: string): Promise<void> => {
    const reader = await directory.openDirectory();
    for (const { name } of await reader.read(0, 1000)) {
      const node = await directory.lookup(name);
      const { mode, uid, links } = await node.stat();
      const bytes = new Uint8Array(100);
      if (node.type === FileType.Directory) await visit(node, `${path}${name}/`);
      const file = node.type === FileType.Regular ? await node.open({ read: true, write: false }) : undefined;
      const length = (await file?.read(0, bytes)) ?? 0;
      const isFile = file !== undefined;
      found[`${path}${name}`] = [
        mode.toString(8),
        uid,
        isFile ? links : 0,
        Buffer.from(bytes.subarray(0, length)).toString(),
      ];
    }
  };
  await visit(tree.root, "");
  return found;
}

async function write(node: FileNode, text: string): Promise<void> {
  const opened = await node.open({ read: false, write: true });
  await opened.write(0, new TextEncoder().encode(text));
  await opened.close();
}

const NEW_FILE = { mode: 0o100600, uid: 0, gid: 0 };

/** Lets a tree be changed, and compares it with the layers below and that of the difference, laid over each other. */
async function roundTrip(below: FileTree, change: (root: FileNode) => Promise<void>, keep?: (path: string) => boolean) {
  const after = unionTree({ lower: [below], upper: new MemoryTree() });
  await change(after.root);
  const paths: string[] = [];
  const difference = await layer("above", async (writer) => {
    const add = writer.add.bind(writer);
    writer.add = (entry) => {
      paths.push(entry.path);
      return add(entry);
    };
    await writeDifference(below, after, writer, keep);
  });
  const again = unionTree({ lower: [below, difference] });
  return { paths: [...new Set(paths)], after: await listing(after), again: await listing(again) };
}

describe("writeDifference", () => {
  it("writes what is new and what is other, with the directories above as they are", async () => {
    const below = await layerOf({ path: "root", mode: 0o040700, uid: 7 }, file("root/a", "1"), file("etc/same", "2"));
    const { paths, after, again } = await roundTrip(below, async (root) => {
      const directory = await root.lookup("root");
      await write(await directory.lookup("a"), "changed");
      await write(await directory.create("b", NEW_FILE), "new");
    });
    expect(again).toEqual(after);
    expect(paths).toEqual(["root", "root/a", "root/b"]);
  });

  it("writes that something is gone", async () => {
    const below = await layerOf(file("etc/a", "1"), file("etc/b", "2"), file("old/x/y", "3"));
    const { paths, after, again } = await roundTrip(below, async (root) => {
      await (await root.lookup("etc")).remove("a", "other");
      const old = await root.lookup("old");
      await (await old.lookup("x")).remove("y", "other");
      await old.remove("x", "directory");
      await root.remove("old", "directory");
    });
    expect(again).toEqual(after);
    expect(paths).toEqual(["etc", "etc/.wh.a", ".wh.old"]);
  });

  it("writes directories that have come in the place of others, or of a file", async () => {
    const below = await layerOf(file("d/x", "1"), file("f", "2"), file("g/y", "3"));
    const { after, again } = await roundTrip(below, async (root) => {
      await root.rename("d", root, "moved", {});
      await root.create("d", { mode: 0o040711, uid: 3, gid: 0 });
      await root.remove("f", "other");
      const f = await root.create("f", { mode: 0o040755, uid: 0, gid: 0 });
      await write(await f.create("z", NEW_FILE), "4");
      await (await root.lookup("g")).remove("y", "other");
      await root.remove("g", "directory");
      await write(await root.create("g", NEW_FILE), "5");
    });
    expect(again).toEqual(after);
  });

  it("writes a file once, however many names it has", async () => {
    const { after, again } = await roundTrip(await layerOf(file("a", "1")), async (root) => {
      const node = await root.create("b", NEW_FILE);
      await write(node, "several");
      await root.link("c", node);
    });
    expect(again).toEqual(after);
    expect(again.c).toEqual(["100600", 0, 2, "several"]);
  });

  it("leaves out what is not to be kept", async () => {
    const keep = (path: string) => !path.startsWith("tmp/");
    const { paths } = await roundTrip(
      await layerOf({ path: "tmp", mode: 0o041777 }),
      async (root) => {
        await (await root.lookup("tmp")).create("scratch", NEW_FILE);
        await root.create("kept", NEW_FILE);
      },
      keep,
    );
    expect(paths).toContain("kept");
    expect(paths).not.toContain("tmp/scratch");
  });
});
