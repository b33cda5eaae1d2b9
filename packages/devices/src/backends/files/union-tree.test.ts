import { beforeEach, describe, expect, it } from "vitest";
import { Random } from "../../../fuzz/random.js";
import { FuseClient } from "../../../test/files/fuse-client.js";
import { LaterTree } from "../../../test/files/later-tree.js";
import { NinePClient } from "../../../test/files/ninep-client.js";
import { runInParts } from "../../../test/files/random-operations.js";
import { MemoryTree } from "./memory-tree.js";
import type { FileTree } from "./tree.js";
import { unionTree } from "./union-tree.js";

const text = (string: string) => new TextEncoder().encode(string);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A layer with these files; a name that ends with a slash is a directory. */
async function layer(files: Record<string, string>): Promise<MemoryTree> {
  const tree = new MemoryTree();
  const client = await FuseClient.mount({ tree });
  for (const [path, content] of Object.entries(files)) {
    if (path.endsWith("/")) await client.makeDirectory(path.slice(0, -1), 0o755);
    else {
      await client.makeFile(path, 0o644);
      await client.write(path, 0, text(content));
      await client.setTimes(path, 1000, 2000);
    }
  }
  tree.freeze();
  return tree;
}

let lower: MemoryTree;
let above: MemoryTree;
let upper: MemoryTree;
let client: FuseClient;

beforeEach(async () => {
  lower = await layer({ "etc/": "", "etc/a": "lower a", "etc/b": "lower b", f: "lower f", "only/": "", "only/x": "x" });
  above = await layer({ "etc/": "", "etc/b": "above b", "etc/c": "above c" });
  upper = new MemoryTree();
  client = await FuseClient.mount({ tree: unionTree({ lower: [lower, above], upper }), cache: "always" });
});

const read = async (path: string, from = client) => decode(await from.read(path, 0, 100));

describe("a union", () => {
  it("shows what the uppermost layer says, and merges directories", async () => {
    expect((await client.list("etc")).sort()).toEqual(["a", "b", "c"]);
    expect([await read("etc/a"), await read("etc/b"), await read("etc/c")]).toEqual(["lower a", "above b", "above c"]);
  });

  it("copies up what is changed, with its metadata, and leaves layers alone", async () => {
    const before = await client.stat("etc/a");
    await client.chmod("etc/a", 0o600);
    expect(await client.stat("etc/a")).toMatchObject({ mode: 0o100600, mtime: before.mtime, ino: before.ino });
    await client.write("etc/a", 6, text("A!"));
    expect(await read("etc/a")).toBe("lower A!");
    const direct = await FuseClient.mount({ tree: lower });
    expect(await read("etc/a", direct)).toBe("lower a");
    expect((await client.stat("etc")).mtime).toEqual(
      (await FuseClient.mount({ tree: above }).then((c) => c.stat("etc"))).mtime,
    );
  });

  it("hides what is removed, also when a directory of the name is made anew", async () => {
    await client.remove("etc/b", "other");
    await expect(client.stat("etc/b")).rejects.toThrow("ENOENT");
    expect((await client.list("etc")).sort()).toEqual(["a", "c"]);
    await expect(client.remove("only", "directory")).rejects.toThrow("ENOTEMPTY");
    await client.remove("only/x", "other");
    await client.remove("only", "directory");
    await client.makeDirectory("only", 0o755);
    expect(await client.list("only")).toEqual([]);
    // As overlayfs writes it.
    const direct = await FuseClient.mount({ tree: upper });
    expect(await direct.stat("etc/b")).toMatchObject({ mode: 0o020000, major: 0, minor: 0 });
  });

  it("renames a directory of lower layers with all that is in it", async () => {
    await client.rename("etc", "moved");
    expect(await client.list("")).toEqual(expect.arrayContaining(["moved", "f", "only"]));
    expect((await client.list("moved")).sort()).toEqual(["a", "b", "c"]);
    expect(await read("moved/b")).toBe("above b");
    await client.makeDirectory("etc", 0o755);
    expect(await client.list("etc")).toEqual([]);
  });

  it("shows who had it open what is written to the copy", async () => {
    const node = await client.find("f");
    const handle = await client.open(node, 0);
    await client.write("f", 0, text("UPPER"));
    expect(decode(await client.readOpen(node, handle, 0, 100))).toBe("UPPER f");
  });

  it("keeps what is written to a file whose name is gone, and no longer than it is open", async () => {
    const free = () => upper.room().freeBlocks;
    const before = free();
    const node = await client.find("f");
    const handle = await client.open(node, 2);
    await client.remove("f", "other");
    await client.writeOpen(node, handle, 0, text("abc"));
    expect(decode(await client.readOpen(node, handle, 0, 100))).toBe("abcer f");
    await client.release(node, handle);
    expect(before - free()).toBeLessThanOrEqual(1); // a whiteout, and the work directory
  });

  it("holds hard links of lower layers when one of them is written", async () => {
    const tree = new MemoryTree();
    const made = await FuseClient.mount({ tree });
    await made.makeFile("one", 0o644);
    await made.write("one", 0, text("same"));
    await made.link("two", "one");
    tree.freeze();
    const linked = await FuseClient.mount({ tree: unionTree({ lower: [tree], upper: new MemoryTree() }) });
    await linked.write("one", 0, text("S"));
    expect([await read("two", linked), (await linked.stat("two")).links]).toEqual(["Same", 2]);
    await linked.remove("one", "other");
    await linked.write("two", 3, text("E"));
    expect([await read("two", linked), (await linked.stat("two")).links]).toEqual(["SamE", 1]);
    expect(await linked.list("")).toEqual(["two"]);
  });

  it("is read-only without an upper", async () => {
    const still = await FuseClient.mount({ tree: unionTree({ lower: [lower, above] }) });
    expect(await read("etc/b", still)).toBe("above b");
    await expect(still.write("f", 0, text("x"))).rejects.toThrow("EROFS");
    await expect(still.makeFile("new", 0o600)).rejects.toThrow("EROFS");
    await expect(still.remove("f", "other")).rejects.toThrow("EROFS");
  });

  it("keeps names of whiteouts to itself", async () => {
    await expect(client.makeFile(".wh.f", 0o600)).rejects.toThrow("EPERM");
    await expect(client.rename("f", ".wh..wh.opq")).rejects.toThrow("EPERM");
    await client.write("f", 0, text("x"));
    expect((await client.list("")).sort()).toEqual(["etc", "f", "only"]);
    await expect(client.stat(".wh..wh.work")).rejects.toThrow("ENOENT");
  });

  it("says that a full upper is full, and loses nothing", async () => {
    const full = await FuseClient.mount({
      tree: unionTree({ lower: [lower], upper: new MemoryTree({ maxBytes: 6000 }) }),
    });
    const fill = async () => {
      for (let n = 0; n < 1000; n++) await full.write("f", n * 500, new Uint8Array(500).fill(65));
    };
    await expect(fill()).rejects.toThrow("ENOSPC");
    await expect(full.remove("etc/a", "other")).rejects.toThrow("ENOSPC");
    expect(await read("etc/a", full)).toBe("lower a");
    expect(decode(await full.read("f", 0, 5))).toBe("AAAAA");
  });

  it("is shared: each machine has its own upper", async () => {
    const other = await FuseClient.mount({ tree: unionTree({ lower: [lower, above], upper: new MemoryTree() }) });
    await client.write("f", 0, text("MINE!"));
    expect([await read("f"), await read("f", other)]).toEqual(["MINE! f", "lower f"]);
  });

  it("refuses no layers, and an upper that cannot hide", () => {
    expect(() => unionTree({ lower: [] })).toThrow(/a union of no layers/);
    expect(() => unionTree({ lower: [lower], upper: above })).toThrow(/upper layer of a union must be writable/);
  });
});

describe.each([1, 2, 3])("random operations, seed %i", (seed) => {
  it("agree with a model where everything comes from lower layers", async () => {
    // Each part's tree is the lower layer of the next: so all that a layer can be is covered.
    let tree: FileTree = new MemoryTree();
    const mount = async (part: number) => {
      if (part > 0) tree = unionTree({ lower: [tree], upper: new MemoryTree() });
      return part % 2 === 0 ? FuseClient.mount({ tree }) : NinePClient.mount({ tree });
    };
    await runInParts(mount, new Random(seed), 4, 300);
  });

  it("agree with a model where layers answer later", async () => {
    let tree: FileTree = new MemoryTree();
    const mount = (part: number) => {
      if (part > 0) tree = unionTree({ lower: [new LaterTree(tree)], upper: new MemoryTree() });
      return FuseClient.mount({ tree });
    };
    await runInParts(mount, new Random(seed), 2, 200);
  });
});
