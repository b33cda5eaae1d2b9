/** What is fuzzed: each device with a host that answers, and the requests that a driver makes of it. */
import { memoryDisk } from "../src/backends/memory-disk.js";
import type { HostNetwork, HostTcpEvents } from "../src/backends/nat/host-network.js";
import { natNetwork } from "../src/backends/nat/nat.js";
import { Protocol, pseudoHeaderSum, TcpFlag, viewOf, writeIpv4 } from "../src/backends/nat/packet.js";
import { VirtioBalloon } from "../src/para/balloon/device.js";
import { VirtioBlock } from "../src/para/block/device.js";
import { controlMessage } from "../src/para/console/control-message.js";
import { VirtioConsole } from "../src/para/console/device.js";
import { VirtioNet } from "../src/para/net/device.js";
import { VirtioRng } from "../src/para/rng/device.js";
import type { VirtioDevice } from "../src/para/virtio/device.js";
import { VirtioVsock } from "../src/para/vsock/device.js";
import { STREAM, writeHeader } from "../src/para/vsock/packet.js";
import { FILE_SUBJECTS } from "./file-subjects.js";
import type { Random } from "./random.js";

/** A part of a request: bytes for the device to read, or room for it to write. */
export type Part = Uint8Array | number;

export interface Request {
  readonly queue: number;
  readonly parts: readonly Part[];
}

export interface Subject {
  readonly device: VirtioDevice;
  /** A request that a driver might make. */
  request(random: Random): Request;
  /** Something happens on the host's side. */
  disturb?(random: Random): void;
  /** The device was reset: a driver begins anew. */
  restarted?(): void;
  /** Mistakes in the queue are rare, as they end what was begun: what is tried takes many requests. */
  readonly isCareful?: boolean;
  /** The event loop turns after so many requests. Default: 256. */
  readonly turnEvery?: number;
  /** Lets go of what the host holds back, when all requests were made. */
  letGo?(): void;
  /** What must hold when the device was reset and everything has had its turn; throws if it does not. */
  atEnd?(): void;
}

/** Devices by name. */
export const SUBJECTS: Readonly<Record<string, () => Promise<Subject>>> = {
  rng: async () => ({
    device: new VirtioRng({ source: (into) => into.fill(7) }),
    request: (random) => ({ queue: 0, parts: [1 + random.below(100)] }),
  }),
  balloon: balloonSubject,
  block: async () => ({
    device: new VirtioBlock({ backend: memoryDisk(new Uint8Array(64 * 512)) }),
    request: blockRequest,
  }),
  "slow block": async () => {
    const disk = memoryDisk(new Uint8Array(64 * 512));
    const { readNow: _, writeNow: __, ...slow } = disk;
    const backend = {
      ...slow,
      read: async (offset: number, into: Uint8Array) => disk.read(offset, into),
      write: async (offset: number, bytes: Uint8Array) => disk.write(offset, bytes),
      flush: () => Promise.reject(new Error("the host's disk is full")),
    };
    return { device: new VirtioBlock({ backend }), request: blockRequest };
  },
  console: consoleSubject,
  net: netSubject,
  vsock: vsockSubject,
  ...FILE_SUBJECTS,
};

/** Page numbers, some without RAM, some of the requests themselves; ranges to report; statistics. */
async function balloonSubject(): Promise<Subject> {
  const device = new VirtioBalloon();
  return {
    device,
    request: (random) => {
      const queue = random.below(5);
      if (queue > 2) return { queue, parts: [1 + random.below(9000), 1 + random.below(9000)] };
      const bytes = new Uint8Array(queue === 2 ? random.below(120) : 4 * random.below(300));
      const view = viewOf(bytes);
      for (let at = 0; at + 4 <= bytes.length; at += 4) {
        view.setUint32(at, random.once(8) ? random.below(2 ** 32) : 0x8_0080 + random.below(140), true);
      }
      return { queue, parts: [bytes] };
    },
    disturb: (random) => {
      device.targetBytes = 4096 * random.below(300);
      void device.statistics().catch(() => {});
    },
  };
}

function blockRequest(random: Random): Request {
  const header = new Uint8Array(16);
  const view = viewOf(header);
  const type = random.pick([0, 0, 1, 1, 4, 8, 11, 13, 99]);
  view.setUint32(0, type, true);
  view.setUint32(8, random.below(66), true);
  const segment = new Uint8Array(16);
  viewOf(segment).setUint32(0, random.below(66), true);
  viewOf(segment).setUint32(8, random.below(8), true);
  const sectors = 512 * (1 + random.below(3));
  const data: Part[] =
    type === 0 ? [sectors] : type === 1 ? [new Uint8Array(sectors)] : type === 8 ? [20] : type > 8 ? [segment] : [];
  return { queue: 0, parts: [header, ...data, 1] };
}

async function consoleSubject(): Promise<Subject> {
  let waiting: (() => void) | undefined;
  const device: VirtioConsole = new VirtioConsole({
    ports: [
      { isTerminal: true, receive: () => {} },
      {
        name: "port",
        // A reader who is slow now and then.
        receive: ({ length }) => (length % 5 === 0 ? new Promise<void>((resolve) => (waiting = resolve)) : undefined),
      },
    ],
  });
  return {
    device,
    request: (random) => {
      switch (random.below(4)) {
        case 0:
          return { queue: random.pick([0, 2, 4]), parts: [8 + random.below(64)] };
        case 1: {
          const message = { port: random.below(3), event: random.below(9), value: random.below(2) };
          return { queue: 3, parts: [controlMessage(message)] };
        }
        default:
          return { queue: random.pick([1, 5]), parts: [new Uint8Array(1 + random.below(200))] };
      }
    },
    disturb: (random) => {
      waiting?.();
      if (random.once(4)) device.resize(random.below(200), random.below(100));
      if (random.once(4)) void device.send(random.below(2), new Uint8Array(random.below(300)));
    },
  };
}

async function netSubject(): Promise<Subject> {
  const sockets: HostTcpEvents[] = [];
  const receivers: ((bytes: Uint8Array) => void)[] = [];
  const remember = <T>(list: T[], item: T) => {
    if (list.length >= 64) list.shift();
    list.push(item);
  };
  const host: HostNetwork = {
    connectTcp: (_, __, events) => {
      remember(sockets, events);
      const nothing = () => {};
      return { write: nothing, backlog: 0, end: nothing, destroy: nothing, pause: nothing, resume: nothing };
    },
    connectUdp: (_, __, received) => {
      remember(receivers, received);
      return { send: () => {}, close: () => {} };
    },
    listenTcp: () => Promise.reject(new Error("not here")),
    listenUdp: () => Promise.reject(new Error("not here")),
    resolve: async () => [0x01020304],
  };
  const backend = await natNetwork({ host });
  return {
    device: new VirtioNet({ backend }),
    request: (random) =>
      random.once(3)
        ? { queue: 0, parts: [random.pick([64, 1526, 4096])] }
        : { queue: 1, parts: [new Uint8Array(12), frame(random)] },
    disturb: (random) => {
      const socket = sockets[random.below(sockets.length + 1)];
      switch (random.below(6)) {
        case 0:
          socket?.connected();
          break;
        case 1:
          socket?.ended();
          break;
        case 2:
          socket?.closed(random.once(2));
          break;
        case 3:
          receivers[random.below(receivers.length + 1)]?.(new Uint8Array(random.below(3000)));
          break;
        default:
          socket?.data(new Uint8Array(random.below(3000)));
      }
    },
  };
}

/** A frame of a guest's: TCP, UDP, a question, DHCP, ARP or a ping. */
function frame(random: Random): Uint8Array {
  const source = 0x0a00020f;
  const kind = random.below(6);
  const bytes = new Uint8Array(34 + (kind === 3 ? 300 : 40 + random.below(100)));
  if (kind === 4) {
    bytes.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    bytes.set([10, 0, 2, 2], 38);
    return bytes;
  }
  const protocol = kind < 2 ? Protocol.Tcp : kind === 5 ? Protocol.Icmp : Protocol.Udp;
  const destination = kind === 2 ? 0x0a000203 : kind === 5 ? 0x0a000202 : 0x5db8d822;
  const length = bytes.length - 34;
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
  writeIpv4(bytes, mac, mac, { source, destination, protocol, length });
  const view = viewOf(bytes.subarray(34));
  view.setUint16(0, kind === 3 ? 68 : 1024 + random.below(4));
  view.setUint16(2, kind === 2 ? 53 : kind === 3 ? 67 : 80);
  if (protocol === Protocol.Tcp) {
    view.setUint32(4, random.below(3));
    view.setUint8(12, 0x50);
    view.setUint8(
      13,
      random.pick([TcpFlag.Syn, TcpFlag.Acknowledge, TcpFlag.Acknowledge | TcpFlag.Fin, TcpFlag.Reset]),
    );
    view.setUint16(14, random.below(0x10000));
    view.setUint16(16, pseudoHeaderSum(source, destination, protocol, length));
  } else if (kind === 5) view.setUint8(0, 8);
  else view.setUint16(4, length);
  if (kind === 2) bytes.set([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1], 42);
  if (kind === 3) {
    bytes.set([1, 1, 6, 0], 42);
    bytes.set([0x63, 0x82, 0x53, 0x63, 53, 1, 1 + random.below(8), 255], 42 + 236);
  }
  return bytes;
}

async function vsockSubject(): Promise<Subject> {
  const device = new VirtioVsock();
  device.listen(80, ({ readable, writable }) => void readable.pipeTo(writable).catch(() => {}));
  return {
    device,
    request: (random) => {
      if (random.once(3)) return { queue: random.pick([0, 2]), parts: [44 + random.below(200)] };
      const data = new Uint8Array(random.below(100));
      const header = writeHeader({
        sourceCid: 3,
        destinationCid: 2,
        sourcePort: random.below(4),
        destinationPort: random.pick([80, 80, 81]),
        length: data.length,
        type: STREAM,
        operation: 1 + random.below(8),
        flags: random.below(4),
        bufferSize: random.below(1000),
        forwarded: 0,
      });
      return { queue: 1, parts: [header, data] };
    },
    disturb: (random) => {
      if (random.once(8)) void device.connect(random.below(4)).catch(() => {});
    },
  };
}
