/** What a kernel does with an open file: READ and WRITE, FALLOCATE and LSEEK. */
import { FileError } from "../../backends/files/errno.js";
import { after, type Later } from "../../backends/files/later.js";
import type { OpenFile } from "../../backends/files/tree.js";
import { structure, write64 } from "./fuse.js";
import { dropSetId, KillPrivileges } from "./privileges.js";
import { type FuseAnswer, type FuseRequest, NOTHING, need, offsetAt, wordAt } from "./request.js";

/** Bytes of a READ or WRITE: as many as 256 pages, Linux's own limit. */
export const MAX_IO = 2 ** 20;
/** The same in pages. */
export const PAGES_OF_IO = 256;

/** Of linux/falloc.h. */
const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;
const FALLOC_ZERO_RANGE = 0x10;
/** Of linux/fs.h. */
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** READ. */
export function readFile(file: OpenFile, request: FuseRequest): Later<FuseAnswer> {
  need(request, 40);
  const offset = offsetAt(request, 8);
  const length = Math.min(wordAt(request, 16), request.room, MAX_IO);
  const now = file.readNow?.(offset, request.data.readViews(length));
  if (now !== undefined) return now;
  const bytes = new Uint8Array(length);
  return after(file.read(offset, bytes), (count) => bytes.subarray(0, count));
}

/** WRITE. */
export function writeFile(file: OpenFile, request: FuseRequest): Later<FuseAnswer> {
  need(request, 40);
  const offset = offsetAt(request, 8);
  const length = wordAt(request, 16);
  const { data } = request;
  if (length > data.writeLength || length > MAX_IO) throw FileError.of("EINVAL");
  const write = () => file.writeNow?.(offset, data.writeViews(length)) ?? file.write(offset, data.writeCopy(length));
  const isDropped = (wordAt(request, 20) & KillPrivileges.Write) !== 0;
  return after(isDropped ? after(dropSetId(file), write) : write(), (written) => {
    const answer = structure(8);
    answer.setUint32(0, written, true);
    return answer;
  });
}

/** FALLOCATE. */
export function allocateFile(file: OpenFile, request: FuseRequest): Later<FuseAnswer> {
  need(request, 32);
  const [offset, length, mode] = [offsetAt(request, 8), offsetAt(request, 16), wordAt(request, 24)];
  const punch = (mode & FALLOC_PUNCH_HOLE) !== 0;
  const isKnown = (mode & ~(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) === 0;
  if (!isKnown || file.allocate === undefined) throw FileError.of("EOPNOTSUPP");
  if (length === 0) throw FileError.of("EINVAL");
  const keepSize = punch || (mode & FALLOC_KEEP_SIZE) !== 0;
  const zero = punch || (mode & FALLOC_ZERO_RANGE) !== 0;
  return after(file.allocate(offset, length, { keepSize, zero }), () => NOTHING);
}

/** LSEEK, which asks for data and holes only. */
export function seekFile(file: OpenFile, request: FuseRequest): Later<FuseAnswer> {
  need(request, 24);
  const whence = wordAt(request, 16);
  if (file.seek === undefined) throw FileError.of("ENOSYS");
  if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw FileError.of("EINVAL");
  return after(file.seek(offsetAt(request, 8), whence === SEEK_DATA ? "data" : "hole"), (found) => {
    const answer = structure(8);
    write64(answer, 0, found);
    return answer;
  });
}
