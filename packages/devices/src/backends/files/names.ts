/**
 * Names of files between bytes and strings. To Linux a name is any bytes without NUL and slash; here it is a string,
 * in which a byte that is not UTF-8 stands as the lone surrogate U+DC00 + byte, as Python has it (PEP 383). So names
 * read as one would write them, and every name survives.
 */
import { FileError } from "./errno.js";

/** Bytes of a name (NAME_MAX), and of a path or symbolic link with its final NUL (PATH_MAX). */
export const MAX_NAME_BYTES = 255;
export const MAX_PATH_BYTES = 4096;

const ESCAPE = 0xdc00;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The string of a name's bytes. */
export function nameFromBytes(bytes: Uint8Array): string {
  let ascii = "";
  // Most names are short and ASCII, for which the decoder takes longer.
  if (bytes.length < 32) {
    for (const byte of bytes) {
      if (byte >= 0x80) return decode(bytes);
      ascii += String.fromCharCode(byte);
    }
    return ascii;
  }
  return decode(bytes);
}

function decode(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return decodePieces(bytes);
  }
}

function decodePieces(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at] ?? 0;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    try {
      text += strict.decode(bytes.subarray(at, at + length));
      at += length;
    } catch {
      text += String.fromCharCode(ESCAPE + lead);
      at++;
    }
  }
  return text;
}

/** The bytes of a name. */
export function bytesFromName(name: string): Uint8Array {
  const bytes = encoder.encode(name);
  // The encoder writes U+FFFD for every lone surrogate.
  return hasEscapes(name) ? encodePieces(name) : bytes;
}

/** Whether some byte of the name is not UTF-8. */
export function hasEscapes(name: string): boolean {
  return /[\udc80-\udcff]/.test(name) && /(?<![\ud800-\udbff])[\udc80-\udcff]/.test(name);
}

function encodePieces(name: string): Uint8Array {
  const bytes: number[] = [];
  // Iterating takes surrogate pairs for one character, so that what is left alone is an escape.
  for (const character of name) {
    const code = character.charCodeAt(0);
    if (character.length === 1 && code >= 0xdc80 && code <= 0xdcff) bytes.push(code - ESCAPE);
    else bytes.push(...encoder.encode(character));
  }
  return Uint8Array.from(bytes);
}

/** Bytes that a name has. */
export function nameLength(name: string): number {
  let length = name.length;
  for (let at = 0; at < name.length; at++) {
    if (name.charCodeAt(at) >= 0x80) {
      length = bytesFromName(name).length;
      break;
    }
  }
  return length;
}

/**
 * Refuses what names nothing within a directory. A directory's `.` and `..` are the guest's kernel's business, and
 * would lead out of a tree.
 *
 * @throws FileError EINVAL, ENAMETOOLONG
 */
export function checkName(name: string): void {
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
    throw FileError.of("EINVAL");
  }
  if (name.length > MAX_NAME_BYTES || nameLength(name) > MAX_NAME_BYTES) throw FileError.of("ENAMETOOLONG");
}
