/**
 * Checks an initial RAM disk before a kernel sees it: that it is a cpio archive or a
 * compression Linux can undo, and that an uncompressed archive is whole. A guest that
 * panics over a corrupt initrd says little; this says what is wrong. Source: Linux,
 * Documentation/driver-api/early-userspace/buffer-format.rst and lib/decompress.c.
 */
import { HartvisorError } from "../error.js";

/** What an initrd turned out to be. */
export type InitrdFormat = "cpio" | "gzip" | "bzip2" | "lzma" | "xz" | "lzo" | "lz4" | "zstd";

const COMPRESSIONS: readonly { format: InitrdFormat; magic: readonly number[] }[] = [
  { format: "gzip", magic: [0x1f, 0x8b] },
  { format: "bzip2", magic: [0x42, 0x5a, 0x68] },
  { format: "lzma", magic: [0x5d, 0x00, 0x00] },
  { format: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { format: "lzo", magic: [0x89, 0x4c, 0x5a, 0x4f] },
  { format: "lz4", magic: [0x02, 0x21, 0x4c, 0x18] },
  { format: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd] },
];

const CPIO_HEADER_SIZE = 110;
const TRAILER = "TRAILER!!!";
/** The longest name Linux unpacks, its NUL included. */
const PATH_MAX = 4096;

/**
 * Checks an initrd and says what it is. Of a compressed one only the magic number is read; of a
 * cpio archive every header, up to its trailer: more archives may follow, as the kernel allows.
 *
 * @param options.name the file's name, as error messages should give it
 * @throws HartvisorError `invalid-image`, in one line that names the file and what is wrong with it
 */
export function checkInitrd(bytes: Uint8Array, options: { readonly name: string }): InitrdFormat {
  const fail = (problem: string): never => {
    throw new HartvisorError("invalid-image", `${options.name}: ${problem}`);
  };
  if (bytes.length === 0) fail("the file is empty");
  const compression = COMPRESSIONS.find(({ magic }) => magic.every((byte, index) => bytes[index] === byte));
  if (compression !== undefined) return compression.format;

  const magic = ascii(bytes, 0, 6);
  if (magic === "070707" || (bytes[0] === 0xc7 && bytes[1] === 0x71)) {
    fail("a cpio archive of the old format; Linux takes the new one (cpio --format=newc)");
  }
  if (!isCpioMagic(magic)) fail("not an initrd (neither a cpio archive nor a compressed one)");
  const problem = problemOfCpio(bytes);
  if (problem !== undefined) fail(`corrupt initrd: ${problem}`);
  return "cpio";
}

function problemOfCpio(bytes: Uint8Array): string | undefined {
  let at = 0;
  // The format lets an archive end without a trailer, at the end of the file.
  while (at < bytes.length) {
    const where = `the entry at byte ${at}`;
    if (at + CPIO_HEADER_SIZE > bytes.length) return `${where} ends within its header`;
    const header = ascii(bytes, at, CPIO_HEADER_SIZE);
    if (!isCpioMagic(header.slice(0, 6))) return `${where} has no cpio magic number (070701)`;
    if (!/^[0-9a-f]{104}$/i.test(header.slice(6))) return `${where} has a header that is not hexadecimal`;
    const fileSize = Number.parseInt(header.slice(54, 62), 16);
    const nameSize = Number.parseInt(header.slice(94, 102), 16);
    const nameEnd = at + CPIO_HEADER_SIZE + nameSize;
    if (nameSize === 0 || nameSize > PATH_MAX) return `${where} has a name of ${nameSize} bytes`;
    if (nameEnd > bytes.length) return `${where} ends within its name`;
    if (bytes[nameEnd - 1] !== 0) return `${where} has a name without its closing NUL`;
    const name = ascii(bytes, at + CPIO_HEADER_SIZE, nameSize - 1);
    const fileEnd = aligned(nameEnd) + fileSize;
    if (fileEnd > bytes.length) return `"${name}" should hold ${fileSize} bytes, but the file ends before them`;
    if (name === TRAILER) return undefined;
    at = aligned(fileEnd);
  }
  return undefined;
}

function isCpioMagic(text: string): boolean {
  return text === "070701" || text === "070702";
}

/** newc pads names and contents to four bytes, counted from the start of the archive. */
function aligned(offset: number): number {
  return Math.ceil(offset / 4) * 4;
}

function ascii(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length));
}
