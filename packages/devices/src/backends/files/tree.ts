/**
 * What a shared folder or a root file system is made of: a tree of nodes (inodes, in Linux's word), which 9p and
 * virtio-fs serve alike. A tree checks no permissions: the guest's kernel does, by the modes and owners that the tree
 * keeps. It is never asked to follow a symbolic link, nor to open what is no file or directory: those mean something
 * in the guest only.
 *
 * Operations answer at once or later ({@link Later}), and fail with a {@link FileError}, or an error whose `code` is
 * the name of an errno. A node is the same object as long as somebody holds it, and stays usable: what is open also
 * after its name is gone.
 */
import { FileError } from "./errno.js";
import { type Later, perform, type Steps, wait } from "./later.js";

/** What a node is: the type bits of `st_mode`. */
export const FileType = {
  Fifo: 0o010000,
  CharacterDevice: 0o020000,
  Directory: 0o040000,
  BlockDevice: 0o060000,
  Regular: 0o100000,
  SymbolicLink: 0o120000,
  Socket: 0o140000,
} as const;

/** Masks of `st_mode`: type, and permissions with set-id and sticky bits. */
export const TYPE_BITS = 0o170000;
export const PERMISSION_BITS = 0o7777;

/** Since 1970. */
export interface FileTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** What is known of a node. */
export interface FileStat {
  readonly ino: number;
  /** Type and permissions. */
  readonly mode: number;
  /** Names that it has; of a directory two, and one for each directory in it. */
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  /** What a device node stands for; 0 otherwise. */
  readonly major: number;
  readonly minor: number;
  readonly size: number;
  /** Of 512 bytes, as much as it takes. */
  readonly blocks: number;
  readonly atime: FileTime;
  readonly mtime: FileTime;
  readonly ctime: FileTime;
}

/** What is to be changed of a node; the rest stays. Its ctime becomes now. */
export interface StatChanges {
  /** Permission bits. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly atime?: FileTime | "now";
  readonly mtime?: FileTime | "now";
}

/** A node to be made. */
export interface NewNode {
  /** Type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** What a device node stands for. */
  readonly major?: number;
  readonly minor?: number;
  /** Where a symbolic link leads, as a name of any length (`names.ts`). */
  readonly target?: string;
}

/** A name in a directory. */
export interface DirectoryEntry {
  readonly name: string;
  readonly ino: number;
  /** One of {@link FileType}. */
  readonly type: number;
  /** A number above 0, from which a later reading goes on behind this entry. */
  readonly cookie: number;
}

/** A directory that is being read. */
export interface DirectoryReader {
  /**
   * The entries behind a cookie (0: from the first), at most `limit`; none at the end. One that is there all the while
   * comes exactly once; one that comes or goes in between may come or not.
   */
  read(after: number, limit: number): Later<readonly DirectoryEntry[]>;
  close(): Later<void>;
}

/** How a file is opened. */
export interface OpenMode {
  readonly read: boolean;
  readonly write: boolean;
}

/** A regular file that is open. Reads and writes count from 0; neither changes a position. */
export interface OpenFile {
  /**
   * Fills parts of guest memory, one after the other, before it returns; the bytes that there were, or undefined if it
   * would have to wait, and {@link read} is asked instead.
   */
  readNow?(offset: number, into: readonly Uint8Array[]): number | undefined;
  /** As {@link readNow}, for {@link write}. */
  writeNow?(offset: number, parts: readonly Uint8Array[]): number | undefined;
  /** Fills `into` with what there is; fewer bytes only at the file's end. */
  read(offset: number, into: Uint8Array): Later<number>;
  /** Writes all of it, with a hole between the file's end and `offset`; fails with ENOSPC where there is no room. */
  write(offset: number, bytes: Uint8Array): Later<number>;
  /** Makes durable what was written. */
  sync(dataOnly: boolean): Later<void>;
  stat(): Later<FileStat>;
  change(changes: StatChanges): Later<FileStat>;
  /** Reserves room, or makes a range read as zeroes: `fallocate`. Default: not supported. */
  allocate?(offset: number, length: number, how: AllocateMode): Later<void>;
  /** Where data or a hole begins from an offset on, as `lseek` says it; fails with ENXIO where none does. Default: all is data. */
  seek?(offset: number, what: "data" | "hole"): Later<number>;
  close(): Later<void>;
}

/** A file that was made, and is open. */
export interface NewOpenFile {
  readonly node: FileNode;
  readonly file: OpenFile;
}

/** What `fallocate` is to do. */
export interface AllocateMode {
  /** The file's size stays. */
  readonly keepSize: boolean;
  /** The range becomes a hole, or zeroes. */
  readonly zero: boolean;
}

/** Flags of a rename, as of `renameat2`. */
export interface RenameFlags {
  /** Fails with EEXIST instead of replacing. */
  readonly noReplace?: boolean;
  /** Both names are there, and change places. */
  readonly exchange?: boolean;
}

/** How much room there is. */
export interface TreeRoom {
  readonly blockSize: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly files: number;
  readonly freeFiles: number;
}

/**
 * A node. The refusals here are those of a kind of node that cannot do the thing: whoever implements a tree overrides
 * what its nodes can.
 */
export abstract class FileNode {
  /** No other node of the tree has this number while it lives. */
  abstract readonly ino: number;
  /** One of {@link FileType}; a node never changes its type. */
  abstract readonly type: number;

  abstract stat(): Later<FileStat>;

  change(_changes: StatChanges): Later<FileStat> {
    throw FileError.of("EROFS");
  }

  // Directories. Names were checked (`checkName`).

  /** Fails with ENOENT. */
  lookup(_name: string): Later<FileNode> {
    throw FileError.of("ENOTDIR");
  }

  openDirectory(): Later<DirectoryReader> {
    throw FileError.of("ENOTDIR");
  }

  /** Makes a node under a name that is free. A directory's set-group-id bit is inherited (inode(7)). */
  create(_name: string, _node: NewNode): Later<FileNode> {
    throw FileError.of(this.type === FileType.Directory ? "EROFS" : "ENOTDIR");
  }

  /** Makes a regular file and opens it, even where its permissions allow no opening afterwards. */
  createOpen(name: string, node: NewNode, mode: OpenMode): Later<NewOpenFile> {
    return perform(createAndOpen(this, name, node, mode));
  }

  /** Gives a node that is no directory one more name. */
  link(_name: string, _node: FileNode): Later<void> {
    throw FileError.of(this.type === FileType.Directory ? "EROFS" : "ENOTDIR");
  }

  /** Removes the name of a directory, which is empty then, or of something else. */
  remove(_name: string, _kind: "directory" | "other"): Later<void> {
    throw FileError.of(this.type === FileType.Directory ? "EROFS" : "ENOTDIR");
  }

  /** Moves a name to a directory of the same tree, where it replaces what has the new name. */
  rename(_name: string, _to: FileNode, _newName: string, _flags: RenameFlags): Later<void> {
    throw FileError.of(this.type === FileType.Directory ? "EROFS" : "ENOTDIR");
  }

  // Symbolic links.

  readLink(): Later<string> {
    throw FileError.of("EINVAL");
  }

  // Regular files.

  open(_mode: OpenMode): Later<OpenFile> {
    throw FileError.of(this.type === FileType.Directory ? "EISDIR" : "EOPNOTSUPP");
  }

  // Extended attributes, where the tree has them (`hasAttributes`).

  /** Fails with ENODATA. */
  getAttribute(_name: string): Later<Uint8Array> {
    throw FileError.of("EOPNOTSUPP");
  }

  listAttributes(): Later<readonly string[]> {
    throw FileError.of("EOPNOTSUPP");
  }

  /** Fails with EEXIST where it must `create`, with ENODATA where it must `replace`. */
  setAttribute(_name: string, _value: Uint8Array, _how: "create" | "replace" | "either"): Later<void> {
    throw FileError.of("EOPNOTSUPP");
  }

  removeAttribute(_name: string): Later<void> {
    throw FileError.of("EOPNOTSUPP");
  }
}

function* createAndOpen(directory: FileNode, name: string, made: NewNode, mode: OpenMode): Steps<NewOpenFile> {
  const node = yield* wait(directory.create(name, made));
  return { node, file: yield* wait(node.open(mode)) };
}

/** A tree. Several machines may use one at a time. */
export interface FileTree {
  /** A directory. */
  readonly root: FileNode;
  readonly isReadOnly: boolean;
  /** Whether its nodes have extended attributes. */
  readonly hasAttributes: boolean;
  /** Whether nodes change only through this object, so that a guest that has it to itself may keep what it knows. */
  readonly isPrivate: boolean;
  /** Whether `open` answers at once and holds nothing of the host, so that any number of files may be open. Default: no. */
  readonly opensFreely?: boolean;
  room(): Later<TreeRoom>;
  /** Gives back what the tree holds of its host. */
  close(): Promise<void>;
}

/** The flags of `setxattr` (xattr.h). */
export const XattrFlag = { Create: 1, Replace: 2 } as const;

/** The flags of `renameat2`, as numbers (linux/fs.h). */
export const RenameFlag = { NoReplace: 1, Exchange: 2 } as const;
