/**
 * A FUSE session: what a kernel asks for, done on a {@link FileTree}. The device hands it requests whose header it has
 * read, and gets the bytes to answer with, now or later. Here is what is asked of names and nodes; what is done with a
 * file, a directory or an attribute that was found stands beside it.
 */
import { Errno, errnoOf, FileError } from "../../backends/files/errno.js";
import { after, type Later, perform, type Steps, wait } from "../../backends/files/later.js";
import { bytesFromName, checkName } from "../../backends/files/names.js";
import {
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
} from "../../backends/files/tree.js";
import type { FileSession } from "../files/device.js";
import { isExclusive, isTruncating, openFile, openMode } from "../files/open.js";
import { attributeRequest } from "./attributes.js";
import { allocateFile, MAX_IO, PAGES_OF_IO, readFile, seekFile, writeFile } from "./file-io.js";
import {
  ATTR_OUT,
  decodeDevice,
  ENTRY_OUT,
  FUSE_MAJOR,
  FUSE_MINOR,
  IN_HEADER,
  InitFlag,
  OLDEST_MINOR,
  Opcode,
  OpenFlag,
  read64,
  readSigned64,
  SetAttr,
  structure,
  type Validity,
  write64,
  writeAttr,
  writeEntry,
} from "./fuse.js";
import { KnownFiles } from "./known-files.js";
import { listDirectory } from "./listing.js";
import { dropCapabilities, dropSetId, dropSetIdOf, KillPrivileges } from "./privileges.js";
import {
  type FuseAnswer,
  type FuseRequest,
  idAt,
  NOTHING,
  nameAt,
  need,
  offsetAt,
  stringsAt,
  wordAt,
} from "./request.js";

/**
 * How much a guest's kernel may keep of what it was told: nothing; for a second, so that it sees changes made elsewhere
 * soon; or all of it, where nobody else changes the tree.
 */
export type FileCache = "none" | "auto" | "always";

const SECONDS: Readonly<Record<FileCache, number>> = { none: 0, auto: 1, always: 2 ** 31 };

/** A session, from one INIT to the next. */
export class FuseSession implements FileSession<FuseRequest, FuseAnswer | undefined> {
  readonly #tree: FileTree;
  readonly #cache: FileCache;
  readonly #validity: Validity;
  readonly #known = new KnownFiles();
  #isOn = false;
  /** Whether the kernel keeps what is written to itself for a while. */
  #isWrittenBack = false;

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
    this.#known.end();
    this.#isOn = false;
  }

  /** Does what a request asks for; undefined for one that has no answer. Throws or rejects with what it failed with. */
  perform(request: FuseRequest): Later<FuseAnswer | undefined> {
    const { opcode, view, length } = request;
    if (opcode === Opcode.Init) return this.#init(request);
    if (opcode === Opcode.Forget) {
      if (length >= IN_HEADER + 8) this.#known.forget(request.node, read64(view, IN_HEADER));
      return undefined;
    }
    if (opcode === Opcode.BatchForget) return this.#batchForget(request);
    // What it is about is the device's business.
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
        const [name, target] = stringsAt(request, 0, 2);
        return this.#make(request, name, { mode: FileType.SymbolicLink | 0o777, target });
      }
      case Opcode.MkNod: {
        need(request, 16);
        const mode = wordAt(request, 0);
        return this.#make(request, nameAt(request, 16), { mode, ...decodeDevice(wordAt(request, 4)) });
      }
      case Opcode.MkDir: {
        need(request, 8);
        const mode = FileType.Directory | (wordAt(request, 0) & PERMISSION_BITS);
        return this.#make(request, nameAt(request, 8), { mode });
      }
      case Opcode.Unlink:
        return this.#unlink(request);
      case Opcode.RmDir:
        return after(this.#node(request.node).remove(nameAt(request, 0), "directory"), () => NOTHING);
      case Opcode.Rename:
        return this.#rename(request, 8, 0);
      case Opcode.Rename2:
        need(request, 16);
        return this.#rename(request, 16, wordAt(request, 8));
      case Opcode.Link: {
        need(request, 8);
        const node = this.#node(idAt(request, 0));
        return after(this.#node(request.node).link(nameAt(request, 8), node), () => this.#entry(node));
      }
      case Opcode.Open:
        return this.#open(request);
      case Opcode.Create:
        return this.#create(request);
      case Opcode.Read:
        return readFile(this.#file(request), request);
      case Opcode.Write:
        return writeFile(this.#file(request), request);
      case Opcode.Release:
        need(request, 8);
        return after(this.#known.releaseFile(idAt(request, 0)), () => NOTHING);
      case Opcode.ReleaseDir:
        need(request, 8);
        return after(this.#known.releaseDirectory(idAt(request, 0)), () => NOTHING);
      case Opcode.FSync:
        return after(this.#file(request).sync((wordAt(request, 8) & 1) !== 0), () => NOTHING);
      case Opcode.FSyncDir:
        return NOTHING;
      case Opcode.OpenDir:
        return this.#openDirectory(request);
      case Opcode.ReadDir:
      case Opcode.ReadDirPlus:
        return this.#list(request);
      case Opcode.StatFs:
        return this.#statFs();
      case Opcode.GetXattr:
      case Opcode.ListXattr:
      case Opcode.SetXattr:
      case Opcode.RemoveXattr:
        if (!this.#tree.hasAttributes) throw FileError.of("ENOSYS");
        return attributeRequest(this.#node(request.node), request);
      case Opcode.FAllocate:
        return allocateFile(this.#file(request), request);
      case Opcode.LSeek:
        // Linux asks without having written back: a hole may be what was written a moment ago, and cp would leave it out.
        if (this.#isWrittenBack) throw FileError.of("ENOSYS");
        return seekFile(this.#file(request), request);
      case Opcode.Destroy:
        this.end();
        return NOTHING;
      default:
        // The kernel does without, and asks no more: FLUSH, ACCESS, locks, which it then keeps itself, and the rest.
        throw FileError.of("ENOSYS");
    }
  }

  #init(request: FuseRequest): FuseAnswer {
    need(request, 16);
    const [major, minor] = [wordAt(request, 0), wordAt(request, 4)];
    const answer = structure(64);
    answer.setUint32(0, FUSE_MAJOR, true);
    answer.setUint32(4, FUSE_MINOR, true);
    // A newer kernel asks again with this version; an older one cannot be served.
    if (major > FUSE_MAJOR) return answer;
    if (major < FUSE_MAJOR || minor < OLDEST_MINOR) throw FileError.of("EPROTO");
    this.end();
    this.#isOn = true;
    // On a read-only tree it is the open that must fail, not a write from the cache much later.
    const mayStayClosed = this.#cache === "always" && !this.#tree.isReadOnly && this.#tree.opensFreely === true;
    const isOpenless = mayStayClosed && (wordAt(request, 12) & InitFlag.NoOpen) !== 0;
    this.#known.begin(this.#tree.root, isOpenless);
    const { AsyncRead, AtomicTruncate, BigWrites, DoReadDirPlus, ReadDirPlusAuto, ParallelDirectories, MaxPages } =
      InitFlag;
    const { AutoInvalidate, WritebackCache, CacheSymlinks, HandleKillPrivV2 } = InitFlag;
    const wanted =
      AsyncRead |
      // Nobody would hear of a truncation by an open that is not asked for.
      (isOpenless ? 0 : AtomicTruncate) |
      BigWrites |
      DoReadDirPlus |
      ReadDirPlusAuto |
      ParallelDirectories |
      MaxPages |
      HandleKillPrivV2;
    const cached = this.#cache === "always" ? WritebackCache | CacheSymlinks : AutoInvalidate;
    const agreed = wordAt(request, 12) & (wanted | cached);
    this.#isWrittenBack = (agreed & WritebackCache) !== 0 && !this.#tree.isReadOnly;
    answer.setUint32(8, wordAt(request, 8), true); // read-ahead, as the kernel would have it
    answer.setUint32(12, agreed, true);
    answer.setUint16(16, 64, true); // requests in the background, and when there are many
    answer.setUint16(18, 48, true);
    answer.setUint32(20, MAX_IO, true);
    answer.setUint32(24, 1, true); // times are exact to the nanosecond
    answer.setUint16(28, PAGES_OF_IO, true);
    return answer;
  }

  #lookup(request: FuseRequest): Later<FuseAnswer> {
    const name = nameAt(request, 0);
    const directory = this.#node(request.node);
    if (this.#cache === "none") return after(directory.lookup(name), (node) => this.#entry(node));
    const absent = (error: unknown) => {
      if (errnoOf(error) !== Errno.ENOENT) throw error;
      // Node 0: the kernel may remember that nothing is there, for as long as it may what is.
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
    need(request, 16);
    const handle = wordAt(request, 0) & 1 ? idAt(request, 8) : undefined;
    return after(this.#known.attributesOf(request.node, handle).stat(), (stat) => this.#attrOut(stat));
  }

  #setAttr(request: FuseRequest): Later<FuseAnswer> {
    need(request, 88);
    const { view } = request;
    const valid = wordAt(request, 0);
    const time = (secondsAt: number, nanosecondsAt: number): FileTime => {
      const nanoseconds = view.getUint32(IN_HEADER + nanosecondsAt, true);
      if (nanoseconds > 999_999_999) throw FileError.of("EINVAL");
      return { seconds: readSigned64(view, IN_HEADER + secondsAt), nanoseconds };
    };
    const changes: StatChanges = {
      ...(valid & SetAttr.Mode && { mode: wordAt(request, 68) & PERMISSION_BITS }),
      ...(valid & SetAttr.Uid && { uid: wordAt(request, 76) }),
      ...(valid & SetAttr.Gid && { gid: wordAt(request, 80) }),
      ...(valid & SetAttr.Size && { size: offsetAt(request, 16) }),
      ...(valid & SetAttr.Atime && { atime: valid & SetAttr.AtimeNow ? ("now" as const) : time(32, 56) }),
      ...(valid & SetAttr.Mtime && { mtime: valid & SetAttr.MtimeNow ? ("now" as const) : time(40, 60) }),
    };
    const handle = valid & SetAttr.Handle ? idAt(request, 8) : undefined;
    const file = this.#known.attributesOf(request.node, handle);
    const changed = after(file.change(changes), (stat) =>
      valid & KillPrivileges.SetAttr ? dropSetIdOf(file, stat) : stat,
    );
    return after(changed, (stat) => this.#attrOut(stat));
  }

  #make({ node, uid, gid }: FuseRequest, name: string, made: Omit<NewNode, "uid" | "gid">): Later<FuseAnswer> {
    return after(this.#node(node).create(name, { ...made, uid, gid }), (created) => this.#entry(created));
  }

  #unlink(request: FuseRequest): Later<FuseAnswer> {
    const directory = this.#node(request.node);
    const name = nameAt(request, 0);
    this.#known.hold(directory, name);
    return after(directory.remove(name, "other"), () => NOTHING);
  }

  #rename(request: FuseRequest, namesAt: number, flags: number): Later<FuseAnswer> {
    need(request, namesAt);
    const to = this.#node(idAt(request, 0));
    const [name, newName] = stringsAt(request, namesAt, 2);
    checkName(newName);
    const noReplace = (flags & RenameFlag.NoReplace) !== 0;
    const exchange = (flags & RenameFlag.Exchange) !== 0;
    this.#known.hold(to, newName);
    if (flags & ~3 || (noReplace && exchange)) throw FileError.of("EINVAL");
    const renamed = this.#node(request.node).rename(name, to, newName, { noReplace, exchange });
    return after(renamed, () => NOTHING);
  }

  #open(request: FuseRequest): Later<FuseAnswer> {
    need(request, 8);
    if (this.#known.isOpenless) throw FileError.of("ENOSYS");
    const opened = this.#openNode(this.#node(request.node), wordAt(request, 0), wordAt(request, 4));
    return after(opened, (handle) => openOut(handle, this.#openFlags));
  }

  /** Opens a file, by the kernel's flags and by its own; its handle. */
  #openNode(node: FileNode, flags: number, ownFlags: number): Later<number> {
    this.#known.checkHandles();
    return perform(this.#openSteps(node, flags, ownFlags));
  }

  *#openSteps(node: FileNode, flags: number, ownFlags: number): Steps<number> {
    const file = yield* openFile(node, this.#openMode(flags), flags);
    try {
      if (isTruncating(flags) && ownFlags & KillPrivileges.Open) yield* wait(dropSetId(file));
      if (isTruncating(flags) && this.#tree.hasAttributes) yield* wait(dropCapabilities(node));
    } catch (error) {
      yield* wait(file.close());
      throw error;
    }
    return yield* wait(this.#known.keepFile(file));
  }

  #openMode(flags: number): OpenMode {
    const mode = openMode(flags);
    // A kernel that caches writes reads pages of which it has a part.
    return this.#cache === "always" ? { ...mode, read: true } : mode;
  }

  #create(request: FuseRequest): Later<FuseAnswer> {
    need(request, 16);
    const flags = wordAt(request, 0);
    const mode = FileType.Regular | (wordAt(request, 4) & PERMISSION_BITS);
    const name = nameAt(request, 16);
    const { uid, gid } = request;
    const directory = this.#node(request.node);
    this.#known.checkHandles();
    return perform(this.#createSteps(directory, name, { mode, uid, gid }, flags, wordAt(request, 12)));
  }

  *#createSteps(directory: FileNode, name: string, made: NewNode, flags: number, ownFlags: number): Steps<FuseAnswer> {
    let node: FileNode;
    let handle: number;
    try {
      const created = yield* wait(directory.createOpen(name, made, this.#openMode(flags)));
      node = created.node;
      handle = yield* wait(this.#known.keepFile(created.file));
    } catch (error) {
      if (errnoOf(error) !== Errno.EEXIST || isExclusive(flags)) throw error;
      node = yield* wait(directory.lookup(name));
      handle = yield* wait(this.#openNode(node, flags, ownFlags));
    }
    const answer = structure(ENTRY_OUT + 16);
    writeEntry(answer, 0, this.#known.know(node), yield* wait(node.stat()), this.#validity);
    write64(answer, ENTRY_OUT, handle);
    answer.setUint32(ENTRY_OUT + 8, this.#openFlags, true);
    return answer;
  }

  #openDirectory({ node }: FuseRequest): Later<FuseAnswer> {
    this.#known.checkHandles();
    const directory = this.#node(node);
    const flags = this.#cache === "always" ? OpenFlag.CacheDirectory | OpenFlag.KeepCache : 0;
    return after(directory.openDirectory(), (reader) =>
      after(this.#known.keepDirectory({ node: directory, reader }), (handle) => openOut(handle, flags)),
    );
  }

  #list(request: FuseRequest): Later<FuseAnswer> {
    need(request, 40);
    const open = this.#known.directory(idAt(request, 0));
    return perform(
      listDirectory(open, request, (answer, at, node, stat) => {
        writeEntry(answer, at, this.#known.know(node), stat, this.#validity);
      }),
    );
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

  #batchForget(request: FuseRequest): undefined {
    const { view, length } = request;
    if (length < IN_HEADER + 8) return undefined;
    const count = Math.min(view.getUint32(IN_HEADER, true), Math.floor((length - IN_HEADER - 8) / 16));
    for (let n = 0; n < count; n++) {
      const at = IN_HEADER + 8 + 16 * n;
      this.#known.forget(read64(view, at), read64(view, at + 8));
    }
    return undefined;
  }

  get #openFlags(): number {
    return this.#cache === "always" ? OpenFlag.KeepCache : 0;
  }

  #entry(node: FileNode): Later<FuseAnswer> {
    return after(node.stat(), (stat) => {
      const answer = structure(ENTRY_OUT);
      writeEntry(answer, 0, this.#known.know(node), stat, this.#validity);
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
    return this.#known.node(id);
  }

  /** The file whose handle a request begins with. */
  #file(request: FuseRequest): OpenFile {
    need(request, 8);
    return this.#known.file(request.node, idAt(request, 0));
  }
}

function openOut(handle: number, flags: number): FuseAnswer {
  const answer = structure(16);
  write64(answer, 0, handle);
  answer.setUint32(8, flags, true);
  return answer;
}
