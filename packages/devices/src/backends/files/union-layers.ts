/**
 * What layers of a union say to each other: this name is gone, this directory hides what is below it. Written as Linux's
 * overlayfs writes it (Documentation/filesystems/overlayfs.rst): a whiteout is a character device 0/0, an opaque
 * directory has an attribute. Archives of OCI images say it by names, which their reader turns into these.
 */
import { FileError } from "./errno.js";
import { type Steps, wait } from "./later.js";
import { type DirectoryEntry, type FileNode, FileType, type NewNode } from "./tree.js";

/** Names that a union keeps for itself: those that say in archives what layers do to each other (OCI image layer, "Whiteouts"). */
export const RESERVED = ".wh.";
const OPAQUE_ATTRIBUTE = "trusted.overlay.opaque";
const YES = Uint8Array.of(0x79);
const OWN_ATTRIBUTES = "trusted.overlay.";
/** Entries asked for at once. */
const BATCH = 1024;

/** Directories of layers that are there because something is in them: no layer says what they are like. */
const implied = new WeakSet<FileNode>();

/** For who makes a layer: a directory was not described. */
export function imply(directory: FileNode): void {
  implied.add(directory);
}

/** For who makes a layer: now it was. */
export function describeNode(node: FileNode): void {
  implied.delete(node);
}

/** Of what several layers have by one name, the uppermost first, the one that says what the directory is like. */
export function describedIn(nodes: readonly FileNode[]): FileNode | undefined {
  return nodes.find((node) => !implied.has(node)) ?? nodes[0];
}

/** A node to be made that says that a name is gone. */
export const WHITEOUT: NewNode = { mode: FileType.CharacterDevice, uid: 0, gid: 0, major: 0, minor: 0 };

/** Whether a node of a layer says that its name is gone. */
export function* isWhiteout(node: FileNode): Steps<boolean> {
  if (node.type !== FileType.CharacterDevice) return false;
  const { major, minor } = yield* wait(node.stat());
  return major === 0 && minor === 0;
}

/** Whether a directory of a layer hides what the layers below have by its name. */
export function* isOpaque(directory: FileNode): Steps<boolean> {
  try {
    const [value] = yield* wait(directory.getAttribute(OPAQUE_ATTRIBUTE));
    return value === YES[0];
  } catch {
    return false;
  }
}

/** Makes a directory of a layer hide what is below. */
export function* makeOpaque(directory: FileNode): Steps<void> {
  yield* wait(directory.setAttribute(OPAQUE_ATTRIBUTE, YES, "either"));
}

/** Whether an attribute is a layer's own, which nobody else is shown. */
export function isLayerAttribute(name: string): boolean {
  return name.startsWith(OWN_ATTRIBUTES);
}

/** What has a name in a directory of a layer; undefined for nothing. */
export function* lookupIn(directory: FileNode, name: string): Steps<FileNode | undefined> {
  try {
    return yield* wait(directory.lookup(name));
  } catch (error) {
    if (error instanceof FileError && error.code === "ENOENT") return undefined;
    if ((error as { code?: unknown }).code === "ENOENT") return undefined;
    throw error;
  }
}

/** All that a directory of a layer has, whiteouts included. */
export function* entriesOf(directory: FileNode): Steps<DirectoryEntry[]> {
  const reader = yield* wait(directory.openDirectory());
  const entries: DirectoryEntry[] = [];
  try {
    for (;;) {
      const batch = yield* wait(reader.read(entries.at(-1)?.cookie ?? 0, BATCH));
      if (batch.length === 0) return entries;
      entries.push(...batch);
    }
  } finally {
    yield* wait(reader.close());
  }
}

/** What layers have by a name, the uppermost first: directories that are merged, or one other node. */
export function* findIn(layers: readonly FileNode[], name: string): Steps<FileNode[]> {
  const found: FileNode[] = [];
  for (const directory of layers) {
    const node = yield* lookupIn(directory, name);
    if (node === undefined) continue;
    if (yield* isWhiteout(node)) break;
    if (node.type !== FileType.Directory) {
      if (found.length === 0) found.push(node);
      break;
    }
    found.push(node);
    if (yield* isOpaque(node)) break;
  }
  return found;
}

/** All names that layers of a directory show, the uppermost first. */
export function* namesIn(layers: readonly FileNode[]): Steps<string[]> {
  const names = new Set<string>();
  const hidden = new Set<string>();
  for (const directory of layers) {
    const gone: string[] = [];
    for (const { name, type } of yield* entriesOf(directory)) {
      if (name.startsWith(RESERVED) || names.has(name) || hidden.has(name)) continue;
      const isGone = type === FileType.CharacterDevice && (yield* isWhiteout(yield* wait(directory.lookup(name))));
      if (isGone) gone.push(name);
      else names.add(name);
    }
    for (const name of gone) hidden.add(name);
  }
  return [...names];
}

/** Empties a directory of the upper that shows nothing. */
export function* removeWhiteouts(directory: FileNode): Steps<void> {
  for (const { name } of yield* entriesOf(directory)) yield* wait(directory.remove(name, "other"));
}

/** Names of a node's attributes; none in a layer that has none. */
export function* attributesOf(node: FileNode): Steps<readonly string[]> {
  try {
    return yield* wait(node.listAttributes());
  } catch {
    return [];
  }
}
