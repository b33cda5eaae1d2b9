/** What is fuzzed: each device with a host that answers, and the requests that a driver makes of it. */
import { MemoryTree } from "../src/backends/files/memory-tree.js";
import type { FileTree } from "../src/backends/files/tree.js";
import { memoryDisk } from "../src/backends/memory-disk.js";
import type { HostNetwork, HostTcpEvents } from "../src/backends/nat/host-network.js";
import { natNetwork } from "../src/backends/nat/nat.js";
import { Protocol, pseudoHeaderSum, TcpFlag, viewOf, writeIpv4 } from "../src/backends/nat/packet.js";
import { Virtio9p } from "../src/para/9p/device.js";
import { HEADER, Message } from "../src/para/9p/message.js";
import { VirtioBalloon } from "../src/para/balloon/device.js";
import { VirtioBlock } from "../src/para/block/device.js";
import { controlMessage } from "../src/para/console/control-message.js";
import { VirtioConsole } from "../src/para/console/device.js";
import { VirtioFs } from "../src/para/fs/device.js";
import { Opcode } from "../src/para/fs/fuse.js";
import { VirtioNet } from "../src/para/net/device.js";
import { VirtioRng } from "../src/para/rng/device.js";
import type { VirtioDevice } from "../src/para/virtio/device.js";
import { VirtioVsock } from "../src/para/vsock/device.js";
import { STREAM, writeHeader } from "../src/para/vsock/packet.js";
import { pack } from "../test/files/fuse-client.js";
import { LaterTree } from "../test/files/later-tree.js";
import { type Field, fields } from "../test/files/ninep-client.js";
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
  /** The event loop turns after so many requests. Default: 256. */
  readonly turnEvery?: number;
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
  "virtio-fs": async () => virtioFsSubject(smallTree()),
  "virtio-9p": async () => virtio9pSubject(smallTree()),
  "slow virtio-fs": async () => slowFiles(virtioFsSubject),
  "slow virtio-9p": async () => slowFiles(virtio9pSubject),
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

/** Names as a guest might give them, or as it might try to get out by them. */
const NAMES = ["a", "b", "c", "d", "long".repeat(50), "..", ".", "/", "../a", "a/b", "", "\udcff", "x".repeat(300)];

/** Small, so that it is full now and then. */
const smallTree = () => new MemoryTree({ maxBytes: 2 ** 18 });

/** Over a tree that answers later, what was opened is closed in the end, whatever came in between. */
function slowFiles(make: (tree: FileTree) => Subject): Subject {
  const tree = new LaterTree(smallTree());
  const atEnd = () => {
    if (tree.open !== 0) throw new Error(`${tree.open} files were never closed`);
  };
  return { ...make(tree), turnEvery: 8, atEnd };
}

function virtioFsSubject(tree: FileTree): Subject {
  let unique = 1;
  let isMounted = false;
  return {
    device: new VirtioFs({ tree, tag: "fuzz", cache: "always" }),
    request: (random) => {
      const opcode = !isMounted || random.once(300) ? Opcode.Init : random.pick(FUSE_OPCODES);
      isMounted = !random.once(500);
      const body = fuseBody(opcode, random);
      const lie = random.once(50) ? random.below(200) : 0;
      const node = random.once(2) ? 1 : random.below(random.once(20) ? 2 ** 32 : 40);
      const owner = [random.below(3), random.below(3)] as const;
      const header = pack(
        ...([
          [4, 40 + body.length + lie],
          [4, opcode],
          [8, unique++],
          [8, node],
        ] as const),
        ...([
          [4, owner[0]],
          [4, owner[1]],
          [4, 1],
          [4, 0],
        ] as const),
      );
      const isForget = opcode === Opcode.Forget || opcode === Opcode.BatchForget;
      const room = random.once(30) ? random.below(16) : random.pick([16, 120, 200, 1024, 8192]);
      return { queue: isForget ? 0 : 1, parts: [header, body, ...(isForget || room === 0 ? [] : [room])] };
    },
  };
}

const FUSE_OPCODES = [...Object.values(Opcode).filter((opcode) => opcode !== Opcode.Destroy), 99];

/** What stands behind the header of a request of some kind. */
function fuseBody(opcode: number, random: Random): Uint8Array {
  const name = () => random.pick(NAMES);
  const handle = () => [8, random.below(30)] as const;
  const offset = () => [8, random.pick([0, 1, 100, 65_535, 70_000, 2 ** 40, 2 ** 60])] as const;
  const length = () => [4, random.pick([0, 1, 200, 4096, 0xffff_ffff])] as const;
  const word = (limit: number) => [4, random.below(limit)] as const;
  const data = () => new Uint8Array(random.below(5000)).fill(random.below(256));
  switch (opcode) {
    case Opcode.Init:
      return pack([4, 7], [4, 31 + random.below(10)], [8, 2 ** 32 - 1]);
    case Opcode.Forget:
      return pack([8, random.below(3)]);
    case Opcode.BatchForget:
      return pack(word(4), [4, 0], [8, random.below(40)], [8, 1], [8, random.below(40)], [8, 1]);
    case Opcode.GetAttr:
      return pack(word(2), [4, 0], handle());
    case Opcode.SetAttr:
      return pack(
        word(512),
        [4, 0],
        handle(),
        offset(),
        new Uint8Array(36),
        word(2 ** 31),
        word(0o10000),
        new Uint8Array(20),
      );
    case Opcode.MkNod:
      return pack([4, random.pick([0o100644, 0o010600, 0o020600, 0o040700, 7])], [4, 5], [8, 0], name());
    case Opcode.MkDir:
    case Opcode.Link:
      return pack([8, random.below(40)], name());
    case Opcode.SymLink:
    case Opcode.Rename:
    case Opcode.Rename2: {
      const head = opcode === Opcode.SymLink ? [] : [[8, random.below(8)] as const];
      const flags = opcode === Opcode.Rename2 ? [word(4), word(2)] : [];
      return pack(...head, ...flags, name(), name());
    }
    case Opcode.Create:
      return pack([4, random.pick([0o102, 0o301, 0o1102])], [4, 0o644], [8, 0], name());
    case Opcode.Open:
    case Opcode.OpenDir:
      return pack(word(4), [4, 0]);
    case Opcode.Write: {
      const bytes = data();
      return pack(
        handle(),
        offset(),
        [4, random.once(20) ? random.below(9000) : bytes.length],
        new Uint8Array(20),
        bytes,
      );
    }
    case Opcode.Read:
    case Opcode.ReadDir:
    case Opcode.ReadDirPlus:
      return pack(handle(), random.once(2) ? [8, random.below(6)] : offset(), length(), new Uint8Array(20));
    case Opcode.SetXattr: {
      const value = data();
      return pack([4, random.once(20) ? random.below(9000) : value.length], word(4), `user.${name()}`, value);
    }
    case Opcode.GetXattr:
      return pack(word(1000), [4, 0], `user.${name()}`);
    case Opcode.FAllocate:
      return pack(handle(), offset(), [8, random.below(100_000)], word(32), [4, 0]);
    case Opcode.LSeek:
      return pack(handle(), offset(), [4, 3 + random.below(3)], [4, 0]);
    case Opcode.Release:
    case Opcode.ReleaseDir:
    case Opcode.FSync:
      return pack(handle(), [8, 0], [8, 0]);
    case Opcode.ListXattr:
      return pack(word(1000), [4, 0]);
    default:
      return pack(name());
  }
}

function virtio9pSubject(tree: FileTree): Subject {
  let isMounted = 0;
  return {
    device: new Virtio9p({ tree, tag: "fuzz" }),
    request: (random) => {
      const type = isMounted === 0 ? Message.Version : isMounted === 1 ? Message.Attach : random.pick(MESSAGES);
      isMounted = random.once(500) ? 0 : 2 - Number(isMounted === 0);
      if (random.once(300)) isMounted = 0;
      const body = fields(...ninePFields(type, random));
      const lie = random.once(50) ? random.below(200) - 100 : 0;
      const header = fields([4, HEADER + body.length + lie], [1, type], [2, random.below(4)]);
      const room = random.once(30) ? random.below(12) : random.pick([20, 200, 1024, 8192]);
      return { queue: 0, parts: [header, body, ...(room === 0 ? [] : [room])].filter((part) => part !== 0) };
    },
  };
}

const MESSAGES = [
  ...Object.values(Message).filter((type) => type !== Message.Version && type !== Message.LError),
  ...[Message.Attach, Message.Walk, Message.Walk, Message.Walk, Message.LOpen, Message.LCreate, 99],
];

/** What stands behind the header of a message of some kind. */
function ninePFields(type: number, random: Random): Field[] {
  const name = () => random.pick(NAMES);
  const fid = (): Field => [4, random.below(12)];
  const offset = (): Field => [8, random.pick([0, 1, 2, 100, 65_535, 70_000, 2 ** 40, 2 ** 60])];
  const word = (limit: number): Field => [4, random.below(limit)];
  const size = (): Field => [4, random.pick([0, 1, 200, 4096, 0xffff_ffff])];
  const data = () => new Uint8Array(random.below(5000)).fill(random.below(256));
  switch (type) {
    case Message.Version:
      return [[4, random.pick([4096, 8192, 0xffff_ffff, 9])], random.once(9) ? "9P2000" : "9P2000.L"];
    case Message.Attach:
      return [fid(), [4, 0xffff_ffff], "", random.pick(["", "/", "x"]), word(3)];
    case Message.Walk: {
      const count = random.below(4);
      const names = Array.from({ length: count }, name);
      return [fid(), fid(), [2, random.once(30) ? random.below(40) : count], ...names];
    }
    case Message.LOpen:
      return [fid(), word(4)];
    case Message.LCreate:
      return [fid(), name(), word(4), word(0o1000), word(3)];
    case Message.SymLink:
      return [fid(), name(), name(), word(3)];
    case Message.MkNod:
      return [fid(), name(), [4, random.pick([0o100644, 0o010600, 0o020600, 0o040700, 7])], word(9), word(9), word(3)];
    case Message.MkDir:
      return [fid(), name(), word(0o1000), word(3)];
    case Message.Link:
    case Message.Rename:
      return [fid(), fid(), name()];
    case Message.RenameAt:
      return [fid(), name(), fid(), name()];
    case Message.UnlinkAt:
      return [fid(), name(), [4, random.pick([0, 0x200])]];
    case Message.SetAttr:
      return [
        fid(),
        word(512),
        word(0o10000),
        word(3),
        word(3),
        offset(),
        [8, 1],
        word(2 ** 31),
        [4, 0],
        [8, 2],
        [8, 3],
      ];
    case Message.Read:
    case Message.ReadDir:
      return [fid(), offset(), size()];
    case Message.Write: {
      const bytes = data();
      return [fid(), offset(), [4, random.once(20) ? random.below(9000) : bytes.length], bytes];
    }
    case Message.XattrWalk:
      return [fid(), fid(), random.once(3) ? "" : `user.${name()}`];
    case Message.XattrCreate:
      return [fid(), `user.${name()}`, [8, random.pick([0, 5, 70_000])], word(4)];
    case Message.Lock:
      return [fid(), [1, random.below(4)], word(4), offset(), offset(), word(3), "guest"];
    case Message.GetLock:
      return [fid(), [1, random.below(4)], offset(), offset(), word(3), "guest"];
    case Message.Flush:
      return [[2, random.below(4)]];
    default:
      return [fid(), [8, 0x7ff]];
  }
}
