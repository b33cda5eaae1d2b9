import { beforeEach, describe, expect, it } from "vitest";
import { Random } from "../../../fuzz/random.js";
import { fields, NinePClient } from "../../../test/files/ninep-client.js";
import { runRandomOperations } from "../../../test/files/random-operations.js";

import { MemoryTree } from "../../backends/files/memory-tree.js";
import { Virtio9p } from "./device.js";
import { Message } from "./message.js";

const text = (string: string) => new TextEncoder().encode(string);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
let tree: MemoryTree;
let client: NinePClient;

beforeEach(async () => {
  tree = new MemoryTree({ maxBytes: 2 ** 20, now: () => ({ seconds: 1000, nanoseconds: 5 }) });
  client = await NinePClient.mount({ tree });
});

describe("a 9p device", () => {
  it("says its tag", () => {
    const { configuration, type, features } = new Virtio9p({ tree, tag: "share" });
    expect([...configuration]).toEqual([5, 0, ...text("share")]);
    expect([type, features]).toEqual([9, 1n]);
  });

  it.each(["", "x".repeat(256), "a\0b"])("refuses the tag %j", (tag) => {
    expect(() => new Virtio9p({ tree, tag })).toThrow(/a tag has 1 to 255 bytes/);
  });

  it("cannot be saved while it is mounted", async () => {
    const { bench } = client;
    expect(() => bench.mmio.save()).toThrow(/is mounted/);
    bench.write(0x70, 0);
    expect(() => bench.mmio.save()).not.toThrow();
  });
});

describe("a session", () => {
  it("agrees on a size and a version, and forgets everything before", async () => {
    const version = async (size: number, name: string) => {
      const answer = await client.call(Message.Version, [4, size], name);
      return [answer.u32(), answer.string()];
    };
    expect(await version(8192, "9P2000.L")).toEqual([8192, "9P2000.L"]);
    await expect(client.statOf(0)).rejects.toThrow("EBADF");
    expect(await version(2 ** 31, "9P2000.L")).toEqual([2 ** 20, "9P2000.L"]);
    expect(await version(8192, "9P2000")).toEqual([8192, "unknown"]);
    await expect(client.statOf(0)).rejects.toThrow("EIO");
    await expect(version(100, "9P2000.L")).rejects.toThrow("EINVAL");
  });

  it("walks as far as it comes, and makes a fid only at the end", async () => {
    await client.makeDirectory("d", 0o755);
    await client.makeDirectory("d/e", 0o755);
    const walk = (fid: number, ...names: string[]) =>
      client.call(Message.Walk, [4, 0], [4, fid], [2, names.length], ...names);
    expect((await walk(100, "d", "e", "nothing", "more")).u16()).toBe(2);
    await expect(client.statOf(100)).rejects.toThrow("EBADF");
    await expect(walk(100, "nothing")).rejects.toThrow("ENOENT");
    expect((await walk(100, "d", "e")).u16()).toBe(2);
    await expect(walk(100, "d")).rejects.toThrow("EINVAL");
    await expect(walk(101, ...new Array(17).fill("d"))).rejects.toThrow("EINVAL");
  });

  it("does not walk above the root", async () => {
    await client.makeDirectory("d", 0o755);
    const { ino } = await client.statOf(0);
    expect((await client.statOf(await client.walk("d/../.."))).ino).toBe(ino);
    expect((await client.statOf(await client.walk("../../../.."))).ino).toBe(ino);
  });

  it.each(["", ".", "a/b", "/"])("finds nothing by the name %j", async (name) => {
    await expect(client.call(Message.Walk, [4, 0], [4, 9], [2, 1], name)).rejects.toThrow("EINVAL");
    await expect(client.call(Message.MkDir, [4, 0], name, [4, 0o755], [4, 0])).rejects.toThrow("EINVAL");
  });

  it("refuses .. as a name to make, move or remove", async () => {
    await client.makeDirectory("d", 0o755);
    await expect(client.call(Message.MkDir, [4, 0], "..", [4, 0o755], [4, 0])).rejects.toThrow("EINVAL");
    await expect(client.call(Message.RenameAt, [4, 0], "d", [4, 0], "..")).rejects.toThrow("EINVAL");
    await expect(client.call(Message.UnlinkAt, [4, 0], "..", [4, 0x200])).rejects.toThrow("EINVAL");
  });

  it("makes nodes that belong to who attached", async () => {
    await client.call(Message.Attach, [4, 50], [4, 0xffff_ffff], "", "", [4, 1000]);
    await client.call(Message.MkNod, [4, 50], "tty", [4, 0o020640], [4, 4], [4, 65], [4, 5]);
    expect(await client.stat("tty")).toMatchObject({ mode: 0o020640, uid: 1000, gid: 5, major: 4, minor: 65 });
  });

  it("keeps times before 1970 and beyond 2106", async () => {
    await client.makeFile("f", 0o644);
    await client.setTimes("f", -5, 2 ** 33);
    const { atime, mtime } = await client.stat("f");
    expect([atime.seconds, mtime.seconds]).toEqual([-5, 2 ** 33]);
  });

  it("lists a directory in parts, each name once, with . and .. first", async () => {
    const names = Array.from({ length: 300 }, (_, n) => `file ${n}`);
    for (const name of names) await client.makeFile(name, 0o600);
    expect(await client.entries("", 500)).toEqual([".", "..", ...names]);
  });

  it.each([7, 8, 9, 10, 11])("lists more than one buffer holds, names of %i bytes", async (length) => {
    const names = Array.from({ length: 600 }, (_, n) => `${n}`.padStart(length, "n"));
    for (const name of names) await client.makeFile(name, 0o600);
    expect(await client.entries("", 60_000)).toEqual([".", "..", ...names]);
  });

  it("appends at the end of a file that is open for it, wherever the client believes the end to be", async () => {
    await client.makeFile("f", 0o600);
    await client.write("f", 0, text("0123"));
    const fid = await client.walk("f");
    await client.call(Message.LOpen, [4, fid], [4, 0o2001]);
    await client.call(Message.Write, [4, fid], [8, 1], [4, 2], text("ab"));
    await client.call(Message.Write, [4, fid], [8, 1], [4, 2], text("cd"));
    expect(new TextDecoder().decode(await client.read("f", 0, 100))).toBe("0123abcd");
  });

  it("keeps what is open when its name is gone, also for another fid", async () => {
    await client.makeFile("f", 0o600);
    await client.write("f", 0, text("still here"));
    const fid = await client.walk("f");
    await client.call(Message.LOpen, [4, fid], [4, 0]);
    await client.remove("f", "other");
    const read = async (from: number) => {
      const answer = await client.call(Message.Read, [4, from], [8, 0], [4, 100]);
      return decode(Uint8Array.from({ length: answer.u32() }, () => answer.u8()));
    };
    expect(await read(fid)).toBe("still here");
    const clone = await client.walk("", fid);
    await client.call(Message.LOpen, [4, clone], [4, 0]);
    expect(await read(clone)).toBe("still here");
    expect((await client.statOf(fid)).links).toBe(0);
  });

  it("renames and removes by fid, where that still leads to its name", async () => {
    await client.makeFile("f", 0o600);
    await client.makeDirectory("d", 0o755);
    const [file, directory, other] = [await client.walk("f"), await client.walk("d"), await client.walk("f")];
    await client.call(Message.Rename, [4, file], [4, directory], "g");
    expect(await client.list("d")).toEqual(["g"]);
    await expect(client.call(Message.Remove, [4, other])).rejects.toThrow("ENOENT");
    // Clunked all the same.
    await expect(client.statOf(other)).rejects.toThrow("EBADF");
    await client.call(Message.Remove, [4, file]);
    expect(await client.list("d")).toEqual([]);
    await expect(client.call(Message.Remove, [4, 0])).rejects.toThrow("EBUSY");
  });

  it("keeps extended attributes", async () => {
    const set = async (name: string, value: string, flags: number) => {
      const fid = await client.walk("");
      await client.call(Message.XattrCreate, [4, fid], name, [8, value.length], [4, flags]);
      if (value !== "") await client.call(Message.Write, [4, fid], [8, 0], [4, value.length], text(value));
      await client.call(Message.Clunk, [4, fid]);
    };
    const get = async (name: string) => {
      const size = (await client.call(Message.XattrWalk, [4, 0], [4, 77], name)).u64();
      const answer = await client.call(Message.Read, [4, 77], [8, 0], [4, size]);
      await client.call(Message.Clunk, [4, 77]);
      return decode(Uint8Array.from({ length: answer.u32() }, () => answer.u8()));
    };
    await set("user.a", "one", 1);
    await expect(set("user.a", "two", 1)).rejects.toThrow("EEXIST");
    await set("user.b", "two", 0);
    expect([await get("user.a"), await get("")]).toEqual(["one", "user.a\0user.b\0"]);
    await set("user.a", "", 2);
    await expect(get("user.a")).rejects.toThrow("ENODATA");
    await expect(client.call(Message.XattrCreate, [4, 0], "user.c", [8, 2 ** 17], [4, 0])).rejects.toThrow("E2BIG");
  });

  it("locks ranges, also against other sessions on the tree", async () => {
    await client.makeFile("f", 0o600);
    const other = await NinePClient.mount({ tree });
    const lock = async (who: NinePClient, type: number, start: number, length: number, process: number) => {
      const fid = await who.walk("f");
      return (
        await who.call(Message.Lock, [4, fid], [1, type], [4, 0], [8, start], [8, length], [4, process], "guest")
      ).u8();
    };
    expect(await lock(client, 1, 0, 100, 1)).toBe(0);
    expect(await lock(client, 1, 50, 100, 1)).toBe(0);
    expect(await lock(client, 0, 50, 10, 2)).toBe(1);
    expect(await lock(other, 0, 50, 10, 1)).toBe(1);
    expect(await lock(client, 2, 50, 10, 1)).toBe(0);
    expect(await lock(other, 0, 50, 10, 1)).toBe(0);
    const fid = await other.walk("f");
    const found = await other.call(Message.GetLock, [4, fid], [1, 0], [8, 0], [8, 0], [4, 9], "guest");
    expect([found.u8(), found.u64(), found.u64(), found.u32(), found.string()]).toEqual([1, 0, 50, 1, "guest"]);
    // A session that ends has no locks.
    await client.call(Message.Version, [4, 8192], "9P2000.L");
    expect(await lock(other, 1, 0, 0, 1)).toBe(0);
  });

  it("answers who waits for a lock when it is given up, or the machine comes to rest", async () => {
    await client.makeFile("f", 0o600);
    const other = await NinePClient.mount({ tree });
    const lock = async (who: NinePClient, type: number, flags: number) => {
      const fid = await who.walk("f");
      const range = [[8, 0], [8, 0], [4, 1], "guest"] as const;
      return (await who.call(Message.Lock, [4, fid], [1, type], [4, flags], ...range)).u8();
    };
    expect(await lock(client, 1, 0)).toBe(0);
    const waited = lock(other, 1, 1);
    expect(await lock(client, 2, 0)).toBe(0);
    expect(await waited).toBe(0);
    const blocked = lock(client, 1, 1);
    await new Promise((resolve) => setTimeout(resolve));
    await client.device.quiesce();
    expect(await blocked).toBe(1);
  });

  it.each([
    ["no fields", Message.Read, new Uint8Array(), "EINVAL"],
    ["a fid that is none", Message.GetAttr, fields([4, 99], [8, 0]), "EBADF"],
    ["a string that is longer than it", Message.Attach, fields([4, 5], [4, 0], [2, 1000], new Uint8Array(5)), "EINVAL"],
    ["a NUL in a name", Message.MkDir, fields([4, 0], "a\0b", [4, 0], [4, 0]), "EINVAL"],
    ["an unknown type", 200, new Uint8Array(), "EOPNOTSUPP"],
    ["a write to nothing open", Message.Write, fields([4, 0], [8, 0], [4, 1], text("x")), "EBADF"],
    ["a write of less than it says", Message.Write, fields([4, 0], [8, 0], [4, 100], text("x")), "EINVAL"],
    ["a tree that is none", Message.Attach, fields([4, 5], [4, 0], "", "/etc", [4, 0]), "ENOENT"],
  ])("answers a message with %s by an errno", async (_, type, bytes, errno) => {
    await expect(client.call(type, bytes)).rejects.toThrow(errno);
  });

  it("answers a message that lies about its length, and one without room for the answer", async () => {
    const message = client.message(Message.GetAttr, [4, 0], [8, 0]);
    new DataView(message.buffer).setUint32(0, message.length + 1, true);
    const lie = await client.send(message);
    expect([lie?.type, lie?.body.getUint32(0, true)]).toEqual([7, 22]);
    const cramped = await client.send(client.message(Message.GetAttr, [4, 0], [8, 0]), 100);
    expect([cramped?.type, cramped?.body.getUint32(0, true)]).toEqual([7, 5]);
    expect(await client.send(client.message(Message.GetAttr, [4, 0], [8, 0]), 10)).toBeUndefined();
    expect(await client.send(new Uint8Array(6))).toBeUndefined();
  });

  it("has no room for more than the tree's bound", async () => {
    await client.makeFile("f", 0o600);
    const full = async () => {
      for (let n = 0; n < 100; n++) await client.write("f", n * 0x10000, new Uint8Array(0x10000).fill(1));
    };
    await expect(full()).rejects.toThrow("ENOSPC");
  });

  it.each([1, 2, 3])("agrees with a model in random operations, seed %i", async (seed) => {
    const large = await NinePClient.mount({ tree: new MemoryTree() });
    await runRandomOperations(large, new Random(seed), 1000);
  });
});
