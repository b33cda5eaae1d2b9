import { describe, expect, it } from "vitest";
import { HartvisorError } from "../error.js";
import { isLinuxImage, linuxImage } from "./linux-image.js";

/** A header as boot-image-header.rst lays it out, with a PE header of one section behind it. */
function buildImage(length: number, sectionEnd = length): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode("MZ"), 0);
  view.setBigUint64(8, 0x20_0000n, true);
  view.setBigUint64(16, 0x1e6_b000n, true);
  view.setUint32(32, 2, true);
  bytes.set(new TextEncoder().encode("RISCV"), 48);
  bytes.set(new TextEncoder().encode("RSC\x05"), 56);
  view.setUint32(60, 64, true);
  bytes.set(new TextEncoder().encode("PE"), 64);
  view.setUint16(64 + 6, 1, true); // sections
  view.setUint16(64 + 20, 16, true); // size of the optional header
  view.setUint32(64 + 24 + 16 + 16, 4, true); // raw size
  view.setUint32(64 + 24 + 16 + 20, sectionEnd - 4, true); // raw offset
  return bytes;
}

function refusal(bytes: Uint8Array): string {
  try {
    linuxImage(bytes, { name: "vmlinux" });
  } catch (error) {
    if (!(error instanceof HartvisorError)) throw error;
    expect(error.code).toBe("invalid-image");
    expect(error.message).toMatch(/^vmlinux: [^\n]+$/);
    return error.message;
  }
  throw new Error("the file was accepted");
}

function starting(...start: number[]): Uint8Array {
  const bytes = new Uint8Array(1024);
  bytes.set(start);
  return bytes;
}

function withText(offset: number, text: string): Uint8Array {
  const bytes = new Uint8Array(1024);
  bytes.set(new TextEncoder().encode(text), offset);
  return bytes;
}

describe("linuxImage", () => {
  it("reads where the kernel goes and how much memory it takes", () => {
    const bytes = buildImage(4096);
    expect(linuxImage(bytes, { name: "Image" })).toEqual({
      textOffset: 0x20_0000,
      imageSize: 0x1e6_b000,
      headerVersion: "0.2",
      bytes,
    });
    expect(isLinuxImage(bytes)).toBe(true);
  });

  it("counts at least the file's own length, for an old header without image_size", () => {
    const bytes = buildImage(4096);
    bytes.fill(0, 16, 24);
    expect(linuxImage(bytes, { name: "Image" }).imageSize).toBe(4096);
  });

  it("reads a kernel without EFI stub", () => {
    const bytes = buildImage(4096, 1_000_000);
    bytes.fill(0, 64, 68);
    expect(linuxImage(bytes, { name: "Image" }).textOffset).toBe(0x20_0000);
  });

  it.each([
    ["gzip", starting(0x1f, 0x8b, 8), "vmlinux: compressed with gzip: gunzip it first"],
    ["xz", starting(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), "compressed with xz: unxz it first"],
    ["zstd", starting(0x28, 0xb5, 0x2f, 0xfd), "unzstd it first"],
    ["EFI zboot", starting(...new TextEncoder().encode("MZ\0\0zimg")), "a compressed EFI kernel (zboot)"],
    ["ELF", starting(0x7f, 0x45, 0x4c, 0x46), "an ELF file, not a Linux Image"],
    ["AArch64", withText(56, "ARM\x64"), "for AArch64"],
    ["bzImage", withText(0x202, "HdrS"), "bzImage for x86"],
    ["nothing", new Uint8Array(), "the file is empty"],
    ["a text file", withText(0, "hello"), "not a RISC-V Linux Image"],
    ["63 bytes", buildImage(4096).subarray(0, 63), "not a RISC-V Linux Image"],
  ])("refuses %s and says what it is", (_, bytes, words) => {
    expect(refusal(bytes)).toContain(words);
  });

  it("refuses a truncated kernel", () => {
    expect(refusal(buildImage(4096, 31_165_952))).toBe(
      "vmlinux: truncated Linux Image: its sections end at byte 31165952, the file at 4096",
    );
    expect(refusal(buildImage(4096).subarray(0, 120))).toContain("truncated Linux Image");
  });

  it("refuses a big-endian kernel", () => {
    const bytes = buildImage(4096);
    bytes[24] = 1;
    expect(refusal(bytes)).toContain("big-endian");
  });

  it("refuses a header that asks for impossible places", () => {
    const bytes = buildImage(4096);
    bytes.fill(0xff, 8, 16);
    expect(refusal(bytes)).toContain("corrupt Linux Image header");
  });
});
