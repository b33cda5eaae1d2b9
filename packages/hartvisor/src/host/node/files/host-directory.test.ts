import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Random } from "../../../../../devices/fuzz/random.js";
import { FuseClient, pack } from "../../../../../devices/test/files/fuse-client.js";
import { runRandomOperations } from "../../../../../devices/test/files/random-operations.js";
import { run } from "../child-process.js";
import { PathAnchor } from "./anchor.js";
import { hostDirectory, hostTree } from "./host-directory.js";

const Opcode = { Open: 14, Read: 15, Write: 16, GetAttr: 3, SetAttr: 4 };
const text = (string: string) => new TextEncoder().encode(string);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
let folder: string;
let shared: string;
let client: FuseClient;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hartvisor-share-"));
  shared = join(folder, "shared");
  mkdirSync(shared);
  writeFileSync(join(folder, "secret"), "secret");
  client = await FuseClient.mount({ tree: hostDirectory(shared) });
});

afterEach(async () => {
  vi.restoreAllMocks();
  // Node's own removal goes no deeper than its stack.
  await run("rm", ["-rf", folder]);
});

describe("a shared directory", () => {
  it("shows what the host has, and takes what the guest makes", async () => {
    writeFileSync(join(shared, "from host"), "hello");
    expect(decode(await client.read("from host", 1, 3))).toBe("ell");
    await client.makeDirectory("d", 0o751);
    await client.makeFile("d/from guest", 0o640);
    await client.write("d/from guest", 0, text("hello"));
    await client.makeLink("d/l", "../nowhere");
    await client.link("d/second", "d/from guest");
    expect(readFileSync(join(shared, "d/second"), "utf8")).toBe("hello");
    expect(readlinkSync(join(shared, "d/l"))).toBe("../nowhere");
    expect(statSync(join(shared, "d")).mode & 0o7777).toBe(0o751);
    expect(statSync(join(shared, "d/from guest"))).toMatchObject({ nlink: 2, mode: 0o100640 });
    await client.remove("d/second", "other");
    await client.rename("d", "e");
    expect(await client.list("e")).toEqual(["from guest", "l"]);
  });

  it("has the host's times to the nanosecond, and sets them to the microsecond", async () => {
    writeFileSync(join(shared, "f"), "");
    utimesSync(join(shared, "f"), 1000, 2000.5);
    const { atime, mtime, ctime } = await client.stat("f");
    expect([atime, mtime]).toEqual([
      { seconds: 1000, nanoseconds: 0 },
      { seconds: 2000, nanoseconds: 500_000_000 },
    ]);
    const { ctimeNs } = statSync(join(shared, "f"), { bigint: true });
    expect(BigInt(ctime.seconds) * 1_000_000_000n + BigInt(ctime.nanoseconds)).toBe(ctimeNs);
    await client.setTimes("f", 1_700_000_001, 1_700_000_002);
    expect(statSync(join(shared, "f"))).toMatchObject({ atimeMs: 1_700_000_001_000, mtimeMs: 1_700_000_002_000 });
  });

  it.each([
    [-5, 0, -5_000_000_000n],
    [-1, 500_000_000, -500_000_000n],
    [-2, 123_457_000, -1_876_543_000n],
  ])("sets times before 1970: %i s and %i ns", async (seconds, nanoseconds, ns) => {
    writeFileSync(join(shared, "f"), "");
    const { root } = hostDirectory(shared);
    const node = await root.lookup("f");
    const stat = await node.change({ atime: { seconds, nanoseconds }, mtime: { seconds, nanoseconds } });
    expect(stat.mtime).toEqual({ seconds, nanoseconds });
    expect(statSync(join(shared, "f"), { bigint: true })).toMatchObject({ atimeNs: ns, mtimeNs: ns });
  });

  it("keeps names that are not UTF-8", async () => {
    await client.makeFile("\udcff", 0o644);
    const { stdout } = await run("ls", ["-b", shared]);
    expect(stdout).toBe("\\377\n");
    expect(await client.list("")).toEqual(["\udcff"]);
    await client.remove("\udcff", "other");
    expect(await client.list("")).toEqual([]);
  });

  it("keeps what is open when the guest or the host removes its name", async () => {
    for (const remove of [() => client.remove("f", "other"), async () => unlinkSync(join(shared, "f"))]) {
      await client.makeFile("f", 0o600);
      await client.write("f", 0, text("still here"));
      const node = await client.find("f");
      const handle = await client.open(node, 2);
      await remove();
      const read = pack([8, handle], [8, 0], [4, 100], [4, 0], [8, 0], [4, 0], [4, 0]);
      expect(decode(new Uint8Array((await client.call(Opcode.Read, node, read)).buffer))).toBe("still here");
      // Also through another handle, and of the node itself.
      const again = await client.open(node, 0);
      expect(again).not.toBe(handle);
      await client.call(Opcode.GetAttr, node, new Uint8Array(16));
    }
  });

  it("changes the size of what is open for reading only, by its name and without one", async () => {
    await client.makeFile("f", 0o600);
    await client.write("f", 0, text("0123456789"));
    const node = await client.find("f");
    const handle = await client.open(node, 0);
    await client.truncate("f", 5);
    expect(statSync(join(shared, "f")).size).toBe(5);
    await client.remove("f", "other");
    const size = pack([4, 8], [4, 0], [8, 0], [8, 3], [8, 0], [8, 0], [8, 0], [8, 0], [4, 0], [4, 0], [4, 0], [4, 0]);
    await client.call(Opcode.SetAttr, node, pack(size, new Uint8Array(88 - size.length)));
    expect(decode(await client.readOpen(node, handle, 0, 100))).toBe("012");
  });

  it("finds a file by its new name when the old one is removed, and gives it more", async () => {
    const tree = hostDirectory(shared);
    const root = tree.root;
    const node = await root.create("one", { mode: 0o100600, uid: 0, gid: 0 });
    await root.link("two", node);
    await root.remove("one", "other");
    await root.link("three", node);
    expect((await node.stat()).links).toBe(2);
    await root.remove("three", "other");
    await node.change({ size: 7 });
    expect(statSync(join(shared, "two"))).toMatchObject({ nlink: 1, size: 7 });
    await root.remove("two", "other");
    expect(() => root.link("four", node)).toThrow("ESTALE");
  });

  it("does not take what was removed for what has its inode number now", async () => {
    const { root } = hostDirectory(shared);
    const old = await root.create("d", { mode: 0o040700, uid: 0, gid: 0 });
    await root.remove("d", "directory");
    const fresh = await root.create("d", { mode: 0o040700, uid: 0, gid: 0 });
    await fresh.create("f", { mode: 0o100600, uid: 0, gid: 0 });
    expect(fresh).not.toBe(old);
    expect(() => old.lookup("f")).toThrow("ENOENT");
    expect(() => old.stat()).toThrow("ESTALE");
    expect(await (await old.openDirectory()).read(0, 10)).toEqual([]);
  });

  it("opens a new file for writing whose permissions do not allow it", async () => {
    const body = pack([4, 0o302], [4, 0o100400], [4, 0], [4, 0], "f");
    const answer = await client.call(35, 1, body);
    expect(answer.byteLength).toBe(144);
    expect(statSync(join(shared, "f")).mode & 0o777).toBe(0o400);
  });

  it("makes neither device nodes nor set-user-id programs", async () => {
    const device = pack([4, 0o020600], [4, 0x103], [4, 0], [4, 0], "null");
    await expect(client.call(8, 1, device)).rejects.toThrow("EPERM");
    await client.makeFile("f", 0o755);
    await expect(client.chmod("f", 0o4755)).rejects.toThrow("EPERM");
    await expect(client.makeFile("g", 0o2755)).rejects.toThrow("EPERM");
    await client.makeDirectory("d", 0o755);
    await client.chmod("d", 0o2775);
    expect(statSync(join(shared, "d")).mode & 0o7777).toBe(0o2775);
  });

  it("does not write where it is read-only", async () => {
    writeFileSync(join(shared, "f"), "x");
    const reader = await FuseClient.mount({ tree: hostDirectory(shared, { readOnly: true }) });
    const writes = [
      () => reader.makeFile("g", 0o600),
      () => reader.makeDirectory("g", 0o700),
      () => reader.makeLink("g", "f"),
      () => reader.write("f", 0, text("y")),
      () => reader.truncate("f", 0),
      () => reader.chmod("f", 0o600),
      () => reader.remove("f", "other"),
      () => reader.rename("f", "g"),
      () => reader.link("g", "f"),
    ];
    for (const write of writes) await expect(write()).rejects.toThrow("EROFS");
    expect(decode(await reader.read("f", 0, 9))).toBe("x");
  });

  it.each([1, 2])("agrees with a model in random operations, seed %i", async (seed) => {
    await runRandomOperations(client, new Random(seed), 600);
  });

  it("refuses what is no directory", () => {
    expect(() => hostDirectory(join(folder, "secret"))).toThrow(/cannot share .*: it is no directory/);
    expect(() => hostDirectory(join(folder, "nothing"))).toThrow(/there is no such directory/);
  });
});

describe.each([
  ["by open directories", (path: string) => hostDirectory(path)],
  ["by paths", (path: string) => hostTree(path, false, new PathAnchor(path))],
])("escapes from a directory that is reached %s", (_, open) => {
  beforeEach(async () => {
    shared = realpathSync(shared);
    client = await FuseClient.mount({ tree: open(shared) });
  });

  it("agrees with a model in random operations", async () => {
    await runRandomOperations(client, new Random(9), 400);
  });

  it("shows symbolic links and never follows them", async () => {
    symlinkSync(join(folder, "secret"), join(shared, "to file"));
    symlinkSync(folder, join(shared, "to directory"));
    const node = await client.find("to file");
    await expect(client.open(node, 0)).rejects.toThrow("EOPNOTSUPP");
    await expect(client.stat("to directory/secret")).rejects.toThrow("ENOTDIR");
    await expect(client.makeFile("to directory/x", 0o600)).rejects.toThrow("ENOTDIR");
    await expect(client.truncate("to file", 0)).rejects.toThrow("EINVAL");
    await expect(client.chmod("to file", 0o777)).rejects.toThrow("EOPNOTSUPP");
    await client.setTimes("to file", 5, 5);
    expect(statSync(join(folder, "secret")).mtimeMs).toBeGreaterThan(10_000);
    expect(lstatSync(join(shared, "to file")).mtimeMs).toBe(5000);
    expect(readFileSync(join(folder, "secret"), "utf8")).toBe("secret");
  });

  it("is not fooled by a directory that becomes a link, or a file that does", async () => {
    mkdirSync(join(shared, "d"));
    writeFileSync(join(shared, "d/secret"), "mine");
    const [directory, file] = [await client.find("d"), await client.find("d/secret")];
    // What the anchor has open is let go after a second.
    renameSync(join(shared, "d"), join(folder, "elsewhere"));
    symlinkSync(folder, join(shared, "d"));
    const now = performance.now() + 2000;
    vi.spyOn(performance, "now").mockReturnValue(now);
    await expect(client.lookup(directory, "secret")).rejects.toThrow("ESTALE");
    await expect(client.open(file, 0)).rejects.toThrow("ESTALE");
    await expect(client.stat("d/secret")).rejects.toThrow("ENOTDIR");
  });

  it("opens no FIFO, device or socket of the host's", async () => {
    const { exitCode } = await run("mkfifo", [join(shared, "fifo")]);
    expect(exitCode).toBe(0);
    expect((await client.stat("fifo")).mode & 0o170000).toBe(0o010000);
    await expect(client.open(await client.find("fifo"), 0)).rejects.toThrow("EOPNOTSUPP");
  });

  it("takes a node for what it was, not for what has its name now", async () => {
    writeFileSync(join(shared, "f"), "first");
    const node = await client.find("f");
    writeFileSync(join(shared, "g"), "second");
    renameSync(join(shared, "g"), join(shared, "f"));
    await expect(client.open(node, 0)).rejects.toThrow("ESTALE");
    expect(decode(await client.read("f", 0, 10))).toBe("second");
    expect(await client.find("f")).not.toBe(node);
  });

  it("finds by its other name what has lost one", async () => {
    writeFileSync(join(shared, "f"), "x");
    linkSync(join(shared, "f"), join(shared, "g"));
    const node = await client.find("f");
    expect(await client.find("g")).toBe(node);
    await client.remove("g", "other");
    expect(await client.find("f")).toBe(node);
    expect(decode(await client.read("f", 0, 1))).toBe("x");
  });
});

describe("a shared directory on Linux", () => {
  it("goes as deep as the guest does", async () => {
    let node = 1;
    for (let depth = 0; depth < 4096; depth++) {
      node = Number((await client.call(9, node, pack([4, 0o755], [4, 0], "d"))).getBigUint64(0, true));
    }
    await client.call(Opcode.GetAttr, node, new Uint8Array(16));
    expect(existsSync(join(shared, "d/d/d/d"))).toBe(true);
  });
});
