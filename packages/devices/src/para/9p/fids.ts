/**
 * What a client's fids stand for: nodes as they were walked to, files and directories that are open, attributes that are
 * being read or written. All of it has a cap, since a guest decides how much it is.
 */
import { FileError } from "../../backends/files/errno.js";
import { type Later, type Steps, wait } from "../../backends/files/later.js";
import { type DirectoryReader, type FileNode, type OpenFile, XattrFlag } from "../../backends/files/tree.js";

/** Fids at once: a client that caches keeps one for each directory entry. */
const MAX_FIDS = 2 ** 18;
const MAX_OPEN = 2 ** 16;
/** Bytes of attributes that are being read or written. */
const MAX_ATTRIBUTE_BYTES = 4 * 2 ** 20;

/** A node as it was walked to. */
export interface Place {
  readonly node: FileNode;
  /** None above the root. */
  readonly up: { readonly place: Place; readonly name: string } | undefined;
}

/** What a fid stands for. */
export interface Fid {
  place: Place;
  readonly uid: number;
  /** It was clunked, or its session has ended; whoever still waits with it gets nothing more. */
  isGone?: boolean;
  open?: { readonly file: OpenFile; readonly appends?: boolean } | { readonly reader: DirectoryReader };
  /** An attribute that is read, or filled and set when the fid is clunked. */
  attribute?: { value: Uint8Array; readonly set?: { readonly name: string; readonly flags: number; filled: number } };
}

/** The fids of a session. */
export class Fids {
  readonly #fids = new Map<number, Fid>();
  #opened = 0;
  #attributeBytes = 0;

  get size(): number {
    return this.#fids.size;
  }

  get(number: number): Fid {
    const fid = this.#fids.get(number);
    if (fid === undefined) throw FileError.of("EBADF");
    return fid;
  }

  checkFree(number: number): void {
    if (this.#fids.has(number)) throw FileError.of("EINVAL");
    if (this.#fids.size >= MAX_FIDS) throw FileError.of("ENFILE");
  }

  /** Makes a fid, and accounts for the attribute that it holds. */
  put(number: number, fid: Fid): void {
    this.checkFree(number);
    if (fid.attribute !== undefined) this.holdAttribute(fid.attribute.value.length);
    this.#fids.set(number, fid);
  }

  /** A fid that is to be {@link close closed}, and means nothing from now on. */
  take(number: number): Fid {
    const fid = this.get(number);
    fid.isGone = true;
    this.#fids.delete(number);
    return fid;
  }

  /** Closes what is open under a fid that was taken, and sets the attribute that was filled. */
  close({ open, attribute, place }: Fid): Later<void> {
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

  /** Forgets everything and closes what is open. */
  end(): void {
    const fids = [...this.#fids.values()];
    this.#fids.clear();
    for (const fid of fids) {
      fid.isGone = true;
      try {
        // What cannot be closed any more is nobody's concern by now.
        Promise.resolve(this.close(fid)).catch(() => {});
      } catch {}
    }
  }

  /** Throws unless something can be opened under a fid. */
  checkOpen({ open, attribute }: Fid): void {
    if (open !== undefined || attribute !== undefined) throw FileError.of("EINVAL");
    if (this.#opened >= MAX_OPEN) throw FileError.of("ENFILE");
  }

  /** Something was opened under a fid. Where that took time, the fid may be gone or open by now: then it is closed. */
  *opens(fid: Fid, open: NonNullable<Fid["open"]>): Steps<void> {
    if (fid.isGone || fid.open !== undefined || fid.attribute !== undefined) {
      yield* wait("file" in open ? open.file.close() : open.reader.close());
      throw FileError.of(fid.isGone ? "EBADF" : "EINVAL");
    }
    fid.open = open;
    this.#opened++;
  }

  /** Accounts for an attribute that a fid is to hold. */
  holdAttribute(bytes: number): void {
    if (this.#attributeBytes + bytes > MAX_ATTRIBUTE_BYTES) throw FileError.of("ENOMEM");
    this.#attributeBytes += bytes;
  }
}
