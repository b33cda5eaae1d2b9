import { HartvisorError } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { type CpioEntry, cpio } from "./cpio.js";

interface Parsed {
  name: string;
  inode: number;
  mode: number;
  owner: number[];
  mtime: number;
  links: number;
  device: number[];
  content: string;
}

/** Reads an archive by the field offsets of buffer-format.rst, independently of the writer. */
function parse(archive: Uint8Array): Parsed[] {
  const entries: Parsed[] = [];
  for (let at = 0; ; ) {
    const text = (from: number, to: number) => new TextDecoder("latin1").decode(archive.subarray(at + from, at + to));
    const number = (offset: number) => Number.parseInt(text(offset, offset + 8), 16);
    expect(at % 4).toBe(0);
    expect(text(0, 6)).toBe("070701");
    const nameEnd = 110 + number(94);
    expect(archive[at + nameEnd - 1]).toBe(0);
    const name = text(110, nameEnd - 1);
    const start = (nameEnd + 3) & ~3;
    const size = number(54);
    if (name === "TRAILER!!!") {
      expect(at + start + size).toBe(archive.length);
      return entries;
    }
    entries.push({
      name,
      inode: number(6),
      mode: number(14),
      owner: [number(22), number(30)],
      links: number(38),
      mtime: number(46),
      device: [number(78), number(86)],
      content: text(start, start + size),
    });
    at += (start + size + 3) & ~3;
  }
}

const ENTRIES: CpioEntry[] = [
  { type: "directory", path: "dev" },
  { type: "directory", path: "tmp", mode: 0o1777 },
  { type: "character-device", path: "dev/console", major: 5, minor: 1 },
  { type: "block-device", path: "dev/vda", major: 254, minor: 0, mode: 0o660 },
  { type: "file", path: "init", content: "#!/bin/sh\n", mode: 0o755 },
  { type: "file", path: "data", content: Uint8Array.of(0x66, 0x6f, 0x6f) },
  { type: "symlink", path: "sh", target: "bin/busybox" },
];

describe("cpio", () => {
  it("writes every kind of entry, with its mode, device and contents", () => {
    const common = { owner: [0, 0], mtime: 0, links: 1, device: [0, 0], content: "" };
    expect(parse(cpio(ENTRIES))).toEqual([
      { ...common, name: "dev", inode: 1, mode: 0o040755, links: 2 },
      { ...common, name: "tmp", inode: 2, mode: 0o041777, links: 2 },
      { ...common, name: "dev/console", inode: 3, mode: 0o020600, device: [5, 1] },
      { ...common, name: "dev/vda", inode: 4, mode: 0o060660, device: [254, 0] },
      { ...common, name: "init", inode: 5, mode: 0o100755, content: "#!/bin/sh\n" },
      { ...common, name: "data", inode: 6, mode: 0o100644, content: "foo" },
      { ...common, name: "sh", inode: 7, mode: 0o120777, content: "bin/busybox" },
    ]);
  });

  it("pads names and contents of every length", () => {
    const entries = Array.from({ length: 9 }, (_, length): CpioEntry => {
      return { type: "file", path: "f".repeat(length + 1), content: "c".repeat(length) };
    });
    expect(parse(cpio(entries)).map(({ name, content }) => [name.length, content.length])).toEqual(
      entries.map((_, length) => [length + 1, length]),
    );
  });

  it("writes the same bytes for the same entries", () => {
    expect(cpio(ENTRIES)).toEqual(cpio(ENTRIES));
  });

  it("writes an archive of nothing", () => {
    expect(parse(cpio([]))).toEqual([]);
  });

  it.each([
    ["an absolute path", ["/init"], "is no path within the archive"],
    ["an empty path", [""], "is no path within the archive"],
    ["a path that leaves the archive", ["../init"], "is no path within the archive"],
    ["a path twice", ["init", "init"], "is there twice"],
    ["a file before its directory", ["dev/console"], 'comes before its directory "dev"'],
    ["a file in a file", ["dev", "dev/console"], 'comes before its directory "dev"'],
    ["the trailer's name", ["TRAILER!!!"], "is the name that ends an archive"],
  ])("refuses %s", (_, paths, message) => {
    const write = () => cpio(paths.map((path): CpioEntry => ({ type: "file", path, content: "" })));
    expect(write).toThrow(HartvisorError);
    expect(write).toThrow(message);
  });
});
