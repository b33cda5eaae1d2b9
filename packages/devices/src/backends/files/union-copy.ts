/** Copying up: a node of a lower layer is made again in the upper one, before it is written there. */
import { type Steps, wait } from "./later.js";
import { type FileNode, type FileStat, FileType, PERMISSION_BITS } from "./tree.js";
import { attributesOf, isLayerAttribute } from "./union-layers.js";

/** Bytes copied at once. */
const COPY_BYTES = 2 ** 20;

/** Where a node is to be made: a directory, and a name that is free in it. */
export interface Vacancy {
  readonly directory: FileNode;
  readonly name: string;
}

/** Makes a node as another is, with no more than `bytes` of its contents; `stat` is the other's. */
export function* copyNode(lower: FileNode, stat: FileStat, bytes: number, to: Vacancy): Steps<FileNode> {
  const { uid, gid, major, minor } = stat;
  const target = lower.type === FileType.SymbolicLink ? { target: yield* wait(lower.readLink()) } : {};
  const upper = yield* wait(to.directory.create(to.name, { mode: stat.mode, uid, gid, major, minor, ...target }));
  try {
    if (lower.type === FileType.Regular) yield* copyContents(lower, upper, Math.min(bytes, stat.size));
    for (const attribute of yield* attributesOf(lower)) {
      if (isLayerAttribute(attribute)) continue;
      yield* wait(upper.setAttribute(attribute, yield* wait(lower.getAttribute(attribute)), "either"));
    }
    const mode = lower.type === FileType.SymbolicLink ? {} : { mode: stat.mode & PERMISSION_BITS };
    yield* wait(upper.change({ uid, gid, ...mode, atime: stat.atime, mtime: stat.mtime }));
  } catch (error) {
    yield* removeCopy(upper, to);
    throw error;
  }
  return upper;
}

/** Takes a copy away that came to nothing. */
export function* removeCopy({ type }: FileNode, { directory, name }: Vacancy): Steps<void> {
  yield* wait(directory.remove(name, type === FileType.Directory ? "directory" : "other"));
}

/** Copies what is in a file, up to a length. */
function* copyContents(from: FileNode, to: FileNode, length: number): Steps<void> {
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
