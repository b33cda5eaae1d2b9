/**
 * What a guest has made of a root, as the next layer: what is new or other than below, and whiteouts of what is gone
 * (OCI image specification 1.1, layer.md, "Representing Changes"). Both trees are compared as they are, so that it does
 * not matter by which way one became the other. A new name of a file from below comes with the contents once more: a
 * link in a layer leads to what that layer has.
 */
import { type FileNode, type FileStat, type FileTree, FileType, PERMISSION_BITS, TYPE_BITS } from "@hartvisor/devices";
import type { LayerEntry, LayerWriter } from "./layer-writer.js";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** Names asked for at once. */
const BATCH = 1024;

/**
 * Writes what `after` has otherwise than `before`.
 *
 * @param keep - which paths are part of it; a directory that is not, is left out with all that is in it
 */
export async function writeDifference(
  before: FileTree,
  after: FileTree,
  layer: LayerWriter,
  keep: (path: string) => boolean = () => true,
): Promise<void> {
  await new Difference(layer, keep).directory("", before.root, after.root);
}

class Difference {
  readonly #layer: LayerWriter;
  readonly #keep: (path: string) => boolean;
  /** First names of nodes with several, by inode. */
  readonly #names = new Map<number, string>();
  /** Directories above what is being compared, which are written when something in them is. */
  readonly #above: { readonly path: string; readonly node: FileNode }[] = [];

  constructor(layer: LayerWriter, keep: (path: string) => boolean) {
    this.#layer = layer;
    this.#keep = keep;
  }

  /** Compares what is in a directory; `before` is undefined for one that is new. */
  async directory(path: string, before: FileNode | undefined, after: FileNode): Promise<void> {
    if (path !== "") this.#above.push({ path, node: after });
    const below = (name: string) => (path === "" ? name : `${path}/${name}`);
    const [old, now] = [new Set(before && (await names(before))), new Set(await names(after))];
    for (const name of now) {
      // Sockets are what a process listened on; archives have none.
      const node = await after.lookup(name);
      if (!this.#keep(below(name)) || node.type === FileType.Socket) continue;
      await this.#entry(below(name), old.has(name) ? await before?.lookup(name) : undefined, node);
    }
    for (const name of old) {
      if (now.has(name) || !this.#keep(below(name))) continue;
      await this.#write({ path: below(`${WHITEOUT}${name}`), mode: FileType.Regular | 0o600 });
    }
    if (path !== "") this.#above.pop();
  }

  async #entry(path: string, before: FileNode | undefined, after: FileNode): Promise<void> {
    const stat = await after.stat();
    if (before !== undefined && (await isSame(before, after, stat))) {
      if (after.type === FileType.Directory) await this.directory(path, before, after);
      return;
    }
    const first = stat.links > 1 && after.type !== FileType.Directory ? this.#names.get(stat.ino) : undefined;
    if (first === undefined) this.#names.set(stat.ino, path);
    await this.#write(await entryOf(path, after, stat, first));
    if (after.type !== FileType.Directory) return;
    if (before !== undefined && before.type !== FileType.Directory) {
      await this.#write({ path: `${path}/${OPAQUE}`, mode: FileType.Regular | 0o600 });
    }
    await this.directory(path, before?.type === FileType.Directory ? before : undefined, after);
  }

  /** Writes an entry, and before it the directories above, which may not have changed themselves. */
  async #write(entry: LayerEntry): Promise<void> {
    for (const { path, node } of this.#above) {
      if (this.#layer.typeOf(path) === undefined) {
        await this.#layer.add(await entryOf(path, node, await node.stat(), undefined));
      }
    }
    await this.#layer.add(entry);
  }
}

async function isSame(before: FileNode, after: FileNode, now: FileStat): Promise<boolean> {
  const old = await before.stat();
  if (old.mode !== now.mode || old.uid !== now.uid || old.gid !== now.gid) return false;
  if (old.major !== now.major || old.minor !== now.minor || old.mtime.seconds !== now.mtime.seconds) return false;
  const [oldAttributes, attributes] = [await attributesOf(before), await attributesOf(after)];
  const keys = [...new Set([...oldAttributes.keys(), ...attributes.keys()])];
  if (!keys.every((key) => isEqual(oldAttributes.get(key), attributes.get(key)))) return false;
  if (after.type === FileType.SymbolicLink) return (await before.readLink()) === (await after.readLink());
  if (after.type !== FileType.Regular) return true;
  return old.size === now.size && isEqual(await contentOf(before, old.size), await contentOf(after, now.size));
}

function isEqual(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one !== undefined && other !== undefined && Buffer.compare(one, other) === 0;
}

async function entryOf(path: string, node: FileNode, stat: FileStat, linkTo: string | undefined): Promise<LayerEntry> {
  const { mode, uid, gid, major, minor, size } = stat;
  return {
    ...{ path, mode: mode & (TYPE_BITS | PERMISSION_BITS), uid, gid, major, minor, linkTo },
    modified: stat.mtime.seconds,
    attributes: await attributesOf(node),
    ...(node.type === FileType.SymbolicLink && { target: await node.readLink() }),
    ...(node.type === FileType.Regular && linkTo === undefined && { content: await contentOf(node, size) }),
  };
}

async function contentOf(node: FileNode, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  const file = await node.open({ read: true, write: false });
  const length = await file.read(0, bytes);
  await file.close();
  return bytes.subarray(0, length);
}

/** Extended attributes of a node, by name. */
export async function attributesOf(node: FileNode): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const name of await node.listAttributes()) found.set(name, await node.getAttribute(name));
  return found;
}

/** The names in a directory, in an order that is always the same. */
export async function names(directory: FileNode): Promise<string[]> {
  const reader = await directory.openDirectory();
  const found: string[] = [];
  for (let after = 0; ; ) {
    const entries = await reader.read(after, BATCH);
    const last = entries.at(-1);
    if (last === undefined) break;
    found.push(...entries.map(({ name }) => name).filter((name) => name !== "." && name !== ".."));
    after = last.cookie;
  }
  await reader.close();
  return found.sort();
}
