import { beforeEach, describe, expect, it } from "vitest";
import { MAX_CHAIN_BUFFERS, SplitQueue } from "./split-queue.js";
import { Descriptor, TestDriver, TestMemory } from "./test-memory.js";

const BUFFER = 0x8001_0000;
const END = 0x8010_0000;

let memory: TestMemory;
let driver: TestDriver;
let queue: SplitQueue;
let interrupts: number;
let failures: string[];

/** What a queue calls when there are frames again. */
const retry = () => {};

function begin(features = { eventIndex: false, indirect: true }): void {
  memory = new TestMemory();
  driver = new TestDriver(memory);
  interrupts = 0;
  failures = [];
  queue = new SplitQueue(0, 8, memory, {
    interrupt: () => interrupts++,
    fail: (reason) => failures.push(reason),
    retry,
  });
  driver.setUp(queue);
  queue.negotiated(features);
  queue.enable();
}

beforeEach(() => begin());

/** Takes, answers and publishes all that waits. */
function serve(written = 0): void {
  for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) queue.complete(chain, written);
  queue.publish();
}

describe("a chain", () => {
  it("is what the device reads, then what it writes", () => {
    memory.bytes.set([1, 2, 3, 4], 0x10000);
    driver.add(
      { address: BUFFER, length: 3 },
      { address: BUFFER + 3, length: 1 },
      { address: BUFFER + 16, length: 8, write: true },
    );
    const chain = queue.pop();
    const bytes = new Uint8Array(8);
    expect(chain?.read(1, bytes)).toBe(3);
    expect([...bytes]).toEqual([2, 3, 4, 0, 0, 0, 0, 0]);
    expect(chain?.write(6, Uint8Array.of(7, 8, 9))).toBe(2);
    expect([...memory.bytes.subarray(0x10010, 0x10018)]).toEqual([0, 0, 0, 0, 0, 0, 7, 8]);
    expect([chain?.readableBytes, chain?.writableBytes, chain?.count]).toEqual([4, 8, 3]);
  });

  it("may have empty buffers, and be nothing else", () => {
    driver.add({ address: BUFFER, length: 0 }, { address: BUFFER, length: 0, write: true });
    expect(queue.pop()).toMatchObject({ count: 0, readableBytes: 0, writableBytes: 0 });
  });

  it("may lie in an indirect table, whatever its alignment", () => {
    const table = BUFFER + 3;
    driver.descriptor(0, BUFFER + 0x100, 5, Descriptor.Next, 2, table);
    driver.descriptor(2, BUFFER + 0x200, 7, Descriptor.Write, 0, table);
    driver.descriptor(0, table, 48, Descriptor.Indirect | Descriptor.Write);
    driver.offer(0);
    expect(queue.pop()).toMatchObject({ count: 2, readableBytes: 5, writableBytes: 7 });
  });

  it("may be put back and taken again", () => {
    driver.add({ address: BUFFER, length: 5 });
    const chain = queue.pop();
    if (chain) queue.unpop(chain);
    expect([queue.inFlight, queue.pop()?.readableBytes]).toEqual([0, 5]);
  });
});

describe("the used ring", () => {
  it("tells which chain was used, and how much was written", () => {
    driver.add({ address: BUFFER, length: 1 });
    const head = driver.add({ address: BUFFER, length: 4, write: true });
    const chains = [queue.pop(), queue.pop()];
    if (chains[1]) queue.complete(chains[1], 4);
    expect(driver.take()).toBeUndefined();
    queue.publish();
    expect(driver.take()).toEqual({ head, written: 4 });
  });

  it("goes round many times", () => {
    for (let n = 0; n < 70_000; n++) {
      const head = driver.add({ address: BUFFER, length: 1 });
      serve(n);
      expect(driver.take()).toEqual({ head, written: n });
    }
  });

  it("interrupts once for all that is published together, and not for nothing", () => {
    queue.publish();
    driver.add({ address: BUFFER, length: 1 });
    driver.add({ address: BUFFER, length: 1 });
    serve();
    queue.publish();
    expect(interrupts).toBe(1);
  });

  it("leaves a driver in peace that asked for it", () => {
    memory.store16(driver.available, 1);
    driver.add({ address: BUFFER, length: 1 });
    serve();
    expect(interrupts).toBe(0);
    expect(driver.take()).toBeDefined();
  });
});

describe("with event index", () => {
  beforeEach(() => begin({ eventIndex: true, indirect: true }));

  it("interrupts when the used index passes the driver's event", () => {
    memory.store16(driver.available + 4 + 16, 1);
    const counts = [1, 2, 3].map(() => {
      driver.add({ address: BUFFER, length: 1 });
      serve();
      return interrupts;
    });
    expect(counts).toEqual([0, 1, 1]);
  });

  it("names the request for which it wants a doorbell", () => {
    driver.add({ address: BUFFER, length: 1 });
    serve();
    queue.askForNotification();
    expect(memory.load16(driver.used + 4 + 64)).toBe(1);
    queue.declineNotifications();
    expect(memory.load16(driver.used)).toBe(0);
  });

  it("wants a doorbell with the next request, also where it leaves those that are there", () => {
    for (let n = 0; n < 3; n++) driver.add({ address: BUFFER, length: 1 });
    const chain = queue.pop();
    if (chain) queue.unpop(chain);
    queue.askForNotification();
    expect(memory.load16(driver.used + 4 + 64)).toBe(3);
  });
});

it("shows drivers without event index whether doorbells are of use", () => {
  queue.declineNotifications();
  expect(memory.load16(driver.used)).toBe(1);
  queue.askForNotification();
  expect(memory.load16(driver.used)).toBe(0);
});

describe("a driver that breaks the rules", () => {
  const TABLE = BUFFER;
  const indirect = (length: number, flags: number = Descriptor.Indirect, address: number = TABLE) => {
    driver.descriptor(0, address, length, flags);
    driver.offer(0);
  };
  const cases: readonly (readonly [what: string, act: () => void, reason: RegExp])[] = [
    ["jumps ahead with the available index", () => memory.store16(driver.available + 2, 9), /9 ahead/],
    ["names a descriptor that does not exist", () => driver.offer(8), /descriptor 8 of 8/],
    [
      "makes a loop",
      () => {
        driver.descriptor(0, BUFFER, 1, Descriptor.Next, 1);
        driver.descriptor(1, BUFFER, 1, Descriptor.Next, 0);
        driver.offer(0);
      },
      /loop/,
    ],
    [
      "goes on at a descriptor that does not exist",
      () => {
        driver.descriptor(0, BUFFER, 1, Descriptor.Next, 500);
        driver.offer(0);
      },
      /descriptor 500/,
    ],
    ["names a buffer outside RAM", () => driver.add({ address: 0x1000_0000, length: 4 }), /outside RAM/],
    ["names a buffer that leaves RAM", () => driver.add({ address: END - 2, length: 4 }), /outside RAM/],
    ["names a buffer that wraps", () => driver.add({ address: 2 ** 64 - 4096, length: 8192 }), /outside RAM/],
    [
      "puts readable behind writable",
      () => driver.add({ address: BUFFER, length: 1, write: true }, { address: BUFFER, length: 1 }),
      /behind a writable/,
    ],
    ["names an indirect table of odd length", () => indirect(17), /table of 17 bytes/],
    ["names an empty indirect table", () => indirect(0), /table of 0 bytes/],
    ["names an indirect table outside RAM", () => indirect(32, Descriptor.Indirect, END - 16), /outside RAM/],
    ["goes on after an indirect table", () => indirect(16, Descriptor.Indirect | Descriptor.Next), /successor/],
    [
      "nests indirect tables",
      () => {
        driver.descriptor(0, BUFFER, 16, Descriptor.Indirect, 0, TABLE);
        indirect(16);
      },
      /in an indirect table/,
    ],
    [
      "makes a loop in an indirect table",
      () => {
        driver.descriptor(0, BUFFER, 1, Descriptor.Next, 0, TABLE);
        indirect(16 * 2048);
      },
      /loop/,
    ],
    [
      "makes a chain of more buffers than any device takes",
      () => {
        for (let n = 0; n < 2048; n++) driver.descriptor(n, BUFFER, 1, Descriptor.Next, n + 1, TABLE);
        indirect(16 * 2048);
      },
      new RegExp(`longer|more than ${MAX_CHAIN_BUFFERS}`),
    ],
  ];

  it.each(cases)("%s: is told that the device needs a reset", (_, act, reason) => {
    act();
    expect(queue.pop()).toBeUndefined();
    expect(failures).toEqual([expect.stringMatching(reason)]);
    driver.add({ address: BUFFER, length: 1 });
    expect(queue.pop()).toBeUndefined();
    queue.reset();
    driver = new TestDriver(memory);
    memory.bytes.fill(0, 0x4000, 0x6000);
    driver.setUp(queue);
    queue.enable();
    driver.add({ address: BUFFER, length: 1 });
    expect(queue.pop()).toBeDefined();
  });

  it("offers more requests than the queue has descriptors", () => {
    driver.descriptor(0, BUFFER, 1);
    for (let n = 0; n < 9; n++) {
      driver.offer(0);
      queue.pop();
    }
    expect(failures).toEqual([expect.stringMatching(/more than 8 requests/)]);
  });

  it("uses an indirect table without having asked for it", () => {
    begin({ eventIndex: false, indirect: false });
    indirect(16);
    expect(queue.pop()).toBeUndefined();
    expect(failures).toEqual([expect.stringMatching(/not negotiated/)]);
  });

  it("names 4 GiB, by naming one buffer over and over", () => {
    memory = new TestMemory(1);
    Object.assign(memory, { contains: () => true });
    const big = new TestMemory(1 << 16, 0);
    Object.assign(big, { contains: () => true });
    driver = new TestDriver(big, 8, 0);
    queue = new SplitQueue(0, 8, big, { interrupt: () => {}, fail: (reason) => failures.push(reason), retry });
    driver.setUp(queue);
    queue.enable();
    driver.add({ address: 0, length: 0x8000_0000 }, { address: 0, length: 0x8000_0000 });
    expect(queue.pop()).toBeUndefined();
    expect(failures).toEqual([expect.stringMatching(/4 GiB/)]);
  });
});

describe("a queue", () => {
  it.each([
    ["a size that is no power of two", { size: 6 }],
    ["no size", { size: 0 }],
    ["a size above what the device offers", { size: 16 }],
    ["a misaligned descriptor table", { descriptorTable: 0x8000_0008 }],
    ["a misaligned driver area", { driverArea: 0x8000_4001 }],
    ["a misaligned device area", { deviceArea: 0x8000_5002 }],
    ["a ring that leaves RAM", { deviceArea: END - 68 }],
    ["a table outside RAM", { descriptorTable: 0 }],
    ["a table far above RAM", { descriptorTable: 2 ** 63 }],
  ])("is not turned on with %s", (_, change) => {
    queue.reset();
    driver.setUp(queue);
    Object.assign(queue.setup, change);
    expect(queue.enable()).toBe(false);
    expect(failures).toHaveLength(1);
    expect(queue.isLive).toBe(false);
  });

  it("drops what comes back after a reset", () => {
    driver.add({ address: BUFFER, length: 1 });
    const chain = queue.pop();
    queue.reset();
    driver.setUp(queue);
    queue.enable();
    if (chain) queue.complete(chain, 1);
    queue.publish();
    expect([queue.inFlight, memory.load16(driver.used + 2), interrupts]).toEqual([0, 0, 0]);
  });

  it("goes on after save and restore where it was", () => {
    driver.add({ address: BUFFER, length: 1 });
    serve();
    driver.take();
    const head = driver.add({ address: BUFFER, length: 2 });
    const saved = structuredClone(queue.save());
    queue = new SplitQueue(0, 8, memory, {
      interrupt: () => interrupts++,
      fail: (reason) => failures.push(reason),
      retry,
    });
    queue.restore(saved);
    expect(queue.save()).toEqual(saved);
    serve(5);
    expect(driver.take()).toEqual({ head, written: 5 });
    expect(interrupts).toBe(2);
  });
});
