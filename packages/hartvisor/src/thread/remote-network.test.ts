import type { FrameOffload, NetworkBackend, NetworkCard } from "@hartvisor/core";
import { NetworkSwitch } from "@hartvisor/devices";
import { beforeEach, describe, expect, it } from "vitest";
import { Channels } from "./channel.js";
import { remoteNetwork, serveNetwork } from "./remote-network.js";

/** A thread that does nothing until it is told to: what was sent to it waits. */
class Thread {
  readonly channels: Channels;
  readonly waiting: unknown[] = [];
  other: Thread | undefined;

  constructor() {
    this.channels = new Channels((_, data) => this.other?.waiting.push(structuredClone(data)));
  }

  async run(): Promise<void> {
    await Promise.resolve(); // what was batched is sent
    for (const data of this.waiting.splice(0)) this.channels.receive(0, data);
    await Promise.resolve();
  }
}

/** A card in the worker, and what it got. */
class Card implements NetworkCard {
  readonly largestSegment = 1460;
  readonly frames: { readonly bytes: Uint8Array; readonly offload: FrameOffload | undefined }[] = [];
  hasRoom = true;

  deliver(parts: readonly Uint8Array[], offload?: FrameOffload): boolean {
    if (!this.hasRoom) return false;
    this.frames.push({ bytes: Uint8Array.from(parts.flatMap((part) => [...part])), offload });
    return true;
  }
}

let owner: Thread;
let worker: Thread;
let backend: NetworkBackend;
let end: () => void;

function connect(network: NetworkBackend): void {
  owner = new Thread();
  worker = new Thread();
  [owner.other, worker.other] = [worker, owner];
  end = serveNetwork(network, owner.channels.open(0));
  backend = remoteNetwork(worker.channels.open(0));
}

async function runBoth(): Promise<void> {
  do {
    await owner.run();
    await worker.run();
  } while (owner.waiting.length + worker.waiting.length > 0);
}

/** A network that remembers what it hears. */
class Network implements NetworkBackend {
  card: NetworkCard | undefined;
  readonly log: unknown[] = [];
  connect(card: NetworkCard | undefined): void {
    this.card = card;
    this.log.push(card === undefined ? "gone" : card.largestSegment);
  }
  receive(frame: Uint8Array, offload?: FrameOffload): void {
    this.log.push(offload === undefined ? [...frame] : [[...frame], offload]);
  }
  flush(): void {
    this.log.push("flush");
  }
  lost(frames: number): void {
    this.log.push(`lost ${frames}`);
  }
  ready(): void {
    this.log.push("ready");
  }
  async close(): Promise<void> {}
}

describe("a network of another thread", () => {
  let network: Network;
  let card: Card;

  beforeEach(async () => {
    network = new Network();
    connect(network);
    card = new Card();
    backend.connect(card);
    await runBoth();
    network.log.length = 0;
  });

  it("gets what the guest sends, batch by batch, with what is left to do", async () => {
    const offload = { checksumStart: 34, checksumOffset: 16, segmentSize: 1460 };
    backend.receive(Uint8Array.of(1, 2));
    backend.receive(Uint8Array.of(0, 3, 4).subarray(1), offload);
    backend.flush();
    await runBoth();
    expect(network.log).toEqual([[1, 2], [[3, 4], offload], "flush"]);
  });

  it("gives the guest frames, in parts or whole, in order", async () => {
    const offload = { checksumStart: 34, checksumOffset: 6, segmentSize: 0 };
    const reused = Uint8Array.of(1, 2);
    expect(network.card?.deliver([reused, Uint8Array.of(3)])).toBe(true);
    reused.fill(0);
    network.card?.deliver([Uint8Array.of(4)], offload);
    await runBoth();
    expect(card.frames).toEqual([
      { bytes: Uint8Array.of(1, 2, 3), offload: undefined },
      { bytes: Uint8Array.of(4), offload },
    ]);
  });

  it("knows how much the card takes, and that its driver is gone", async () => {
    backend.connect(undefined);
    await runBoth();
    backend.connect(card);
    await runBoth();
    expect(network.log).toEqual(["gone", 1460]);
  });

  it("is told that there is no room, and then that there is, by a guest that does not take its frames", async () => {
    card.hasRoom = false;
    const frame = new Uint8Array(1000);
    let sent = 0;
    while (network.card?.deliver([frame])) sent++;
    expect(sent).toBe(1024);
    await runBoth();
    expect([network.card?.deliver([frame]), network.log]).toEqual([false, []]);
    card.hasRoom = true;
    backend.ready();
    await runBoth();
    expect(card.frames).toHaveLength(sent);
    expect(network.log).toEqual(["ready"]);
    expect(network.card?.deliver([frame])).toBe(true);
  });

  it("is told so by bytes, too", () => {
    const frame = new Uint8Array(65_000);
    let sent = 0;
    while (network.card?.deliver([frame])) sent++;
    expect(sent).toBe(Math.ceil(2 ** 21 / 65_000));
  });

  it("hears how many frames were lost because its thread was busy, and gets the others", async () => {
    for (let n = 0; n < 3000; n++) {
      backend.receive(Uint8Array.of(n % 256));
      if (n % 100 === 99) backend.flush();
    }
    expect(owner.waiting.length).toBeLessThan(40);
    await runBoth();
    expect(network.log.filter((each) => Array.isArray(each))).toHaveLength(1024);
    expect(network.log.filter((each) => /^lost/.test(String(each)))).not.toEqual([]);
    const lost = network.log.map((each) => Number(/^lost (\d+)/.exec(String(each))?.[1] ?? 0));
    expect(lost.reduce((sum, each) => sum + each)).toBe(3000 - 1024);
    network.log.length = 0;
    backend.receive(Uint8Array.of(7));
    backend.flush();
    await runBoth();
    expect(network.log).toEqual([[7], "flush"]);
  });

  it("is sent a bounded number of messages by a guest that does not stop while its thread is busy", async () => {
    for (let n = 0; n < 5000; n++) {
      backend.receive(Uint8Array.of(1));
      backend.flush();
    }
    expect(owner.waiting.length).toBeLessThanOrEqual(1024);
    const before = owner.waiting.length;
    for (let n = 0; n < 1000; n++) backend.connect(n % 2 === 0 ? undefined : card);
    expect(owner.waiting.length).toBe(before + 1);
    await runBoth();
    expect(network.card?.deliver([Uint8Array.of(5)])).toBe(true);
    await runBoth();
    expect(card.frames).toHaveLength(1);
  });

  it("gets nothing from a driver that it has not heard of, and what the last one sent behind its being up", async () => {
    for (const fill of [1, 2, 3]) {
      backend.connect(card);
      backend.receive(Uint8Array.of(fill));
      backend.flush();
    }
    await runBoth();
    expect(network.log).toEqual([1460, [1], "flush", 1460, [3], "flush"]);
  });

  it("gives a driver nothing that was for the one before", async () => {
    network.card?.deliver([Uint8Array.of(1)]);
    const old = network.card;
    backend.connect(undefined);
    const next = new Card();
    backend.connect(next);
    await runBoth();
    expect([card.frames, next.frames, old?.deliver([Uint8Array.of(2)])]).toEqual([[], [], false]);
    network.card?.deliver([Uint8Array.of(3)]);
    await runBoth();
    expect(next.frames).toHaveLength(1);
  });

  it("has as much room as before when frames were for a driver that is gone", async () => {
    for (let round = 0; round < 3; round++) {
      card.hasRoom = false;
      let sent = 0;
      while (network.card?.deliver([Uint8Array.of(1)])) sent++;
      expect(sent).toBe(1024);
      await runBoth();
      backend.connect(new Card());
      await runBoth();
    }
  });

  it("loses its card when the worker is gone", () => {
    const last = network.card;
    end();
    expect([network.card, last?.deliver([Uint8Array.of(1)])]).toEqual([undefined, false]);
  });
});

it("counts frames that were lost on their way to a switch as those that found no room", async () => {
  const lan = new NetworkSwitch();
  connect(lan.card());
  backend.connect(new Card());
  const frame = new Uint8Array(60);
  frame.set([0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1]);
  for (let n = 0; n < 1500; n++) backend.receive(frame.slice());
  backend.flush();
  await runBoth();
  expect(lan.stats).toMatchObject({ flooded: 1024, dropped: { full: 476 } });
});
