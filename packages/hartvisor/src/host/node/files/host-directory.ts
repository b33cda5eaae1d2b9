/**
 * A directory of the host as a file tree, for Node, Deno and Bun. What is in it is what the host has at that moment: the
 * guest sees what others change. Nothing outside it can be reached ({@link anchorAt}): symbolic links are shown, never
 * followed, and only files and directories are opened.
 *
 * Node's file system interface bounds what it can do: there are no extended attributes, no device nodes, and times are
 * set to the microsecond. Everything is done at once: what the host has in memory takes less than a thread needs to begin.
 */
import { type BigIntStats, realpathSync, statfsSync, statSync } from "node:fs";
import { HartvisorError } from "@hartvisor/core";
import { FileError, type FileStat, type FileTree, type TreeRoom, TYPE_BITS } from "@hartvisor/devices";
import { type Anchor, anchorAt, type FileKey, keyOf } from "./anchor.js";
import { fileTime } from "./host-file.js";
import { HostNode, type NodeTree } from "./host-node.js";

/** Files that guests may have open: the process has only so many descriptors. */
const MAX_OPEN_FILES = 1024;
/** Other file systems mounted within are told apart in the upper bits of inode numbers. */
const INODE_BITS = 48;
const MAX_DEVICES = 32;

/** How to share a directory. */
export interface HostDirectoryOptions {
  /** Default: false. */
  readonly readOnly?: boolean;
}

/**
 * Opens a directory of the host's as a file tree.
 *
 * What a guest makes belongs to the guest's user if this process runs as root, and to this process's user otherwise.
 * Set-user-id and set-group-id programs cannot be made: on the host they would run as somebody else.
 *
 * @throws HartvisorError `unreadable-file`: there is no such directory; `unsupported` on Windows
 * @example
 * const vm = await Machine.create({ boot, devices: [virtioFs({ tree: hostDirectory("src", { readOnly: true }), tag: "src" })] });
 */
export function hostDirectory(path: string, { readOnly = false }: HostDirectoryOptions = {}): FileTree {
  if (process.platform === "win32") {
    throw new HartvisorError("unsupported", `cannot share ${path}: Windows has other names and owners than Linux`);
  }
  try {
    const real = realpathSync(path);
    if (!statSync(real).isDirectory()) throw Object.assign(new Error("it is no directory"), { code: "" });
    return hostTree(real, readOnly, anchorAt(real));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const problem =
      code === "ENOENT" ? "there is no such directory" : code === "EACCES" ? "permission denied" : message;
    throw new HartvisorError("unreadable-file", `cannot share ${path}: ${problem}`, { cause });
  }
}

/** A directory by the path that it has, without links in it. */
export function hostTree(path: string, isReadOnly: boolean, anchor: Anchor): FileTree {
  return new HostTree(path, isReadOnly, anchor);
}

class HostTree implements FileTree, NodeTree {
  readonly root: HostNode;
  readonly isReadOnly: boolean;
  readonly hasAttributes = false;
  readonly isPrivate = false;
  readonly anchor: Anchor;
  readonly isRoot = process.geteuid?.() === 0;
  readonly #nodes = new Map<FileKey, WeakRef<HostNode>>();
  readonly #collected = new FinalizationRegistry<FileKey>((key) => {
    if (this.#nodes.get(key)?.deref() === undefined) this.#nodes.delete(key);
  });
  readonly #devices: bigint[] = [];
  openFiles = 0;
  listed = 0;
  #isOpen = true;

  constructor(path: string, isReadOnly: boolean, anchor: Anchor) {
    this.isReadOnly = isReadOnly;
    this.anchor = anchor;
    this.root = this.node(statSync(path, { bigint: true }), undefined, "");
  }

  node(stat: BigIntStats, parent: HostNode | undefined, name: string): HostNode {
    const key = keyOf(stat);
    const known = this.#nodes.get(key)?.deref();
    // An inode number is used again when its file is gone.
    if (known !== undefined && known.type === (Number(stat.mode) & TYPE_BITS)) {
      if (known !== this.root) known.found(parent, name, stat.nlink > 1n);
      return known;
    }
    const node = new HostNode(this, key, stat, parent, name);
    this.#nodes.set(key, new WeakRef(node));
    this.#collected.register(node, key);
    return node;
  }

  forget(node: HostNode): void {
    if (this.#nodes.get(node.key)?.deref() === node) this.#nodes.delete(node.key);
  }

  /** A node that somebody holds. */
  known(key: FileKey): HostNode | undefined {
    return this.#nodes.get(key)?.deref();
  }

  stat(stat: BigIntStats): FileStat {
    const device = this.#minorOf(stat.rdev);
    return {
      ino: this.ino(stat),
      mode: Number(stat.mode),
      links: Number(stat.nlink),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      ...device,
      size: Number(stat.size),
      blocks: Number(stat.blocks),
      atime: fileTime(stat.atimeNs),
      mtime: fileTime(stat.mtimeNs),
      ctime: fileTime(stat.ctimeNs),
    };
  }

  ino({ dev, ino }: BigIntStats): number {
    let index = this.#devices.indexOf(dev);
    if (index < 0) {
      if (this.#devices.length < MAX_DEVICES) index = this.#devices.push(dev) - 1;
      else index = MAX_DEVICES - 1;
    }
    return Number(BigInt.asUintN(INODE_BITS, ino)) + index * 2 ** INODE_BITS;
  }

  checkWritable(): void {
    if (this.isReadOnly) throw FileError.of("EROFS");
  }

  checkOpenFiles(): void {
    if (this.openFiles >= MAX_OPEN_FILES) throw FileError.of("ENFILE");
  }

  room(): TreeRoom {
    return this.anchor.reachDirectory(this.root, (path) => {
      const { bsize, blocks, bavail, files, ffree } = statfsSync(path);
      return { blockSize: bsize, blocks, freeBlocks: bavail, files, freeFiles: ffree };
    });
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.anchor.close();
  }

  /** Linux's own split of a device number (sysmacros.h). */
  #minorOf(rdev: bigint): { readonly major: number; readonly minor: number } {
    const number = Number(BigInt.asUintN(32, rdev));
    return { major: (number >>> 8) & 0xfff, minor: (number & 0xff) | ((number >>> 12) & 0xfff00) };
  }
}
