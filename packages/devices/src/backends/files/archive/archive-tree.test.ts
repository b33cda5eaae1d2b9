import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../../../fuzz/random.js";
import { FuseClient } from "../../../../test/files/fuse-client.js";
import { MemoryTree } from "../memory-tree.js";
import { unionTree } from "../union-tree.js";
import { archiveTree } from "./archive-tree.js";

const text = (string: string) => new TextEncoder().encode(string);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const mount = async (archive: Uint8Array) => FuseClient.mount({ tree: await archiveTree(archive) });
const LONG = `${"long directory name/".repeat(9)}${"long file name ".repeat(12)}`;

interface TarEntry {
  readonly path: string;
  readonly type?: string;
  readonly content?: string;
  readonly target?: string;
  /** Said in place of the content's length. */
  readonly size?: number;
}

/** A tar archive of these headers, well-formed or not in what they say. */
function tar(...entries: readonly TarEntry[]): Uint8Array {
  const blocks = entries.flatMap(({ path, type = "0", content = "", target = "", size }) => {
    const header = new Uint8Array(512);
    const put = (at: number, string: string) => header.set(text(string), at);
    const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, "0")}\0`;
    put(0, path);
    put(100, octal(0o644, 8) + octal(1, 8) + octal(2, 8) + octal(size ?? text(content).length, 12) + octal(1000, 12));
    put(148, "        ");
    put(156, `${type}${target}`);
    put(257, "ustar\x0000");
    put(
      148,
      `${octal(
        header.reduce((sum, byte) => sum + byte, 0),
        7,
      )} `,
    );
    const data = new Uint8Array(Math.ceil(text(content).length / 512) * 512);
    data.set(text(content));
    return [header, data];
  });
  return Uint8Array.from([...blocks, new Uint8Array(1024)].flatMap((block) => [...block]));
}

interface CpioEntry {
  readonly path: string;
  readonly mode: number;
  readonly content?: string;
  readonly ino?: number;
  readonly links?: number;
}

/** A cpio archive, as Linux's `gen_init_cpio` writes it. */
function cpio(...entries: readonly CpioEntry[]): Uint8Array {
  const trailer: CpioEntry = { path: "TRAILER!!!", mode: 0 };
  const parts = [...entries, trailer].map(({ path, mode, content = "", ino = 0, links = 1 }) => {
    const numbers = [ino, mode, 3, 4, links, 5000, content.length, 0, 0, 0, 0, path.length + 1, 0];
    const head = `070701${numbers.map((n) => n.toString(16).padStart(8, "0")).join("")}${path}\0`;
    const padded = head.padEnd((head.length + 3) & ~3, "\0") + content;
    return padded.padEnd((padded.length + 3) & ~3, "\0");
  });
  return text(parts.join(""));
}

describe("an archive of the host's tar", () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "hartvisor-tar-"));
    mkdirSync(join(folder, "d/e"), { recursive: true });
    mkdirSync(join(folder, "d", LONG, ".."), { recursive: true });
    writeFileSync(join(folder, "d", LONG), "long");
    writeFileSync(join(folder, "d/f"), "contents");
    writeFileSync(join(folder, "d/large"), "x".repeat(100_000));
    linkSync(join(folder, "d/f"), join(folder, "d/second"));
    symlinkSync("../somewhere", join(folder, "d/l"));
    chmodSync(join(folder, "d/f"), 0o4711);
    chmodSync(join(folder, "d/e"), 0o1777);
    utimesSync(join(folder, "d/f"), 10, 1_234_567_890);
    utimesSync(join(folder, "d/e"), 10, 1_234_567_891);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    ["gnu", []],
    ["pax", []],
    ["pax, compressed", ["--gzip"]],
  ])("of the format %s is a tree", async (format, options) => {
    const args = [
      "--create",
      `--format=${format.split(",")[0]}`,
      "--sort=name",
      ...options,
      "--directory",
      folder,
      "./d",
    ];
    const client = await mount(execFileSync("tar", [...args, "--owner=5", "--group=6"], { maxBuffer: 2 ** 26 }));
    expect(decode(await client.read("d/second", 0, 100))).toBe("contents");
    expect(await client.stat("d/f")).toMatchObject({
      ...{ mode: 0o104711, links: 2, uid: 5, gid: 6, size: 8 },
      mtime: { seconds: 1_234_567_890, nanoseconds: 0 },
    });
    expect(await client.stat("d/e")).toMatchObject({ mode: 0o041777, mtime: { seconds: 1_234_567_891 } });
    expect(await client.readLink("d/l")).toBe("../somewhere");
    expect(decode(await client.read(`d/${LONG}`, 0, 100))).toBe("long");
    expect((await client.read("d/large", 99_990, 100)).length).toBe(10);
    await expect(client.write("d/f", 0, text("x"))).rejects.toThrow("EROFS");
  });
});

describe("a tar archive", () => {
  it("makes absolute paths relative, and directories that no entry makes", async () => {
    const client = await mount(tar({ path: "/etc/passwd", content: "root" }, { path: "./a//b/./c", content: "c" }));
    expect(decode(await client.read("etc/passwd", 0, 9))).toBe("root");
    expect(decode(await client.read("a/b/c", 0, 9))).toBe("c");
    expect((await client.stat("etc")).mode).toBe(0o040755);
  });

  it("has the later of two entries with a name", async () => {
    const client = await mount(
      tar(
        { path: "a", content: "first" },
        { path: "a", content: "second" },
        { path: "d", type: "5" },
        { path: "d/x" },
        { path: "d", type: "5" },
      ),
    );
    expect(decode(await client.read("a", 0, 9))).toBe("second");
    expect(await client.list("d")).toEqual(["x"]);
  });

  it("hides by the names of OCI layers what is below", async () => {
    const below = await archiveTree(
      tar({ path: "a", content: "a" }, { path: "d/x" }, { path: "d/y" }, { path: "e/x" }),
    );
    const above = await archiveTree(
      tar({ path: ".wh.a" }, { path: "d/.wh.x" }, { path: "e/.wh..wh..opq" }, { path: "e/z" }),
    );
    const client = await FuseClient.mount({ tree: unionTree({ lower: [below, above], upper: new MemoryTree() }) });
    expect((await client.list("")).sort()).toEqual(["d", "e"]);
    expect([await client.list("d"), await client.list("e")]).toEqual([["y"], ["z"]]);
  });

  it.each([
    ["before what its own layer has", tar({ path: ".wh.d" }, { path: "d/", type: "5" }, { path: "d/new" })],
    ["behind it", tar({ path: "d/", type: "5" }, { path: "d/new" }, { path: ".wh.d" })],
    ["before what is in a directory that has no entry", tar({ path: ".wh.d" }, { path: "d/new" })],
  ])("hides by a whiteout what is below, and only that, %s", async (_, upper) => {
    const lower = [await archiveTree(tar({ path: "d/old" }, { path: "f", content: "old" })), await archiveTree(upper)];
    const client = await FuseClient.mount({ tree: unionTree({ lower }) });
    expect([await client.list("d"), await client.list("")]).toEqual([["new"], expect.arrayContaining(["d", "f"])]);
  });

  it("has a directory as the layer says that describes it, where one above only has something in it", async () => {
    const described = await archiveTree(tar({ path: "./", type: "5" }, { path: "d/", type: "5" }, { path: "d/old" }));
    const above = await archiveTree(tar({ path: "d/new" }));
    const lower = [described, above];
    const said = { mode: 0o040644, uid: 1, gid: 2, mtime: { seconds: 1000, nanoseconds: 0 } };
    const still = await FuseClient.mount({ tree: unionTree({ lower }) });
    expect([await still.stat(""), await still.stat("d")]).toMatchObject([said, said]);
    const client = await FuseClient.mount({ tree: unionTree({ lower, upper: new MemoryTree() }) });
    await client.makeFile("d/mine", 0o600);
    expect(await client.stat("d")).toMatchObject({ mode: 0o040644, uid: 1, gid: 2 });
    expect((await client.list("d")).sort()).toEqual(["mine", "new", "old"]);
  });

  it("keeps a file whose name a whiteout of its own layer has, in either order", async () => {
    for (const entries of [
      [{ path: ".wh.f" }, { path: "f" }],
      [{ path: "f" }, { path: ".wh.f" }],
    ]) {
      expect(await (await mount(tar(...entries))).list("")).toEqual(["f"]);
    }
  });

  it("leaves out what AUFS kept in layers for itself", async () => {
    const client = await mount(
      tar(
        { path: ".wh..wh.aufs" },
        { path: ".wh..wh.plnk/", type: "5" },
        { path: ".wh..wh.plnk/12.34", content: "x" },
        { path: ".wh..wh.orph/", type: "5" },
        { path: "f" },
      ),
    );
    expect(await client.list("")).toEqual(["f"]);
  });

  it("says names, times and attributes by pax headers", async () => {
    /** Its own length counts; here it has two digits. */
    const exact = (string: string) => `${text(string).length + 4} ${string}\n`;
    const content = exact("path=ünï") + exact("mtime=12.5") + exact("SCHILY.xattr.user.a=b");
    const client = await mount(tar({ path: "pax", type: "x", content }, { path: "plain", content: "x" }));
    expect(await client.list("")).toEqual(["ünï"]);
    expect((await client.stat("ünï")).mtime).toEqual({ seconds: 12, nanoseconds: 500_000_000 });
    const name = Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, ...text("user.a"), 0);
    expect(decode(new Uint8Array((await client.call(22, await client.find("ünï"), name)).buffer))).toBe("b");
  });

  it.each([
    ["leads out of it", { path: "a/../../etc/passwd" }],
    ["leads out of it", { path: ".." }],
    ["is a link to", { path: "l", type: "1", target: "nothing" }],
    ["leads out of it", { path: "l", type: "1", target: "../../etc/passwd" }],
    ["truncated", { path: "a", size: 10_000 }],
    ["truncated", { path: "a", size: 8 ** 11 - 1 }],
    ["a pax header that is none", { path: "x", type: "x", content: "99 path=x\n" }],
    ["sparse", { path: "s", type: "S" }],
    ["of the kind", { path: "s", type: "Z" }],
    ["ENAMETOOLONG", { path: `${"x".repeat(99)}`, type: "L", content: "y".repeat(300) }],
  ])("is refused where an entry %s", async (problem, entry) => {
    const archive = tar(entry, { path: "plain" });
    await expect(archiveTree(archive, { name: "a.tar" })).rejects.toThrow(new RegExp(`^a\\.tar: .*${problem}`));
  });

  it("is refused where an entry lies below a symbolic link or a file", async () => {
    const link = { path: "a", type: "2", target: "/etc" };
    await expect(archiveTree(tar(link, { path: "a/passwd" }))).rejects.toThrow(/lies below a symbolic link/);
    await expect(archiveTree(tar({ path: "a" }, { path: "a/b" }))).rejects.toThrow(/lies below what is no directory/);
    await expect(archiveTree(tar({ path: "d/x" }, { path: "d" }))).rejects.toThrow(/a directory that is not empty/);
  });

  it("is refused where it is damaged", async () => {
    const archive = tar({ path: "a", content: "x".repeat(600) }, { path: "b" });
    await expect(archiveTree(archive.subarray(0, 1000))).rejects.toThrow(/truncated/);
    const damaged = archive.slice();
    damaged[512 + 1024 + 3] = 7;
    await expect(archiveTree(damaged)).rejects.toThrow(/the checksum is wrong/);
  });

  it("is never worse than refused, whatever bytes it has", async () => {
    const random = new Random(5);
    const base = tar(
      { path: "d", type: "5" },
      { path: "d/a", content: "x" },
      { path: "x", type: "x", content: "11 path=aa\n" },
      { path: "l", type: "2", target: "a" },
    );
    for (let n = 0; n < 500; n++) {
      const bytes = base.slice();
      for (let m = random.below(5); m >= 0; m--) bytes[random.below(bytes.length)] = random.below(256);
      await archiveTree(bytes.subarray(0, random.once(3) ? random.below(bytes.length) : bytes.length)).catch(
        (error) => {
          expect(error).toMatchObject({ name: "HartvisorError" });
        },
      );
    }
  });
});

describe("a cpio archive", () => {
  it("is a tree, several in a row too, with links whose contents come last", async () => {
    const first = cpio(
      { path: "d", mode: 0o040700 },
      { path: "d/a", mode: 0o100600, ino: 7, links: 2 },
      { path: "b", mode: 0o100600, ino: 7, links: 2, content: "same" },
      { path: "l", mode: 0o120777, content: "d/a" },
    );
    const second = cpio({ path: "d/c", mode: 0o100644, content: "c" });
    const client = await mount(Uint8Array.of(...first, ...new Uint8Array(512), ...second));
    expect(decode(await client.read("d/a", 0, 9))).toBe("same");
    expect(await client.stat("b")).toMatchObject({ links: 2, uid: 3, gid: 4, mtime: { seconds: 5000 } });
    expect([await client.readLink("l"), decode(await client.read("d/c", 0, 9))]).toEqual(["d/a", "c"]);
  });

  it("is refused where it is damaged, or leads out", async () => {
    const archive = cpio({ path: "a", mode: 0o100600, content: "x".repeat(100) });
    await expect(archiveTree(archive.subarray(0, 150))).rejects.toThrow(/truncated/);
    await expect(archiveTree(cpio({ path: "../a", mode: 0o100600 }))).rejects.toThrow(/leads out of it/);
    await expect(archiveTree(cpio({ path: "a", mode: 0 }))).rejects.toThrow(/cannot be there/);
  });
});

describe("what is no archive", () => {
  it("is said to be none, or how it is compressed", async () => {
    await expect(archiveTree(text("hello"), { name: "x" })).rejects.toThrow(
      "x: it is neither a tar nor a cpio archive",
    );
    await expect(archiveTree(Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0))).rejects.toThrow(/is compressed with xz/);
    await expect(archiveTree(gzipSync(tar({ path: "a" })).subarray(0, 40))).rejects.toThrow(/damaged or truncated/);
  });

  it("is a bomb that stops at its bound", async () => {
    const bomb = gzipSync(new Uint8Array(2 ** 24));
    await expect(archiveTree(bomb, { maxBytes: 2 ** 20 })).rejects.toThrow(/it unpacks to more than 1048576 bytes/);
  });
});
