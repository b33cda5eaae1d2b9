/** Extended attributes: GETXATTR, LISTXATTR, SETXATTR and REMOVEXATTR. */
import { FileError } from "../../backends/files/errno.js";
import { after, type Later } from "../../backends/files/later.js";
import { bytesFromName } from "../../backends/files/names.js";
import { type FileNode, XattrFlag } from "../../backends/files/tree.js";
import { IN_HEADER, Opcode, structure } from "./fuse.js";
import { type FuseAnswer, type FuseRequest, NOTHING, need, stringsAt, wordAt } from "./request.js";

/** Bytes of an attribute's name, Linux's own limit. */
const MAX_NAME = 255;

/** Does one of the four on a node. */
export function attributeRequest(node: FileNode, request: FuseRequest): Later<FuseAnswer> {
  switch (request.opcode) {
    case Opcode.RemoveXattr:
      return after(node.removeAttribute(stringsAt(request, 0, 1)[0]), () => NOTHING);
    case Opcode.SetXattr:
      return setAttribute(node, request);
    case Opcode.GetXattr: {
      need(request, 8);
      const room = wordAt(request, 0);
      return after(node.getAttribute(stringsAt(request, 8, 1)[0]), (value) => sized(value, room));
    }
    default: {
      need(request, 8);
      const room = wordAt(request, 0);
      return after(node.listAttributes(), (names) => sized(joinNames(names), room));
    }
  }
}

function setAttribute(node: FileNode, request: FuseRequest): Later<FuseAnswer> {
  need(request, 8);
  const [length, flags] = [wordAt(request, 0), wordAt(request, 4)];
  const [name] = stringsAt(request, 8, 1);
  const start = IN_HEADER + 8 + bytesFromName(name).length + 1;
  if (start + length > request.length || name.length > MAX_NAME) throw FileError.of("EINVAL");
  const { buffer, byteOffset } = request.view;
  const value = new Uint8Array(buffer, byteOffset + start, length).slice();
  const how = flags & XattrFlag.Create ? "create" : flags & XattrFlag.Replace ? "replace" : "either";
  return after(node.setAttribute(name, value, how), () => NOTHING);
}

/** What was asked for, where it fits; how long it is, where the kernel asked with no room. */
function sized(bytes: Uint8Array, room: number): FuseAnswer {
  if (room === 0) {
    const answer = structure(8);
    answer.setUint32(0, bytes.length, true);
    return answer;
  }
  if (bytes.length > room) throw FileError.of("ERANGE");
  return bytes;
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
