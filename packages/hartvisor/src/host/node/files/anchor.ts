/**
 * How a directory of the host is reached without ever leaving a shared folder: by the path of each of its parents, none
 * of which may be a symbolic link, and all of which must be the directories that they were. On Linux each is an open
 * directory, so that nobody can swap one for a link in between (`openat(2)` by way of `/proc/self/fd`, since Node has
 * none). Elsewhere each is looked at right before use, which another process of the host could outrun.
 */
import { type BigIntStats, closeSync, constants, fstatSync, lstatSync, openSync } from "node:fs";
import { FileError } from "@hartvisor/devices";

/** Names an inode, without keeping it open; fcntl.h of Linux's, which Node leaves out. */
const O_PATH = 0o10000000;
const { O_NOFOLLOW = 0, O_DIRECTORY = 0 } = constants;
/** Directories that are kept open, and for how long: one that the host moves elsewhere is not followed there for longer. */
const MAX_OPEN_DIRECTORIES = 256;
const KEPT_OPEN_MS = 1000;

/** What tells one file of a host from every other. */
export type FileKey = string;

export function keyOf({ dev, ino }: BigIntStats): FileKey {
  return `${dev}:${ino}`;
}

/** A directory as an anchor knows it. */
export interface AnchoredDirectory {
  /** None of the shared folder itself. */
  readonly parent: AnchoredDirectory | undefined;
  /** As the host takes it. */
  readonly pathName: string | Buffer;
  readonly key: FileKey;
}

/** Reaches directories and what is in them. */
export interface Anchor {
  /** A path of a name in a directory. @throws FileError ESTALE when the directory is no longer what it was */
  path(directory: AnchoredDirectory, name: string | Buffer): string | Buffer;
  /** Whether paths of {@link reach} are links to the node, to be followed, or its own, at which links must not be. */
  readonly isFollowed: boolean;
  /** Calls with a path that leads to the very node under a name, after a check that it is the one expected. */
  reach<T>(directory: AnchoredDirectory, name: string | Buffer, key: FileKey, act: (path: string | Buffer) => T): T;
  /** The same for a directory itself. */
  reachDirectory<T>(directory: AnchoredDirectory, act: (path: string | Buffer) => T): T;
  close(): void;
}

/** The safest anchor that the host has. */
export function anchorAt(root: string): Anchor {
  return hasOpenat() ? new OpenAnchor(root) : new PathAnchor(root);
}

/** Whether open directories can be walked from, and flags of `open` mean what Linux says. */
function hasOpenat(): boolean {
  if (process.platform !== "linux") return false;
  let fd: number | undefined;
  try {
    fd = openSync("/proc/self/exe", O_PATH | O_NOFOLLOW);
    return fstatSync(fd).isSymbolicLink() && lstatSync(`/proc/self/fd/${fd}`).isSymbolicLink();
  } catch {
    return false;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Puts a name behind a path; the name may be bytes. */
export function join(path: string | Buffer, name: string | Buffer): string | Buffer {
  if (typeof path === "string" && typeof name === "string") return `${path}/${name}`;
  return Buffer.concat([Buffer.from(path), Buffer.from("/"), Buffer.from(name)]);
}

class OpenAnchor implements Anchor {
  readonly isFollowed = true;
  readonly #root: number;
  /** In the order of their last use. */
  readonly #open = new Map<AnchoredDirectory, number>();
  #since = 0;

  constructor(root: string) {
    this.#root = openSync(root, O_PATH | O_DIRECTORY);
  }

  path(directory: AnchoredDirectory, name: string | Buffer): string | Buffer {
    return join(`/proc/self/fd/${this.#descriptor(directory)}`, name);
  }

  reach<T>(directory: AnchoredDirectory, name: string | Buffer, key: FileKey, act: (path: string | Buffer) => T): T {
    const fd = openExpected(this.path(directory, name), 0, key);
    try {
      return act(`/proc/self/fd/${fd}`);
    } finally {
      closeSync(fd);
    }
  }

  reachDirectory<T>(directory: AnchoredDirectory, act: (path: string | Buffer) => T): T {
    return act(`/proc/self/fd/${this.#descriptor(directory)}`);
  }

  close(): void {
    this.#closeAll();
    closeSync(this.#root);
  }

  #closeAll(): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
    this.#since = performance.now();
  }

  #descriptor(directory: AnchoredDirectory): number {
    if (directory.parent === undefined) return this.#root;
    if (performance.now() - this.#since > KEPT_OPEN_MS) this.#closeAll();
    const missing: AnchoredDirectory[] = [];
    let fd = this.#root;
    for (let each = directory; each.parent !== undefined; each = each.parent) {
      const open = this.#open.get(each);
      if (open !== undefined) {
        this.#open.delete(each);
        this.#open.set(each, open);
        fd = open;
        break;
      }
      missing.push(each);
    }
    for (const each of missing.reverse()) {
      fd = openExpected(join(`/proc/self/fd/${fd}`, each.pathName), O_DIRECTORY, each.key);
      this.#open.set(each, fd);
      if (this.#open.size > MAX_OPEN_DIRECTORIES) this.#closeOldest();
    }
    return fd;
  }

  #closeOldest(): void {
    for (const [directory, fd] of this.#open) {
      this.#open.delete(directory);
      closeSync(fd);
      return;
    }
  }
}

/** Opens a name as itself, without following it. */
function openExpected(path: string | Buffer, flags: number, key: FileKey): number {
  let fd: number;
  try {
    fd = openSync(path, O_PATH | O_NOFOLLOW | flags);
  } catch (error) {
    throw staleIfGone(error);
  }
  if (keyOf(fstatSync(fd, { bigint: true })) === key) return fd;
  closeSync(fd);
  throw FileError.of("ESTALE");
}

/** What is not where it was, or is something else now, is stale to a guest that knew it. */
export function staleIfGone(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" ? FileError.of("ESTALE") : error;
}

/** For hosts that have nothing better. */
export class PathAnchor implements Anchor {
  readonly isFollowed = false;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  path(directory: AnchoredDirectory, name: string | Buffer): string | Buffer {
    return this.reachDirectory(directory, (path) => join(path, name));
  }

  reach<T>(directory: AnchoredDirectory, name: string | Buffer, key: FileKey, act: (path: string | Buffer) => T): T {
    const path = this.path(directory, name);
    check(path, key);
    return act(path);
  }

  reachDirectory<T>(directory: AnchoredDirectory, act: (path: string | Buffer) => T): T {
    const parents: AnchoredDirectory[] = [];
    for (let each = directory; each.parent !== undefined; each = each.parent) parents.push(each);
    let path: string | Buffer = this.#root;
    for (const each of parents.reverse()) {
      path = join(path, each.pathName);
      check(path, each.key);
    }
    return act(path);
  }

  close(): void {}
}

function check(path: string | Buffer, key: FileKey): void {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined || keyOf(stat) !== key) throw FileError.of("ESTALE");
}
