/** Links between switches over streams of bytes. */
import { describe, expect, it } from "vitest";
import { checksum } from "../nat/packet.js";
import { type ByteStream, FrameReader, streamLink, webSocketStream } from "./stream-link.js";
import { NetworkSwitch } from "./switch.js";

/** Both ends of a stream. */
function pipe() {
  const [there, back] = [new TransformStream<Uint8Array>(), new TransformStream<Uint8Array>()];
  return [
    { readable: back.readable, writable: there.writable },
    { readable: there.readable, writable: back.writable },
  ] as const;
}

function card(lan: NetworkSwitch, vlan = 1) {
  const frames: Uint8Array[] = [];
  const backend = lan.card({ vlan });
  backend.connect({ largestSegment: 1460, deliver: ([bytes]) => frames.push(bytes as Uint8Array) > 0 });
  return { backend, frames };
}

const frame = (to: number, from: number) => {
  const bytes = new Uint8Array(60).fill(9);
  bytes.set([0x52, 0x54, 0, 0, 0, to, 0x52, 0x54, 0, 0, 0, from, 0x88, 0xb5]);
  return bytes;
};
const framed = (bytes: Uint8Array) => Uint8Array.from([0, 0, 0, bytes.length, ...bytes]);

/** One end of two that are joined; opens a moment after it was made. */
class FakeSocket extends EventTarget {
  static readonly pair = () => {
    const [a, b] = [new FakeSocket(), new FakeSocket()];
    a.other = b;
    b.other = a;
    return [a, b] as const;
  };
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly url = "ws://fake";
  bufferedAmount = 0;
  binaryType = "blob";
  readyState = 0;
  other: FakeSocket | undefined;

  constructor() {
    super();
    setTimeout(() => {
      this.readyState = 1;
      this.dispatchEvent(new Event("open"));
    });
  }

  send(bytes: Uint8Array | string): void {
    const data = typeof bytes === "string" ? bytes : bytes.slice().buffer;
    setTimeout(() => this.other?.dispatchEvent(Object.assign(new Event("message"), { data })));
  }

  close(): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.dispatchEvent(new Event("close"));
    this.other?.close();
  }
}

describe("a link over a WebSocket", () => {
  async function linked() {
    const [one, two] = [new NetworkSwitch(), new NetworkSwitch()] as const;
    const sockets = FakeSocket.pair();
    const streams = await Promise.all(sockets.map((socket) => webSocketStream(socket as unknown as WebSocket)));
    const links = [streamLink(one, streams[0] as ByteStream), streamLink(two, streams[1] as ByteStream)] as const;
    return { a: card(one), b: card(two), sockets, links };
  }

  it("carries frames both ways", async () => {
    const { a, b } = await linked();
    a.backend.receive(frame(2, 1));
    await expect.poll(() => b.frames).toEqual([frame(2, 1)]);
    b.backend.receive(frame(1, 2));
    await expect.poll(() => a.frames).toEqual([frame(1, 2)]);
    expect(b.frames).toEqual([frame(2, 1)]);
  });

  it("ends at both ends when a peer sends text", async () => {
    const { sockets, links } = await linked();
    sockets[0].send("hello");
    expect(await Promise.all(links.map(({ closed }) => closed))).toEqual([undefined, undefined]);
  });

  it("is refused if the WebSocket does not open", async () => {
    const [socket] = FakeSocket.pair();
    const opening = webSocketStream(socket as unknown as WebSocket);
    socket.close();
    await expect(opening).rejects.toMatchObject({ code: "invalid-state" });
  });
});

describe("a link", () => {
  it("joins the VLANs of two switches", async () => {
    const [one, two] = [new NetworkSwitch(), new NetworkSwitch()] as const;
    const [left, right] = pipe();
    streamLink(one, left);
    streamLink(two, right);
    const [a, b, other] = [card(one, 10), card(two, 10), card(two, 20)] as const;
    a.backend.receive(frame(2, 1));
    await expect.poll(() => b.frames).toEqual([frame(2, 1)]);
    b.backend.receive(frame(1, 2));
    await expect.poll(() => a.frames).toEqual([frame(1, 2)]);
    expect([b.frames, other.frames]).toEqual([[frame(2, 1)], []]);
  });

  it("speaks of frames as QEMU does: their length, then they", async () => {
    const hub = new NetworkSwitch();
    const [left, right] = pipe();
    streamLink(hub, left);
    const a = card(hub);
    const writer = right.writable.getWriter();
    await writer.write(framed(frame(2, 1)));
    await expect.poll(() => a.frames).toEqual([frame(2, 1)]);
    a.backend.receive(frame(1, 2));
    const { value } = await right.readable.getReader().read();
    expect(value).toEqual(framed(frame(1, 2)));
  });

  it("carries frames whose checksums are done", async () => {
    const hub = new NetworkSwitch();
    const [left, right] = pipe();
    streamLink(hub, left);
    const a = card(hub);
    a.backend.receive(frame(2, 1), { checksumStart: 20, checksumOffset: 2, segmentSize: 0 });
    const { value } = await right.readable.getReader().read();
    expect(checksum((value as Uint8Array).subarray(4 + 20), 0x0909)).toBe(0); // the sum of the pseudo-header, which was there
  });

  it("puts frames together however the stream is cut", () => {
    const frames = [frame(2, 1), frame(3, 1), frame(4, 1)];
    const bytes = Uint8Array.from(frames.flatMap((each) => [...framed(each)]));
    for (const size of [1, 3, 64, 65, 1000]) {
      const reader = new FrameReader();
      const got: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size) got.push(...reader.push(bytes.slice(at, at + size)));
      expect(got).toEqual(frames);
    }
  });

  it.each([0, 65_554, 0xffff_ffff])(
    "is taken down by a peer that announces %s bytes, and counts it",
    async (length) => {
      const hub = new NetworkSwitch();
      const [left, right] = pipe();
      const link = streamLink(hub, left);
      const writer = right.writable.getWriter();
      const announced = new Uint8Array(4);
      new DataView(announced.buffer).setUint32(0, length);
      void writer.write(Uint8Array.from([...framed(frame(2, 1)), ...announced])).catch(() => {});
      expect(await link.closed).toMatchObject({ code: "invalid-state" });
      expect(hub.stats).toMatchObject({ flooded: 1, addresses: 0, dropped: { malformed: 1 } });
    },
  );

  it("keeps a bounded backlog for a peer that does not read", async () => {
    const hub = new NetworkSwitch();
    const [left] = pipe();
    streamLink(hub, left);
    const a = card(hub);
    for (let n = 0; n < 10_000; n++) a.backend.receive(frame(2, 1));
    await expect.poll(() => hub.stats.dropped.full).toBeGreaterThan(5000);
  });

  it("leaves the switch when its stream ends", async () => {
    const hub = new NetworkSwitch();
    const [left, right] = pipe();
    const link = streamLink(hub, left);
    const writer = right.writable.getWriter();
    await writer.write(framed(frame(2, 1)));
    await writer.close();
    expect(await link.closed).toBeUndefined();
    await expect.poll(() => hub.stats.addresses).toBe(0);
  });

  it("survives any garbage", async () => {
    let seed = 1;
    const random = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return seed >>> 16;
    };
    const hub = new NetworkSwitch();
    const a = card(hub);
    for (let n = 0; n < 200; n++) {
      const [left, right] = pipe();
      const link = streamLink(hub, left);
      const writer = right.writable.getWriter();
      const pieces = Array.from({ length: 1 + (random() % 5) }, () => {
        const bytes = Uint8Array.from({ length: random() % 200 }, () => random());
        return random() % 2 === 0 ? bytes : Uint8Array.from([0, 0, 0, bytes.length, ...bytes]);
      });
      for (const piece of pieces) void writer.write(piece).catch(() => {});
      void writer.close().catch(() => {});
      await link.closed;
    }
    await expect.poll(() => hub.stats.addresses).toBe(0);
    expect(a.frames.every(({ length }) => length >= 14 && length <= 1514)).toBe(true);
  });
});
