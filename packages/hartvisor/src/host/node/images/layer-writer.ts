/**
 * Writes a layer of an image: a tar archive in a file (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header
 * Block"), and the digest by which it is known. The same entries always give the same bytes.
 */
import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { HartvisorError } from "@hartvisor/core";
import { bytesFromName, FileType, PERMISSION_BITS, TYPE_BITS } from "@hartvisor/devices";

/** An entry to be written. What is left out is root's, from 1970, and empty. */
export interface LayerEntry {
  /** From the root, without slashes around it. */
  readonly path: string;
  /** Type, as of {@link FileType}, and permissions. */
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly major?: number;
  readonly minor?: number;
  /** Seconds since 1970. */
  readonly modified?: number;
  readonly content?: Uint8Array | string;
  /** Where a symbolic link leads. */
  readonly target?: string | undefined;
  /** The path of an entry before this one, of which this is one more name. */
  readonly linkTo?: string | undefined;
  readonly attributes?: ReadonlyMap<string, Uint8Array>;
}

/** A layer as it lies in a file. */
export interface WrittenLayer {
  /** `sha256:` and 64 digits. */
  readonly digest: string;
  readonly size: number;
}

const BLOCK = 512;
/** Written at once. */
const BATCH_BYTES = 2 ** 20;
const XATTR = "SCHILY.xattr.";
/** What fits into seven octal digits. */
const MAX_SHORT_NUMBER = 0o7777777;
const HARD_LINK = "1";
const PAX = "x";

const FLAGS = new Map<number, string>([
  [FileType.Regular, "0"],
  [FileType.SymbolicLink, "2"],
  [FileType.CharacterDevice, "3"],
  [FileType.BlockDevice, "4"],
  [FileType.Directory, "5"],
  [FileType.Fifo, "6"],
]);

const utf8 = new TextEncoder();
const NOTHING = new Uint8Array();

/** Writes one layer. Call {@link finish} in the end, or {@link discard}. */
export class LayerWriter {
  readonly #file: FileHandle;
  readonly #hash = createHash("sha256");
  /** Types of what was written, by path. */
  readonly #types = new Map<string, number>();
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #size = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @param path - of the file, which must not be there */
  static async create(path: string): Promise<LayerWriter> {
    return new LayerWriter(await open(path, "wx"));
  }

  /** What stands at a path, of {@link FileType}, if it was written. */
  typeOf(path: string): number | undefined {
    return this.#types.get(path);
  }

  /**
   * Writes an entry behind its directory, which is made where it is missing.
   *
   * @throws HartvisorError `invalid-image` for a path that is there already
   */
  async add(entry: LayerEntry): Promise<void> {
    const { path, mode } = entry;
    if (this.#types.has(path)) throw new HartvisorError("invalid-image", `layer: "${path}" is there twice`);
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (parent !== "" && !this.#types.has(parent)) await this.add({ path: parent, mode: FileType.Directory | 0o755 });
    this.#types.set(path, mode & TYPE_BITS);
    for (const part of tarEntry(entry)) this.#push(part);
    if (this.#waitingBytes >= BATCH_BYTES) await this.#flush();
  }

  /** @returns what was written */
  async finish(): Promise<WrittenLayer> {
    this.#push(new Uint8Array(2 * BLOCK));
    await this.#flush();
    await this.#file.close();
    return { digest: `sha256:${this.#hash.digest("hex")}`, size: this.#size };
  }

  /** Gives up; the file stays as it is. */
  async discard(): Promise<void> {
    await this.#file.close().catch(() => {});
  }

  #push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length; ) at += (await this.#file.write(bytes, at)).bytesWritten;
    this.#size += bytes.length;
  }
}

/** An entry's blocks: a pax header where its own has no room, the header, the contents. */
function tarEntry(entry: LayerEntry): Uint8Array[] {
  const { path, mode, uid = 0, gid = 0, target = "", linkTo, attributes = new Map() } = entry;
  const type = mode & TYPE_BITS;
  const flag = linkTo === undefined ? FLAGS.get(type) : HARD_LINK;
  if (flag === undefined) throw new HartvisorError("invalid-image", `layer: "${path}" is of a kind that tar has not`);
  const name = bytesFromName(type === FileType.Directory ? `${path}/` : path);
  const link = bytesFromName(linkTo ?? target);
  const given = entry.content ?? NOTHING;
  const content = flag !== "0" ? NOTHING : typeof given === "string" ? utf8.encode(given) : given;
  const records: Uint8Array[] = [];
  if (name.length > 100) records.push(paxRecord("path", name));
  if (link.length > 100) records.push(paxRecord("linkpath", link));
  if (uid > MAX_SHORT_NUMBER) records.push(paxRecord("uid", utf8.encode(`${uid}`)));
  if (gid > MAX_SHORT_NUMBER) records.push(paxRecord("gid", utf8.encode(`${gid}`)));
  if (linkTo === undefined) for (const [key, value] of attributes) records.push(paxRecord(`${XATTR}${key}`, value));
  const extension = Buffer.concat(records);
  const own = header({ ...entry, name, link, flag, size: content.length });
  if (extension.length === 0) return [own, content, padding(content.length)];
  const paxHeader = header({
    ...{ name: utf8.encode("pax"), link: NOTHING, flag: PAX, mode: 0o644 },
    size: extension.length,
  });
  return [paxHeader, extension, padding(extension.length), own, content, padding(content.length)];
}

interface Header extends Partial<Pick<LayerEntry, "uid" | "gid" | "major" | "minor" | "modified">> {
  readonly name: Uint8Array;
  readonly link: Uint8Array;
  readonly flag: string;
  readonly mode: number;
  readonly size: number;
}

function header({
  name,
  link,
  flag,
  mode,
  size,
  uid = 0,
  gid = 0,
  major = 0,
  minor = 0,
  modified = 0,
}: Header): Uint8Array {
  const bytes = new Uint8Array(BLOCK);
  const text = (at: number, value: string) => bytes.set(utf8.encode(value), at);
  // Digits and a NUL; what has no room stands in the pax header.
  const octal = (at: number, length: number, value: number) =>
    text(
      at,
      Math.min(Math.max(0, value), 8 ** (length - 1) - 1)
        .toString(8)
        .padStart(length - 1, "0"),
    );
  bytes.set(name.subarray(0, 100), 0);
  octal(100, 8, mode & PERMISSION_BITS);
  octal(108, 8, uid);
  octal(116, 8, gid);
  octal(124, 12, size);
  octal(136, 12, modified);
  text(156, flag);
  bytes.set(link.subarray(0, 100), 157);
  text(257, "ustar\x0000");
  octal(329, 8, major);
  octal(337, 8, minor);
  // The sum counts its own field as blanks.
  bytes.fill(0x20, 148, 156);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  text(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return bytes;
}

/** "LENGTH KEY=VALUE\n", where the length counts itself. */
function paxRecord(key: string, value: Uint8Array): Uint8Array {
  const rest = Buffer.concat([utf8.encode(` ${key}=`), value, Uint8Array.of(0x0a)]);
  let length = rest.length;
  while (`${length}`.length + rest.length !== length) length = `${length}`.length + rest.length;
  return Buffer.concat([utf8.encode(`${length}`), rest]);
}

function padding(length: number): Uint8Array {
  return new Uint8Array((BLOCK - (length % BLOCK)) % BLOCK);
}
