/** READDIR and READDIRPLUS: a directory's entries, with what they stand for where the kernel wants to know it, too. */
import { type Steps, wait } from "../../backends/files/later.js";
import { bytesFromName } from "../../backends/files/names.js";
import { type FileNode, type FileStat, FileType } from "../../backends/files/tree.js";
import { direntLength, ENTRY_OUT, Opcode, structure, writeDirent } from "./fuse.js";
import type { OpenDirectory } from "./known-files.js";
import { type FuseAnswer, type FuseRequest, offsetAt, wordAt } from "./request.js";

/** Bytes of one answer. Linux asks for a page, or for some at once. */
const MAX_LISTING = 128 * 1024;
/** Cookies 1 and 2 are `.` and `..`, which trees do not list. */
const DOTS = 2;
const ONE_DOT = Uint8Array.of(0x2e);
const TWO_DOTS = Uint8Array.of(0x2e, 0x2e);

/** Tells the kernel of a node, at a place of an answer. */
export type TellEntry = (answer: DataView, at: number, node: FileNode, stat: FileStat) => void;

/** As many entries as there is room for. The request is as long as its structure. */
export function* listDirectory(open: OpenDirectory, request: FuseRequest, tell: TellEntry): Steps<FuseAnswer> {
  const isPlus = request.opcode === Opcode.ReadDirPlus;
  const room = Math.min(wordAt(request, 16), request.room, MAX_LISTING);
  const answer = structure(room);
  const head = isPlus ? ENTRY_OUT : 0;
  let cookie = offsetAt(request, 8);
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
        tell(answer, at, node, yield* wait(node.stat()));
      } catch {
        // Gone, or out of reach: node 0 says that there is a name, and no more.
        new Uint8Array(answer.buffer, at, ENTRY_OUT).fill(0);
      }
    }
    add(entry, entry.cookie + DOTS, name);
  }
  return new Uint8Array(answer.buffer, 0, at);
}
