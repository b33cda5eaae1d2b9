/** Devices that serve file trees, and what kernels ask of them: over trees that answer at once, later, or in the end. */
import { MemoryTree } from "../src/backends/files/memory-tree.js";
import type { FileTree } from "../src/backends/files/tree.js";
import { Virtio9p } from "../src/para/9p/device.js";
import { HEADER, Message } from "../src/para/9p/message.js";
import { VirtioFs } from "../src/para/fs/device.js";
import { Opcode } from "../src/para/fs/fuse.js";
import { pack } from "../test/files/fuse-client.js";
import { HeldContents } from "../test/files/held-contents.js";
import { LaterTree } from "../test/files/later-tree.js";
import { type Field, fields } from "../test/files/ninep-client.js";
import type { Random } from "./random.js";
import type { Subject } from "./subjects.js";

/** By name. */
export const FILE_SUBJECTS: Readonly<Record<string, () => Promise<Subject>>> = {
  "virtio-fs": async () => virtioFsSubject(smallTree()),
  "virtio-9p": async () => virtio9pSubject(smallTree()),
  "slow virtio-fs": async () => slowFiles(virtioFsSubject),
  "slow virtio-9p": async () => slowFiles(virtio9pSubject),
  "late virtio-fs": async () => lateContents(virtioFsSubject),
  "late virtio-9p": async () => lateContents(virtio9pSubject),
};

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

/** Over files whose contents come, or fail, long after they were asked for, in any order. */
function lateContents(make: (tree: FileTree, isReading: boolean) => Subject): Subject {
  const held = new HeldContents(["a", "b", "c", "d"], 70_000);
  // What is read-only has no contents of its own; and kernels open its files.
  held.tree.freeze();
  const settle = (random: Random) => {
    const n = random.below(held.waiting.length + 1);
    void (random.once(8) ? held.fail(n) : held.arrive(n));
  };
  return {
    ...make(held.tree, true),
    ...{ isCareful: true, turnEvery: 8 },
    disturb: settle,
    letGo: () => {
      while (held.waiting.length > 0) void held.arrive();
    },
    atEnd: () => {
      if (held.begun < 20) throw new Error(`only ${held.begun} reads were ever begun`);
    },
  };
}

/** Requests of all kinds; of a kernel that is reading, half of them are about that. */
function virtioFsSubject(tree: FileTree, isReading = false): Subject {
  let unique = 1;
  let isMounted = false;
  return {
    device: new VirtioFs({ tree, tag: "fuzz", cache: "always" }),
    restarted: () => {
      isMounted = false;
    },
    request: (random) => {
      const reads = isReading && random.once(2);
      const opcode = !isMounted || random.once(300) ? Opcode.Init : random.pick(reads ? READING_OPCODES : FUSE_OPCODES);
      isMounted = !random.once(500);
      const isInterrupt = opcode === Opcode.Interrupt;
      const body = isInterrupt
        ? pack([8, Math.max(0, unique - random.below(40))])
        : reads
          ? readingBody(opcode, random)
          : fuseBody(opcode, random);
      const lie = random.once(50) ? random.below(200) : 0;
      const isBelow = reads && opcode !== Opcode.Lookup;
      const node = isBelow ? 2 + random.below(4) : random.once(2) ? 1 : random.below(random.once(20) ? 2 ** 32 : 40);
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

const READING_OPCODES = [Opcode.Lookup, Opcode.Open, Opcode.Read, Opcode.Read, Opcode.Interrupt];
const FUSE_OPCODES = [...Object.values(Opcode).filter((opcode) => opcode !== Opcode.Destroy), 99];

/** As {@link fuseBody}, of a kernel that looks at what there is. */
function readingBody(opcode: number, random: Random): Uint8Array {
  if (opcode === Opcode.Lookup) return pack(random.pick(["a", "b", "c"]));
  if (opcode !== Opcode.Read) return fuseBody(opcode, random);
  const [handle, page, length] = [random.below(8), random.below(20), random.pick([200, 4096])];
  return pack([8, handle], [8, 4096 * page], [4, length], new Uint8Array(20));
}

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

/** As {@link virtioFsSubject}. */
function virtio9pSubject(tree: FileTree, isReading = false): Subject {
  let isMounted = 0;
  return {
    device: new Virtio9p({ tree, tag: "fuzz" }),
    restarted: () => {
      isMounted = 0;
    },
    request: (random) => {
      const reads = isReading && random.once(2);
      const type =
        isMounted === 0
          ? Message.Version
          : isMounted === 1
            ? Message.Attach
            : random.pick(reads ? READING_MESSAGES : MESSAGES);
      isMounted = random.once(500) ? 0 : 2 - Number(isMounted === 0);
      if (random.once(300)) isMounted = 0;
      const body = fields(...(reads ? readingFields(type, random) : ninePFields(type, random)));
      const lie = random.once(50) ? random.below(200) - 100 : 0;
      const header = fields([4, HEADER + body.length + lie], [1, type], [2, random.below(4)]);
      const room = random.once(30) ? random.below(12) : random.pick([20, 200, 1024, 8192]);
      return { queue: 0, parts: [header, body, ...(room === 0 ? [] : [room])].filter((part) => part !== 0) };
    },
  };
}

/** As {@link ninePFields}, of a client that looks at what there is. */
function readingFields(type: number, random: Random): Field[] {
  const fid = (): Field => [4, 1 + random.below(5)];
  if (type === Message.Attach) return [[4, 0], [4, 0xffff_ffff], "", "", [4, 0]];
  if (type === Message.Walk) return [[4, 0], fid(), [2, 1], random.pick(["a", "b", "c"])];
  if (type === Message.LOpen) return [fid(), [4, 0]];
  if (type === Message.Read) return [fid(), [8, 4096 * random.below(20)], [4, random.pick([200, 4096])]];
  return ninePFields(type, random);
}

const READING_MESSAGES = [Message.Walk, Message.LOpen, Message.Read, Message.Read, Message.Flush];
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
