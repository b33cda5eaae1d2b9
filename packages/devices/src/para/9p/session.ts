/**
 * A 9P2000.L session: what a client asks for, done on a {@link FileTree}. Everything in a message is the guest's word:
 * fids are looked up, names checked, and what the session keeps for a guest has a cap.
 */
import { FileError } from "../../backends/files/errno.js";
import { after, type Later, perform, type Steps, wait } from "../../backends/files/later.js";
import { LockHolder } from "../../backends/files/locks.js";
import { bytesFromName, checkName, nameLength } from "../../backends/files/names.js";
import {
  type FileTree,
  FileType,
  type NewNode,
  PERMISSION_BITS,
  type StatChanges,
  TYPE_BITS,
} from "../../backends/files/tree.js";
import type { FileSession } from "../files/device.js";
import { isAppending, openFile, openMode } from "../files/open.js";
import { type Fid, Fids, type Place } from "./fids.js";
import { getLock, lock } from "./locking.js";
import { HEADER, Message, MessageReader, MessageWriter, QID, READ_HEAD, VERSION } from "./message.js";
import { type AnswerBody, body, counted, type Request } from "./request.js";

/** Bytes of a message, header and all. Linux's virtio transport uses at most 500 KiB. */
export const MAX_MESSAGE = 2 ** 20;
/** A message must hold what has no parts: a name, an `Rgetattr`. Linux refuses less as well. */
const MIN_MESSAGE = 4096;
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

/** Which fields of a Tsetattr count. */
const SetAttr = { Mode: 1, Uid: 2, Gid: 4, Size: 8, Atime: 0x10, Mtime: 0x20, AtimeSet: 0x80, MtimeSet: 0x100 };

/** A session, from one Tversion to the next. */
export class NinePSession implements FileSession<Request, AnswerBody> {
  readonly #tree: FileTree;
  readonly #fids = new Fids();
  #locks = new LockHolder();
  #messageSize = 0;

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
    this.#fids.end();
    this.#locks.end();
    this.#locks = new LockHolder();
    this.#messageSize = 0;
  }

  endWaits(tag?: number): void {
    this.#locks.endWaits(tag);
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
      case Message.Clunk:
        return after(this.#fids.close(this.#fids.take(message.u32())), nothing);
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
        return lock(this.#locks, this.#fid(message).place.node, message, request.tag);
      case Message.GetLock:
        return getLock(this.#locks, this.#fid(message).place.node, message);
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
    this.#fids.put(fid, { place: { node: root, up: undefined }, uid: uid === NO_UID ? 0 : uid });
    return new MessageWriter().qid(root);
  }

  *#walk(message: MessageReader): Steps<MessageWriter> {
    const from = message.u32();
    const { place: start, uid, open, attribute } = this.#fids.get(from);
    const to = message.u32();
    const count = message.u16();
    if (count > MAX_WALK) throw FileError.of("EINVAL");
    const names = Array.from({ length: count }, () => message.string());
    // walk(5): what is open cannot move. Linux makes another fid of it, of a file whose name is gone.
    if (to !== from) this.#fids.checkFree(to);
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
      if (to === from) this.#fids.get(from).place = place;
      else this.#fids.put(to, { place, uid });
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
    this.#fids.checkOpen(fid);
    const { node } = fid.place;
    if (node.type === FileType.Directory) {
      yield* this.#fids.opens(fid, { reader: yield* wait(node.openDirectory()) });
    } else {
      const file = yield* openFile(node, openMode(flags), flags);
      yield* this.#fids.opens(fid, { file, appends: isAppending(flags) });
    }
    return new MessageWriter().qid(node).u32(0);
  }

  *#create(message: MessageReader): Steps<MessageWriter> {
    const fid = this.#fid(message);
    const name = nameOf(message);
    const [flags, mode, gid] = [message.u32(), message.u32(), message.u32()];
    this.#fids.checkOpen(fid);
    const { place, uid } = fid;
    const made = { mode: FileType.Regular | (mode & PERMISSION_BITS), uid, gid };
    const { node, file } = yield* wait(place.node.createOpen(name, made, openMode(flags)));
    yield* this.#fids.opens(fid, { file, appends: isAppending(flags) });
    fid.place = { node, up: { place, name } };
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
    const { file, appends } = open;
    const written = (count: number) => new MessageWriter(4).u32(count);
    // The client means its end of the file, which others may have moved; the flag is Linux's own.
    const end = appends === true ? file.stat() : { size: offset };
    if (end instanceof Promise) {
      const bytes = data.writeCopy(length);
      return end.then(({ size }) => after(file.write(size, bytes), written));
    }
    const now = file.writeNow?.(end.size, data.writeViews(length));
    return after(now ?? file.write(end.size, data.writeCopy(length)), written);
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
    // remove(5): clunked, whatever becomes of it.
    const fid = this.#fids.take(message.u32());
    try {
      const { place, name } = yield* this.#nameOf(fid);
      const { type } = fid.place.node;
      yield* wait(place.node.remove(name, type === FileType.Directory ? "directory" : "other"));
    } finally {
      yield* wait(this.#fids.close(fid));
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
    this.#fids.checkFree(to);
    let value: Uint8Array;
    if (name === "") {
      const names = yield* wait(place.node.listAttributes());
      value = Uint8Array.from(names.flatMap((each) => [...bytesFromName(each), 0]));
    } else value = yield* wait(place.node.getAttribute(name));
    this.#fids.put(to, { place, uid, attribute: { value } });
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
    this.#fids.holdAttribute(size);
    fid.attribute = { value: new Uint8Array(size), set: { name, flags, filled: 0 } };
    return nothing();
  }

  #fid(message: MessageReader): Fid {
    return this.#fids.get(message.u32());
  }
}

function nothing(): MessageWriter {
  return new MessageWriter(0);
}

function nameOf(message: MessageReader): string {
  const name = message.string();
  checkName(name);
  return name;
}
