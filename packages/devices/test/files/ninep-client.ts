/** For tests: a client of 9P2000.L over virtio, over the test bench of virtio devices. */
import { bytesFromName } from "../../src/backends/files/names.js";
import type { FileStat } from "../../src/backends/files/tree.js";
import { Virtio9p, type Virtio9pOptions } from "../../src/para/9p/device.js";
import { HEADER, Message, MessageReader } from "../../src/para/9p/message.js";
import { decodeDevice } from "../../src/para/fs/fuse.js";
import { TestBench } from "../../src/para/virtio/test-device.js";
import { type FileClient, split } from "./client.js";
import { errnoName } from "./fuse-client.js";

const REQUEST = 0x8_0000;
const ANSWER = 0xb_0000;
const ROOM = 0x4_0000;
const ROOT = 0;
const NO_FID = 0xffff_ffff;

/** Fields of a message: numbers of so many bytes, strings with their lengths, and bytes as they are. */
export type Field = readonly [1 | 2 | 4 | 8, number] | string | Uint8Array;

export function fields(...all: readonly Field[]): Uint8Array {
  return Uint8Array.from(
    all.flatMap((field) => {
      if (field instanceof Uint8Array) return [...field];
      if (typeof field === "string") {
        const bytes = bytesFromName(field);
        return [bytes.length & 0xff, bytes.length >> 8, ...bytes];
      }
      const view = new DataView(new ArrayBuffer(8));
      view.setBigInt64(0, BigInt(field[1]), true);
      return [...new Uint8Array(view.buffer, 0, field[0])];
    }),
  );
}

export class NinePClient implements FileClient {
  readonly device: Virtio9p;
  readonly bench: TestBench;
  #nextFid = 1;
  #tag = 0;

  constructor(options: Omit<Virtio9pOptions, "tag">) {
    this.device = new Virtio9p({ tag: "tag", ...options });
    this.bench = new TestBench(this.device).start();
  }

  /** Agrees on a version, and attaches fid 0 as root. */
  static async mount(options: Omit<Virtio9pOptions, "tag">): Promise<NinePClient> {
    const client = new NinePClient(options);
    await client.call(Message.Version, [4, 0x4_0000], "9P2000.L");
    await client.call(Message.Attach, [4, ROOT], [4, NO_FID], "root", "", [4, 0]);
    return client;
  }

  /** Sends bytes as they are; the answer's type and what is behind its header, or undefined for none. */
  async send(
    message: Uint8Array,
    room = ROOM,
  ): Promise<{ readonly type: number; readonly body: DataView } | undefined> {
    const { memory } = this.bench;
    const driver = this.bench.drivers[0];
    memory.bytes.set(message, REQUEST);
    driver?.add(
      { address: memory.base + REQUEST, length: message.length },
      ...(room > 0 ? [{ address: memory.base + ANSWER, length: room, write: true }] : []),
    );
    this.bench.ring(0);
    for (;;) {
      const used = driver?.take();
      if (used !== undefined) {
        if (used.written === 0) return undefined;
        const view = new DataView(memory.bytes.buffer, ANSWER, used.written);
        if (view.getUint32(0, true) !== used.written) throw new Error("the header says another length");
        if (view.getUint16(5, true) !== (message[5] ?? 0) + 256 * (message[6] ?? 0)) throw new Error("another tag");
        const body = memory.bytes.slice(ANSWER + HEADER, ANSWER + used.written);
        return { type: view.getUint8(4), body: new DataView(body.buffer) };
      }
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  message(type: number, ...all: readonly Field[]): Uint8Array {
    const body = fields(...all);
    this.#tag = (this.#tag + 1) & 0x7fff;
    return fields([4, HEADER + body.length], [1, type], [2, this.#tag], body);
  }

  /** The fields of an answer. Rejects with the name of its error. */
  async call(type: number, ...all: readonly Field[]): Promise<MessageReader> {
    const answer = await this.send(this.message(type, ...all));
    if (answer === undefined) throw new Error("no answer");
    const reader = new MessageReader(answer.body, 0, answer.body.byteLength);
    if (answer.type === Message.LError + 1) throw new Error(errnoName(reader.u32()));
    if (answer.type !== type + 1) throw new Error(`answered by ${answer.type}`);
    return reader;
  }

  /** A new fid for a path. Rejects with ENOENT where only a part of it is there. */
  async walk(path: string, from = ROOT): Promise<number> {
    const names = path.split("/").filter((part) => part !== "");
    const fid = this.#nextFid++;
    const answer = await this.call(Message.Walk, [4, from], [4, fid], [2, names.length], ...names);
    const walked = answer.u16();
    if (walked === names.length) return fid;
    const kinds = Array.from({ length: walked }, () => {
      const kind = answer.u8();
      answer.u32();
      answer.u64();
      return kind;
    });
    throw new Error(kinds.at(-1) === 0x80 ? "ENOENT" : "ENOTDIR");
  }

  async with<T>(path: string, act: (fid: number) => Promise<T>): Promise<T> {
    const fid = await this.walk(path);
    try {
      return await act(fid);
    } finally {
      await this.call(Message.Clunk, [4, fid]);
    }
  }

  stat(path: string): Promise<FileStat> {
    return this.with(path, (fid) => this.statOf(fid));
  }

  async statOf(fid: number): Promise<FileStat> {
    const answer = await this.call(Message.GetAttr, [4, fid], [8, 0x7ff]);
    answer.u64();
    answer.u8();
    answer.u32();
    const ino = answer.u64();
    const [mode, uid, gid, links] = [answer.u32(), answer.u32(), answer.u32(), answer.u64()];
    const device = decodeDevice(answer.u64());
    const size = answer.u64();
    answer.u64();
    const blocks = answer.u64();
    const time = () => ({ seconds: answer.i64(), nanoseconds: answer.u64() });
    return { ino, mode, uid, gid, links, ...device, size, blocks, atime: time(), mtime: time(), ctime: time() };
  }

  async list(path: string): Promise<string[]> {
    return (await this.entries(path)).filter((name) => name !== "." && name !== "..");
  }

  entries(path: string, room = 4000): Promise<string[]> {
    return this.with(path, async (fid) => {
      await this.call(Message.LOpen, [4, fid], [4, 0]);
      const names: string[] = [];
      for (let offset = 0; ; ) {
        const answer = await this.call(Message.ReadDir, [4, fid], [8, offset], [4, room]);
        if (answer.u32() === 0) return names;
        while (answer.hasMore) {
          answer.u8();
          answer.u32();
          answer.u64();
          offset = answer.u64();
          answer.u8();
          names.push(answer.string());
        }
      }
    });
  }

  async makeFile(path: string, mode: number): Promise<void> {
    await this.#in(path, (fid, name) => this.call(Message.LCreate, [4, fid], name, [4, 0o301], [4, mode], [4, 0]));
  }

  async makeDirectory(path: string, mode: number): Promise<void> {
    await this.#in(path, (fid, name) => this.call(Message.MkDir, [4, fid], name, [4, mode], [4, 0]));
  }

  async makeLink(path: string, target: string): Promise<void> {
    await this.#in(path, (fid, name) => this.call(Message.SymLink, [4, fid], name, target, [4, 0]));
  }

  readLink(path: string): Promise<string> {
    return this.with(path, async (fid) => (await this.call(Message.ReadLink, [4, fid])).string());
  }

  async link(path: string, existing: string): Promise<void> {
    await this.with(existing, (node) =>
      this.#in(path, (fid, name) => this.call(Message.Link, [4, fid], [4, node], name)),
    );
  }

  async remove(path: string, kind: "directory" | "other"): Promise<void> {
    const flags = kind === "directory" ? 0x200 : 0;
    await this.#in(path, (fid, name) => this.call(Message.UnlinkAt, [4, fid], name, [4, flags]));
  }

  async rename(path: string, to: string): Promise<void> {
    await this.#in(to, (newFid, newName) =>
      this.#in(path, (fid, name) => this.call(Message.RenameAt, [4, fid], name, [4, newFid], newName)),
    );
  }

  read(path: string, offset: number, length: number): Promise<Uint8Array> {
    return this.with(path, async (fid) => {
      await this.call(Message.LOpen, [4, fid], [4, 0]);
      const answer = await this.call(Message.Read, [4, fid], [8, offset], [4, length]);
      return Uint8Array.from({ length: answer.u32() }, () => answer.u8());
    });
  }

  write(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    return this.with(path, async (fid) => {
      await this.call(Message.LOpen, [4, fid], [4, 1]);
      const written = (await this.call(Message.Write, [4, fid], [8, offset], [4, bytes.length], bytes)).u32();
      if (written !== bytes.length) throw new Error(`wrote ${written} bytes of ${bytes.length}`);
    });
  }

  async truncate(path: string, size: number): Promise<void> {
    await this.#setAttr(path, 8, { size });
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.#setAttr(path, 1, { mode });
  }

  async setTimes(path: string, atime: number, mtime: number): Promise<void> {
    await this.#setAttr(path, 0x10 | 0x20 | 0x80 | 0x100, { atime, mtime });
  }

  async #setAttr(path: string, valid: number, to: { size?: number; mode?: number; atime?: number; mtime?: number }) {
    const { size = 0, mode = 0, atime = 0, mtime = 0 } = to;
    const times = [
      [8, atime],
      [8, 0],
      [8, mtime],
      [8, 0],
    ] as const; // prettier-ignore
    await this.with(path, (fid) =>
      this.call(Message.SetAttr, [4, fid], [4, valid], [4, mode], [4, 0], [4, 0], [8, size], ...times),
    );
  }

  #in<T>(path: string, act: (directory: number, name: string) => Promise<T>): Promise<T> {
    const [directory, name] = split(path);
    return this.with(directory, (fid) => act(fid, name));
  }
}
