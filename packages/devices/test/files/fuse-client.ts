/** For tests: a kernel's side of virtio-fs, over the test bench of virtio devices. */
import { Errno } from "../../src/backends/files/errno.js";
import { bytesFromName, nameFromBytes } from "../../src/backends/files/names.js";
import type { FileStat } from "../../src/backends/files/tree.js";
import { VirtioFs, type VirtioFsOptions } from "../../src/para/fs/device.js";
import { decodeDevice, IN_HEADER, Opcode, OUT_HEADER, read64, readSigned64, write64 } from "../../src/para/fs/fuse.js";
import { TestBench } from "../../src/para/virtio/test-device.js";
import { type FileClient, split } from "./client.js";

const REQUEST = 0x8_0000;
const ANSWER = 0xa_0000;
const ROOM = 0x4_0000;
/** Requests. */
const QUEUE = 1;

export function errnoName(errno: number): string {
  return Object.entries(Errno).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`;
}

/** Fields of a structure, each of so many bytes, and strings with their NULs. */
export function pack(...fields: readonly (readonly [4 | 8, number] | string | Uint8Array)[]): Uint8Array {
  const parts = fields.map((field) => {
    if (field instanceof Uint8Array) return field;
    if (typeof field === "string") return Uint8Array.of(...bytesFromName(field), 0);
    const view = new DataView(new ArrayBuffer(field[0]));
    if (field[0] === 8) write64(view, 0, field[1]);
    else view.setUint32(0, field[1], true);
    return new Uint8Array(view.buffer);
  });
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export class FuseClient implements FileClient {
  readonly bench: TestBench;
  readonly device: VirtioFs;
  #unique = 1;
  #isOpenless = false;

  constructor(options: Omit<VirtioFsOptions, "tag">, bench?: TestBench) {
    this.device = new VirtioFs({ tag: "tag", ...options });
    this.bench = bench ?? new TestBench(this.device).start();
  }

  /** Mounts it. */
  static async mount(options: Omit<VirtioFsOptions, "tag">): Promise<FuseClient> {
    const client = new FuseClient(options);
    await client.init();
    const body = pack([4, 0], [4, 0]);
    const probe = await client.send(client.message(Opcode.Open, 1, body));
    client.#isOpenless = probe?.error === Errno.ENOSYS;
    return client;
  }

  init(flags = 0xffff_ffff): Promise<DataView> {
    return this.call(Opcode.Init, 0, pack([4, 7], [4, 41], [4, 0x10000], [4, flags], new Uint8Array(48)));
  }

  /** Sends a request as it is; the answer's error, and what is behind its header; undefined for none. */
  async send(
    message: Uint8Array,
    { room = ROOM, queue = QUEUE }: { readonly room?: number; readonly queue?: number } = {},
  ): Promise<{ readonly error: number; readonly body: DataView } | undefined> {
    const { memory } = this.bench;
    const driver = this.bench.drivers[queue];
    if (driver === undefined) throw new Error("no such queue");
    memory.bytes.set(message, REQUEST);
    memory.bytes.fill(0xee, ANSWER, ANSWER + ROOM);
    driver.add(
      { address: memory.base + REQUEST, length: message.length },
      ...(room > 0 ? [{ address: memory.base + ANSWER, length: room, write: true }] : []),
    );
    this.bench.ring(queue);
    for (;;) {
      const used = driver.take();
      if (used !== undefined) {
        if (used.written === 0) return undefined;
        const header = new DataView(memory.bytes.buffer, ANSWER, OUT_HEADER);
        if (header.getUint32(0, true) !== used.written) throw new Error("the header says another length");
        const body = memory.bytes.slice(ANSWER + OUT_HEADER, ANSWER + used.written);
        return { error: Math.abs(header.getInt32(4, true)), body: new DataView(body.buffer) };
      }
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  /** A request of the root user's; the body of its answer. Rejects with the name of its error. */
  async call(opcode: number, node: number, body: Uint8Array = new Uint8Array(), room = ROOM): Promise<DataView> {
    const message = this.message(opcode, node, body);
    const answer = await this.send(message, { room });
    if (answer === undefined) throw new Error("no answer");
    if (answer.error !== 0) throw new Error(errnoName(answer.error));
    return answer.body;
  }

  message(opcode: number, node: number, body: Uint8Array, user = { uid: 0, gid: 0 }): Uint8Array {
    const header = pack(
      [4, IN_HEADER + body.length],
      [4, opcode],
      [8, this.#unique++],
      [8, node],
      [4, user.uid],
      [4, user.gid],
      [4, 1],
      [4, 0],
    );
    return Uint8Array.of(...header, ...body);
  }

  /** The number of a node, from the root on. */
  async find(path: string): Promise<number> {
    let node = 1;
    for (const name of path.split("/").filter((part) => part !== "")) node = await this.lookup(node, name);
    return node;
  }

  async lookup(directory: number, name: string): Promise<number> {
    const id = read64(await this.call(Opcode.Lookup, directory, pack(name)), 0);
    if (id === 0) throw new Error("ENOENT");
    return id;
  }

  async stat(path: string): Promise<FileStat> {
    return attrOf(await this.call(Opcode.GetAttr, await this.find(path), pack([4, 0], [4, 0], [8, 0])), 16);
  }

  async list(path: string): Promise<string[]> {
    return (await this.entries(path)).map(({ name }) => name).filter((name) => name !== "." && name !== "..");
  }

  async entries(path: string, room = 4096): Promise<{ name: string; ino: number; type: number }[]> {
    const node = await this.find(path);
    const handle = read64(await this.call(Opcode.OpenDir, node, pack([4, 0], [4, 0])), 0);
    const entries: { name: string; ino: number; type: number }[] = [];
    for (let cookie = 0; ; ) {
      const body = pack([8, handle], [8, cookie], [4, room], [4, 0], [8, 0], [4, 0], [4, 0]);
      const answer = await this.call(Opcode.ReadDir, node, body);
      if (answer.byteLength === 0) break;
      for (let at = 0; at < answer.byteLength; ) {
        const length = answer.getUint32(at + 16, true);
        const name = nameFromBytes(new Uint8Array(answer.buffer, at + 24, length));
        entries.push({ name, ino: read64(answer, at), type: answer.getUint32(at + 20, true) });
        cookie = read64(answer, at + 8);
        at += (24 + length + 7) & ~7;
      }
    }
    await this.call(Opcode.ReleaseDir, node, pack([8, handle], [4, 0], [4, 0], [8, 0]));
    return entries;
  }

  async makeFile(path: string, mode: number): Promise<void> {
    const [directory, name] = split(path);
    await this.call(Opcode.MkNod, await this.find(directory), pack([4, 0o100000 | mode], [4, 0], [4, 0], [4, 0], name));
  }

  async makeDirectory(path: string, mode: number): Promise<void> {
    const [directory, name] = split(path);
    await this.call(Opcode.MkDir, await this.find(directory), pack([4, mode], [4, 0], name));
  }

  async makeLink(path: string, target: string): Promise<void> {
    const [directory, name] = split(path);
    await this.call(Opcode.SymLink, await this.find(directory), pack(name, target));
  }

  async readLink(path: string): Promise<string> {
    const answer = await this.call(Opcode.ReadLink, await this.find(path));
    return nameFromBytes(new Uint8Array(answer.buffer));
  }

  async link(path: string, existing: string): Promise<void> {
    const [directory, name] = split(path);
    const node = await this.find(existing);
    await this.call(Opcode.Link, await this.find(directory), pack([8, node], name));
  }

  async remove(path: string, kind: "directory" | "other"): Promise<void> {
    const [directory, name] = split(path);
    await this.call(kind === "directory" ? Opcode.RmDir : Opcode.Unlink, await this.find(directory), pack(name));
  }

  async rename(path: string, to: string): Promise<void> {
    const [[directory, name], [newDirectory, newName]] = [split(path), split(to)];
    const target = await this.find(newDirectory);
    await this.call(Opcode.Rename, await this.find(directory), pack([8, target], name, newName));
  }

  async read(path: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#withFile(path, 0, (node, handle) => this.readOpen(node, handle, offset, length));
  }

  async readOpen(node: number, handle: number, offset: number, length: number): Promise<Uint8Array> {
    const body = pack([8, handle], [8, offset], [4, length], [4, 0], [8, 0], [4, 0], [4, 0]);
    return new Uint8Array((await this.call(Opcode.Read, node, body)).buffer);
  }

  async write(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    await this.#withFile(path, 1, (node, handle) => this.writeOpen(node, handle, offset, bytes));
  }

  async writeOpen(node: number, handle: number, offset: number, bytes: Uint8Array): Promise<void> {
    const body = pack([8, handle], [8, offset], [4, bytes.length], [4, 0], [8, 0], [4, 0], [4, 0], bytes);
    const written = (await this.call(Opcode.Write, node, body)).getUint32(0, true);
    if (written !== bytes.length) throw new Error(`wrote ${written} bytes of ${bytes.length}`);
  }

  async release(node: number, handle: number): Promise<void> {
    if (handle === 0) return;
    await this.call(Opcode.Release, node, pack([8, handle], [4, 0], [4, 0], [8, 0]));
  }

  async truncate(path: string, size: number): Promise<void> {
    await this.setAttr(path, 1 << 3, { size });
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.setAttr(path, 1, { mode });
  }

  async setTimes(path: string, atime: number, mtime: number): Promise<void> {
    await this.setAttr(path, (1 << 4) | (1 << 5), { atime, mtime });
  }

  async setAttr(path: string, valid: number, to: { size?: number; mode?: number; atime?: number; mtime?: number }) {
    const times = [8, 8, 8].map((size, n) => [size, [to.atime, to.mtime, 0][n] ?? 0] as [8, number]);
    const body = pack(
      ...([[4, valid], [4, 0], [8, 0], [8, to.size ?? 0], [8, 0], ...times] as const),
      ...([
        [4, 0],
        [4, 0],
        [4, 0],
        [4, to.mode ?? 0],
        [4, 0],
        [4, 0],
        [4, 0],
        [4, 0],
      ] as const),
    );
    return this.call(Opcode.SetAttr, await this.find(path), body);
  }

  /** A file's handle; 0 where files are not opened. */
  async open(node: number, flags: number): Promise<number> {
    if (this.#isOpenless) return 0;
    return read64(await this.call(Opcode.Open, node, pack([4, flags], [4, 0])), 0);
  }

  async #withFile<T>(path: string, flags: number, act: (node: number, handle: number) => Promise<T>): Promise<T> {
    const node = await this.find(path);
    const handle = await this.open(node, flags);
    try {
      return await act(node, handle);
    } finally {
      await this.release(node, handle);
    }
  }
}

/** `struct fuse_attr` at a place. */
export function attrOf(view: DataView, at: number): FileStat {
  const word = (offset: number) => view.getUint32(at + offset, true);
  const time = (n: number) => ({ seconds: readSigned64(view, at + 24 + 8 * n), nanoseconds: word(48 + 4 * n) });
  return {
    ino: read64(view, at),
    size: read64(view, at + 8),
    blocks: read64(view, at + 16),
    atime: time(0),
    mtime: time(1),
    ctime: time(2),
    mode: word(60),
    links: word(64),
    uid: word(68),
    gid: word(72),
    ...decodeDevice(word(76)),
  };
}
