/**
 * Recognises a RISC-V Linux `Image`: a flat binary whose first 64 bytes say where it
 * wants to lie and how much memory it takes. It checks and describes; it does not
 * decompress. Source: Linux, Documentation/arch/riscv/boot-image-header.rst.
 */
import { HartvisorError } from "../error.js";
import { isElf } from "./elf.js";

/** A Linux kernel and what its header says of it. */
export interface LinuxImage {
  /** Where the image goes, counted from the base of RAM, in bytes; 2 MiB for RV64. */
  readonly textOffset: number;
  /** How much memory the kernel takes, .bss included, in bytes; at least `bytes.length`. */
  readonly imageSize: number;
  /** Version of the header, for example "0.2". */
  readonly headerVersion: string;
  /** The whole file; execution starts at its first byte. */
  readonly bytes: Uint8Array;
}

const HEADER_SIZE = 64;

/** Compressions that build systems wrap kernels in, and how a user takes them off. */
const COMPRESSIONS: readonly { magic: readonly number[]; name: string; tool: string }[] = [
  { magic: [0x1f, 0x8b], name: "gzip", tool: "gunzip" },
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], name: "xz", tool: "unxz" },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], name: "zstd", tool: "unzstd" },
  { magic: [0x42, 0x5a, 0x68], name: "bzip2", tool: "bunzip2" },
  { magic: [0x02, 0x21, 0x4c, 0x18], name: "lz4", tool: "unlz4" },
  { magic: [0x5d, 0x00, 0x00], name: "lzma", tool: "unlzma" },
];

/** Whether the file carries the magic number of a RISC-V Linux Image ("RSC\x05" at byte 56). */
export function isLinuxImage(bytes: Uint8Array): boolean {
  return hasText(bytes, 56, "RSC\x05");
}

/**
 * Parses and checks a RISC-V Linux Image.
 *
 * @param options.name the file's name, as error messages should give it
 * @throws HartvisorError `invalid-image`, in one line that names the file and what to do
 */
export function linuxImage(bytes: Uint8Array, options: { readonly name: string }): LinuxImage {
  const fail = (problem: string): never => {
    throw new HartvisorError("invalid-image", `${options.name}: ${problem}`);
  };
  const disguise = disguiseOf(bytes);
  if (disguise !== undefined) fail(disguise);
  if (bytes.length < HEADER_SIZE || !isLinuxImage(bytes)) {
    fail("not a RISC-V Linux Image (no RSC\\x05 at byte 56 of its header)");
  }

  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const textOffset = view.getBigUint64(8, true);
  const imageSize = view.getBigUint64(16, true);
  const flags = view.getBigUint64(24, true);
  const version = view.getUint32(32, true);
  if ((flags & 1n) !== 0n) fail("a big-endian kernel; RISC-V guests here are little-endian");
  if (textOffset > 0xffff_ffffn || imageSize > 0xffff_ffffn) {
    fail(`a corrupt Linux Image header (text_offset 0x${textOffset.toString(16)}, image_size ${imageSize})`);
  }
  const end = endOfSections(view);
  if (end > bytes.length) fail(`truncated Linux Image: its sections end at byte ${end}, the file at ${bytes.length}`);

  return {
    textOffset: Number(textOffset),
    imageSize: Math.max(Number(imageSize), bytes.length),
    headerVersion: `${version >>> 16}.${version & 0xffff}`,
    bytes,
  };
}

/** What the file is instead, when it is something that people do pass for a kernel. */
function disguiseOf(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return "the file is empty";
  for (const { magic, name, tool } of COMPRESSIONS) {
    if (magic.every((byte, index) => bytes[index] === byte)) return `compressed with ${name}: ${tool} it first`;
  }
  if (hasText(bytes, 0, "MZ") && hasText(bytes, 4, "zimg")) {
    return "a compressed EFI kernel (zboot): use the uncompressed Image that the kernel build leaves beside it";
  }
  if (isElf(bytes)) return "an ELF file, not a Linux Image: use arch/riscv/boot/Image of the kernel build";
  if (hasText(bytes, 56, "ARM\x64")) return "a Linux Image for AArch64, not for RISC-V";
  if (hasText(bytes, 0x202, "HdrS")) return "a Linux bzImage for x86, not an Image for RISC-V";
  return undefined;
}

/**
 * Where the last section of the PE header ends: the least length of the file. 0 when the kernel was built without
 * EFI stub, and so without a PE header.
 */
function endOfSections(view: DataView): number {
  const header = view.getUint32(60, true);
  const isPe = header + 24 <= view.byteLength && view.getUint32(header, false) === 0x50450000;
  if (!isPe) return 0;
  const first = header + 24 + view.getUint16(header + 20, true);
  let end = 0;
  for (let at = first, left = view.getUint16(header + 6, true); left > 0; at += 40, left -= 1) {
    if (at + 40 > view.byteLength) return at + 40;
    end = Math.max(end, view.getUint32(at + 16, true) + view.getUint32(at + 20, true));
  }
  return end;
}

function hasText(bytes: Uint8Array, offset: number, text: string): boolean {
  return Array.from(text).every((character, index) => bytes[offset + index] === character.charCodeAt(0));
}
