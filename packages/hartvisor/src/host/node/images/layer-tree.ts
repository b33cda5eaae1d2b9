/**
 * Layers of an image as a tree that a guest mounts: each is laid over those below it, and what it marks as removed is
 * gone (OCI image specification 1.1, layer.md, "Whiteouts"). And back: what a guest has changed in such a tree, as the
 * next layer.
 */
import { createReadStream } from "node:fs";
import { HartvisorError } from "@hartvisor/core";
import {
  FileError,
  type FileTime,
  FileType,
  MemoryDirectory,
  MemoryFile,
  type MemoryNode,
  MemoryTree,
  type MemoryTreeOptions,
  PERMISSION_BITS,
} from "@hartvisor/devices";
import type { LayerWriter } from "./layer-writer.js";
import { readTar, type TarEntry, type TarType } from "./tar-reader.js";

/** A layer as it lies on the host's disk. */
export interface LayerFile {
  /** A tar archive, not compressed. */
  readonly path: string;
  /** What messages call it. */
  readonly name: string;
}

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

const NODE_TYPES: Readonly<Record<Exclude<TarType, "link">, number>> = {
  file: FileType.Regular,
  directory: FileType.Directory,
  symlink: FileType.SymbolicLink,
  "character-device": FileType.CharacterDevice,
  "block-device": FileType.BlockDevice,
  fifo: FileType.Fifo,
};

/**
 * Reads layers into a tree in memory, the lowest first.
 *
 * @throws HartvisorError `invalid-image` for layers that are damaged or contradict themselves
 */
export async function layerTree(layers: readonly LayerFile[], options: MemoryTreeOptions = {}): Promise<MemoryTree> {
  const tree = new MemoryTree({ maxBytes: 2 ** 34, ...options });
  for (const layer of layers) await addLayer(tree, layer);
  return tree;
}

async function addLayer(tree: MemoryTree, { path, name }: LayerFile): Promise<void> {
  /** What this layer has brought: an opaque directory hides only what is below. */
  const own = new Set<MemoryNode>();
  for await (const entry of readTar(createReadStream(path), name)) {
    try {
      await addEntry(tree, entry, own);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      throw new HartvisorError("invalid-image", `${name}: ${JSON.stringify(entry.path)} ${problemOf(error)}`, {
        cause: error,
      });
    }
  }
}

function problemOf({ code }: FileError): string {
  switch (code) {
    case "ENOTDIR":
      return "stands below what is no directory";
    case "ENOENT":
      return "is a link to what is not there";
    case "EEXIST":
      return "is there twice";
    default:
      return `cannot be made (${code})`;
  }
}

async function addEntry(tree: MemoryTree, entry: TarEntry, own: Set<MemoryNode>): Promise<void> {
  if (entry.path === "") return setAttributes(tree.root, entry);
  const slash = entry.path.lastIndexOf("/");
  const name = entry.path.slice(slash + 1);
  const parent = directoryAt(tree, entry.path.slice(0, Math.max(0, slash)), own);
  if (name === OPAQUE) {
    for (const [below, { node }] of [...parent.entries]) if (!own.has(node)) removeAll(parent, below);
    return;
  }
  if (name.startsWith(WHITEOUT)) {
    const hidden = parent.entries.get(name.slice(WHITEOUT.length))?.node;
    if (hidden !== undefined && !own.has(hidden)) removeAll(parent, name.slice(WHITEOUT.length));
    return;
  }
  const before = parent.entries.get(name)?.node;
  if (entry.type === "directory" && before instanceof MemoryDirectory) {
    own.add(before);
    return setAttributes(before, entry);
  }
  if (before !== undefined) {
    if (own.has(before)) throw FileError.of("EEXIST");
    removeAll(parent, name);
  }
  if (entry.type === "link") {
    const target = nodeAt(tree, entry.target);
    parent.link(name, target);
    own.add(target);
    return;
  }
  const { mode, uid, gid, major, minor, target } = entry;
  const node = parent.create(name, {
    ...{ mode: NODE_TYPES[entry.type] | mode, uid, gid, major, minor },
    ...(entry.type === "symlink" && { target }),
  });
  own.add(node);
  if (node instanceof MemoryFile) await fill(node, entry);
  setAttributes(node, entry);
}

async function fill(node: MemoryFile, { content }: TarEntry): Promise<void> {
  const file = node.open({ read: false, write: true });
  let offset = 0;
  for await (const bytes of content) {
    await file.write(offset, bytes);
    offset += bytes.length;
  }
  await file.close();
}

function setAttributes(node: MemoryNode, { mode, uid, gid, modified }: TarEntry): void {
  node.change({ uid, gid });
  if (node.type !== FileType.SymbolicLink) node.change({ mode });
  const time = { seconds: Math.floor(modified.getTime() / 1000), nanoseconds: 0 };
  node.setTimes(time, time, time);
}

/** The directory at a path; those that no entry has named are made, as tar(1) does. */
function directoryAt(tree: MemoryTree, path: string, own: Set<MemoryNode>): MemoryDirectory {
  let directory: MemoryDirectory = tree.root;
  for (const name of path === "" ? [] : path.split("/")) {
    const found = directory.entries.get(name)?.node;
    const next = found ?? directory.create(name, { mode: FileType.Directory | 0o755, uid: 0, gid: 0 });
    if (found === undefined) own.add(next);
    if (!(next instanceof MemoryDirectory)) throw FileError.of("ENOTDIR");
    directory = next;
  }
  return directory;
}

function nodeAt(tree: MemoryTree, path: string): MemoryNode {
  let node: MemoryNode = tree.root;
  for (const name of path.split("/")) {
    if (!(node instanceof MemoryDirectory)) throw FileError.of("ENOENT");
    node = node.lookup(name);
  }
  return node;
}

function removeAll(parent: MemoryDirectory, name: string): void {
  const node = parent.lookup(name);
  if (node instanceof MemoryDirectory) for (const below of [...node.entries.keys()]) removeAll(node, below);
  parent.remove(name, node instanceof MemoryDirectory ? "directory" : "other");
}

/** What a tree was at one moment, to tell later what has changed. */
export type TreeMark = ReadonlyMap<string, { readonly ino: number; readonly ctime: FileTime }>;

/** Remembers what a tree is now. */
export function markTree(tree: MemoryTree): TreeMark {
  const mark = new Map<string, { ino: number; ctime: FileTime }>();
  for (const [path, node] of walk(tree.root, "")) mark.set(path, { ino: node.ino, ctime: node.stat().ctime });
  return mark;
}

/**
 * Writes what has changed since a mark was taken as a layer: what is new or other, and whiteouts of what is gone.
 *
 * @param keep - which paths are part of it; a directory that is not, is left out with all that is in it
 */
export async function writeChanges(
  tree: MemoryTree,
  mark: TreeMark,
  layer: LayerWriter,
  keep: (path: string) => boolean = () => true,
): Promise<void> {
  /** First names of nodes with several. */
  const names = new Map<number, string>();
  const here = new Set<string>();
  const replaced = new Set<string>();
  for (const [path, node] of walk(tree.root, "", keep)) {
    here.add(path);
    const before = mark.get(path);
    const { ino, ctime, links } = node.stat();
    if (before !== undefined && before.ino !== ino) replaced.add(path);
    const isSame = before !== undefined && before.ino === ino && isEqualTime(before.ctime, ctime);
    if (isSame || path === "") continue;
    const first = names.get(ino);
    if (first === undefined && links > 1 && !(node instanceof MemoryDirectory)) names.set(ino, path);
    await addDirectories(tree, path, layer);
    if (layer.typeOf(path) === undefined) await layer.add(await changedEntry(path, node, first));
  }
  for (const path of mark.keys()) {
    if (here.has(path) || !keep(path)) continue;
    const slash = path.lastIndexOf("/");
    const parent = path.slice(0, Math.max(0, slash));
    // Where a directory is gone or another one, so is what was in it.
    if (!here.has(parent) || replaced.has(parent)) continue;
    const name = `${parent === "" ? "" : `${parent}/`}${WHITEOUT}${path.slice(slash + 1)}`;
    await addDirectories(tree, name, layer);
    await layer.add({ path: name, type: "file", mode: 0o600 });
  }
  for (const path of replaced) {
    if (nodeAt(tree, path) instanceof MemoryDirectory) {
      await layer.add({ path: `${path}/${OPAQUE}`, type: "file", mode: 0o600 });
    }
  }
}

/** Writes the directories above a path, which may not have changed themselves, with what they are. */
async function addDirectories(tree: MemoryTree, path: string, layer: LayerWriter): Promise<void> {
  for (let end = path.indexOf("/"); end > 0; end = path.indexOf("/", end + 1)) {
    const directory = path.slice(0, end);
    if (layer.typeOf(directory) !== undefined) continue;
    await layer.add(await changedEntry(directory, nodeAt(tree, directory), undefined));
  }
}

async function changedEntry(path: string, node: MemoryNode, first: string | undefined) {
  const { mode, uid, gid, major, minor, mtime, size } = node.stat();
  const modified = new Date(mtime.seconds * 1000);
  const common = { path, mode: mode & PERMISSION_BITS, uid, gid, modified, major, minor };
  if (first !== undefined) return { ...common, type: "link", target: first } as const;
  const type = (Object.keys(NODE_TYPES) as (keyof typeof NODE_TYPES)[]).find((key) => NODE_TYPES[key] === node.type);
  if (type === undefined) throw FileError.of("EINVAL");
  if (type === "symlink") return { ...common, type, target: await node.readLink() };
  if (!(node instanceof MemoryFile)) return { ...common, type };
  const content = new Uint8Array(size);
  const file = node.open({ read: true, write: false });
  await file.read(0, content);
  await file.close();
  return { ...common, type, content };
}

function* walk(
  directory: MemoryDirectory,
  path: string,
  keep: (path: string) => boolean = () => true,
): Generator<[string, MemoryNode]> {
  yield [path, directory];
  for (const [name, { node }] of [...directory.entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const below = path === "" ? name : `${path}/${name}`;
    // Sockets are what a process listened on; archives have none.
    if (!keep(below) || node.type === FileType.Socket) continue;
    if (node instanceof MemoryDirectory) yield* walk(node, below, keep);
    else yield [below, node];
  }
}

function isEqualTime(one: FileTime, other: FileTime): boolean {
  return one.seconds === other.seconds && one.nanoseconds === other.nanoseconds;
}
