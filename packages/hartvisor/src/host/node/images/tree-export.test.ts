import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileNode } from "@hartvisor/devices";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TestHttpServer } from "../../../../../devices/test/http-server.js";
import { type FileTree, httpTree, MemoryTree } from "../../../index.js";
import { names } from "./layer-difference.js";
import { exportTree } from "./tree-export.js";

let folder: string;
let server: TestHttpServer | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hartvisor-export-"));
});

afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true });
});

const owner = { uid: 7, gid: 8 };
const text = (length: number, seed: number) => Uint8Array.from({ length }, (_, n) => (n * seed + (n >> 8)) & 0xff);

async function write(directory: FileNode, name: string, bytes: Uint8Array, mode = 0o644): Promise<FileNode> {
  const node = await directory.create(name, { mode: 0o100000 | mode, ...owner });
  const file = await node.open({ read: false, write: true });
  await file.write(0, bytes);
  await file.close();
  return node;
}

/** A tree with one of everything. */
async function makeTree(): Promise<MemoryTree> {
  const tree = new MemoryTree({ now: () => ({ seconds: 1_700_000_000, nanoseconds: 17 }) });
  const { root } = tree;
  const etc = root.create("etc", { mode: 0o042750, ...owner });
  const passwd = await write(etc, "passwd", text(3000, 3), 0o4755);
  passwd.setAttribute("security.capability", text(20, 9), "either");
  root.link("second name", passwd);
  await write(root, "same", text(3000, 3));
  await write(root, "large", text(50_000, 5));
  await write(root, "empty", text(0, 1));
  await write(root, "not utf-8 \udcff", text(100, 7));
  root.create("link", { mode: 0o120777, ...owner, target: "etc/\udcfe" });
  root.create("tty", { mode: 0o020620, ...owner, major: 5, minor: 1 });
  root.create("pipe", { mode: 0o010600, ...owner });
  root.create("empty directory", { mode: 0o041777, ...owner });
  root.change({ mode: 0o711 });
  tree.freeze();
  return tree;
}

/** All that can be said of a tree, by path. */
async function describeTree(tree: FileTree): Promise<Record<string, unknown>> {
  const described: Record<string, unknown> = {};
  const inodes = new Map<number, string>();
  const visit = async (path: string, node: FileNode): Promise<void> => {
    const { ino, atime: _, ctime: __, blocks: ___, ...stat } = await node.stat();
    const attributes: [string, Uint8Array][] = [];
    for (const name of await node.listAttributes()) attributes.push([name, await node.getAttribute(name)]);
    described[path] = { ...stat, sameAs: inodes.get(ino), attributes };
    inodes.set(ino, inodes.get(ino) ?? path);
    if (node.type === 0o120000) described[`${path} ->`] = await node.readLink();
    if (node.type === 0o100000) {
      const bytes = new Uint8Array(stat.size + 1);
      const file = await node.open({ read: true, write: false });
      described[`${path} has`] = bytes.slice(0, await file.read(0, bytes));
    }
    if (node.type !== 0o040000) return;
    for (const name of await names(node)) await visit(`${path}/${name}`, await node.lookup(name));
  };
  await visit("", tree.root);
  return described;
}

/** Serves the folder. */
async function serve(): Promise<string> {
  server = await TestHttpServer.open();
  await server.putFolder(folder);
  return server.origin;
}

describe("a tree written for web servers", () => {
  it.each([16 * 2 ** 20, 4000])("is the same when it is read from one, in files of %i bytes", async (partBytes) => {
    const tree = await makeTree();
    const { bytes } = await exportTree(tree, folder, { partBytes });
    // What two files have is there once.
    expect(bytes).toBe(3000 + 50_000 + 100);
    const read = await httpTree(await serve(), { blockBytes: 4096 });
    expect(await describeTree(read)).toEqual(await describeTree(tree));
  });

  it("takes the place of an earlier version, whose contents stay for those who read it", async () => {
    await exportTree(await makeTree(), folder);
    const before = await readdir(join(folder, "contents"));
    const changed = new MemoryTree();
    await write(changed.root, "only", text(10, 11));
    await exportTree(changed, folder);
    const after = await readdir(join(folder, "contents"));
    expect(after).toEqual(expect.arrayContaining(before));
    expect(after.length).toBe(before.length + 1);
    const read = await httpTree(await serve());
    expect(await names(read.root)).toEqual(["only"]);
  });

  it("is the same, byte by byte, for the same tree", async () => {
    await exportTree(await makeTree(), folder);
    const index = await readFile(join(folder, "tree.json"));
    await exportTree(await makeTree(), folder);
    expect(await readFile(join(folder, "tree.json"))).toEqual(index);
    expect((await readdir(folder)).sort()).toEqual(["contents", "tree.json"]);
  });

  it("is not written among other things", async () => {
    await mkdir(join(folder, "x"));
    await writeFile(join(folder, "x/mine"), "");
    await expect(exportTree(await makeTree(), join(folder, "x"))).rejects.toThrow(/there is something else already/);
    expect(await readdir(join(folder, "x"))).toEqual(["mine"]);
  });
});
