import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HostTcpEvents } from "./host-network.js";
import { natNetwork } from "./nat.js";
import { checksum, Protocol, readUdp, TcpFlag, viewOf, writeIpv4 } from "./packet.js";
import {
  accept,
  at,
  begin,
  bytes,
  connected,
  datagrams,
  FakeSocket,
  frames,
  GUEST,
  host,
  MAC,
  moment,
  nat,
  peer,
  ROUTER,
  receivers,
  SERVER,
  segments,
  sendPacket,
  sendTcp,
  sendUdp,
  setRoom,
  sockets,
  text,
} from "./test-guest.js";

const { Syn, Acknowledge, Reset } = TcpFlag;

beforeEach(() => begin());
afterEach(() => nat.close());

describe("the policy", () => {
  it.each(["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "172.20.0.1", "224.0.0.1", "10.0.2.2"])(
    "denies %s by default",
    (address) => {
      sendTcp({ flags: Syn, sequence: 1, destination: at(address) });
      sendUdp(at(address), [1, 2], bytes("x"));
      expect([sockets, datagrams, segments()]).toMatchObject([[], [], [{ flags: Reset | Acknowledge }]]);
    },
  );

  it("allows what is allowed, by address and port", async () => {
    await begin({ policy: { allow: ["127.0.0.1:80", "192.168.0.0/16"], deny: ["*:25", "93.184.216.34:80-90"] } });
    sendTcp({ flags: Syn, sequence: 1, destination: ROUTER });
    sendTcp({ flags: Syn, sequence: 1, destination: ROUTER, ports: [1, 81] });
    sendTcp({ flags: Syn, sequence: 1, destination: at("192.168.7.8") });
    sendTcp({ flags: Syn, sequence: 1, destination: at("8.8.8.8"), ports: [2, 25] });
    sendTcp({ flags: Syn, sequence: 1, destination: SERVER });
    sendTcp({ flags: Syn, sequence: 1, destination: SERVER, ports: [3, 91] });
    expect(sockets.map(({ target }) => target)).toEqual([
      `${at("127.0.0.1")}:80`,
      `${at("192.168.7.8")}:80`,
      `${SERVER}:91`,
    ]);
  });

  it("lets nothing go to port 0, whatever it allows", async () => {
    await begin({ policy: { allow: ["*"] } });
    sendTcp({ flags: Syn, sequence: 1, ports: [1, 0] });
    sendUdp(SERVER, [1, 0], bytes("x"));
    expect([sockets, datagrams, segments()]).toMatchObject([[], [], [{ flags: Reset | Acknowledge }]]);
  });

  it.each(["nonsense", "10.0.0.0/33", "1.2.3.4:99999", "1.2.3", "1.2.3.4:5-4", "*/8"])(
    "is not made of %s",
    async (rule) => {
      await expect(natNetwork({ host, policy: { allow: [rule] } })).rejects.toThrow(/no network rule/);
    },
  );
});

describe("datagrams", () => {
  it("go out and back", () => {
    sendUdp(SERVER, [4000, 123], bytes("time?"));
    expect(datagrams).toEqual([`${SERVER}:123 time?`]);
    receivers[0]?.(bytes("late"));
    const datagram = readUdp(frames[0]?.packet?.payload ?? new Uint8Array(0));
    expect(frames[0]?.packet).toMatchObject({ source: SERVER, destination: GUEST });
    expect([datagram?.sourcePort, datagram?.destinationPort, text(datagram?.payload ?? new Uint8Array(0))]).toEqual([
      123,
      4000,
      "late",
    ]);
  });

  it("share a socket by their ends, of which there are at most 256", () => {
    for (let n = 0; n < 2; n++) sendUdp(SERVER, [4000, 123], bytes("x"));
    expect(receivers).toHaveLength(1);
    for (let n = 0; n < 256; n++) sendUdp(SERVER, [5000 + n, 123], bytes("x"));
    expect(datagrams.filter((entry) => entry === "closed")).toHaveLength(1);
  });

  it("go out whole when the guest sends them in fragments, and not with a piece missing", () => {
    const datagram = new Uint8Array(8 + 3000).fill(65);
    viewOf(datagram).setUint32(0, (4000 << 16) | 123);
    viewOf(datagram).setUint16(4, datagram.length);
    const send = (identification: number, ...offsets: number[]) => {
      for (const offset of offsets) {
        const payload = datagram.subarray(offset, offset + 1480);
        const frame = new Uint8Array(34 + payload.length);
        const fragment = (offset + 1480 < datagram.length ? 0x2000 : 0) | (offset / 8);
        const header = { source: GUEST, destination: SERVER, protocol: Protocol.Udp, length: payload.length };
        writeIpv4(frame, MAC, MAC, { ...header, identification, fragment });
        frame.set(payload, 34);
        nat.receive(frame);
      }
    };
    send(1, 0, 2960);
    send(2, 1480, 2960);
    expect(datagrams).toEqual([]);
    send(3, 0, 1480, 2960);
    expect(datagrams).toEqual([`${SERVER}:123 ${"A".repeat(3000)}`]);
    for (let n = 0; n < 1000; n++) send(n, 0);
    send(999, 1480, 2960);
    expect(datagrams).toHaveLength(2);
  });

  it("come in fragments when they are long", () => {
    sendUdp(SERVER, [4000, 123], bytes("x"));
    receivers[0]?.(new Uint8Array(4000).fill(7));
    const parts = frames.map(({ frame }) => ({ fragment: viewOf(frame).getUint16(20), length: frame.length - 34 }));
    expect(parts).toEqual([
      { fragment: 0x2000, length: 1480 },
      { fragment: 0x2000 | 185, length: 1480 },
      { fragment: 370, length: 1048 },
    ]);
  });
});

describe("forwarded ports", () => {
  it("connect to the guest when somebody connects to the host", () => {
    return begin({ forward: [{ host: 8080, guest: 80 }] }).then(() => {
      const socket = new FakeSocket("", {} as HostTcpEvents);
      const events = accept(socket);
      const [syn] = segments();
      expect([nat.forwarded, syn]).toMatchObject([[8080], { flags: Syn, destinationPort: 80 }]);
      const ports = [80, syn?.sourcePort ?? 0] as const;
      const acknowledgement = ((syn?.sequence ?? 0) + 1) >>> 0;
      sendTcp({ flags: Syn | Acknowledge, sequence: 500, acknowledgement, ports, destination: ROUTER });
      expect(segments()).toMatchObject([{ flags: Acknowledge, acknowledgement: 501 }]);
      expect(socket.log).toEqual(["pause", "resume"]);
      events.data(bytes("GET /"));
      expect(text(segments()[0]?.payload ?? new Uint8Array(0))).toBe("GET /");
      sendTcp({
        flags: Acknowledge,
        sequence: 501,
        acknowledgement: acknowledgement + 5,
        data: "200",
        ports,
        destination: ROUTER,
      });
      expect(socket.written).toBe("200");
    });
  });

  it("refuse where the guest does", async () => {
    await begin({ forward: [{ host: 8080, guest: 80 }] });
    const socket = new FakeSocket("", {} as HostTcpEvents);
    accept(socket);
    const [syn] = segments();
    sendTcp({ flags: Reset | Acknowledge, sequence: 0, ports: [80, syn?.sourcePort ?? 0], destination: ROUTER });
    expect(socket.log).toEqual(["pause", "destroy"]);
  });

  it("take datagrams in and answers out", async () => {
    await begin({ forward: [{ host: 5353, guest: 53, protocol: "udp" }] });
    peer("peer-1", bytes("in"));
    const datagram = readUdp(frames[0]?.packet?.payload ?? new Uint8Array(0));
    expect(datagram?.destinationPort).toBe(53);
    sendUdp(ROUTER, [53, datagram?.sourcePort ?? 0], bytes("out"));
    expect(datagrams).toEqual(["peer-1 out"]);
  });

  it.each([
    [{ host: 1, guest: 80 }, /cannot listen on 127.0.0.1:1: it is taken/],
    [{ host: 70_000, guest: 80 }, /no port of the host/],
    [{ host: 80, guest: 0 }, /no port of the guest/],
  ])("cannot be %j", async (forward, reason) => {
    await expect(natNetwork({ host, forward: [forward] })).rejects.toThrow(reason);
  });
});

describe("the router", () => {
  function dhcp(kind: number, ...options: number[]): Uint8Array {
    const message = new Uint8Array(260);
    message.set([1, 1, 6, 0, 1, 2, 3, 4]);
    message.set(MAC, 28);
    message.set([0x63, 0x82, 0x53, 0x63, 53, 1, kind, ...options, 255], 236);
    return message;
  }
  const answer = () => readUdp(frames.splice(0)[0]?.packet?.payload ?? new Uint8Array(0))?.payload;

  it("offers and confirms the one address", () => {
    sendUdp(0xffff_ffff, [68, 67], dhcp(1), 0);
    const offer = answer();
    expect([offer?.[0], viewOf(offer ?? new Uint8Array(20)).getUint32(16), offer?.[242]]).toEqual([2, GUEST, 2]);
    expect([...(offer?.subarray(4, 8) ?? [])]).toEqual([1, 2, 3, 4]);
    sendUdp(0xffff_ffff, [68, 67], dhcp(3, 50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 2), 0);
    expect(answer()?.[242]).toBe(5);
    sendUdp(0xffff_ffff, [68, 67], dhcp(3, 50, 4, 10, 0, 2, 99), 0);
    expect(answer()?.[242]).toBe(6);
    sendUdp(0xffff_ffff, [68, 67], dhcp(3, 50, 4, 10, 0, 2, 15, 54, 4, 9, 9, 9, 9), 0);
    sendUdp(0xffff_ffff, [68, 67], dhcp(7), 0);
    expect(answer()).toBeUndefined();
  });

  it("has an address for each card that asks, and the same when it asks again", () => {
    const offered = (last: number) => {
      const message = dhcp(1);
      message[33] = last;
      sendUdp(0xffff_ffff, [68, 67], message, 0);
      return viewOf(answer() ?? new Uint8Array(20)).getUint32(16);
    };
    expect([1, 2, 1].map(offered)).toEqual([GUEST, GUEST + 1, GUEST]);
    for (let n = 3; n <= 101; n++) offered(n);
    expect([offered(102), offered(2)]).toEqual([GUEST + 1, GUEST + 2]); // those that asked first made room
  });

  it("keeps guests and their connections apart", () => {
    sendUdp(SERVER, [1000, 53], new Uint8Array(1));
    sendUdp(SERVER, [1000, 53], new Uint8Array(1), GUEST + 1);
    receivers[1]?.(new Uint8Array(3));
    expect(frames[0]?.packet).toMatchObject({ source: SERVER, destination: GUEST + 1 });
  });

  it("is where its address and the name server's are, and nowhere else", () => {
    const arp = new Uint8Array(42);
    arp.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...MAC, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, ...MAC, 10, 0, 2, 15]);
    for (const address of ["10.0.2.2", "10.0.2.15", "10.0.2.77", "10.0.3.2"]) {
      viewOf(arp).setUint32(38, at(address));
      nat.receive(arp);
    }
    expect(frames).toHaveLength(1);
    const reply = frames[0]?.frame ?? new Uint8Array(42);
    expect([viewOf(reply).getUint16(20), viewOf(reply).getUint32(28), [...reply.subarray(32, 38)]]).toEqual([
      2,
      ROUTER,
      [...MAC],
    ]);
  });

  it("answers pings", () => {
    const ping = Uint8Array.of(8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8);
    viewOf(ping).setUint16(2, checksum(ping));
    sendPacket(Protocol.Icmp, ROUTER, ping);
    const reply = frames[0]?.packet?.payload ?? new Uint8Array(0);
    expect([reply[0], checksum(reply), [...reply.subarray(4)]]).toEqual([0, 0, [1, 2, 3, 4, 5, 6, 7, 8]]);
    sendPacket(Protocol.Icmp, SERVER, ping);
    expect(frames).toHaveLength(1);
  });

  it.each([
    ["example.org", 1, 0, 1],
    ["example.org", 28, 0, 0],
    ["example.org", 15, 4, 0],
    ["nothing.org", 1, 3, 0],
    ["broken.org", 1, 2, 0],
  ])("answers for the name %s, type %i, with code %i and %i records", async (name, type, code, count) => {
    const labels = name.split(".").flatMap((label) => [label.length, ...bytes(label)]);
    sendUdp(
      at("10.0.2.3"),
      [4000, 53],
      Uint8Array.of(0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1),
    );
    await moment();
    const reply = viewOf(answer() ?? new Uint8Array(12));
    expect([reply.getUint16(0), reply.getUint16(2) & 0x800f, reply.getUint16(6)]).toEqual([
      0xabcd,
      0x8000 | code,
      count,
    ]);
    if (count === 1) expect(reply.getUint32(reply.byteLength - 4)).toBe(SERVER);
  });
});

describe("a capture", () => {
  it("is a pcapng file of all that passes", async () => {
    const blocks: Uint8Array[] = [];
    await begin({ capture: (block) => blocks.push(block) });
    sendTcp({ flags: Syn, sequence: 1, destination: at("10.9.9.9") });
    expect(viewOf(blocks[0] ?? new Uint8Array(4)).getUint32(0)).toBe(0x0a0d0d0a);
    for (const block of blocks.slice(1)) {
      const view = viewOf(block);
      expect([view.getUint32(0, true), view.getUint32(4, true), view.getUint32(block.length - 4, true)]).toEqual([
        6,
        block.length,
        block.length,
      ]);
    }
    expect(blocks).toHaveLength(3);
  });
});

describe("a hostile guest", () => {
  it.each([1, 2, 3])("sends nothing that makes the network throw, seed %i", (seed) => {
    let state = seed * 0x9e3779b9;
    const random = (most: number) => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % most;
    };
    const valid: Uint8Array[] = [];
    const { receive } = nat;
    nat.receive = (frame) => {
      valid.push(frame.slice());
      receive.call(nat, frame);
    };
    const { sequence } = connected();
    sendTcp({ flags: Acknowledge, sequence: 101, acknowledgement: sequence, data: "hello" });
    sendUdp(at("10.0.2.3"), [4000, 53], Uint8Array.of(0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1));
    sendUdp(0xffff_ffff, [68, 67], new Uint8Array(300).fill(1), 0);
    nat.receive = receive;
    for (let n = 0; n < 20_000; n++) {
      const frame = (valid[random(valid.length)] as Uint8Array).slice();
      for (let changes = random(5); changes > 0; changes--) frame[random(frame.length)] = random(256);
      nat.receive(frame.subarray(0, random(4) === 0 ? random(frame.length + 1) : frame.length));
      if (random(10) === 0) nat.flush();
      if (random(20) === 0) sockets[random(sockets.length)]?.events.data(new Uint8Array(random(2000)));
      const hasRoom = random(10) !== 0;
      setRoom(hasRoom);
      if (hasRoom) nat.ready();
      frames.length = 0;
    }
    expect(sockets.length).toBeGreaterThan(0);
  });
});
