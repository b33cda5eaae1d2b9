import type { HartvisorError } from "@hartvisor/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Behaviour, TestHttpServer } from "../../../../test/http-server.js";
import type { FileNode, FileTree } from "../tree.js";
import { type HttpTreeOptions, httpTree } from "./http-tree.js";
import type { IndexEntry } from "./tree-index.js";

const bytes = Uint8Array.from({ length: 10_000 }, (_, n) => (n * 7 + (n >> 8)) & 0xff);
const entries: readonly IndexEntry[] = [
  { path: "", type: "directory", mode: "751" },
  { path: "etc", type: "directory", mtime: 5 },
  {
    path: "etc/passwd",
    type: "file",
    mode: "4644",
    uid: 7,
    gid: 8,
    mtime: 1000,
    mtimeNs: 5,
    size: 11,
    content: [0, 3],
  },
  { path: "etc/link", type: "symlink", target: "../nowhere" },
  { path: "etc/again", type: "hardlink", target: "etc/passwd" },
  { path: "null", type: "character-device", mode: "666", device: [1, 3] },
  { path: "pipe", type: "fifo" },
  { path: "socket", type: "socket" },
  { path: "deep/below/big", type: "file", size: 9000, content: [0, 1000], attributes: { "user.a": btoa("one") } },
  { path: "plain \udcff", type: "file", size: 5, content: [1, 0] },
  { path: "empty", type: "file" },
];
const index = {
  format: "hartvisor-tree",
  version: 1,
  contents: [
    { file: "pack", bytes: bytes.length },
    { file: "files/a file#1?", bytes: 5 },
  ],
  entries,
};

let server: TestHttpServer;
let tree: FileTree | undefined;
const errors: string[] = [];

beforeEach(async () => {
  server = await TestHttpServer.open({
    "/t/tree.json": JSON.stringify(index),
    "/t/pack": bytes,
    "/t/files/a file#1?": "plain",
  });
});

afterEach(async () => {
  await tree?.close();
  tree = undefined;
  errors.length = 0;
  await server.close();
});

async function open(path = "/t/", options: HttpTreeOptions = {}): Promise<FileTree> {
  const onError = (error: HartvisorError) => errors.push(error.message);
  tree = await httpTree(server.origin + path, { blockBytes: 4096, retryMs: 1, onError, ...options });
  return tree;
}

async function find(path: string): Promise<FileNode> {
  let node = (tree as FileTree).root as FileNode;
  for (const name of path.split("/")) node = await node.lookup(name);
  return node;
}

async function read(path: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await (await find(path)).open({ read: true, write: false });
  const into = new Uint8Array(length).fill(0xee);
  const count = await file.read(offset, into);
  await file.close();
  return into.subarray(0, count);
}

describe("a tree at a URL", () => {
  it.each(["/t/", "/t", "/t/tree.json"])("is found by %s", async (path) => {
    expect((await open(path)).isReadOnly).toBe(true);
  });

  it("has what its index says, in all kinds", async () => {
    await open();
    expect(await tree?.root.stat()).toMatchObject({ mode: 0o040751 });
    expect(await (await find("etc/passwd")).stat()).toMatchObject({
      ...{ mode: 0o104644, uid: 7, gid: 8, size: 11, links: 2 },
      mtime: { seconds: 1000, nanoseconds: 5 },
    });
    expect(await (await find("etc")).stat()).toMatchObject({ mode: 0o040755, mtime: { seconds: 5 } });
    expect(await find("etc/again")).toBe(await find("etc/passwd"));
    expect(await (await find("etc/link")).readLink()).toBe("../nowhere");
    expect(await (await find("null")).stat()).toMatchObject({ mode: 0o020666, major: 1, minor: 3 });
    expect([(await find("pipe")).type, (await find("socket")).type]).toEqual([0o010000, 0o140000]);
    expect(await (await find("deep/below/big")).getAttribute("user.a")).toEqual(new TextEncoder().encode("one"));
    await expect(async () => (await find("etc")).create("x", { mode: 0o100644, uid: 0, gid: 0 })).rejects.toThrow(
      "EROFS",
    );
  });

  it("fetches contents as they are read, and each block once", async () => {
    await open();
    expect(server.log).toEqual(["/t/tree.json", "/t/pack bytes=0-4095"]);
    expect(await read("etc/passwd", 0, 100)).toEqual(bytes.subarray(3, 14));
    expect(await read("deep/below/big", 10, 200)).toEqual(bytes.subarray(1010, 1210));
    expect(server.log.length).toBe(2);
    const [one, other] = await Promise.all([read("deep/below/big", 0, 10_000), read("deep/below/big", 8000, 500)]);
    expect([one, other]).toEqual([bytes.subarray(1000), bytes.subarray(9000, 9500)]);
    expect(server.log.slice(2)).toEqual(["/t/pack bytes=4096-8191", "/t/pack bytes=8192-9999"]);
    expect(await read("deep/below/big", 9000, 10)).toEqual(new Uint8Array());
    expect(await read("empty", 0, 10)).toEqual(new Uint8Array());
  });

  it("keeps no more blocks than it may", async () => {
    await open("/t/", { cacheBytes: 8192 });
    await read("deep/below/big", 0, 9000);
    await read("etc/passwd", 0, 1);
    expect(server.log.slice(2).filter((line) => line.endsWith("0-4095"))).toEqual(["/t/pack bytes=0-4095"]);
  });

  it("reads at once what is here, and later what is not", async () => {
    await open();
    const file = await (await find("deep/below/big")).open({ read: true, write: false });
    const parts = [new Uint8Array(10), new Uint8Array(20)];
    expect(file.readNow?.(0, parts)).toBe(30);
    expect(parts[1]).toEqual(bytes.subarray(1010, 1030));
    expect(file.readNow?.(3090, parts)).toBeUndefined();
    const later = file.read(3090, new Uint8Array(10));
    expect(later).toBeInstanceOf(Promise);
    expect(await later).toBe(10);
  });

  it("has small files of their own even from a server without ranges", async () => {
    await open();
    server.behaviour = "whole";
    expect(await read("plain \udcff", 1, 10)).toEqual(new TextEncoder().encode("lain"));
  });

  it("lies where a redirection leads", async () => {
    const { origin } = server;
    tree = await httpTree("http://elsewhere.invalid/x/", {
      fetch: (url, init) => fetch(url.replace("http://elsewhere.invalid/x", `${origin}/t`), init),
    });
    expect(await read("etc/passwd", 0, 2)).toEqual(bytes.subarray(3, 5));
  });
});

describe("a tree that cannot be had", () => {
  it.each<[string, string | undefined, RegExp]>([
    ["a path without one", undefined, /^cannot read \S+\/u\/tree\.json: HTTP status 404$/],
    ["a page", "<html>", /tree\.json: it is no index of a tree, but no JSON at all$/],
    ["another document", "[1]", /it is no index of a tree: "format" is not "hartvisor-tree"$/],
    [
      "a newer version",
      JSON.stringify({ ...index, version: 2 }),
      /an index of version 2; this hartvisor reads version 1/,
    ],
  ])("is refused in one line: %s", async (_, document, message) => {
    if (document !== undefined) server.put("/u/tree.json", document);
    await expect(open("/u")).rejects.toThrow(message);
  });

  it("is refused where its server knows no ranges, or does not serve contents", async () => {
    server.files.delete("/t/pack");
    await expect(open()).rejects.toThrow(/\/t\/pack: HTTP status 404$/);
    server.put("/t/pack", bytes);
    server.behaviour = "whole";
    await expect(open()).rejects.toThrow(/\/t\/pack: its server does not know range requests$/);
  });

  it("is refused where nobody listens", async () => {
    const { origin } = server;
    await server.close();
    await expect(httpTree(origin, { attempts: 1 })).rejects.toThrow(/ECONNREFUSED/);
    server = await TestHttpServer.open();
  });

  it("is refused where its contents are of another length than it says", async () => {
    server.put("/t/pack", bytes.subarray(0, 9999));
    await expect(open()).rejects.toThrow("it has 9999 bytes instead of 10000");
  });

  it.each(["no url", "data:,{}", "file:///tmp/"])("is not at %j", async (url) => {
    await expect(httpTree(url)).rejects.toMatchObject({ code: "invalid-argument" });
  });
});

describe("a server that misbehaves", () => {
  const far = () => read("deep/below/big", 5000, 10);
  const right = bytes.subarray(6000, 6010);

  it.each<[Behaviour, string]>([
    ["elsewhere", "its server sent another range than was asked for"],
    ["short", "it sent 4095 bytes of 4096"],
    ["endless", "it sent more than 4096 bytes"],
    ["broken", "other side closed"],
    ["down", "other side closed"],
    ["whole", "its server does not know range requests"],
  ])("makes a read fail with EIO, and is believed again when it is right: %s", async (behaviour, reason) => {
    await open();
    server.behaviour = behaviour;
    await expect(far()).rejects.toThrow("EIO");
    expect(errors).toEqual([`cannot read ${server.origin}/t/pack: ${reason}`]);
    server.behaviour = "right";
    expect(await far()).toEqual(right);
  });

  it.each<Behaviour>(["broken", "down"])("is asked again where that may help: %s", async (behaviour) => {
    await open();
    Object.assign(server, { behaviour, faults: 3 });
    expect(await far()).toEqual(right);
    expect(errors).toEqual([]);
  });

  it("is asked again where it is busy, and not where it refuses", async () => {
    await open();
    Object.assign(server, { status: 503, faults: 3 });
    expect(await far()).toEqual(right);
    Object.assign(server, { status: 403, faults: 1 });
    await expect(read("deep/below/big", 8000, 10)).rejects.toThrow("EIO");
    expect(errors).toEqual([`cannot read ${server.origin}/t/pack: HTTP status 403`]);
  });

  it("is not believed when the file has become another one", async () => {
    await open();
    server.etag = '"2"';
    await expect(far()).rejects.toThrow("EIO");
    expect(errors).toEqual([`cannot read ${server.origin}/t/pack: it has changed since it was opened`]);
    server.etag = '"1"';
    expect(await far()).toEqual(right);
  });

  it("is waited for no more when the tree is closed", async () => {
    await open("/t/", { retryMs: 60_000 });
    server.behaviour = "silent";
    const silent = expect(far()).rejects.toThrow("EIO");
    await tree?.close();
    await silent;
    await expect(far()).rejects.toThrow("EIO");
    expect(errors).toEqual([]);
  });

  it("does not keep a closed tree waiting for the next attempt", async () => {
    await open("/t/", { retryMs: 60_000 });
    server.behaviour = "down";
    const down = expect(far()).rejects.toThrow("EIO");
    while (server.log.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await tree?.close();
    await down;
  });
});
