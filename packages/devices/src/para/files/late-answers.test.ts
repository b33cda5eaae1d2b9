/** What both devices do while a tree's contents are on their way. */
import { beforeEach, describe, expect, it } from "vitest";
import { FuseClient, pack } from "../../../test/files/fuse-client.js";
import { HeldContents, turn } from "../../../test/files/held-contents.js";
import { fields, NinePClient } from "../../../test/files/ninep-client.js";
import { Errno } from "../../backends/files/errno.js";
import { HEADER, Message } from "../9p/message.js";
import { Opcode, OUT_HEADER } from "../fs/fuse.js";
import { CommonFeature, featureBits } from "../virtio/device.js";
import type { TestBench } from "../virtio/test-device.js";

const PAGE = 4096;
const QUEUE_SIZE = 128;
const REQUESTS = 0x2_0000;
const ROOM = 2 * PAGE;

/** Requests at places of their own, so that many can wait. */
class Requests {
  readonly #bench: TestBench;
  #next = 0;

  constructor(bench: TestBench) {
    this.#bench = bench;
  }

  /** Sends one; where its answer will be. */
  send(message: Uint8Array, queue: number, room = ROOM): number {
    const { memory } = this.#bench;
    const at = REQUESTS + (this.#next++ % 90) * (PAGE + ROOM);
    memory.bytes.set(message, at);
    memory.bytes.fill(0xee, at + PAGE, at + PAGE + ROOM);
    this.#bench.drivers[queue]?.add(
      { address: memory.base + at, length: message.length },
      ...(room > 0 ? [{ address: memory.base + at + PAGE, length: room, write: true }] : []),
    );
    this.#bench.ring(queue);
    return at + PAGE;
  }

  /** Bytes written for each answer since the last time, in their order. */
  taken(queue: number): number[] {
    const written: number[] = [];
    for (let used = this.#bench.drivers[queue]?.take(); used; used = this.#bench.drivers[queue]?.take()) {
      written.push(used.written);
    }
    return written;
  }

  view(at: number): DataView {
    return new DataView(this.#bench.memory.bytes.buffer, at);
  }
}

let late: HeldContents;

beforeEach(() => {
  late = new HeldContents(["a", "b"], 16 * PAGE);
});

describe("virtio-fs, while contents are on their way", () => {
  let client: FuseClient;
  let requests: Requests;
  let node: number;
  const [HIPRIO, QUEUE] = [0, 1];

  beforeEach(async () => {
    client = new FuseClient({ tree: late.tree });
    await start();
  });

  async function start(): Promise<void> {
    // Without event index a driver is interrupted for everything.
    client.bench.start({ queueSize: QUEUE_SIZE, features: ~featureBits(CommonFeature.EventIndex) });
    requests = new Requests(client.bench);
    await client.init();
    node = await client.find("a");
  }

  /** Sends a READ of a page. */
  async function read(handle: number, page: number): Promise<{ readonly at: number; readonly unique: bigint }> {
    const body = pack([8, handle], [8, page * PAGE], [4, PAGE], [4, 0], [8, 0], [4, 0], [4, 0]);
    const message = client.message(Opcode.Read, node, body);
    const unique = new DataView(message.buffer).getBigUint64(8, true);
    return { at: requests.send(message, QUEUE), unique };
  }

  function interrupt(unique: bigint): void {
    requests.send(client.message(Opcode.Interrupt, 0, pack([8, Number(unique)])), HIPRIO, 0);
  }

  it("answers what arrives, in the order of its arrival, and other requests meanwhile", async () => {
    const handle = await client.open(node, 0);
    const [one, other] = [await read(handle, 1), await read(handle, 2)];
    expect((await client.stat("b")).size).toBe(16 * PAGE);
    await late.arrive(1);
    expect(requests.taken(QUEUE)).toEqual([OUT_HEADER + PAGE]);
    expect(requests.view(other.at).getBigUint64(8, true)).toBe(other.unique);
    expect(requests.view(other.at + OUT_HEADER).getUint8(PAGE - 1)).toBe(2);
    await late.arrive();
    expect(requests.view(one.at + OUT_HEADER).getUint8(0)).toBe(1);
  });

  it("interrupts the driver for what comes late", async () => {
    const handle = await client.open(node, 0);
    await read(handle, 1);
    client.bench.acknowledge();
    expect(client.bench.interrupt).toBe(false);
    await late.arrive();
    expect(client.bench.interrupt).toBe(true);
  });

  it("fails what fails, and what comes after it is served", async () => {
    const handle = await client.open(node, 0);
    const { at } = await read(handle, 1);
    await late.fail();
    expect([requests.taken(QUEUE), requests.view(at).getInt32(4, true)]).toEqual([[OUT_HEADER], -Errno.EIO]);
    await read(handle, 1);
    await late.arrive();
    expect(requests.taken(QUEUE)).toEqual([OUT_HEADER + PAGE]);
  });

  it("lets who is interrupted go with EINTR, and drops what arrives for it", async () => {
    const handle = await client.open(node, 0);
    const [one, other] = [await read(handle, 1), await read(handle, 2)];
    interrupt(one.unique);
    expect([requests.taken(HIPRIO), requests.taken(QUEUE)]).toEqual([[0], [OUT_HEADER]]);
    expect(requests.view(one.at).getInt32(4, true)).toBe(-Errno.EINTR);
    // Another request may have the chain by now.
    await read(handle, 3);
    await late.arrive();
    expect(requests.taken(QUEUE)).toEqual([]);
    expect(requests.view(one.at + OUT_HEADER).getUint8(0)).toBe(0xee);
    await late.arrive();
    await late.arrive();
    expect(requests.taken(QUEUE)).toEqual([OUT_HEADER + PAGE, OUT_HEADER + PAGE]);
    expect(requests.view(other.at + OUT_HEADER).getUint8(0)).toBe(2);
  });

  it("takes no harm from interrupts of what is not waiting", async () => {
    const handle = await client.open(node, 0);
    const { unique } = await read(handle, 1);
    await late.arrive();
    interrupt(unique);
    interrupt(999n);
    requests.send(client.message(Opcode.Interrupt, 0, new Uint8Array(4)), HIPRIO, 0);
    expect([requests.taken(HIPRIO), requests.taken(QUEUE)]).toEqual([[0, 0, 0], [OUT_HEADER + PAGE]]);
  });

  it("still answers what is read from a file that was released and forgotten meanwhile", async () => {
    const handle = await client.open(node, 0);
    const { at } = await read(handle, 5);
    await client.release(node, handle);
    requests.send(client.message(Opcode.Forget, node, pack([8, 1])), HIPRIO, 0);
    await late.arrive();
    expect(requests.view(at + OUT_HEADER).getUint8(0)).toBe(5);
  });

  it("writes nothing for a driver that has reset the device, and serves the next", async () => {
    const { at } = await read(await client.open(node, 0), 1);
    client.bench.write(0x70, 0);
    client.bench.memory.bytes.fill(0xee, at, at + ROOM);
    await start();
    await late.arrive();
    expect([requests.taken(QUEUE), requests.view(at).getUint8(0)]).toEqual([[], 0xee]);
    const again = await read(await client.open(node, 0), 2);
    await late.arrive();
    expect(requests.view(again.at + OUT_HEADER).getUint8(0)).toBe(2);
  });

  it("begins 64 reads of a queue at a time, the others when these are answered, and the other queue's meanwhile", async () => {
    const handle = await client.open(node, 0);
    for (let n = 0; n < 64; n++) await read(handle, n % 16);
    const { at } = await read(handle, 7);
    expect(late.waiting.length).toBe(64);
    requests.send(client.message(Opcode.Forget, 99, pack([8, 1])), HIPRIO, 0);
    expect(requests.taken(HIPRIO)).toEqual([0]);
    await late.arrive();
    expect(late.waiting.length).toBe(64);
    while (late.waiting.length > 0) await late.arrive();
    expect(requests.taken(QUEUE).length).toBe(65);
    expect(requests.view(at + OUT_HEADER).getUint8(0)).toBe(7);
  });

  it("begins no more than 256 however often it is reset, and goes on when the first of them comes", async () => {
    for (let n = 0; n < 4; n++) {
      await start();
      const handle = await client.open(node, 0);
      for (let m = 0; m < 64; m++) await read(handle, m % 16);
    }
    expect(late.waiting.length).toBe(256);
    const begun = start();
    await turn();
    expect(late.waiting.length).toBe(256);
    await late.arrive();
    await begun;
    await read(await client.open(node, 0), 1);
    expect(late.waiting.length).toBe(256);
    while (late.waiting.length > 0) await late.arrive();
    expect(requests.taken(QUEUE)).toEqual([OUT_HEADER + PAGE]);
  });

  it("is quiet when all that waits has come, and begins nothing until it is resumed", async () => {
    const { device } = client;
    const handle = await client.open(node, 0);
    await read(handle, 1);
    let isQuiet = false;
    const quiet = device.quiesce().then(() => {
      isQuiet = true;
    });
    await read(handle, 2);
    await turn();
    expect([isQuiet, late.waiting.length]).toEqual([false, 1]);
    await late.arrive();
    await quiet;
    device.resume();
    expect(late.waiting.length).toBe(1);
    await late.arrive();
  });
});

describe("9p, while contents are on their way", () => {
  let client: NinePClient;
  let requests: Requests;
  let fid: number;

  beforeEach(async () => {
    client = await NinePClient.mount({ tree: late.tree });
    requests = new Requests(client.bench);
    fid = await client.walk("a");
    await client.call(Message.LOpen, [4, fid], [4, 0]);
  });

  /** Sends a Tread of a page. */
  function read(page: number): { readonly at: number; readonly tag: number } {
    const message = client.message(Message.Read, [4, fid], [8, page * PAGE], [4, PAGE]);
    return { at: requests.send(message, 0), tag: new DataView(message.buffer).getUint16(5, true) };
  }

  const flush = (tag: number) => requests.send(client.message(Message.Flush, [2, tag]), 0);

  it("answers what arrives, in the order of its arrival, and other messages meanwhile", async () => {
    const [one, other] = [read(1), read(2)];
    expect((await client.stat("b")).size).toBe(16 * PAGE);
    await late.arrive(1);
    expect(requests.taken(0)).toEqual([HEADER + 4 + PAGE]);
    expect([requests.view(other.at).getUint16(5, true), requests.view(other.at + 11).getUint8(0)]).toEqual([
      other.tag,
      2,
    ]);
    await late.arrive();
    expect(requests.view(one.at + 11).getUint8(0)).toBe(1);
  });

  it("answers a flush of a read at once, and the read not at all", async () => {
    const { at, tag } = read(1);
    const flushed = flush(tag);
    expect(requests.taken(0)).toEqual([0, HEADER]);
    expect(requests.view(flushed).getUint8(4)).toBe(Message.Flush + 1);
    const next = read(2);
    await late.arrive();
    expect([requests.taken(0), requests.view(at + 11).getUint8(0)]).toEqual([[], 0xee]);
    await late.arrive();
    expect(requests.view(next.at + 11).getUint8(0)).toBe(2);
  });

  it("answers a flush of what may change something behind its answer", async () => {
    let answer: () => void = () => {};
    late.tree.root.remove = () => new Promise<void>((resolve) => (answer = resolve)) as unknown as undefined;
    const message = client.message(Message.UnlinkAt, [4, 0], "b", [4, 0]);
    const removed = requests.send(message, 0);
    const flushed = flush(new DataView(message.buffer).getUint16(5, true));
    expect(requests.taken(0)).toEqual([]);
    answer();
    await turn();
    expect(requests.taken(0)).toEqual([HEADER, HEADER]);
    expect([requests.view(removed).getUint8(4), requests.view(flushed).getUint8(4)]).toEqual([
      Message.UnlinkAt + 1,
      Message.Flush + 1,
    ]);
  });

  it("answers a flush of a lock that is waited for behind its answer, which is that it was not taken", async () => {
    const lock = (process: number) =>
      client.message(Message.Lock, [4, fid], [1, 1], [4, 1], [8, 0], [8, 0], [4, process], "guest");
    requests.send(lock(1), 0);
    const message = lock(2);
    const at = requests.send(message, 0);
    expect(requests.taken(0)).toEqual([HEADER + 1]);
    const flushed = flush(new DataView(message.buffer).getUint16(5, true));
    await turn();
    expect(requests.taken(0)).toEqual([HEADER + 1, HEADER]);
    expect([requests.view(at).getUint8(HEADER), requests.view(flushed).getUint8(4)]).toEqual([1, Message.Flush + 1]);
  });

  it("answers a flush of what is not waiting, and refuses one without a tag", async () => {
    flush(7777);
    requests.send(fields([4, HEADER], [1, Message.Flush], [2, 5]), 0);
    expect(requests.taken(0)).toEqual([HEADER, HEADER + 4]);
  });

  it("forgets what waits when a session begins anew, whose tags may be the same", async () => {
    const { at } = read(1);
    await client.call(Message.Version, [4, 8192], "9P2000.L").catch(() => {});
    await late.arrive();
    expect(requests.view(at + 11).getUint8(0)).toBe(0xee);
    expect(requests.taken(0).filter((written) => written === HEADER + 4 + PAGE)).toEqual([]);
  });

  it("still answers what is read under a fid that was clunked meanwhile", async () => {
    const { at } = read(3);
    await client.call(Message.Clunk, [4, fid]);
    await late.arrive();
    expect(requests.view(at + 11).getUint8(0)).toBe(3);
  });

  it("writes nothing for a driver that has reset the device", async () => {
    const { at } = read(1);
    client.bench.start();
    await late.arrive();
    expect([client.bench.drivers[0]?.take(), requests.view(at).getUint8(0)]).toEqual([undefined, 0xee]);
  });
});
