/** A switch: where frames go, what they look like there, and what does not get through. */
import type { FrameOffload, NetworkBackend } from "@hartvisor/core";
import { beforeEach, describe, expect, it } from "vitest";
import { checksum, viewOf } from "../nat/packet.js";
import type { PortVlans } from "./port.js";
import { AGEING_MS, MAX_ADDRESSES_PER_PORT, MAX_PORTS, NetworkSwitch } from "./switch.js";

const BROADCAST = 0xffff_ffff_ffff;
const [A, B, C] = [0x5254_0000_0001, 0x5254_0000_0002, 0x5254_0000_0003] as const;

/** A frame of 60 bytes; `tag` is the whole of a tag's second half. */
function frame(
  to: number,
  from: number,
  { tag, fill = 7, length = 60 }: { tag?: number; fill?: number; length?: number } = {},
) {
  const bytes = new Uint8Array(tag === undefined ? length : length + 4).fill(fill);
  const view = viewOf(bytes);
  for (const [at, address] of [to, from].entries()) {
    view.setUint16(at * 6, Math.floor(address / 2 ** 32));
    view.setUint32(at * 6 + 2, address % 2 ** 32);
  }
  if (tag !== undefined) view.setUint32(12, 0x81000000 + tag);
  view.setUint16(tag === undefined ? 12 : 16, 0x88b5); // for experiments
  return bytes;
}

interface Received {
  readonly bytes: Uint8Array;
  readonly offload: FrameOffload | undefined;
}

/** A card on a port, and what it got. */
class Card {
  readonly received: Received[] = [];
  readonly backend: NetworkBackend;
  hasRoom = true;

  constructor(lan: NetworkSwitch, vlans: PortVlans = {}, largestSegment = 1460) {
    this.backend = lan.card(vlans);
    this.backend.connect({
      largestSegment,
      deliver: (parts, offload) => {
        if (!this.hasRoom) return false;
        this.received.push({ bytes: Uint8Array.from(parts.flatMap((part) => [...part])), offload });
        return true;
      },
    });
  }

  send(bytes: Uint8Array, offload?: FrameOffload): void {
    this.backend.receive(bytes, offload);
    this.backend.flush();
  }

  /** The frames that came since the last look. */
  get frames(): Uint8Array[] {
    return this.received.splice(0).map(({ bytes }) => bytes);
  }
}

let lan: NetworkSwitch;
let now: number;
beforeEach(() => {
  now = 0;
  lan = new NetworkSwitch({ now: () => now });
});

describe("a switch", () => {
  it("sends what is for all to every other port", () => {
    const [a, b, c] = [new Card(lan), new Card(lan), new Card(lan)] as const;
    a.send(frame(BROADCAST, A));
    expect([a.frames.length, b.frames, c.frames]).toEqual([0, [frame(BROADCAST, A)], [frame(BROADCAST, A)]]);
  });

  it("sends a frame to the port where its address was seen, and to all others before", () => {
    const [a, b, c] = [new Card(lan), new Card(lan), new Card(lan)] as const;
    a.send(frame(B, A));
    expect([b.frames.length, c.frames.length]).toEqual([1, 1]);
    b.send(frame(A, B));
    expect([a.frames.length, c.frames.length]).toEqual([1, 0]);
    a.send(frame(B, A));
    expect([b.frames.length, c.frames.length]).toEqual([1, 0]);
    expect(lan.stats).toMatchObject({ forwarded: 2, flooded: 1, addresses: 2 });
  });

  it("follows an address that moves", () => {
    const [a, b, c] = [new Card(lan), new Card(lan), new Card(lan)] as const;
    b.send(frame(BROADCAST, B));
    c.send(frame(BROADCAST, B));
    b.frames;
    c.frames;
    a.send(frame(B, A));
    expect([b.frames.length, c.frames.length]).toEqual([0, 1]);
  });

  it("forgets an address that was not seen for five minutes", () => {
    const [a, b, c] = [new Card(lan), new Card(lan), new Card(lan)] as const;
    b.send(frame(BROADCAST, B));
    c.frames;
    now = AGEING_MS + 1;
    a.send(frame(B, A));
    expect([b.frames.length, c.frames.length]).toEqual([1, 1]);
  });

  it("does not send a frame back to the port that it came from", () => {
    const [a, b] = [new Card(lan), new Card(lan)] as const;
    a.send(frame(BROADCAST, A));
    b.frames;
    a.send(frame(A, C));
    expect([a.frames.length, b.frames.length]).toEqual([0, 0]);
  });

  it("keeps the addresses of others when one port floods it with its own", () => {
    const [a, b, c] = [new Card(lan), new Card(lan), new Card(lan)] as const;
    b.send(frame(BROADCAST, B));
    for (let n = 0; n < 3 * MAX_ADDRESSES_PER_PORT; n++) a.send(frame(BROADCAST, 0x5256_0000_0000 + n));
    expect(lan.stats.addresses).toBe(MAX_ADDRESSES_PER_PORT + 1);
    c.frames;
    a.send(frame(B, A));
    expect(c.frames.length).toBe(0);
  });

  it("forgets a port that is pulled out", () => {
    const [a, b, c] = [new Card(lan), new Card(lan), new Card(lan)] as const;
    b.send(frame(BROADCAST, B));
    b.backend.close();
    c.frames;
    a.send(frame(B, A));
    expect([b.frames.length, c.frames.length, lan.stats.addresses]).toEqual([1 - 1, 1, 1]);
  });

  it.each([
    ["that is too short", new Uint8Array(13), "malformed"],
    ["that is too long", new Uint8Array(70_000), "malformed"],
    ["whose tag is cut off", frame(B, A, { tag: 1 }).slice(0, 15), "malformed"],
    ["from a group's address", frame(B, BROADCAST), "address"],
    ["from nobody", frame(B, 0), "address"],
    ["to the switch itself", frame(0x0180_c200_0000, A), "address"],
    ["with a tag, at an access port", frame(B, A, { tag: 5 }), "vlan"],
  ] as const)("drops a frame %s, and counts it", (_, bytes, reason) => {
    const [a, b] = [new Card(lan), new Card(lan)] as const;
    a.send(bytes);
    expect(b.frames.length).toBe(0);
    expect(lan.stats.dropped).toEqual({ malformed: 0, vlan: 0, address: 0, full: 0, [reason]: 1 });
  });

  it("has a bounded number of ports", () => {
    for (let n = 0; n < MAX_PORTS; n++) lan.card();
    expect(() => lan.card()).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  });
});

describe("VLANs", () => {
  it("keep access ports of different ones apart", () => {
    const [a, b, c] = [new Card(lan, { vlan: 10 }), new Card(lan, { vlan: 10 }), new Card(lan, { vlan: 20 })] as const;
    a.send(frame(BROADCAST, A));
    expect([b.frames.length, c.frames.length]).toEqual([1, 0]);
  });

  it("have address tables of their own", () => {
    const [a, b] = [new Card(lan, { vlan: 10 }), new Card(lan, { vlan: 20 })] as const;
    const [c, d] = [new Card(lan, { vlan: 10 }), new Card(lan, { vlan: 20 })] as const;
    a.send(frame(BROADCAST, A));
    b.send(frame(BROADCAST, A));
    [c.frames, d.frames];
    c.send(frame(A, C));
    d.send(frame(A, C));
    expect([a.frames.length, b.frames.length]).toEqual([1, 1]);
  });

  it("go through a trunk with tags, which access ports take off and put on", () => {
    const [access, trunk] = [new Card(lan, { vlan: 10 }), new Card(lan, { trunk: [10, 20] })] as const;
    access.send(frame(B, A));
    expect(trunk.frames).toEqual([frame(B, A, { tag: 10 })]);
    trunk.send(frame(A, B, { tag: 10 }));
    expect(access.frames).toEqual([frame(A, B)]);
  });

  it("keep the priority of a tag", () => {
    const [a, b] = [new Card(lan, { trunk: "all" }), new Card(lan, { trunk: "all" })] as const;
    a.send(frame(B, A, { tag: 0xa000 + 30 }));
    expect(b.frames).toEqual([frame(B, A, { tag: 0xa000 + 30 })]);
  });

  it("go through a trunk without tags if they are its native one", () => {
    const [access, trunk] = [new Card(lan, { vlan: 10 }), new Card(lan, { trunk: "all", native: 10 })] as const;
    access.send(frame(B, A));
    expect(trunk.frames).toEqual([frame(B, A)]);
    trunk.send(frame(A, B));
    expect(access.frames).toEqual([frame(A, B)]);
  });

  it("take a tag without VLAN for none", () => {
    const [a, b] = [new Card(lan, { vlan: 10 }), new Card(lan, { vlan: 10 })] as const;
    a.send(frame(B, A, { tag: 0xe000 }));
    expect(b.frames).toEqual([frame(B, A)]);
  });

  it.each([
    ["another VLAN's tag", frame(B, A, { tag: 30 })],
    ["no tag, without a native VLAN", frame(B, A)],
    ["the reserved VLAN", frame(B, A, { tag: 4095 })],
  ])("do not let a trunk send %s", (_, bytes) => {
    const [trunk, all] = [new Card(lan, { trunk: [10, 20] }), new Card(lan, { trunk: "all", native: 1 })] as const;
    trunk.send(bytes);
    expect([all.frames.length, lan.stats.dropped.vlan]).toEqual([0, 1]);
  });

  it.each([0, 4095, 1.5, -1])("have no number %s", (vlan) => {
    expect(() => lan.card({ vlan })).toThrow(expect.objectContaining({ code: "invalid-argument" }));
    expect(() => lan.card({ trunk: [vlan] })).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  });
});

describe("a card without room", () => {
  it("gets its frames in order when it has some again", () => {
    const [a, b] = [new Card(lan), new Card(lan)] as const;
    b.hasRoom = false;
    for (const fill of [1, 2, 3]) a.send(frame(B, A, { fill }));
    expect(b.frames).toEqual([]);
    b.hasRoom = true;
    b.backend.ready();
    expect(b.frames.map((bytes) => bytes[20])).toEqual([1, 2, 3]);
  });

  it("loses what is more than its queue holds", () => {
    const [a, b] = [new Card(lan), new Card(lan)] as const;
    b.hasRoom = false;
    for (let n = 0; n < 600; n++) a.send(frame(B, A));
    expect(lan.stats.dropped.full).toBe(600 - 512);
  });

  it("makes a network wait for it", () => {
    const sent: boolean[] = [];
    let ready = 0;
    let deliver: (bytes: Uint8Array) => boolean = () => false;
    lan.plug({
      connect: (card) => {
        deliver = (bytes) => card?.deliver([bytes]) ?? false;
      },
      receive: () => {},
      flush: () => {},
      ready: () => ready++,
      close: async () => {},
    });
    const card = new Card(lan);
    card.send(frame(BROADCAST, B));
    card.hasRoom = false;
    for (let n = 0; n < 514; n++) sent.push(deliver(frame(B, A)));
    expect(sent.filter(Boolean).length).toBe(512);
    expect([ready, lan.stats.dropped.full]).toEqual([0, 0]);
    card.hasRoom = true;
    card.backend.ready();
    expect(ready).toBe(1);
    expect(deliver(frame(B, A))).toBe(true);
  });
});

describe("what a card left to do", () => {
  const ETHERNET = 14;
  const TCP = ETHERNET + 20;
  /** A segment from A to B whose checksum holds the sum of the pseudo-header. */
  function tcpFrame(payload: number): Uint8Array {
    const bytes = frame(B, A, { length: TCP + 20 + payload });
    const view = viewOf(bytes);
    bytes.fill(0, ETHERNET, TCP + 20);
    for (let n = 0; n < payload; n++) bytes[TCP + 20 + n] = n;
    view.setUint16(12, 0x0800);
    view.setUint16(ETHERNET, 0x4500);
    view.setUint16(ETHERNET + 2, bytes.length - ETHERNET);
    view.setUint8(ETHERNET + 8, 64);
    view.setUint8(ETHERNET + 9, 6);
    view.setUint32(ETHERNET + 12, 0x0a00020f);
    view.setUint32(ETHERNET + 16, 0x0a000210);
    view.setUint32(TCP + 4, 0xffff_fff0);
    view.setUint8(TCP + 12, 0x50);
    view.setUint8(TCP + 13, 0x99); // CWR, ACK, PSH, FIN
    view.setUint16(TCP + 16, pseudo(bytes));
    return bytes;
  }
  const pseudo = (bytes: Uint8Array) => {
    const sum = checksum(bytes.subarray(ETHERNET + 12, TCP), 6 + bytes.length - TCP);
    return ~sum & 0xffff;
  };
  const offload = (segmentSize: number): FrameOffload => ({ checksumStart: TCP, checksumOffset: 16, segmentSize });
  const isRight = (bytes: Uint8Array) => checksum(bytes.subarray(TCP), pseudo(bytes)) === 0;

  it("goes along to a card that does it itself", () => {
    const [a, b] = [new Card(lan), new Card(lan, {}, 65000)] as const;
    a.send(tcpFrame(5000), offload(1460));
    expect(b.received).toEqual([{ bytes: tcpFrame(5000), offload: offload(1460) }]);
  });

  it("is done for a card that cannot cut segments", () => {
    const [a, b] = [new Card(lan), new Card(lan, {}, 1460)] as const;
    a.send(tcpFrame(5000), offload(1460));
    const frames = b.frames;
    expect(frames.map(({ length }) => length - TCP - 20)).toEqual([1460, 1460, 1460, 620]);
    expect(frames.every(isRight)).toBe(true);
    expect(frames.every((bytes) => checksum(bytes.subarray(ETHERNET, TCP)) === 0)).toBe(true);
    expect(frames.map((bytes) => viewOf(bytes).getUint32(TCP + 4))).toEqual([0xffff_fff0, 1444, 2904, 4364]);
    expect(frames.map((bytes) => bytes[TCP + 13])).toEqual([0x90, 0x10, 0x10, 0x19]);
    expect(frames.flatMap((bytes) => [...bytes.subarray(TCP + 20)])).toEqual([...tcpFrame(5000).subarray(TCP + 20)]);
  });

  it("is done for a trunk, and for frames from one", () => {
    const [a, b] = [new Card(lan, { vlan: 10 }), new Card(lan, { trunk: [10] }, 65000)] as const;
    a.send(tcpFrame(100), offload(0));
    const [tagged] = b.frames;
    expect(viewOf(tagged as Uint8Array).getUint32(12)).toBe(0x8100_000a);
    const untagged = Uint8Array.from([
      ...(tagged as Uint8Array).subarray(0, 12),
      ...(tagged as Uint8Array).subarray(16),
    ]);
    expect(isRight(untagged)).toBe(true);
  });

  it("follows the frame when its tag is taken off", () => {
    const [a, b] = [new Card(lan, { vlan: 10 }, 65000), new Card(lan, { trunk: [10] })] as const;
    const bytes = tcpFrame(5000);
    const tagged = Uint8Array.from([...bytes.subarray(0, 12), 0x81, 0, 0, 10, ...bytes.subarray(12)]);
    b.send(tagged, { ...offload(1460), checksumStart: TCP + 4 });
    expect(a.received).toEqual([{ bytes, offload: offload(1460) }]);
  });

  it("does not make a frame of any length pass", () => {
    const [a, b] = [new Card(lan), new Card(lan, {}, 65000)] as const;
    a.send(frame(B, A, { length: 3000 }), { checksumStart: TCP, checksumOffset: 16, segmentSize: 0 });
    expect([b.frames.length, lan.stats.dropped.malformed]).toEqual([0, 1]);
  });

  it.each([
    ["lies outside of the frame", { checksumStart: 6000, checksumOffset: 0, segmentSize: 0 }],
    ["is to be cut into more pieces than are worth it", { checksumStart: TCP, checksumOffset: 16, segmentSize: 1 }],
  ])("makes the frame malformed if it %s", (_, wrong) => {
    const [a, b] = [new Card(lan), new Card(lan)] as const;
    a.send(tcpFrame(5000), wrong);
    expect([b.frames.length, lan.stats.dropped.malformed]).toEqual([0, 1]);
  });

  it("makes what is to be cut, and is no TCP, malformed", () => {
    const [a, b] = [new Card(lan), new Card(lan)] as const;
    a.send(frame(B, A, { length: 3000 }), offload(1000));
    expect([b.frames.length, lan.stats.dropped.malformed]).toEqual([0, 1]);
  });
});
