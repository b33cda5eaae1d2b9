/**
 * For tests: a mounted tree against a model of it, in random operations as programs make them (as fsx does for one
 * file): what is read must be what was written, names must be where they were put, and what fails must fail with the
 * errno that Linux has for it.
 */
import { expect } from "vitest";
import type { Random } from "../../fuzz/random.js";
import { type FileClient, split } from "./client.js";

interface ModelNode {
  readonly type: "file" | "directory" | "link";
  bytes: Uint8Array;
  mode: number;
  links: number;
  readonly target: string;
}

const NAMES = ["a", "b", "c", "ä", "a longer name with spaces", "\udcff\udcfe"];
const LARGEST = 100_000;

export interface RandomOptions {
  /** Whether the links of a directory count the directories in it. Default: true. */
  readonly countsDirectories?: boolean;
}

/** Runs operations until `count`; throws at the first disagreement. */
export async function runRandomOperations(
  client: FileClient,
  random: Random,
  count: number,
  { countsDirectories = true }: RandomOptions = {},
): Promise<void> {
  await new Model(random, countsDirectories).run(client, count);
}

/** Runs operations on a tree, and after each part of them has something done with it, which changes nothing to see. */
export async function runInParts(
  mount: (part: number) => Promise<FileClient>,
  random: Random,
  parts: number,
  count: number,
): Promise<void> {
  const model = new Model(random, false);
  for (let part = 0; part < parts; part++) await model.run(await mount(part), count);
}

class Model {
  readonly #nodes = new Map<string, ModelNode>([
    ["", { type: "directory", bytes: new Uint8Array(), mode: 0o755, links: 2, target: "" }],
  ]);
  readonly #random: Random;
  readonly #countsDirectories: boolean;

  constructor(random: Random, countsDirectories: boolean) {
    this.#random = random;
    this.#countsDirectories = countsDirectories;
  }

  async run(client: FileClient, count: number): Promise<void> {
    await this.compare(client);
    for (let n = 0; n < count; n++) await this.step(client);
    await this.compare(client);
  }

  async step(client: FileClient): Promise<void> {
    const random = this.#random;
    const path = this.#path();
    switch (random.below(14)) {
      case 0:
        return this.#agree(
          `mkdir ${path}`,
          () => this.#add(path, "directory"),
          () => client.makeDirectory(path, 0o755),
        );
      case 1:
      case 2:
        return this.#agree(
          `create ${path}`,
          () => this.#add(path, "file"),
          () => client.makeFile(path, 0o644),
        );
      case 3: {
        const target = `../${random.pick(NAMES)}`;
        const add = () => this.#add(path, "link", target);
        return this.#agree(`symlink ${path}`, add, () => client.makeLink(path, target));
      }
      case 4: {
        const existing = this.#existing();
        return this.#agree(
          `link ${existing} ${path}`,
          () => this.#link(existing, path),
          () => client.link(path, existing),
        );
      }
      case 5: {
        const kind = random.once(2) ? "directory" : "other";
        return this.#agree(
          `remove ${kind} ${path}`,
          () => this.#remove(path, kind),
          () => client.remove(path, kind),
        );
      }
      case 6:
      case 7: {
        const from = this.#existing();
        return this.#agree(
          `rename ${from} ${path}`,
          () => this.#rename(from, path),
          () => client.rename(from, path),
        );
      }
      case 8: {
        const size = random.below(LARGEST);
        const file = this.#existing("file");
        return this.#agree(
          `truncate ${file} ${size}`,
          () => this.#resize(file, size),
          () => client.truncate(file, size),
        );
      }
      case 9: {
        const mode = random.below(0o1000);
        const existing = this.#existing();
        const change = () => {
          const node = this.#get(existing);
          // Links have no permissions, and everybody must be able to go on.
          if (node.type !== "link") node.mode = mode | 0o700;
        };
        if (this.#nodes.get(existing)?.type === "link") return;
        return this.#agree(`chmod ${existing}`, change, () => client.chmod(existing, mode | 0o700));
      }
      case 10:
        return this.compareAt(client, this.#existing());
      default: {
        const file = this.#existing("file");
        const offset = random.below(random.once(4) ? LARGEST : 5000);
        const bytes = new Uint8Array(1 + random.below(random.once(4) ? 20_000 : 500)).fill(1 + random.below(255));
        const write = () => this.#write(file, offset, bytes);
        return this.#agree(`write ${file} ${offset} ${bytes.length}`, write, () => client.write(file, offset, bytes));
      }
    }
  }

  /** Everything, at the end. */
  async compare(client: FileClient): Promise<void> {
    for (const path of this.#nodes.keys()) await this.compareAt(client, path);
  }

  async compareAt(client: FileClient, path: string): Promise<void> {
    const node = this.#nodes.get(path);
    if (node === undefined) return;
    const stat = await client.stat(path);
    if (node.type !== "directory" || this.#countsDirectories) expect(stat.links, `links of ${path}`).toBe(node.links);
    switch (node.type) {
      case "directory":
        expect((await client.list(path)).sort(), `names in ${path}`).toEqual(this.#children(path).sort());
        break;
      case "link":
        expect(await client.readLink(path)).toBe(node.target);
        break;
      case "file": {
        expect(stat.mode & 0o7777, `mode of ${path}`).toBe(node.mode);
        expect(stat.size, `size of ${path}`).toBe(node.bytes.length);
        const bytes = await client.read(path, 0, LARGEST * 2);
        expect(Buffer.compare(bytes, node.bytes), `contents of ${path}`).toBe(0);
        const from = this.#random.below(LARGEST);
        const part = await client.read(path, from, 1000);
        expect(Buffer.compare(part, node.bytes.subarray(from, from + 1000)), `${path} from ${from}`).toBe(0);
      }
    }
  }

  /** Both do it, or both fail, with the same errno. */
  async #agree(what: string, model: () => void, tree: () => Promise<void>): Promise<void> {
    let expected = "ok";
    try {
      model();
    } catch (error) {
      expected = (error as Error).message;
    }
    const outcome = await tree().then(
      () => "ok",
      (error: Error) => error.message,
    );
    expect(`${what}: ${outcome}`).toBe(`${what}: ${expected}`);
  }

  /** A path that may be there, three deep at most. */
  #path(): string {
    const parent = this.#existing("directory");
    const name = this.#random.pick(NAMES);
    return parent === "" || parent.split("/").length > 2 ? name : `${parent}/${name}`;
  }

  #existing(type?: ModelNode["type"]): string {
    const paths = [...this.#nodes].filter(([path, node]) => (type === undefined ? path !== "" : node.type === type));
    return paths.length === 0 ? "a" : this.#random.pick(paths)[0];
  }

  #children(path: string): string[] {
    return [...this.#nodes.keys()]
      .filter((each) => each !== "" && split(each)[0] === path)
      .map((each) => split(each)[1]);
  }

  #get(path: string): ModelNode {
    const node = this.#nodes.get(path);
    if (node !== undefined) return node;
    const parent = path === "" ? undefined : this.#get(split(path)[0]);
    throw new Error(parent?.type === "directory" ? "ENOENT" : "ENOTDIR");
  }

  #parent(path: string): ModelNode {
    const parent = this.#get(split(path)[0]);
    if (parent.type !== "directory") throw new Error("ENOTDIR");
    return parent;
  }

  #add(path: string, type: ModelNode["type"], target = ""): void {
    const parent = this.#parent(path);
    if (this.#nodes.has(path)) throw new Error("EEXIST");
    const isDirectory = type === "directory";
    if (isDirectory) parent.links++;
    const mode = isDirectory ? 0o755 : 0o644;
    this.#nodes.set(path, { type, bytes: new Uint8Array(), mode, links: isDirectory ? 2 : 1, target });
  }

  #link(existing: string, path: string): void {
    const node = this.#get(existing);
    this.#parent(path);
    if (node.type === "directory") throw new Error("EPERM");
    if (this.#nodes.has(path)) throw new Error("EEXIST");
    this.#nodes.set(path, node);
    node.links++;
  }

  #remove(path: string, kind: "directory" | "other"): void {
    const parent = this.#parent(path);
    const node = this.#get(path);
    if ((node.type === "directory") !== (kind === "directory")) {
      throw new Error(kind === "directory" ? "ENOTDIR" : "EISDIR");
    }
    if (node.type === "directory") {
      if (this.#children(path).length > 0) throw new Error("ENOTEMPTY");
      parent.links--;
    }
    this.#nodes.delete(path);
    node.links--;
  }

  #rename(from: string, to: string): void {
    const node = this.#get(from);
    const parent = this.#parent(to);
    const replaced = this.#nodes.get(to);
    if (node === replaced) return;
    if (node.type === "directory" && `${to}/`.startsWith(`${from}/`)) throw new Error("EINVAL");
    if (replaced !== undefined) {
      if (replaced.type === "directory") {
        // Linux refuses to have a directory replaced by what it holds before it looks at what that is.
        if (node.type !== "directory") throw new Error(`${from}/`.startsWith(`${to}/`) ? "ENOTEMPTY" : "EISDIR");
        if (this.#children(to).length > 0) throw new Error("ENOTEMPTY");
        parent.links--;
      } else if (node.type === "directory") throw new Error("ENOTDIR");
      replaced.links--;
    }
    if (node.type === "directory") {
      this.#parent(from).links--;
      parent.links++;
    }
    const moved = [...this.#nodes].filter(([path]) => path === from || path.startsWith(`${from}/`));
    for (const [path] of moved) this.#nodes.delete(path);
    for (const [path, each] of moved) this.#nodes.set(to + path.slice(from.length), each);
  }

  #resize(path: string, size: number): void {
    const node = this.#get(path);
    const bytes = new Uint8Array(size);
    bytes.set(node.bytes.subarray(0, size));
    node.bytes = bytes;
  }

  #write(path: string, offset: number, bytes: Uint8Array): void {
    const node = this.#get(path);
    if (node.bytes.length < offset + bytes.length) this.#resize(path, offset + bytes.length);
    node.bytes.set(bytes, offset);
  }
}
