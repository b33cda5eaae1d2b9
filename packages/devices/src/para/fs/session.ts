/**
 * A FUSE session: what a kernel asks for, done on a {@link FileTree}. The device hands it requests whose header it has
 * read, and gets the bytes to answer with, now or later. Everything in a request is the guest's word: node and handle
 * numbers are looked up, names checked, and what the session keeps for a guest has a cap.
 */
import { Errno, errnoOf, FileError } from "../../backends/files/errno.js";
import { after, type Later, perform, type Steps, wait } from "../../backends/files/later.js";
import { bytesFromName, checkName, MAX_PATH_BYTES, nameFromBytes } from "../../backends/files/names.js";
import {
  type DirectoryReader,
  type FileNode,
  type FileStat,
  type FileTime,
  type FileTree,
  FileType,
  type NewNode,
  type OpenFile,
  type OpenMode,
  PERMISSION_BITS,
  RenameFlag,
  type StatChanges,
  XattrFlag,
} from "../../backends/files/tree.js";
import {
  ATTR_OUT,
  decodeDevice,
  direntLength,
  ENTRY_OUT,
  FUSE_MAJOR,
  FUSE_MINOR,
  IN_HEADER,
  InitFlag,
  Opcode,
  OpenFlag,
  read64,
  readSigned64,
  SetAttr,
  structure,
  type Validity,
  write64,
  writeAttr,
  writeDirent,
  writeEntry,
} from "./fuse.js";

/** Bytes of a READ or WRITE: as many as 256 pages, Linux's own limit. */
export const MAX_IO = 2 ** 20;
const PAGES_OF_IO = 256;
/** Requests other than WRITE are shorter: the longest is an attribute with a value of 64 KiB. */
export const MAX_REQUEST = 128 * 1024;
/** Bytes of one answer to READDIR. Linux asks for a page, or for some at once. */
const MAX_LISTING = 128 * 1024;
/** Nodes that a kernel may know at once: a Linux of 1 GiB keeps some 300,000. */
const MAX_NODES = 2 ** 19;
/** Files and directories open at once. */
const MAX_HANDLES = 2 ** 16;
const ROOT_ID = 1;
/** Cookies 1 and 2 are `.` and `..`, which trees do not list. */
const DOTS = 2;

const O_ACCMODE = 3;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;
const FALLOC_ZERO_RANGE = 0x10;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/**
 * How much a guest's kernel may keep of what it was told: nothing; for a second, so that it sees changes made elsewhere
 * soon; or all of it, where nobody else changes the tree.
 */
export type FileCache = "none" | "auto" | "always";

const SECONDS: Readonly<Record<FileCache, number>> = { none: 0, auto: 1, always: 2 ** 31 };

/** A request whose header was read: the header's fields, and the bytes of all of it. */
export interface FuseRequest {
  readonly opcode: number;
  readonly node: number;
  readonly uid: number;
  readonly gid: number;
  /** The request from its header on; of a WRITE up to its data. Good until the first thing that waits. */
  readonly view: DataView;
  readonly length: number;
  /** Room for the answer behind its header. */
  readonly room: number;
  /** Where the data of READ and WRITE are: guest memory. */
  readonly data: FuseData;
}

/** The part of a request that is as long as pages are. */
export interface FuseData {
  /** Bytes behind a WRITE's structure. */
  readonly writeLength: number;
  /** The data of a WRITE, as views that are good now, or as a copy. */
  writeViews(length: number): readonly Uint8Array[];
  writeCopy(length: number): Uint8Array;
  /** Room for the data of a READ, as views that are good now. */
  readViews(length: number): readonly Uint8Array[];
}

/** What to answer with: bytes, or a count of bytes that are there already, in the views of a READ. */
export type FuseAnswer = DataView | Uint8Array | number;

interface KnownNode {
  readonly id: number;
  readonly node: FileNode;
  /** Times that the kernel was told of it, less what it has forgotten. */
  lookups: number;
  /** For a kernel that does not open files: what is read and written. */
  file?: OpenFile;
}

const NOTHING = new Uint8Array();

/** A session, from one INIT to the next. */
export class FuseSession {
  readonly #tree: FileTree;
  readonly #cache: FileCache;
  readonly #validity: Validity;
  readonly #nodes = new Map<number, KnownNode>();
  readonly #ids = new Map<FileNode, KnownNode>();
  readonly #files = new Map<number, OpenFile>();
  readonly #directories = new Map<number, { readonly node: FileNode; readonly reader: DirectoryReader }>();
  #nextId = ROOT_ID + 1;
  #nextHandle = 1;
  #isOn = false;
  /** Whether files are not opened: the kernel reads and writes nodes, which saves it two requests a file. */
  #isOpenless = false;

  constructor(tree: FileTree, cache: FileCache) {
    this.#tree = tree;
    this.#cache = cache;
    this.#validity = { seconds: SECONDS[cache] };
  }

  /** Whether a kernel has it mounted. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** Forgets everything and closes what is open. */
  end(): void {
    const implicit = [...this.#nodes.values()].flatMap(({ file }) => file ?? []);
    const open = [...this.#files.values(), ...implicit, ...[...this.#directories.values()].map(({ reader }) => reader)];
    this.#files.clear();
    this.#directories.clear();
    this.#nodes.clear();
    this.#ids.clear();
    this.#isOn = false;
    for (const each of open) {
      try {
        // What cannot be closed any more is nobody's concern by now.
        Promise.resolve(each.close()).catch(() => {});
      } catch {}
    }
  }

  /** Does what a request asks for; undefined for one that has no answer. Throws or rejects with what it failed with. */
  perform(request: FuseRequest): Later<FuseAnswer | undefined> {
    const { opcode, view, length } = request;
    if (opcode === Opcode.Init) return this.#init(request);
    if (opcode === Opcode.Forget) {
      if (length >= IN_HEADER + 8) this.#forget(request.node, read64(view, IN_HEADER));
      return undefined;
    }
    if (opcode === Opcode.BatchForget) return this.#batchForget(request);
    // Nothing that waits here can be interrupted.
    if (opcode === Opcode.Interrupt) return undefined;
    if (!this.#isOn) throw FileError.of("EIO");
    return this.#dispatch(request);
  }

  #dispatch(request: FuseRequest): Later<FuseAnswer> {
    switch (request.opcode) {
      case Opcode.Lookup:
        return this.#lookup(request);
      case Opcode.GetAttr:
        return this.#getAttr(request);
      case Opcode.SetAttr:
        return this.#setAttr(request);
      case Opcode.ReadLink:
        return after(this.#node(request.node).readLink(), bytesFromName);
      case Opcode.SymLink: {
        const [name, target] = this.#names(request, 0, 2);
        return this.#make(request, name, { mode: FileType.SymbolicLink | 0o777, target });
      }
      case Opcode.MkNod: {
        this.#need(request, 16);
        const mode = this.#word(request, 0);
        return this.#make(request, this.#name(request, 16), { mode, ...decodeDevice(this.#word(request, 4)) });
      }
      case Opcode.MkDir: {
        this.#need(request, 8);
        const mode = FileType.Directory | (this.#word(request, 0) & PERMISSION_BITS);
        return this.#make(request, this.#name(request, 8), { mode });
      }
      case Opcode.Unlink:
        return this.#unlink(request);
      case Opcode.RmDir:
        return after(this.#node(request.node).remove(this.#name(request, 0), "directory"), () => NOTHING);
      case Opcode.Rename:
        return this.#rename(request, 8, 0);
      case Opcode.Rename2:
        this.#need(request, 16);
        return this.#rename(request, 16, this.#word(request, 8));
      case Opcode.Link: {
        this.#need(request, 8);
        const node = this.#node(read64(request.view, IN_HEADER));
        return after(this.#node(request.node).link(this.#name(request, 8), node), () => this.#entry(node));
      }
      case Opcode.Open:
        return this.#open(request);
      case Opcode.Create:
        return this.#create(request);
      case Opcode.Read:
        return this.#read(request);
      case Opcode.Write:
        return this.#write(request);
      case Opcode.Release:
        return this.#release(request, this.#files, (file) => file.close());
      case Opcode.ReleaseDir:
        return this.#release(request, this.#directories, ({ reader }) => reader.close());
      case Opcode.FSync:
        return after(this.#file(request).sync((this.#word(request, 8) & 1) !== 0), () => NOTHING);
      case Opcode.FSyncDir:
        return NOTHING;
      case Opcode.OpenDir:
        return this.#openDirectory(request);
      case Opcode.ReadDir:
      case Opcode.ReadDirPlus:
        this.#need(request, 40);
        return perform(this.#list(request));
      case Opcode.StatFs:
        return this.#statFs();
      case Opcode.GetXattr:
      case Opcode.ListXattr:
      case Opcode.SetXattr:
      case Opcode.RemoveXattr:
        return this.#attribute(request);
      case Opcode.FAllocate:
        return this.#allocate(request);
      case Opcode.LSeek:
        return this.#seek(request);
      case Opcode.Destroy:
        this.end();
        return NOTHING;
      default:
        // The kernel does without, and asks no more: FLUSH, ACCESS, locks, which it then keeps itself, and the rest.
        throw FileError.of("ENOSYS");
    }
  }

  #init(request: FuseRequest): FuseAnswer {
    this.#need(request, 16);
    const [major, minor] = [this.#word(request, 0), this.#word(request, 4)];
    const answer = structure(64);
    answer.setUint32(0, FUSE_MAJOR, true);
    answer.setUint32(4, FUSE_MINOR, true);
    // A newer kernel asks again with this version; an older one cannot be served.
    if (major > FUSE_MAJOR) return answer;
    if (major < FUSE_MAJOR || minor < FUSE_MINOR) throw FileError.of("EPROTO");
    this.end();
    this.#isOn = true;
    // On a read-only tree it is the open that must fail, not a write from the cache much later.
    const mayStayClosed = this.#cache === "always" && !this.#tree.isReadOnly && this.#tree.opensFreely === true;
    this.#isOpenless = mayStayClosed && (this.#word(request, 12) & InitFlag.NoOpen) !== 0;
    this.#nodes.set(ROOT_ID, { id: ROOT_ID, node: this.#tree.root, lookups: 1 });
    this.#ids.set(this.#tree.root, this.#nodes.get(ROOT_ID) as KnownNode);
    const { AsyncRead, AtomicTruncate, BigWrites, DoReadDirPlus, ReadDirPlusAuto, ParallelDirectories, MaxPages } =
      InitFlag;
    const { AutoInvalidate, WritebackCache, CacheSymlinks } = InitFlag;
    const wanted =
      AsyncRead |
      // Nobody would hear of a truncation by an open that is not asked for.
      (this.#isOpenless ? 0 : AtomicTruncate) |
      BigWrites |
      DoReadDirPlus |
      ReadDirPlusAuto |
      ParallelDirectories |
      MaxPages;
    const cached = this.#cache === "always" ? WritebackCache | CacheSymlinks : AutoInvalidate;
    answer.setUint32(8, this.#word(request, 8), true); // read-ahead, as the kernel would have it
    answer.setUint32(12, this.#word(request, 12) & (wanted | cached), true);
    answer.setUint16(16, 64, true); // requests in the background, and when there are many
    answer.setUint16(18, 48, true);
    answer.setUint32(20, MAX_IO, true);
    answer.setUint32(24, 1, true); // times are exact to the nanosecond
    answer.setUint16(28, PAGES_OF_IO, true);
    return answer;
  }

  #lookup(request: FuseRequest): Later<FuseAnswer> {
    const name = this.#name(request, 0);
    const directory = this.#node(request.node);
    if (this.#cache !== "always") return after(directory.lookup(name), (node) => this.#entry(node));
    const absent = (error: unknown) => {
      if (errnoOf(error) !== Errno.ENOENT) throw error;
      // Node 0: the kernel may remember that nothing is there.
      const answer = structure(ENTRY_OUT);
      write64(answer, 16, this.#validity.seconds);
      return answer;
    };
    try {
      const node = directory.lookup(name);
      return node instanceof Promise ? node.then((found) => this.#entry(found), absent) : this.#entry(node);
    } catch (error) {
      return absent(error);
    }
  }

  #getAttr(request: FuseRequest): Later<FuseAnswer> {
    this.#need(request, 16);
    const handle = this.#word(request, 0) & 1 ? this.#files.get(read64(request.view, IN_HEADER + 8)) : undefined;
    const file = handle ?? this.#nodes.get(request.node)?.file;
    return after((file ?? this.#node(request.node)).stat(), (stat) => this.#attrOut(stat));
  }

  #setAttr(request: FuseRequest): Later<FuseAnswer> {
    this.#need(request, 88);
    const { view } = request;
    const valid = this.#word(request, 0);
    const time = (secondsAt: number, nanosecondsAt: number): FileTime => {
      const nanoseconds = view.getUint32(IN_HEADER + nanosecondsAt, true);
      if (nanoseconds > 999_999_999) throw FileError.of("EINVAL");
      return { seconds: readSigned64(view, IN_HEADER + secondsAt), nanoseconds };
    };
    const changes: StatChanges = {
      ...(valid & SetAttr.Mode && { mode: this.#word(request, 68) & PERMISSION_BITS }),
      ...(valid & SetAttr.Uid && { uid: this.#word(request, 76) }),
      ...(valid & SetAttr.Gid && { gid: this.#word(request, 80) }),
      ...(valid & SetAttr.Size && { size: this.#offset(request, 16) }),
      ...(valid & SetAttr.Atime && { atime: valid & SetAttr.AtimeNow ? ("now" as const) : time(32, 56) }),
      ...(valid & SetAttr.Mtime && { mtime: valid & SetAttr.MtimeNow ? ("now" as const) : time(40, 60) }),
    };
    const handle = valid & SetAttr.Handle ? this.#files.get(read64(view, IN_HEADER + 8)) : undefined;
    const file = handle ?? this.#nodes.get(request.node)?.file;
    return after((file ?? this.#node(request.node)).change(changes), (stat) => this.#attrOut(stat));
  }

  #make({ node, uid, gid }: FuseRequest, name: string, made: Omit<NewNode, "uid" | "gid">): Later<FuseAnswer> {
    return after(this.#node(node).create(name, { ...made, uid, gid }), (created) => this.#entry(created));
  }

  #unlink(request: FuseRequest): Later<FuseAnswer> {
    const directory = this.#node(request.node);
    const name = this.#name(request, 0);
    this.#hold(directory, name);
    return after(directory.remove(name, "other"), () => NOTHING);
  }

  /** What is to lose its name may be open without our knowing: then it stays until the kernel forgets it. */
  #hold(directory: FileNode, name: string): void {
    if (!this.#isOpenless) return;
    try {
      const node = directory.lookup(name);
      const known = node instanceof Promise ? undefined : this.#ids.get(node);
      if (known?.node.type === FileType.Regular) this.#implicitFile(known);
    } catch {} // there is none: whoever asks is told so
  }

  #implicitFile(known: KnownNode): OpenFile {
    if (known.file !== undefined) return known.file;
    const file = known.node.open({ read: true, write: true });
    if (file instanceof Promise) throw FileError.of("EIO"); // not what the tree says of itself
    known.file = file;
    return file;
  }

  #rename(request: FuseRequest, namesAt: number, flags: number): Later<FuseAnswer> {
    this.#need(request, namesAt);
    const to = this.#node(read64(request.view, IN_HEADER));
    const [name, newName] = this.#names(request, namesAt, 2);
    checkName(newName);
    const noReplace = (flags & RenameFlag.NoReplace) !== 0;
    const exchange = (flags & RenameFlag.Exchange) !== 0;
    this.#hold(to, newName);
    if (flags & ~3 || (noReplace && exchange)) throw FileError.of("EINVAL");
    const renamed = this.#node(request.node).rename(name, to, newName, { noReplace, exchange });
    return after(renamed, () => NOTHING);
  }

  #open(request: FuseRequest): Later<FuseAnswer> {
    this.#need(request, 8);
    if (this.#isOpenless) throw FileError.of("ENOSYS");
    const flags = this.#word(request, 0);
    return after(this.#openNode(this.#node(request.node), flags), (handle) => openOut(handle, this.#openFlags));
  }

  /** Opens a file; its handle. */
  #openNode(node: FileNode, flags: number): Later<number> {
    this.#checkHandles();
    const mode = this.#openMode(flags);
    return after(node.open(mode), (file) => {
      if (flags & O_TRUNC && mode.write) return after(file.change({ size: 0 }), () => this.#keep(this.#files, file));
      return this.#keep(this.#files, file);
    });
  }

  #openMode(flags: number): OpenMode {
    const access = flags & O_ACCMODE;
    const write = access === O_WRONLY || access === O_RDWR;
    // A kernel that caches writes reads pages of which it has a part.
    return { read: access !== O_WRONLY || this.#cache === "always", write };
  }

  #create(request: FuseRequest): Later<FuseAnswer> {
    this.#need(request, 16);
    const flags = this.#word(request, 0);
    const mode = FileType.Regular | (this.#word(request, 4) & PERMISSION_BITS);
    const name = this.#name(request, 16);
    const { uid, gid } = request;
    const directory = this.#node(request.node);
    this.#checkHandles();
    return perform(this.#createSteps(directory, name, { mode, uid, gid }, flags));
  }

  *#createSteps(directory: FileNode, name: string, made: NewNode, flags: number): Steps<FuseAnswer> {
    let node: FileNode;
    let handle: number;
    try {
      const created = yield* wait(directory.createOpen(name, made, this.#openMode(flags)));
      node = created.node;
      handle = this.#keep(this.#files, created.file);
    } catch (error) {
      if (errnoOf(error) !== Errno.EEXIST || flags & O_EXCL) throw error;
      node = yield* wait(directory.lookup(name));
      handle = yield* wait(this.#openNode(node, flags));
    }
    const answer = structure(ENTRY_OUT + 16);
    writeEntry(answer, 0, this.#know(node), yield* wait(node.stat()), this.#validity);
    write64(answer, ENTRY_OUT, handle);
    answer.setUint32(ENTRY_OUT + 8, this.#openFlags, true);
    return answer;
  }

  #read(request: FuseRequest): Later<FuseAnswer> {
    this.#need(request, 40);
    const file = this.#file(request);
    const offset = this.#offset(request, 8);
    const length = Math.min(this.#word(request, 16), request.room, MAX_IO);
    const now = file.readNow?.(offset, request.data.readViews(length));
    if (now !== undefined) return now;
    const bytes = new Uint8Array(length);
    return after(file.read(offset, bytes), (count) => bytes.subarray(0, count));
  }

  #write(request: FuseRequest): Later<FuseAnswer> {
    this.#need(request, 40);
    const file = this.#file(request);
    const offset = this.#offset(request, 8);
    const length = this.#word(request, 16);
    const { data } = request;
    if (length > data.writeLength || length > MAX_IO) throw FileError.of("EINVAL");
    const now = file.writeNow?.(offset, data.writeViews(length));
    const count = now ?? file.write(offset, data.writeCopy(length));
    return after(count, (written) => {
      const answer = structure(8);
      answer.setUint32(0, written, true);
      return answer;
    });
  }

  #openDirectory({ node }: FuseRequest): Later<FuseAnswer> {
    this.#checkHandles();
    const directory = this.#node(node);
    const flags = this.#cache === "always" ? OpenFlag.CacheDirectory | OpenFlag.KeepCache : 0;
    return after(directory.openDirectory(), (reader) =>
      openOut(this.#keep(this.#directories, { node: directory, reader }), flags),
    );
  }

  *#list(request: FuseRequest): Steps<FuseAnswer> {
    const { view } = request;
    const isPlus = request.opcode === Opcode.ReadDirPlus;
    const open = this.#directories.get(read64(view, IN_HEADER));
    if (open === undefined) throw FileError.of("EBADF");
    const room = Math.min(this.#word(request, 16), request.room, MAX_LISTING);
    const answer = structure(room);
    const head = isPlus ? ENTRY_OUT : 0;
    let cookie = this.#offset(request, 8);
    let at = 0;
    const add = (entry: { readonly ino: number; readonly type: number }, next: number, name: Uint8Array) => {
      at += head + writeDirent(answer, at + head, entry, next, name);
    };
    for (; cookie < DOTS; cookie++) {
      const name = cookie === 0 ? ONE_DOT : TWO_DOTS;
      if (at + head + direntLength(name.length) > room) return new Uint8Array(answer.buffer, 0, at);
      add({ ino: open.node.ino, type: FileType.Directory }, cookie + 1, name);
    }
    const fitting = Math.floor((room - at) / (head + direntLength(1)));
    const entries = yield* wait(open.reader.read(cookie - DOTS, fitting));
    for (const entry of entries) {
      const name = bytesFromName(entry.name);
      if (at + head + direntLength(name.length) > room) break;
      if (isPlus) {
        try {
          const node = yield* wait(open.node.lookup(entry.name));
          const stat = yield* wait(node.stat());
          writeEntry(answer, at, this.#know(node), stat, this.#validity);
        } catch {
          // Gone, or out of reach: node 0 says that there is a name, and no more.
          new Uint8Array(answer.buffer, at, ENTRY_OUT).fill(0);
        }
      }
      add(entry, entry.cookie + DOTS, name);
    }
    return new Uint8Array(answer.buffer, 0, at);
  }

  #statFs(): Later<FuseAnswer> {
    return after(this.#tree.room(), ({ blockSize, blocks, freeBlocks, files, freeFiles }) => {
      const answer = structure(80);
      for (const [n, value] of [blocks, freeBlocks, freeBlocks, files, freeFiles].entries()) {
        write64(answer, 8 * n, value);
      }
      answer.setUint32(40, blockSize, true);
      answer.setUint32(44, 255, true);
      answer.setUint32(48, blockSize, true);
      return answer;
    });
  }

  #attribute(request: FuseRequest): Later<FuseAnswer> {
    if (!this.#tree.hasAttributes) throw FileError.of("ENOSYS");
    const node = this.#node(request.node);
    const wanted = request.length >= IN_HEADER + 4 ? this.#word(request, 0) : 0;
    const sized = (bytes: Uint8Array): FuseAnswer => {
      if (wanted === 0) {
        const answer = structure(8);
        answer.setUint32(0, bytes.length, true);
        return answer;
      }
      if (bytes.length > wanted) throw FileError.of("ERANGE");
      return bytes;
    };
    switch (request.opcode) {
      case Opcode.RemoveXattr:
        return after(node.removeAttribute(this.#names(request, 0, 1)[0]), () => NOTHING);
      case Opcode.SetXattr: {
        this.#need(request, 8);
        const [length, flags] = [this.#word(request, 0), this.#word(request, 4)];
        const [name] = this.#names(request, 8, 1);
        const start = IN_HEADER + 8 + bytesFromName(name).length + 1;
        if (start + length > request.length || name.length > 255) throw FileError.of("EINVAL");
        const { buffer, byteOffset } = request.view;
        const value = new Uint8Array(buffer, byteOffset + start, length).slice();
        const how = flags & XattrFlag.Create ? "create" : flags & XattrFlag.Replace ? "replace" : "either";
        return after(node.setAttribute(name, value, how), () => NOTHING);
      }
      case Opcode.GetXattr:
        this.#need(request, 8);
        return after(node.getAttribute(this.#names(request, 8, 1)[0]), sized);
      default:
        this.#need(request, 8);
        return after(node.listAttributes(), (names) => sized(joinNames(names)));
    }
  }

  #allocate(request: FuseRequest): Later<FuseAnswer> {
    this.#need(request, 32);
    const file = this.#file(request);
    const [offset, length, mode] = [this.#offset(request, 8), this.#offset(request, 16), this.#word(request, 24)];
    const punch = (mode & FALLOC_PUNCH_HOLE) !== 0;
    const isKnown = (mode & ~(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) === 0;
    if (!isKnown || file.allocate === undefined) throw FileError.of("EOPNOTSUPP");
    if (length === 0) throw FileError.of("EINVAL");
    const keepSize = punch || (mode & FALLOC_KEEP_SIZE) !== 0;
    const zero = punch || (mode & FALLOC_ZERO_RANGE) !== 0;
    return after(file.allocate(offset, length, { keepSize, zero }), () => NOTHING);
  }

  #seek(request: FuseRequest): Later<FuseAnswer> {
    this.#need(request, 24);
    const file = this.#file(request);
    const whence = this.#word(request, 16);
    if (file.seek === undefined) throw FileError.of("ENOSYS");
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw FileError.of("EINVAL");
    return after(file.seek(this.#offset(request, 8), whence === SEEK_DATA ? "data" : "hole"), (found) => {
      const answer = structure(8);
      write64(answer, 0, found);
      return answer;
    });
  }

  #release<T>(request: FuseRequest, from: Map<number, T>, close: (item: T) => Later<void>): Later<FuseAnswer> {
    this.#need(request, 8);
    const handle = read64(request.view, IN_HEADER);
    const item = from.get(handle);
    if (item === undefined) throw FileError.of("EBADF");
    from.delete(handle);
    return after(close(item), () => NOTHING);
  }

  #batchForget(request: FuseRequest): undefined {
    const { view, length } = request;
    if (length < IN_HEADER + 8) return undefined;
    const count = Math.min(view.getUint32(IN_HEADER, true), Math.floor((length - IN_HEADER - 8) / 16));
    for (let n = 0; n < count; n++) {
      const at = IN_HEADER + 8 + 16 * n;
      this.#forget(read64(view, at), read64(view, at + 8));
    }
    return undefined;
  }

  #forget(id: number, times: number): void {
    const known = this.#nodes.get(id);
    if (known === undefined || id === ROOT_ID) return;
    known.lookups -= times;
    if (known.lookups > 0) return;
    this.#nodes.delete(id);
    this.#ids.delete(known.node);
    known.file?.close();
  }

  get #openFlags(): number {
    return this.#cache === "always" ? OpenFlag.KeepCache : 0;
  }

  /** The number of a node that the kernel is told of. */
  #know(node: FileNode): number {
    let known = this.#ids.get(node);
    if (known === undefined) {
      if (this.#nodes.size >= MAX_NODES) throw FileError.of("ENFILE");
      known = { id: this.#nextId++, node, lookups: 0 };
      this.#nodes.set(known.id, known);
      this.#ids.set(node, known);
    }
    known.lookups++;
    return known.id;
  }

  #entry(node: FileNode): Later<FuseAnswer> {
    return after(node.stat(), (stat) => {
      const answer = structure(ENTRY_OUT);
      writeEntry(answer, 0, this.#know(node), stat, this.#validity);
      return answer;
    });
  }

  #attrOut(stat: FileStat): FuseAnswer {
    const answer = structure(ATTR_OUT);
    write64(answer, 0, this.#validity.seconds);
    writeAttr(answer, 16, stat);
    return answer;
  }

  #node(id: number): FileNode {
    const known = this.#nodes.get(id);
    if (known === undefined) throw FileError.of("ESTALE");
    return known.node;
  }

  /** The file whose handle a request begins with. */
  #file(request: FuseRequest): OpenFile {
    this.#need(request, 8);
    const handle = read64(request.view, IN_HEADER);
    const file = this.#files.get(handle);
    if (file !== undefined) return file;
    const known = this.#nodes.get(request.node);
    if (!this.#isOpenless || handle !== 0 || known === undefined) throw FileError.of("EBADF");
    return this.#implicitFile(known);
  }

  #checkHandles(): void {
    if (this.#files.size + this.#directories.size >= MAX_HANDLES) throw FileError.of("ENFILE");
  }

  #keep<T>(where: Map<number, T>, item: T): number {
    const handle = this.#nextHandle++;
    where.set(handle, item);
    return handle;
  }

  /** Refuses a request that is shorter than its structure. */
  #need({ length }: FuseRequest, bytes: number): void {
    if (length < IN_HEADER + bytes) throw FileError.of("EINVAL");
  }

  #word({ view }: FuseRequest, at: number): number {
    return view.getUint32(IN_HEADER + at, true);
  }

  /** A position in a file: no file is longer than numbers are exact. */
  #offset({ view }: FuseRequest, at: number): number {
    const offset = read64(view, IN_HEADER + at);
    if (offset > Number.MAX_SAFE_INTEGER) throw FileError.of(offset >= 2 ** 63 ? "EINVAL" : "EFBIG");
    return offset;
  }

  /** A name that stands within a directory. */
  #name(request: FuseRequest, at: number): string {
    const [name] = this.#names(request, at, 1);
    checkName(name);
    return name;
  }

  /** Strings with their NULs, one behind the other; of two the first is a name. */
  #names(request: FuseRequest, at: number, count: 1): [string];
  #names(request: FuseRequest, at: number, count: 2): [string, string];
  #names({ view, length }: FuseRequest, at: number, count: 1 | 2): string[] {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, length);
    const names: string[] = [];
    let start = IN_HEADER + at;
    for (let n = 0; n < count; n++) {
      const end = bytes.indexOf(0, start);
      if (end < 0) throw FileError.of("EINVAL");
      if (end - start >= MAX_PATH_BYTES) throw FileError.of("ENAMETOOLONG");
      names.push(nameFromBytes(bytes.subarray(start, end)));
      start = end + 1;
    }
    if (count === 2) checkName(names[0] ?? "");
    return names;
  }
}

const ONE_DOT = Uint8Array.of(0x2e);
const TWO_DOTS = Uint8Array.of(0x2e, 0x2e);

function openOut(handle: number, flags: number): FuseAnswer {
  const answer = structure(16);
  write64(answer, 0, handle);
  answer.setUint32(8, flags, true);
  return answer;
}

function joinNames(names: readonly string[]): Uint8Array {
  const parts = names.map(bytesFromName);
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length + 1, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length + 1;
  }
  return joined;
}
