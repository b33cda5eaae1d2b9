/** What tests of the network have around it: a host whose sockets are fake, and a guest that sends packets by hand. */
import type { FrameOffload } from "@hartvisor/core";
import type { HostNetwork, HostTcpEvents, HostTcpSocket } from "./host-network.js";
import { type NatNetwork, type NatOptions, natNetwork } from "./nat.js";
import {
  EtherType,
  type Ipv4,
  type Ipv4Packet,
  Protocol,
  parseIpv4,
  readIpv4,
  readTcp,
  TcpFlag,
  type TcpSegment,
  viewOf,
  writeIpv4,
} from "./packet.js";

export const at = (text: string): Ipv4 => parseIpv4(text) ?? 0;
export const GUEST = at("10.0.2.15");
export const ROUTER = at("10.0.2.2");
export const SERVER = at("93.184.216.34");
export const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const { Syn, Acknowledge } = TcpFlag;

/** A socket of the host's as the test sees it. */
export class FakeSocket implements HostTcpSocket {
  readonly events: HostTcpEvents;
  readonly target: string;
  written = "";
  backlog = 0;
  log: string[] = [];
  constructor(target: string, events: HostTcpEvents) {
    this.target = target;
    this.events = events;
  }
  write(bytes: Uint8Array): void {
    this.written += new TextDecoder().decode(bytes);
  }
  end(): void {
    this.log.push("end");
  }
  destroy(): void {
    this.log.push("destroy");
  }
  pause(): void {
    this.log.push("pause");
  }
  resume(): void {
    this.log.push("resume");
  }
}

export let nat: NatNetwork;
export let sockets: FakeSocket[];
export let datagrams: string[];
export let receivers: ((bytes: Uint8Array) => void)[];
export let accept: (socket: HostTcpSocket) => HostTcpEvents;
export let peer: (key: string, bytes: Uint8Array) => void;
export let frames: {
  readonly packet: Ipv4Packet | undefined;
  readonly frame: Uint8Array;
  readonly offload: FrameOffload | undefined;
}[];
let hasRoom: boolean;

export const host: HostNetwork = {
  connectTcp: (address, port, events) => {
    const socket = new FakeSocket(`${address}:${port}`, events);
    sockets.push(socket);
    return socket;
  },
  connectUdp: (address, port, received) => {
    receivers.push(received);
    return {
      send: (bytes) => datagrams.push(`${address}:${port} ${new TextDecoder().decode(bytes)}`),
      close: () => datagrams.push("closed"),
    };
  },
  listenTcp: async (_, port, accepted) => {
    if (port === 1) throw new Error("it is taken");
    accept = accepted;
    return { port, close: async () => {} };
  },
  listenUdp: async (_, port, received) => {
    peer = received;
    return {
      port,
      send: (key, bytes) => void datagrams.push(`${key} ${new TextDecoder().decode(bytes)}`),
      close: async () => {},
    };
  },
  resolve: async (name) => {
    if (name === "example.org") return [SERVER];
    throw Object.assign(new Error("no"), { code: name === "broken.org" ? "EAI_AGAIN" : "ENOTFOUND" });
  },
};

/** Makes the network anew, with nothing sent or received, and connects the card. */
export async function begin(options: Partial<NatOptions> = {}): Promise<void> {
  sockets = [];
  datagrams = [];
  receivers = [];
  frames = [];
  hasRoom = true;
  nat = await natNetwork({ host, ...options });
  nat.connect({
    largestSegment: 60_000,
    deliver: (parts, offload) => {
      if (!hasRoom) return false;
      const frame = Uint8Array.from(parts.flatMap((part) => [...part]));
      const isIp = viewOf(frame).getUint16(12) === EtherType.Ipv4;
      frames.push({ frame, offload, packet: isIp ? readIpv4(frame) : undefined });
      return true;
    },
  });
}

/** Whether the card takes frames. */
export function setRoom(has: boolean): void {
  hasRoom = has;
}

export function sendPacket(protocol: number, destination: Ipv4, payload: Uint8Array, source = GUEST): void {
  const frame = new Uint8Array(34 + payload.length);
  writeIpv4(frame, MAC, MAC, { source, destination, protocol, length: payload.length });
  frame.set(payload, 34);
  nat.receive(frame);
  nat.flush();
}

export interface Sent {
  readonly flags: number;
  readonly sequence: number;
  readonly acknowledgement?: number;
  readonly window?: number;
  readonly data?: string;
  readonly ports?: readonly [number, number];
  readonly destination?: Ipv4;
}

export function sendTcp({
  flags,
  sequence,
  acknowledgement = 0,
  window = 1000,
  data = "",
  ports = [1024, 80],
  destination = SERVER,
}: Sent): void {
  const options = flags & Syn ? [2, 4, 5, 0xb4, 1, 3, 3, 4] : [];
  const bytes = new Uint8Array(20 + options.length + data.length);
  const view = viewOf(bytes);
  view.setUint16(0, ports[0]);
  view.setUint16(2, ports[1]);
  view.setUint32(4, sequence);
  view.setUint32(8, acknowledgement);
  view.setUint8(12, (bytes.length - data.length) << 2);
  view.setUint8(13, flags);
  view.setUint16(14, window);
  bytes.set(options, 20);
  bytes.set(new TextEncoder().encode(data), 20 + options.length);
  sendPacket(Protocol.Tcp, destination, bytes);
}

export function sendUdp(
  destination: Ipv4,
  ports: readonly [number, number],
  payload: Uint8Array,
  source = GUEST,
): void {
  const bytes = new Uint8Array(8 + payload.length);
  const view = viewOf(bytes);
  view.setUint16(0, ports[0]);
  view.setUint16(2, ports[1]);
  view.setUint16(4, bytes.length);
  bytes.set(payload, 8);
  sendPacket(Protocol.Udp, destination, bytes, source);
}

/** The segments that the guest got since the last call. */
export function segments(): TcpSegment[] {
  return frames
    .splice(0)
    .flatMap(({ packet }) => (packet?.protocol === Protocol.Tcp ? [readTcp(packet.payload) as TcpSegment] : []));
}
export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
export const bytes = (string: string) => new TextEncoder().encode(string);
export const moment = (ms = 5) => new Promise((resolve) => setTimeout(resolve, ms));

/** Connects the guest to the server; gives the socket and the sequence number that the server's bytes begin with. */
export function connected(window = 1000): { socket: FakeSocket; sequence: number } {
  sendTcp({ flags: Syn, sequence: 100 });
  const socket = sockets.at(-1) as FakeSocket;
  socket.events.connected();
  const [answer] = segments();
  const sequence = ((answer?.sequence ?? 0) + 1) >>> 0;
  sendTcp({ flags: Acknowledge, sequence: 101, acknowledgement: sequence, window });
  return { socket, sequence };
}
