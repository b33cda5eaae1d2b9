import { beforeEach, describe, expect, it } from "vitest";
import { Random } from "../../../fuzz/random.js";
import { errnoName, FuseClient, pack } from "../../../test/files/fuse-client.js";
import { runRandomOperations } from "../../../test/files/random-operations.js";
import { Errno } from "../../backends/files/errno.js";
import { MemoryTree } from "../../backends/files/memory-tree.js";
import { TestBench } from "../virtio/test-device.js";
import { VirtioFs } from "./device.js";
import { InitFlag, Opcode, read64 } from "./fuse.js";

const text = (string: string) => new TextEncoder().encode(string);
let tree: MemoryTree;
let client: FuseClient;

beforeEach(async () => {
  tree = new MemoryTree({ maxBytes: 2 ** 20, now: () => ({ seconds: 1000, nanoseconds: 5 }) });
  client = await FuseClient.mount({ tree });
});

describe("a virtio file system device", () => {
  it("says its tag and its request queues", () => {
    const { configuration, type, queueSizes } = new VirtioFs({ tree, tag: "my share" });
    expect(new TextDecoder().decode(configuration.subarray(0, 36))).toBe("my share".padEnd(36, "\0"));
    expect([configuration[36], type, queueSizes.length]).toEqual([1, 26, 2]);
  });

  it.each(["", "x".repeat(37), "a\0b"])("refuses the tag %j", (tag) => {
    expect(() => new VirtioFs({ tree, tag })).toThrow(/a tag has 1 to 36 bytes/);
  });

  it("cannot be saved while it is mounted", async () => {
    const device = new VirtioFs({ tree, tag: "t" });
    const bench = new TestBench(device).start();
    expect(device.save()).toEqual({ version: 1 });
    await new FuseClient({ tree }, bench).init();
    expect(() => device.save()).toThrow(/is mounted/);
    bench.write(0x70, 0);
    expect(device.save()).toEqual({ version: 1 });
  });
});

describe("a session", () => {
  it("speaks version 7.33, and offers writes kept in the guest only where nobody else changes the tree", async () => {
    const answer = await client.init();
    expect([answer.getUint32(0, true), answer.getUint32(4, true)]).toEqual([7, 33]);
    expect(answer.getUint32(12, true) & InitFlag.WritebackCache).toBe(0);
    const cached = await (await FuseClient.mount({ tree, cache: "always" })).init();
    expect(cached.getUint32(12, true) & InitFlag.WritebackCache).not.toBe(0);
    // No more than the kernel knows.
    expect((await client.init(InitFlag.AsyncRead)).getUint32(12, true)).toBe(InitFlag.AsyncRead);
  });

  it("asks a kernel with a later major version to speak this one, and refuses an older one", async () => {
    const init = (major: number, minor: number) => client.call(Opcode.Init, 0, pack([4, major], [4, minor], [8, 0]));
    expect((await init(8, 0)).getUint32(0, true)).toBe(7);
    await expect(init(6, 9)).rejects.toThrow("EPROTO");
    await expect(init(7, 30)).rejects.toThrow("EPROTO");
  });

  it("does nothing before it is mounted, and after it was unmounted", async () => {
    const fresh = new FuseClient({ tree });
    await expect(fresh.stat("")).rejects.toThrow("EIO");
    await client.call(Opcode.Destroy, 0);
    await expect(client.stat("")).rejects.toThrow("EIO");
  });

  it("makes and shows every kind of node, with owner and device number", async () => {
    const body = pack([4, 0o020640], [4, 0x12345], [4, 0], [4, 0], "tty");
    await client.send(client.message(Opcode.MkNod, 1, body, { uid: 7, gid: 8 }));
    const stat = await client.stat("tty");
    expect(stat).toMatchObject({ mode: 0o020640, uid: 7, gid: 8, major: 0x123, minor: 0x45, links: 1 });
    expect(stat.mtime).toEqual({ seconds: 1000, nanoseconds: 5 });
    await client.makeLink("l", "somewhere/else");
    expect(await client.readLink("l")).toBe("somewhere/else");
    expect((await client.stat("l")).size).toBe(14);
  });

  it("keeps times before 1970 and beyond 2106", async () => {
    await client.makeFile("f", 0o644);
    await client.setTimes("f", -5, 2 ** 33);
    const { atime, mtime } = await client.stat("f");
    expect([atime.seconds, mtime.seconds]).toEqual([-5, 2 ** 33]);
  });

  it.each([
    ["none", undefined],
    ["auto", 1],
    ["always", 2 ** 31],
  ] as const)("with the cache %s, has a name that is not there remembered for %s s", async (cache, seconds) => {
    const mounted = await FuseClient.mount({ tree, cache });
    const answer = await mounted.call(Opcode.Lookup, 1, pack("absent")).catch((error: Error) => error.message);
    if (typeof answer === "string") expect([answer, seconds]).toEqual(["ENOENT", undefined]);
    else expect([read64(answer, 0), read64(answer, 16)]).toEqual([0, seconds]);
  });

  it("lists a directory in parts, each name once, with . and .. first", async () => {
    const names = Array.from({ length: 300 }, (_, n) => `file ${n}`);
    for (const name of names) await client.makeFile(name, 0o600);
    const entries = await client.entries("", 512);
    expect(entries.map(({ name }) => name)).toEqual([".", "..", ...names]);
    expect(entries[2]).toMatchObject({ type: 8, ino: (await client.stat("file 0")).ino });
  });

  it("lists names with their attributes, which count as looked up", async () => {
    await client.makeFile("f", 0o600);
    const handle = read64(await client.call(Opcode.OpenDir, 1, pack([4, 0], [4, 0])), 0);
    const body = pack([8, handle], [8, 2], [4, 4096], [4, 0], [8, 0], [4, 0], [4, 0]);
    const answer = await client.call(Opcode.ReadDirPlus, 1, body);
    const id = read64(answer, 0);
    expect(answer.getUint32(40 + 60, true)).toBe(0o100600);
    // Three times: made, listed, found.
    expect(await client.lookup(1, "f")).toBe(id);
    await client.send(client.message(Opcode.Forget, id, pack([8, 2])), { room: 0, queue: 0 });
    await client.call(Opcode.GetAttr, id, new Uint8Array(16));
    await client.send(client.message(Opcode.BatchForget, 0, pack([4, 1], [4, 0], [8, id], [8, 1])), {
      room: 0,
      queue: 0,
    });
    await expect(client.call(Opcode.GetAttr, id, new Uint8Array(16))).rejects.toThrow("ESTALE");
  });

  it("keeps what is open when its name is gone", async () => {
    await client.makeFile("f", 0o600);
    await client.write("f", 0, text("still here"));
    const node = await client.find("f");
    const handle = await client.open(node, 0);
    await client.remove("f", "other");
    await expect(client.stat("f")).rejects.toThrow("ENOENT");
    const read = pack([8, handle], [8, 0], [4, 100], [4, 0], [8, 0], [4, 0], [4, 0]);
    const answer = await client.call(Opcode.Read, node, read);
    expect(new TextDecoder().decode(answer)).toBe("still here");
  });

  it("has no file opened by a kernel that may cache everything, and keeps what that has when its name is gone", async () => {
    const cached = await FuseClient.mount({ tree, cache: "always" });
    for (const remove of [() => cached.remove("f", "other"), () => cached.rename("g", "f")]) {
      await cached.makeFile("f", 0o600);
      await cached.makeFile("g", 0o600).catch(() => {});
      await cached.write("f", 0, text("still here"));
      const node = await cached.find("f");
      await expect(cached.call(Opcode.Open, node, pack([4, 0], [4, 0]))).rejects.toThrow("ENOSYS");
      await remove();
      expect(new TextDecoder().decode(await cached.readOpen(node, 0, 0, 100))).toBe("still here");
      const before = tree.room().freeFiles;
      await cached.send(cached.message(Opcode.Forget, node, pack([8, 1000])), { room: 0, queue: 0 });
      expect(tree.room().freeFiles).toBeGreaterThan(before);
    }
    const still = new MemoryTree();
    still.freeze();
    const frozen = await FuseClient.mount({ tree: still, cache: "always" });
    await expect(frozen.call(Opcode.Open, 1, pack([4, 0], [4, 0]))).rejects.toThrow("EISDIR");
  });

  it("creates and opens in one step, or opens what is there", async () => {
    const create = (flags: number) =>
      client.call(Opcode.Create, 1, pack([4, flags], [4, 0o100400], [4, 0], [4, 0], "f"));
    const first = await create(0o301);
    await client.write("f", 0, text("abc"));
    const second = await create(0o101);
    expect(read64(second, 0)).toBe(read64(first, 0));
    await expect(create(0o301)).rejects.toThrow("EEXIST");
    expect((await client.stat("f")).size).toBe(3);
    await create(0o1101);
    expect((await client.stat("f")).size).toBe(0);
  });

  it("has no room for more than its bound", async () => {
    await client.makeFile("f", 0o600);
    const full = async () => {
      for (let n = 0; n < 100; n++) await client.write("f", n * 0x10000, new Uint8Array(0x10000).fill(1));
    };
    await expect(full()).rejects.toThrow("ENOSPC");
    await client.remove("f", "other");
    await client.makeFile("g", 0o600);
    await client.write("g", 0, new Uint8Array(0x10000));
    const room = await client.call(Opcode.StatFs, 1);
    const [blocks, freeBlocks] = [read64(room, 0), read64(room, 8)];
    expect(freeBlocks).toBeLessThan(blocks);
  });

  it("takes set-id bits away when the kernel says so: by a write, an opening that empties, a new length", async () => {
    const write = (flags: number) => async (node: number, handle: number) =>
      client.call(Opcode.Write, node, pack([8, handle], [8, 0], [4, 1], [4, flags], [8, 0], [4, 0], [4, 0], text("x")));
    const open = (flags: number, own: number) => (node: number) =>
      client.call(Opcode.Open, node, pack([4, flags], [4, own]));
    const cut = (valid: number) => (node: number) =>
      client.call(Opcode.SetAttr, node, pack([4, valid], [4, 0], [8, 0], [8, 0], new Uint8Array(64)));
    const O_RDWR_TRUNC = 0o1002;
    const cases: [(node: number, handle: number) => Promise<unknown>, number][] = [
      [write(0), 0o6711],
      [write(4), 0o711],
      [open(O_RDWR_TRUNC, 0), 0o6711],
      [open(O_RDWR_TRUNC, 1), 0o711],
      [open(2, 1), 0o6711],
      [cut(8), 0o6711],
      [cut(8 | 0x800), 0o711],
    ];
    for (const [act, mode] of cases) {
      await client.makeFile("f", 0o6711);
      const node = await client.find("f");
      await act(node, await client.open(node, 2));
      expect((await client.stat("f")).mode & 0o7777).toBe(mode);
      await client.remove("f", "other");
    }
    // Of a file that its group cannot execute the second bit means something else.
    await client.makeFile("f", 0o6701);
    const node = await client.find("f");
    await write(4)(node, await client.open(node, 2));
    expect((await client.stat("f")).mode & 0o7777).toBe(0o2701);
  });

  it("takes set-id bits away with the owner", async () => {
    await client.makeFile("f", 0o6711);
    const node = await client.find("f");
    await client.call(Opcode.SetAttr, node, pack([4, 2], [4, 0], new Uint8Array(80)));
    expect((await client.stat("f")).mode & 0o7777).toBe(0o711);
  });

  it("takes capabilities away when a file is emptied by its opening", async () => {
    await client.makeFile("f", 0o755);
    const node = await client.find("f");
    const name = "security.capability";
    await client.call(Opcode.SetXattr, node, pack([4, 1], [4, 0], name, text("x")));
    await client.call(Opcode.Open, node, pack([4, 0o1001], [4, 0]));
    await expect(client.call(Opcode.GetXattr, node, pack([4, 0], [4, 0], name))).rejects.toThrow("ENODATA");
    await client.call(Opcode.Open, node, pack([4, 0o1001], [4, 0]));
  });

  it("keeps extended attributes", async () => {
    const set = (name: string, value: string, flags: number) =>
      client.call(Opcode.SetXattr, 1, pack([4, value.length], [4, flags], name, text(value)));
    await set("user.a", "one", 1);
    await expect(set("user.a", "two", 1)).rejects.toThrow("EEXIST");
    await expect(set("user.b", "two", 2)).rejects.toThrow("ENODATA");
    await expect(set("system.posix_acl_access", "x", 0)).rejects.toThrow("EOPNOTSUPP");
    await expect(set("user.", "x", 0)).rejects.toThrow("EINVAL");
    const get = (name: string, size: number) => client.call(Opcode.GetXattr, 1, pack([4, size], [4, 0], name));
    expect((await get("user.a", 0)).getUint32(0, true)).toBe(3);
    expect(new TextDecoder().decode(await get("user.a", 3))).toBe("one");
    await expect(get("user.a", 2)).rejects.toThrow("ERANGE");
    expect(new TextDecoder().decode(await client.call(Opcode.ListXattr, 1, pack([4, 100], [4, 0])))).toBe("user.a\0");
    await client.call(Opcode.RemoveXattr, 1, pack("user.a"));
    await expect(get("user.a", 0)).rejects.toThrow("ENODATA");
  });

  it.each(["", ".", "..", "a/b", "/etc/passwd", "../x"])("finds nothing by the name %j", async (name) => {
    await expect(client.lookup(1, name)).rejects.toThrow("EINVAL");
    await expect(
      client.makeDirectory("d", 0o755).then(() => client.call(Opcode.Rename, 1, pack([8, 1], "d", name))),
    ).rejects.toThrow("EINVAL");
  });

  it("refuses names that are too long", async () => {
    await expect(client.lookup(1, "x".repeat(256))).rejects.toThrow("ENAMETOOLONG");
    await client.makeFile("x".repeat(255), 0o600);
    await expect(client.makeLink("l", "y".repeat(5000))).rejects.toThrow("ENAMETOOLONG");
  });

  it.each([
    ["no structure", Opcode.Read, new Uint8Array(), "EINVAL"],
    ["a handle that is none", Opcode.Read, new Uint8Array(40).fill(1), "EBADF"],
    ["a name without its end", Opcode.Lookup, text("abc"), "EINVAL"],
    ["an opcode that is none", 999, new Uint8Array(), "ENOSYS"],
    ["an attribute longer than it is", Opcode.SetXattr, pack([4, 1000], [4, 0], "user.a", text("x")), "EINVAL"],
  ])("answers a request with %s by an errno", async (_, opcode, body, errno) => {
    await expect(client.call(opcode, 1, body)).rejects.toThrow(errno);
  });

  it("answers a request that lies about its length", async () => {
    const message = client.message(Opcode.Lookup, 1, pack("f"));
    new DataView(message.buffer).setUint32(0, message.length + 1, true);
    expect((await client.send(message))?.error).toBe(Errno.EINVAL);
    expect(await client.send(new Uint8Array(39))).toBeUndefined();
  });

  it("answers with an error where the answer has no room, and with nothing where not even that has", async () => {
    const message = () => client.message(Opcode.GetAttr, 1, new Uint8Array(16));
    expect((await client.send(message(), { room: 100 }))?.error).toBe(Errno.EIO);
    expect(await client.send(message(), { room: 15 })).toBeUndefined();
    expect(await client.send(message(), { room: 0 })).toBeUndefined();
  });

  it("does not know a node that was never told of, or a parent that is a file", async () => {
    await client.makeFile("f", 0o600);
    await expect(client.call(Opcode.Lookup, 77, pack("f"))).rejects.toThrow(errnoName(Errno.ESTALE));
    await expect(client.lookup(await client.find("f"), "g")).rejects.toThrow("ENOTDIR");
  });

  it("refuses to move a directory into itself", async () => {
    await client.makeDirectory("d", 0o755);
    await client.makeDirectory("d/e", 0o755);
    await expect(client.rename("d", "d/e/d")).rejects.toThrow("EINVAL");
  });

  it("exchanges two names, and replaces none where it must not", async () => {
    await client.makeFile("f", 0o600);
    await client.makeDirectory("d", 0o755);
    const rename = (flags: number) => client.call(Opcode.Rename2, 1, pack([8, 1], [4, flags], [4, 0], "f", "d"));
    await expect(rename(1)).rejects.toThrow("EEXIST");
    await rename(2);
    expect([(await client.stat("f")).mode, (await client.stat("d")).mode]).toEqual([0o040755, 0o100600]);
    await expect(rename(4)).rejects.toThrow("EINVAL");
    await expect(rename(3)).rejects.toThrow("EINVAL");
  });

  it("does not say where holes are to a kernel that has not written back what will fill them", async () => {
    await client.makeFile("f", 0o600);
    await client.truncate("f", 100_000);
    const seek = async (from: FuseClient, offset: number) => {
      const body = pack([8, await from.open(await from.find("f"), 0).catch(() => 0)], [8, offset], [4, 3], [4, 0]);
      return read64(await from.call(Opcode.LSeek, await from.find("f"), body), 0);
    };
    await expect(seek(client, 0)).rejects.toThrow("ENXIO");
    await expect(seek(await FuseClient.mount({ tree, cache: "always" }), 0)).rejects.toThrow("ENOSYS");
    tree.freeze();
    await expect(seek(await FuseClient.mount({ tree, cache: "always" }), 0)).rejects.toThrow("ENXIO");
  });

  it("does not change a tree that is read-only", async () => {
    await client.makeFile("f", 0o600);
    tree.freeze();
    const writes = [
      () => client.makeFile("g", 0o600),
      () => client.write("f", 0, text("x")),
      () => client.truncate("f", 0),
      () => client.remove("f", "other"),
      () => client.rename("f", "g"),
      () => client.link("g", "f"),
    ];
    for (const write of writes) await expect(write()).rejects.toThrow("EROFS");
    expect(await client.list("")).toEqual(["f"]);
  });

  it.each([1, 2, 3])("agrees with a model in random operations, seed %i", async (seed) => {
    const large = await FuseClient.mount({ tree: new MemoryTree() });
    await runRandomOperations(large, new Random(seed), 1500);
  });
});
