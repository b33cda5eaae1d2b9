import { describe, expect, it } from "vitest";
import { contentOf } from "../memory-file.js";
import { TreeBuilder } from "../tree-builder.js";
import { parseTreeIndex } from "./tree-index.js";

const file = { path: "f", type: "file" };

/** Reads an index of these entries, as a tree would be made of it. */
function build(entries: unknown, more: object = {}): void {
  const index = { format: "hartvisor-tree", version: 1, contents: [{ file: "pack", bytes: 100 }], entries, ...more };
  const parsed = parseTreeIndex(new TextEncoder().encode(JSON.stringify(index)), "INDEX");
  const builder = new TreeBuilder("INDEX");
  for (const [entry] of parsed.entries) builder.add(entry, contentOf(new Uint8Array()));
  builder.finish();
}

describe("an index", () => {
  it.each<[string, unknown, RegExp]>([
    ["an absolute path", [{ path: "/f", type: "file" }], /"\/f": no path from the root/],
    ["a path that leads out", [{ path: "a/../../f", type: "file" }], /no path from the root/],
    ["a path with a dot", [{ path: "./f", type: "file" }], /no path from the root/],
    ["a path with two slashes", [{ path: "a//f", type: "file" }], /no path from the root/],
    ["a path with NUL", [{ path: "a\0b", type: "file" }], /"a\\u0000b" cannot be there \(EINVAL\)/],
    ["a name that is too long", [{ path: "x".repeat(256), type: "file" }], /cannot be there \(ENAMETOOLONG\)/],
    ["4,096 levels", [{ path: "a/".repeat(4096).concat("f"), type: "file" }], /is too long a path/],
    ["a path twice", [file, file], /"f": it is there twice/],
    ["no path", [{ type: "file" }], /entry 0 has no path/],
    ["no entry", [7], /entry 0 has no path/],
    ["no type", [{ path: "f" }], /"f": "undefined" is no type/],
    ["a type of objects", [{ path: "f", type: "constructor" }], /"constructor" is no type/],
    ["a root that is no directory", [{ path: "", type: "file" }], /the root must be a directory/],
    ["what lies below a file", [file, { path: "f/g", type: "file" }], /lies below what is no directory/],
    [
      "what lies below a link",
      [
        { path: "l", type: "symlink", target: "/" },
        { path: "l/etc", type: "file" },
      ],
      /lies below a symbolic link/,
    ],
    ["a link that leads nowhere", [{ path: "l", type: "symlink" }], /"target" is missing/],
    ["a hard link to what is not there", [{ path: "l", type: "hardlink", target: "f" }], /is no file before it/],
    [
      "hard links in a circle",
      [
        { path: "a", type: "hardlink", target: "b" },
        { path: "b", type: "hardlink", target: "a" },
      ],
      /"a" is a link to "b", which is no file before it/,
    ],
    ["a hard link to itself", [{ path: "a", type: "hardlink", target: "a" }], /is no file before it/],
    [
      "a hard link to a directory",
      [
        { path: "d", type: "directory" },
        { path: "l", type: "hardlink", target: "d" },
      ],
      /is no file before it/,
    ],
    ["a hard link that leads out", [{ path: "l", type: "hardlink", target: "../f" }], /must be the path of an entry/],
    ["permissions that are none", [{ ...file, mode: "rwx" }], /"mode" must be octal digits/],
    ["permissions that are too many", [{ ...file, mode: "100644" }], /"mode" must be octal digits/],
    ["an owner that is none", [{ ...file, uid: -1 }], /"uid" must be a whole number/],
    ["a time that is none", [{ ...file, mtime: 0.5 }], /"mtime" must be a whole number/],
    ["nanoseconds that are too many", [{ ...file, mtimeNs: 1e9 }], /"mtimeNs" must be a whole number of at most/],
    ["a size below 0", [{ ...file, size: -1 }], /"size" must be a whole number/],
    ["a size that is too large", [{ ...file, size: 2 ** 45, content: [0, 0] }], /"size" must be a whole number/],
    ["a size without contents", [{ ...file, size: 5 }], /"content" must be two numbers/],
    ["contents that are not there", [{ ...file, size: 5, content: [1, 0] }], /there is no content 1/],
    ["contents beyond their end", [{ ...file, size: 5, content: [0, 96] }], /its 5 bytes are not all in content 0/],
    ["contents before their beginning", [{ ...file, size: 5, content: [0, -1] }], /"content" must be a whole number/],
    ["a device that is none", [{ path: "d", type: "block-device", device: [1] }], /"device" must be two numbers/],
    ["an attribute of a kind unknown", [{ ...file, attributes: { "system.x": "" } }], /"system.x" is no attribute/],
    ["an attribute that is no base64", [{ ...file, attributes: { "user.x": "?" } }], /"user.x" must be base64/],
    ["an attribute too long", [{ ...file, attributes: { "user.x": btoa("x".repeat(65_537)) } }], /is too long/],
    ["no list", {}, /"contents" and "entries" must be lists/],
  ])("is refused with %s", (_, entries, message) => {
    expect(() => build(entries)).toThrow(message);
  });

  it.each(["/etc/passwd", "../secret", "a/../../secret", "//elsewhere/x", "", "\ud800", 7])(
    "has contents below it only, not at %j",
    (file) => {
      expect(() => build([], { contents: [{ file, bytes: 1 }] })).toThrow(/content 0: "file" must be a path below/);
    },
  );

  it("takes what looks like a URL for a name", () => {
    const contents = [{ file: "https://x/?a#b\\..\\c%2e", bytes: 1 }];
    expect(() => build([], { contents })).toThrow(/"file" must be a path below/);
    const index = {
      format: "hartvisor-tree",
      version: 1,
      contents: [{ file: "http:x?a#b\\..%2e", bytes: 1 }],
      entries: [],
    };
    const [place] = parseTreeIndex(new TextEncoder().encode(JSON.stringify(index)), "INDEX").contents;
    expect(new URL(place?.path ?? "", "https://y/z/tree.json").href).toBe("https://y/z/http%3Ax%3Fa%23b%5C..%252e");
  });

  it("is refused with more than a million entries, before anything is made of them", () => {
    expect(() => build(Array.from({ length: 1_000_001 }, () => 0))).toThrow("INDEX: 1000001 entries, of which it may");
  });

  it("may have JSON of any depth in it", () => {
    const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
    expect(() => parseTreeIndex(new TextEncoder().encode(deep), "INDEX")).toThrow(/it is no index of a tree/);
  });
});
