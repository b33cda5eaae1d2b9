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
/** Bytes copied at once. */
const COPY_BYTES = 2 ** 20;
/** Entries asked for at once. */
const BATCH = 1024;

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

/** Copies what is in a file, up to a length. */
export function* copyContents(from: FileNode, to: FileNode, length: number): Steps<void> {
  if (length === 0) return;
  const [source, target] = [
    yield* wait(from.open({ read: true, write: false })),
    yield* wait(to.open({ read: false, write: true })),
  ];
  try {
    const bytes = new Uint8Array(Math.min(length, COPY_BYTES));
    for (let at = 0; at < length; ) {
      const count = yield* wait(source.read(at, bytes.subarray(0, Math.min(bytes.length, length - at))));
      if (count === 0) break;
      yield* wait(target.write(at, bytes.subarray(0, count)));
      at += count;
    }
  } finally {
    yield* wait(source.close());
    yield* wait(target.close());
  }
}
