/**
 * A 9P2000.L session: what a client asks for, done on a {@link FileTree}. Everything in a message is the guest's word:
 * fids are looked up, names checked, and what the session keeps for a guest has a cap.
 */
import { FileError } from "../../backends/files/errno.js";
import { after, type Later, perform, type Steps, wait } from "../../backends/files/later.js";
import { type FileLock, LockHolder } from "../../backends/files/locks.js";
import { bytesFromName, checkName, MAX_PATH_BYTES, nameLength } from "../../backends/files/names.js";
import {
  type DirectoryReader,
  type FileNode,
  type FileTree,
  FileType,
  type NewNode,
  type OpenFile,
  PERMISSION_BITS,
  type StatChanges,
  TYPE_BITS,
  XattrFlag,
} from "../../backends/files/tree.js";
import { HEADER, Message, MessageReader, MessageWriter, QID, READ_HEAD, VERSION } from "./message.js";

/** Bytes of a message, header and all. Linux's virtio transport uses at most 500 KiB. */
export const MAX_MESSAGE = 2 ** 20;
/** A message must hold what has no parts: a name, an `Rgetattr`. Linux refuses less as well. */
const MIN_MESSAGE = 4096;
/** Fids at once: a client that caches keeps one for each directory entry. */
const MAX_FIDS = 2 ** 18;
const MAX_OPEN = 2 ** 16;
/** Bytes of attributes that are being read or written. */
const MAX_ATTRIBUTE_BYTES = 4 * 2 ** 20;
const MAX_ATTRIBUTE = 65_536;
/** Names of one Twalk (walk(5)). */
const MAX_WALK = 16;
/** Bytes of an entry in an Rreaddir beside its name. */
const DIRENT = QID + 8 + 1 + 2;
const DOTS = 2;
const NO_UID = 0xffff_ffff;
const AT_REMOVEDIR = 0x200;
/** `V9FS_MAGIC` (linux/magic.h). */
const MAGIC = 0x01021997;

const O_ACCMODE = 3;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_TRUNC = 0o1000;

/** Which fields of a Tsetattr count. */
const SetAttr = { Mode: 1, Uid: 2, Gid: 4, Size: 8, Atime: 0x10, Mtime: 0x20, AtimeSet: 0x80, MtimeSet: 0x100 };
const LockType = { Read: 0, Write: 1, Unlock: 2 } as const;
const LockStatus = { Success: 0, Blocked: 1 } as const;

/** A message whose header was read. */
export interface Request {
  readonly type: number;
  readonly tag: number;
  /** The message from its header on; of a Twrite up to its data. Good until the first thing that waits. */
  readonly view: DataView;
  readonly length: number;
  /** Room for the answer behind its header. */
  readonly room: number;
  readonly data: RequestData;
}

/** The part of a message that is as long as pages are. */
export interface RequestData {
  /** Bytes behind the fields of a Twrite. */
  readonly writeLength: number;
  /** The data of a Twrite, as views that are good now, or as a copy. */
  writeViews(length: number): readonly Uint8Array[];
  writeCopy(length: number): Uint8Array;
  /** Room for the data of an Rread, as views that are good now. */
  readViews(length: number): readonly Uint8Array[];
}

/** What to answer with: the body; and a count of bytes that are behind it already, in the views of a read. */
export interface AnswerBody {
  readonly bytes: Uint8Array;
  readonly inPlace: number;
}

/** A node as it was walked to. */
interface Place {
  readonly node: FileNode;
  /** None above the root. */
  readonly up: { readonly place: Place; readonly name: string } | undefined;
}

/** What a fid stands for. */
interface Fid {
  place: Place;
  readonly uid: number;
  open?: { readonly file: OpenFile } | { readonly reader: DirectoryReader };
  /** An attribute that is read, or filled and set when the fid is clunked. */
  attribute?: { value: Uint8Array; readonly set?: { readonly name: string; readonly flags: number; filled: number } };
}

/** A session, from one Tversion to the next. */
export class NinePSession {
  readonly #tree: FileTree;
  readonly #fids = new Map<number, Fid>();
  #locks = new LockHolder();
  #messageSize = 0;
  #opened = 0;
  #attributeBytes = 0;

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  /** Whether a client has it mounted. */
  get isOn(): boolean {
    return this.#fids.size > 0;
  }

  /** Bytes that an answer may have: what was agreed on. */
  get messageSize(): number {
    return this.#messageSize;
  }

  /** Forgets everything and closes what is open. */
  end(): void {
    const fids = [...this.#fids.values()];
    this.#fids.clear();
    for (const fid of fids) {
      try {
        // What cannot be closed any more is nobody's concern by now.
        Promise.resolve(this.#close(fid)).catch(() => {});
      } catch {}
    }
    this.#locks.end();
    this.#locks = new LockHolder();
    this.#messageSize = 0;
  }

  /** Does what a message asks for. Throws or rejects with what it failed with. */
  perform(request: Request): Later<AnswerBody> {
    const reader = new MessageReader(request.view, HEADER, request.length);
    if (request.type === Message.Version) return body(this.#version(reader));
    // version(5): it comes first.
    if (this.#messageSize === 0) throw FileError.of("EIO");
    if (request.type === Message.Read) return this.#read(reader, request);
    return after(this.#dispatch(reader, request), body);
  }

  #dispatch(message: MessageReader, request: Request): Later<MessageWriter> {
    switch (request.type) {
      case Message.Attach:
        return this.#attach(message);
      case Message.Walk:
        return perform(this.#walk(message));
      case Message.GetAttr:
        return after(this.#statOf(this.#fid(message)), (stat) => new MessageWriter(160).stat(stat));
      case Message.SetAttr:
        return this.#setAttr(message);
      case Message.LOpen:
        return perform(this.#open(message));
      case Message.LCreate:
        return perform(this.#create(message));
      case Message.SymLink: {
        const fid = this.#fid(message);
        const [name, target] = [message.string(), message.string()];
        return this.#make(fid, name, { mode: FileType.SymbolicLink | 0o777, gid: message.u32(), target });
      }
      case Message.MkNod: {
        const fid = this.#fid(message);
        const [name, mode, major, minor] = [message.string(), message.u32(), message.u32(), message.u32()];
        return this.#make(fid, name, { mode, major, minor, gid: message.u32() });
      }
      case Message.MkDir: {
        const fid = this.#fid(message);
        const [name, mode] = [message.string(), message.u32()];
        return this.#make(fid, name, { mode: FileType.Directory | (mode & PERMISSION_BITS), gid: message.u32() });
      }
      case Message.ReadDir:
        return perform(this.#readDirectory(message, request));
      case Message.Write:
        return this.#write(message, request);
      case Message.ReadLink:
        return after(this.#fid(message).place.node.readLink(), (target) => new MessageWriter().string(target));
      case Message.Link: {
        const directory = this.#fid(message);
        const { node } = this.#fid(message).place;
        return after(directory.place.node.link(nameOf(message), node), nothing);
      }
      case Message.RenameAt: {
        const from = this.#fid(message).place.node;
        const name = nameOf(message);
        const to = this.#fid(message).place.node;
        return after(from.rename(name, to, nameOf(message), {}), nothing);
      }
      case Message.Rename:
        return perform(this.#rename(message));
      case Message.UnlinkAt: {
        const { node } = this.#fid(message).place;
        const name = nameOf(message);
        return after(node.remove(name, message.u32() & AT_REMOVEDIR ? "directory" : "other"), nothing);
      }
      case Message.Remove:
        return perform(this.#remove(message));
      case Message.Clunk: {
        const fid = message.u32();
        const clunked = this.#known(fid);
        this.#fids.delete(fid);
        return after(this.#close(clunked), nothing);
      }
      case Message.FSync: {
        const { open } = this.#fid(message);
        const dataOnly = message.hasMore && message.u32() !== 0;
        return open !== undefined && "file" in open ? after(open.file.sync(dataOnly), nothing) : nothing();
      }
      case Message.StatFs:
        return this.#statFs(message);
      case Message.XattrWalk:
        return perform(this.#attributeWalk(message));
      case Message.XattrCreate:
        return this.#attributeCreate(message);
      case Message.Lock:
        return this.#lock(message);
      case Message.GetLock:
        return this.#getLock(message);
      default:
        // Tauth as well: there is nobody to ask who somebody is.
        throw FileError.of("EOPNOTSUPP");
    }
  }

  #version(message: MessageReader): MessageWriter {
    const size = message.u32();
    const version = message.string();
    this.end();
    const agreed = Math.min(size, MAX_MESSAGE);
    if (agreed < MIN_MESSAGE) throw FileError.of("EINVAL");
    const isKnown = version === VERSION;
    if (isKnown) this.#messageSize = agreed;
    return new MessageWriter().u32(agreed).string(isKnown ? VERSION : "unknown");
  }

  #attach(message: MessageReader): MessageWriter {
    const fid = message.u32();
    message.u32(); // afid: nobody authenticates
    message.string();
    const name = message.string();
    const uid = message.u32();
    // One tree, and all of it.
    if (name !== "" && name !== "/") throw FileError.of("ENOENT");
    const { root } = this.#tree;
    this.#put(fid, { place: { node: root, up: undefined }, uid: uid === NO_UID ? 0 : uid });
    return new MessageWriter().qid(root);
  }

  *#walk(message: MessageReader): Steps<MessageWriter> {
    const from = message.u32();
    const { place: start, uid, open, attribute } = this.#known(from);
    const to = message.u32();
    const count = message.u16();
    if (count > MAX_WALK) throw FileError.of("EINVAL");
    const names = Array.from({ length: count }, () => message.string());
    // walk(5): what is open cannot move. Linux makes another fid of it, of a file whose name is gone.
    if (to !== from) this.#checkFree(to);
    else if (open !== undefined || attribute !== undefined) throw FileError.of("EINVAL");
    let place = start;
    const answer = new MessageWriter(2 + count * QID).u16(0);
    let walked = 0;
    try {
      for (const name of names) {
        place = yield* this.#step(place, name);
        answer.qid(place.node);
        walked++;
      }
    } catch (error) {
      // The first must succeed; behind it, the answer says how far it came, and the new fid stays free.
      if (walked === 0) throw error;
    }
    new DataView(answer.bytes.buffer).setUint16(0, walked, true);
    if (walked === count) {
      if (to === from) this.#known(from).place = place;
      else this.#put(to, { place, uid });
    }
    return answer;
  }

  *#step(place: Place, name: string): Steps<Place> {
    if (place.node.type !== FileType.Directory) throw FileError.of("ENOTDIR");
    if (name === "..") return place.up?.place ?? place;
    checkName(name);
    return { node: yield* wait(place.node.lookup(name)), up: { place, name } };
  }

  #statOf({ open, place }: Fid) {
    return open !== undefined && "file" in open ? open.file.stat() : place.node.stat();
  }

  #setAttr(message: MessageReader): Later<MessageWriter> {
    const { open, place } = this.#fid(message);
    const valid = message.u32();
    const [mode, uid, gid, size] = [message.u32(), message.u32(), message.u32(), message.u64()];
    const time = (which: number, set: number): StatChanges["atime"] | undefined => {
      const [seconds, nanoseconds] = [message.i64(), message.u64()];
      if ((valid & which) === 0) return undefined;
      if ((valid & set) === 0) return "now";
      if (nanoseconds > 999_999_999) throw FileError.of("EINVAL");
      return { seconds, nanoseconds };
    };
    const atime = time(SetAttr.Atime, SetAttr.AtimeSet);
    const mtime = time(SetAttr.Mtime, SetAttr.MtimeSet);
    if (valid & SetAttr.Size && size > Number.MAX_SAFE_INTEGER) throw FileError.of("EFBIG");
    const changes: StatChanges = {
      ...(valid & SetAttr.Mode && { mode: mode & PERMISSION_BITS }),
      ...(valid & SetAttr.Uid && { uid }),
      ...(valid & SetAttr.Gid && { gid }),
      ...(valid & SetAttr.Size && { size }),
      ...(atime !== undefined && { atime }),
      ...(mtime !== undefined && { mtime }),
    };
    const target = open !== undefined && "file" in open ? open.file : place.node;
    return after(target.change(changes), nothing);
  }

  *#open(message: MessageReader): Steps<MessageWriter> {
    const fid = this.#fid(message);
    const flags = message.u32();
    this.#checkOpen(fid);
    const { node } = fid.place;
    if (node.type === FileType.Directory) {
      this.#opens(fid, { reader: yield* wait(node.openDirectory()) });
    } else {
      const mode = openMode(flags);
      const file = yield* wait(node.open(mode));
      if (flags & O_TRUNC && mode.write) yield* wait(file.change({ size: 0 }));
      this.#opens(fid, { file });
    }
    return new MessageWriter().qid(node).u32(0);
  }

  *#create(message: MessageReader): Steps<MessageWriter> {
    const fid = this.#fid(message);
    const name = nameOf(message);
    const [flags, mode, gid] = [message.u32(), message.u32(), message.u32()];
    this.#checkOpen(fid);
    const { place, uid } = fid;
    const made = { mode: FileType.Regular | (mode & PERMISSION_BITS), uid, gid };
    const { node, file } = yield* wait(place.node.createOpen(name, made, openMode(flags)));
    fid.place = { node, up: { place, name } };
    this.#opens(fid, { file });
    return new MessageWriter().qid(node).u32(0);
  }

  #make({ place, uid }: Fid, name: string, made: Omit<NewNode, "uid">): Later<MessageWriter> {
    checkName(name);
    return after(place.node.create(name, { ...made, uid }), (node) => new MessageWriter().qid(node));
  }

  #read(message: MessageReader, { room, data }: Request): Later<AnswerBody> {
    const { open, attribute } = this.#fid(message);
    const offset = message.offset();
    const length = Math.min(message.u32(), room - READ_HEAD, this.#messageSize - HEADER - READ_HEAD);
    if (length < 0) throw FileError.of("EINVAL");
    if (attribute !== undefined && attribute.set === undefined) {
      return counted(attribute.value.subarray(offset, offset + length));
    }
    if (open === undefined || !("file" in open)) throw FileError.of(open === undefined ? "EBADF" : "EISDIR");
    const now = open.file.readNow?.(offset, data.readViews(length));
    if (now !== undefined) return { bytes: new MessageWriter(4).u32(now).bytes, inPlace: now };
    const bytes = new Uint8Array(length);
    return after(open.file.read(offset, bytes), (count) => counted(bytes.subarray(0, count)));
  }

  #write(message: MessageReader, { data }: Request): Later<MessageWriter> {
    const { open, attribute } = this.#fid(message);
    const offset = message.offset();
    const length = message.u32();
    if (length > data.writeLength) throw FileError.of("EINVAL");
    if (attribute?.set !== undefined) {
      if (offset + length > attribute.value.length) throw FileError.of("ENOSPC");
      attribute.value.set(data.writeCopy(length), offset);
      attribute.set.filled = Math.max(attribute.set.filled, offset + length);
      return new MessageWriter(4).u32(length);
    }
    if (open === undefined || !("file" in open)) throw FileError.of("EBADF");
    const now = open.file.writeNow?.(offset, data.writeViews(length));
    return after(now ?? open.file.write(offset, data.writeCopy(length)), (count) => new MessageWriter(4).u32(count));
  }

  *#readDirectory(message: MessageReader, { room }: Request): Steps<MessageWriter> {
    const { open, place } = this.#fid(message);
    let cookie = message.offset();
    const limit = Math.min(message.u32(), room - READ_HEAD, this.#messageSize - HEADER - READ_HEAD);
    if (open === undefined || !("reader" in open)) throw FileError.of("EBADF");
    const answer = new MessageWriter(Math.max(64, Math.min(limit, 8192))).u32(0);
    const add = (entry: { readonly ino: number; readonly type: number }, next: number, name: string): boolean => {
      if (answer.length + DIRENT + nameLength(name) > READ_HEAD + limit) return false;
      answer
        .qid(entry)
        .u64(next)
        .u8((entry.type & TYPE_BITS) >>> 12)
        .string(name);
      return true;
    };
    let isFull = false;
    for (; cookie < DOTS && !isFull; cookie++) {
      isFull = !add(place.node, cookie + 1, cookie === 0 ? "." : "..");
    }
    if (!isFull) {
      const fitting = Math.floor((READ_HEAD + limit - answer.length) / (DIRENT + 1));
      for (const entry of yield* wait(open.reader.read(cookie - DOTS, fitting))) {
        if (!add(entry, entry.cookie + DOTS, entry.name)) break;
      }
    }
    new DataView(answer.bytes.buffer).setUint32(0, answer.length - READ_HEAD, true);
    return answer;
  }

  *#rename(message: MessageReader): Steps<MessageWriter> {
    const fid = this.#fid(message);
    const to = this.#fid(message).place;
    const name = nameOf(message);
    const { place, name: before } = yield* this.#nameOf(fid);
    yield* wait(place.node.rename(before, to.node, name, {}));
    fid.place = { node: fid.place.node, up: { place: to, name } };
    return nothing();
  }

  *#remove(message: MessageReader): Steps<MessageWriter> {
    const number = message.u32();
    const fid = this.#known(number);
    // remove(5): clunked, whatever becomes of it.
    this.#fids.delete(number);
    try {
      const { place, name } = yield* this.#nameOf(fid);
      const { type } = fid.place.node;
      yield* wait(place.node.remove(name, type === FileType.Directory ? "directory" : "other"));
    } finally {
      yield* wait(this.#close(fid));
    }
    return nothing();
  }

  /** Under which name a fid was walked to, if that still leads there. */
  *#nameOf({ place }: Fid): Steps<NonNullable<Place["up"]>> {
    if (place.up === undefined) throw FileError.of("EBUSY");
    const found = yield* wait(place.up.place.node.lookup(place.up.name));
    if (found !== place.node) throw FileError.of("ENOENT");
    return place.up;
  }

  #statFs(message: MessageReader): Later<MessageWriter> {
    this.#fid(message);
    return after(this.#tree.room(), ({ blockSize, blocks, freeBlocks, files, freeFiles }) => {
      const answer = new MessageWriter().u32(MAGIC).u32(blockSize).u64(blocks).u64(freeBlocks).u64(freeBlocks);
      return answer.u64(files).u64(freeFiles).u64(0).u32(255);
    });
  }

  *#attributeWalk(message: MessageReader): Steps<MessageWriter> {
    const { place, uid } = this.#fid(message);
    const to = message.u32();
    const name = message.string();
    this.#checkFree(to);
    let value: Uint8Array;
    if (name === "") {
      const names = yield* wait(place.node.listAttributes());
      value = Uint8Array.from(names.flatMap((each) => [...bytesFromName(each), 0]));
    } else value = yield* wait(place.node.getAttribute(name));
    this.#holdAttribute(value.length);
    this.#put(to, { place, uid, attribute: { value } });
    return new MessageWriter().u64(value.length);
  }

  #attributeCreate(message: MessageReader): Later<MessageWriter> {
    const fid = this.#fid(message);
    const name = message.string();
    const [size, flags] = [message.u64(), message.u32()];
    if (fid.open !== undefined || fid.attribute !== undefined || name === "") throw FileError.of("EINVAL");
    if (size > MAX_ATTRIBUTE) throw FileError.of("E2BIG");
    if (name.length > 255) throw FileError.of("ERANGE");
    if (!this.#tree.hasAttributes) throw FileError.of("EOPNOTSUPP");
    this.#holdAttribute(size);
    fid.attribute = { value: new Uint8Array(size), set: { name, flags, filled: 0 } };
    return nothing();
  }

  #lock(message: MessageReader): MessageWriter {
    const { place } = this.#fid(message);
    const type = message.u8();
    message.u32(); // flags: the client waits and asks again
    const lock = lockOf(message, type);
    if (type === LockType.Unlock) {
      this.#locks.release(place.node, lock);
      return new MessageWriter().u8(LockStatus.Success);
    }
    return new MessageWriter().u8(this.#locks.take(place.node, lock) ? LockStatus.Success : LockStatus.Blocked);
  }

  #getLock(message: MessageReader): MessageWriter {
    const { place } = this.#fid(message);
    const type = message.u8();
    const lock = lockOf(message, type);
    const conflict = this.#locks.conflict(place.node, lock);
    const answer = new MessageWriter();
    const { start, end, owner, isExclusive } = conflict ?? lock;
    const [process = "0", ...client] = owner.split(" ");
    answer.u8(conflict === undefined ? LockType.Unlock : isExclusive ? LockType.Write : LockType.Read);
    answer.u64(start).u64(end === Number.POSITIVE_INFINITY ? 0 : end - start);
    return answer.u32(Number(process)).string(client.join(" "));
  }

  #close(fid: Fid): Later<void> {
    const { open, attribute, place } = fid;
    if (attribute !== undefined) {
      this.#attributeBytes -= attribute.value.length;
      const { set, value } = attribute;
      if (set === undefined) return;
      if (value.length === 0) return place.node.removeAttribute(set.name);
      if (set.filled < value.length) throw FileError.of("EINVAL");
      const how = set.flags & XattrFlag.Create ? "create" : set.flags & XattrFlag.Replace ? "replace" : "either";
      return place.node.setAttribute(set.name, value, how);
    }
    if (open === undefined) return;
    this.#opened--;
    return "file" in open ? open.file.close() : open.reader.close();
  }

  #holdAttribute(bytes: number): void {
    if (this.#attributeBytes + bytes > MAX_ATTRIBUTE_BYTES) throw FileError.of("ENOMEM");
    this.#attributeBytes += bytes;
  }

  #checkOpen({ open, attribute }: Fid): void {
    if (open !== undefined || attribute !== undefined) throw FileError.of("EINVAL");
    if (this.#opened >= MAX_OPEN) throw FileError.of("ENFILE");
  }

  #opens(fid: Fid, open: NonNullable<Fid["open"]>): void {
    fid.open = open;
    this.#opened++;
  }

  #fid(message: MessageReader): Fid {
    return this.#known(message.u32());
  }

  #known(number: number): Fid {
    const fid = this.#fids.get(number);
    if (fid === undefined) throw FileError.of("EBADF");
    return fid;
  }

  #checkFree(number: number): void {
    if (this.#fids.has(number)) throw FileError.of("EINVAL");
    if (this.#fids.size >= MAX_FIDS) throw FileError.of("ENFILE");
  }

  #put(number: number, fid: Fid): void {
    this.#checkFree(number);
    this.#fids.set(number, fid);
  }
}

function nothing(): MessageWriter {
  return new MessageWriter(0);
}

function body({ bytes }: MessageWriter): AnswerBody {
  return { bytes, inPlace: 0 };
}

/** The body of an Rread. */
function counted(bytes: Uint8Array): AnswerBody {
  const answer = new Uint8Array(READ_HEAD + bytes.length);
  new DataView(answer.buffer).setUint32(0, bytes.length, true);
  answer.set(bytes, READ_HEAD);
  return { bytes: answer, inPlace: 0 };
}

function nameOf(message: MessageReader): string {
  const name = message.string();
  checkName(name);
  return name;
}

function openMode(flags: number): { readonly read: boolean; readonly write: boolean } {
  const access = flags & O_ACCMODE;
  return { read: access !== O_WRONLY, write: access === O_WRONLY || access === O_RDWR };
}

/** start[8] length[8] proc_id[4] client_id[s]; a length of 0 is up to the end. */
function lockOf(message: MessageReader, type: number): FileLock {
  if (type > LockType.Unlock) throw FileError.of("EINVAL");
  const [start, length] = [message.offset(), message.u64()];
  const [process, client] = [message.u32(), message.string()];
  if (nameLength(client) > MAX_PATH_BYTES) throw FileError.of("EINVAL");
  const end = length === 0 ? Number.POSITIVE_INFINITY : start + length;
  return { start, end, isExclusive: type === LockType.Write, owner: `${process} ${client}` };
}
