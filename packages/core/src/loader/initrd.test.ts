import { describe, expect, it } from "vitest";
import { HartvisorError } from "../error.js";
import { checkInitrd } from "./initrd.js";

function entry(
  name: string,
  content = "",
  { magic = "070701", size = content.length, nameSize = name.length + 1 } = {},
): string {
  const fields = [1, 0o100644, 0, 0, 1, 0, size, 0, 0, 0, 0, nameSize, 0];
  const pad = (text: string) => text.padEnd(Math.ceil(text.length / 4) * 4, "\0");
  const header = magic + fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  return pad(pad(`${header}${name}\0`) + content);
}

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

function refusal(file: Uint8Array): string {
  try {
    checkInitrd(file, { name: "initrd.img" });
  } catch (error) {
    if (!(error instanceof HartvisorError)) throw error;
    expect(error.code).toBe("invalid-image");
    expect(error.message).toMatch(/^initrd\.img: [^\n]+$/);
    return error.message;
  }
  throw new Error("the file was accepted");
}

describe("checkInitrd", () => {
  it.each([
    ["newc", entry("init", "#!/bin/sh\n") + entry("TRAILER!!!")],
    ["newc with checksums", entry("init", "hi", { magic: "070702" }) + entry("TRAILER!!!", "", { magic: "070702" })],
    ["an archive without trailer, which the kernel takes", entry("init", "abc")],
    ["padding and a compressed archive behind the first", `${entry("a") + entry("TRAILER!!!")}\0\0\0\0\x1f\x8b`],
  ])("takes %s", (_, text) => {
    expect(checkInitrd(bytes(text), { name: "initrd.img" })).toBe("cpio");
  });

  it.each([
    ["gzip", [0x1f, 0x8b]],
    ["bzip2", [0x42, 0x5a, 0x68]],
    ["lzma", [0x5d, 0, 0]],
    ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
    ["lzo", [0x89, 0x4c, 0x5a, 0x4f]],
    ["lz4", [0x02, 0x21, 0x4c, 0x18]],
    ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ])("knows %s by its magic number", (format, magic) => {
    expect(checkInitrd(Uint8Array.from([...magic, 1, 2, 3]), { name: "initrd.img" })).toBe(format);
  });

  it.each([
    ["an empty file", "", "the file is empty"],
    ["something else", "hello, world", "not an initrd"],
    ["an old ASCII archive", "070707".padEnd(100, "0"), "cpio --format=newc"],
    ["an old binary archive", "\xc7\x71".padEnd(100, "\0"), "cpio --format=newc"],
    ["a header that is cut", entry("init").slice(0, 60), "corrupt initrd: the entry at byte 0 ends within its header"],
    ["letters for digits", entry("init").replace("070701", "070701zz").slice(0, 120), "not hexadecimal"],
    ["a missing name", entry("", "", { nameSize: 0 }), "name of 0 bytes"],
    ["a name that is cut", entry("a-rather-long-name").slice(0, 114), "ends within its name"],
    ["a name without NUL", entry("init").replace("init\0", "init!"), "without its closing NUL"],
    ["contents that are cut", entry("init", "", { size: 99 }), '"init" should hold 99 bytes'],
    ["an enormous size", entry("init", "", { size: 0xffff_ffff }), '"init" should hold 4294967295 bytes'],
    ["garbage behind an entry", `${entry("a")}garbage!`.padEnd(400, "x"), "the entry at byte 112 has no cpio magic"],
  ])("refuses %s", (_, text, words) => {
    expect(refusal(bytes(text))).toContain(words);
  });

  it("refuses a name longer than any path, instead of reading it", () => {
    const long = entry("x".repeat(5000));
    expect(refusal(bytes(long))).toContain("name of 5001 bytes");
  });
});
