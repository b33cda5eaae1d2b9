import type { BlockBackend } from "@hartvisor/core";
import { beforeEach, describe, expect, it } from "vitest";
import { memoryDisk } from "../../backends/memory-disk.js";
import { type CommandWords, DATA, NvmeTestDriver } from "./test-driver.js";

const BLOCKS = 8192;
const Read = 2;
const Write = 1;

/** Every block is full of its number. */
const CONTENTS = Uint8Array.from({ length: BLOCKS * 512 }, (_, n) => n >> 9);

let bytes: Uint8Array;
let errors: unknown[];
let driver: NvmeTestDriver;

function begin(backend: BlockBackend = memoryDisk(bytes)): void {
  errors = [];
  driver = new NvmeTestDriver({ backend, serial: "a serial", onError: (error) => errors.push(error) }).start();
  expect(driver.createQueues()).toEqual([0, 0]);
}

beforeEach(() => {
  bytes = CONTENTS.slice();
  begin();
});

const io = (command: CommandWords) => driver.submit(1, command);
const settled = () => new Promise((resolve) => setTimeout(resolve));

/** A backend that answers later, as a file does. */
function later({ readNow: _, writeNow: __, ...disk }: BlockBackend): BlockBackend {
  const wait = async (act: () => void | Promise<void>) => {
    await settled();
    await act();
  };
  return {
    ...disk,
    read: (offset, into) => wait(() => disk.read(offset, into)),
    write: (offset, source) => wait(() => disk.write(offset, source)),
    flush: () => wait(() => disk.flush()),
  };
}

describe("the controller", () => {
  it("says what it is", () => {
    expect([driver.read(0), driver.read(4), driver.read(8)]).toEqual([0x0101_03ff, 0x0040_0020, 0x0001_0400]);
    expect(driver.read(0x1c)).toBe(1);
    expect([driver.controller.readMemory(8, 1), driver.controller.readMemory(10, 2)]).toEqual([0, 1]);
    expect(driver.read(0x1000)).toBe(0);
  });

  it("is ready only while it is enabled, and keeps the admin queues' registers", () => {
    driver.write(0x14, 0);
    expect([driver.read(0x1c), driver.read(0x24), driver.read(0x28)]).toEqual([0, 0x000f_000f, 0x8000_0000]);
    driver.put(0, { opcode: 6 });
    driver.ring(0);
    expect(driver.take(0)).toBeUndefined();
  });

  it.each<[string, () => void]>([
    ["an admin queue outside RAM", () => driver.write(0x28, 0x1000)],
    ["an admin queue that ends outside RAM", () => driver.write(0x30, 0x803f_f000)],
    ["an admin queue far away", () => driver.write(0x34, 0xffff_ffff)],
    ["an admin queue of one entry", () => driver.write(0x24, 0x0000_000f)],
  ])("is fatally wrong with %s", (_, spoil) => {
    driver.write(0x14, 0);
    driver.write(0x24, 0x0fff_0fff);
    spoil();
    driver.write(0x14, 0x0046_0001);
    expect([driver.read(0x1c), driver.failures.length]).toEqual([2, 1]);
    driver.start();
    expect(driver.read(0x1c)).toBe(1);
  });

  it.each([
    ["another command set", 0x0046_0011],
    ["another arbitration", 0x0046_0801],
    ["pages of 128 KiB", 0x0046_0281],
  ])("is fatally wrong with %s", (_, configuration) => {
    driver.start({ configuration });
    expect(driver.read(0x1c)).toBe(2);
  });

  it("has shut down when what was written is durable", async () => {
    let flushed = 0;
    begin(later({ ...memoryDisk(bytes), flush: () => void flushed++ }));
    driver.write(0x14, 0x0046_4001);
    expect(driver.read(0x1c)).toBe(5);
    await settled();
    await settled();
    expect([driver.read(0x1c), flushed]).toEqual([9, 1]);
  });

  it("holds its pin while there are completions, and takes the mask into account", () => {
    driver.put(1, driver.transfer(Read, 0, 1));
    driver.put(1, driver.transfer(Read, 1, 1));
    driver.ring(1);
    expect(driver.interrupt).toBe(true);
    driver.take(1);
    expect(driver.interrupt).toBe(true);
    driver.write(0x0c, 1);
    expect([driver.interrupt, driver.read(0x0c), driver.read(0x10)]).toEqual([false, 1, 1]);
    driver.write(0x10, 1);
    expect(driver.interrupt).toBe(true);
    driver.take(1);
    expect(driver.interrupt).toBe(false);
  });

  it("does not interrupt for a queue that does not want it", () => {
    driver.createQueues(2, 16, { interrupts: false });
    driver.put(2, driver.transfer(Read, 0, 1));
    driver.ring(2);
    expect(driver.interrupt).toBe(false);
    expect(driver.take(2)?.status).toBe(0);
  });

  it("leaves commands in their queue while there is no room for completions", () => {
    driver.createQueues(2, 4);
    const ids: number[] = [];
    for (let n = 0; n < 3; n++) ids.push(driver.put(2, driver.transfer(Read, n, 1)));
    driver.ring(2);
    for (let n = 3; n < 6; n++) ids.push(driver.put(2, driver.transfer(Read, n, 1)));
    driver.ring(2);
    expect(ids.map(() => driver.take(2)?.command)).toEqual(ids);
  });

  it("forgets what is under way when it is reset", async () => {
    begin(later(memoryDisk(bytes)));
    driver.put(1, driver.transfer(Read, 3, 1));
    driver.ring(1);
    driver.start();
    await settled();
    await settled();
    expect([...driver.data(512)]).toEqual(new Array(512).fill(0));
    expect([driver.take(0), driver.interrupt]).toEqual([undefined, false]);
  });
});

describe("doorbells", () => {
  const event = () => {
    driver.put(0, { opcode: 0x0c });
    driver.ring(0);
    return driver.take(0);
  };

  it.each([
    ["a value beyond the queue", 0x1008, 16, 0x01_0100],
    ["a completion that is not there", 0x100c, 1, 0x01_0100],
    ["a queue that does not exist", 0x1018, 1, 0x01_0000],
    ["a queue that cannot exist", 0x3ff8, 1, 0x01_0000],
  ])("with %s are told as an event, once", (_, register, value, result) => {
    expect(event()).toBeUndefined();
    driver.write(register, value);
    expect(driver.take(0)).toMatchObject({ status: 0, result });
    driver.write(register, value);
    expect(event()).toBeUndefined();
  });

  it("with more commands than there is room for are not heard", () => {
    driver.createQueues(2, 4);
    expect(event()).toBeUndefined();
    void driver.controller.quiesce();
    const ids = [0, 1, 2].map((block) => driver.put(2, driver.transfer(Read, block, 1)));
    driver.ring(2);
    driver.write(0x1010, 2); // the ring would come round to what is not taken yet
    expect(driver.take(0)).toMatchObject({ status: 0, result: 0x01_0100 });
    driver.controller.resume();
    expect([...ids, undefined].map(() => driver.take(2)?.command)).toEqual([...ids, undefined]);
  });

  it("mean nothing when they are written otherwise than by 32 bits", () => {
    driver.put(1, driver.transfer(Read, 0, 1));
    driver.controller.writeMemory(0x1008, 2, 1);
    driver.controller.writeMemory(0x1009, 4, 1);
    expect(driver.take(1)).toBeUndefined();
  });
});

describe.each([
  ["that answers at once", (disk: BlockBackend) => disk],
  ["that answers later", later],
])("a disk with a backend %s", (_, wrap) => {
  beforeEach(() => begin(wrap(memoryDisk(bytes))));

  const finished = async () => {
    for (let n = 0; n < 4; n++) await settled();
    return driver.take(1);
  };

  it("asks for another try where the machine has no memory to read into", async () => {
    driver.memory.hasFrames = false;
    driver.put(1, driver.transfer(Read, 300, 1, DATA, 0));
    driver.ring(1);
    expect((await finished())?.status).toBe(0x21);
    driver.memory.hasFrames = true;
    driver.put(1, driver.transfer(Read, 300, 1, DATA, 0));
    driver.ring(1);
    expect((await finished())?.status).toBe(0);
  });

  it("reads into one page, two, and a list of them", async () => {
    for (const [blocks, prp1, prp2] of [
      [1, DATA + 0x200, 0],
      [16, DATA, DATA + 0x1000],
      [9, DATA + 0x800, DATA + 0x1000],
    ] as const) {
      driver.put(1, driver.transfer(Read, 300, blocks, prp1, prp2));
      driver.ring(1);
      expect((await finished())?.status).toBe(0);
      expect(driver.data(512 * blocks, prp1)).toEqual(bytes.subarray(300 * 512, (300 + blocks) * 512));
    }
    const list = DATA + 0x10_0ff0; // two entries, of which the second leads on
    const pages = [4, 6, 8, 10, 12].map((n) => DATA + n * 0x1000);
    driver.memory.store64(list, pages[0] ?? 0);
    driver.memory.store64(list + 8, DATA + 0x11_0000);
    for (const [n, page] of pages.slice(1).entries()) driver.memory.store64(DATA + 0x11_0000 + 8 * n, page);
    driver.put(1, driver.transfer(Read, 1000, 44, DATA + 0x2000, list));
    driver.ring(1);
    expect((await finished())?.status).toBe(0);
    for (const [n, page] of [DATA + 0x2000, ...pages].entries()) {
      const first = 1000 + 8 * n;
      const count = n === 5 ? 4 : 8;
      expect(driver.data(512 * count, page)).toEqual(bytes.subarray(first * 512, (first + count) * 512));
    }
  });

  it("writes, and makes durable what it was asked to", async () => {
    const log: string[] = [];
    const disk = memoryDisk(bytes);
    begin(wrap({ ...disk, flush: () => void log.push("flush") }));
    driver.data(1024).fill(0x77);
    driver.put(1, driver.transfer(Write, 7, 2));
    driver.ring(1);
    expect((await finished())?.status).toBe(0);
    expect([...bytes.subarray(7 * 512 - 1, 9 * 512 + 1)]).toEqual([6, ...new Array(1024).fill(0x77), 9]);
    expect(log).toEqual([]);
    driver.put(1, { opcode: 0, namespace: 0xffff_ffff });
    driver.ring(1);
    expect([(await finished())?.status, log.length]).toEqual([0, 1]);
    driver.put(1, { ...driver.transfer(Write, 7, 1), words: [7, 0, 2 ** 30] });
    driver.ring(1);
    expect([(await finished())?.status, log.length]).toEqual([0, 2]);
    driver.put(0, { opcode: 9, words: [6, 0] });
    driver.ring(0);
    for (let n = 0; n < 4; n++) await settled();
    expect([driver.take(0)?.status, log.length]).toEqual([0, 3]);
    driver.put(1, driver.transfer(Write, 7, 1));
    driver.ring(1);
    expect([(await finished())?.status, log.length]).toEqual([0, 4]);
  });

  it("zeroes", async () => {
    driver.put(1, { opcode: 8, namespace: 1, words: [100, 0, 4999] });
    driver.ring(1);
    expect((await finished())?.status).toBe(0);
    expect(bytes.subarray(100 * 512, 5100 * 512).some((byte) => byte !== 0)).toBe(false);
    expect([bytes[100 * 512 - 1], bytes[5100 * 512]]).toEqual([99, 5100 & 0xff]);
  });

  it("goes on after save and restore, with what it was not asked before", async () => {
    const quiet = driver.controller.quiesce();
    driver.put(1, driver.transfer(Read, 5, 1));
    driver.ring(1);
    await quiet;
    expect(driver.take(1)).toBeUndefined();
    const saved = structuredClone(driver.controller.save());
    driver.controller.reset();
    driver.controller.resume();
    driver.controller.restore(saved);
    expect((await finished())?.status).toBe(0);
    expect(driver.data(512)).toEqual(bytes.subarray(5 * 512, 6 * 512));
    expect(driver.interrupt).toBe(false);
  });
});

describe("an I/O command", () => {
  const list = DATA + 0x1000;

  it.each<[string, CommandWords, number]>([
    ["of another namespace", { opcode: Read, namespace: 2, prp1: DATA }, 0x0b],
    ["of no namespace", { opcode: Read, prp1: DATA }, 0x0b],
    ["of no kind", { opcode: 0x7f, namespace: 1 }, 0x01],
    ["that is fused", { opcode: Read, namespace: 1, flags: 1 }, 0x02],
    ["with SGLs", { opcode: Read, namespace: 1, flags: 0x40 }, 0x02],
    ["beyond the end", { opcode: Read, namespace: 1, prp1: DATA, words: [BLOCKS, 0, 0] }, 0x80],
    ["that ends beyond the end", { opcode: Write, namespace: 1, prp1: DATA, words: [BLOCKS - 1, 0, 1] }, 0x80],
    ["far beyond the end", { opcode: Write, namespace: 1, prp1: DATA, words: [0, 0xffff_ffff, 0] }, 0x80],
    ["that zeroes beyond the end", { opcode: 8, namespace: 1, words: [BLOCKS - 1, 0, 1] }, 0x80],
    ["that is larger than a transfer may be", { opcode: Read, namespace: 1, prp1: DATA, words: [0, 0, 4096] }, 0x02],
    ["with a misaligned page", { opcode: Read, namespace: 1, prp1: DATA + 2 }, 0x13],
    [
      "whose second page has an offset",
      { opcode: Read, namespace: 1, prp1: DATA, prp2: DATA + 4, words: [0, 0, 8] },
      0x13,
    ],
    ["whose list is misaligned", { opcode: Read, namespace: 1, prp1: DATA, prp2: list + 4, words: [0, 0, 16] }, 0x13],
    ["outside RAM", { opcode: Read, namespace: 1, prp1: 0x1000 }, 0x04],
    ["at the end of RAM", { opcode: Read, namespace: 1, prp1: 0x803f_f000, prp2: 0x8040_0000, words: [0, 0, 8] }, 0x04],
    ["whose list is outside RAM", { opcode: Read, namespace: 1, prp1: DATA, prp2: 2 ** 40, words: [0, 0, 16] }, 0x04],
    ["whose list leads outside RAM", { opcode: Read, namespace: 1, prp1: DATA, prp2: list, words: [0, 0, 16] }, 0x04],
  ])("%s is refused", (_, command, status) => {
    expect(io(command)).toMatchObject({ status, isFinal: true });
    expect(driver.admin({ opcode: 2, namespace: 0xffff_ffff, prp1: DATA, words: [(15 << 16) | 1, 0] })?.status).toBe(0);
    const entry = new DataView(driver.data(64).slice().buffer);
    expect([entry.getUint32(0, true), entry.getUint16(8, true), (entry.getUint16(12, true) >> 1) & 0x7ff]).toEqual([
      1,
      1,
      status,
    ]);
  });

  it("ends however its lists lead in circles", () => {
    // Each page of the list is the list itself.
    for (let n = 0; n < 512; n++) driver.memory.store64(list + 8 * n, list);
    expect(io(driver.transfer(Write, 0, 4096, DATA, list + 0xff8))?.status).toBe(0);
  });

  it("that writes is refused by a disk that is read-only", () => {
    begin(memoryDisk(bytes, { readOnly: true }));
    driver.admin({ opcode: 6, namespace: 1, prp1: DATA });
    expect(driver.data(100)[99]).toBe(1);
    for (const command of [
      driver.transfer(Write, 0, 1),
      { opcode: 8, namespace: 1 },
      { opcode: 9, namespace: 1, prp1: DATA, words: [0, 4] },
    ]) {
      expect(io(command)?.status).toBe(0x20);
    }
    expect(io(driver.transfer(Read, 1, 1))?.status).toBe(0);
  });

  it("that the host cannot do ends with a media error, of which the host hears", () => {
    const broken = () => {
      throw new Error("disk full");
    };
    const { readNow: _, writeNow: __, ...disk } = memoryDisk(bytes);
    begin({ ...disk, read: () => Promise.reject(new Error("gone")), write: broken, flush: broken });
    expect(io(driver.transfer(Write, 0, 1))).toMatchObject({ status: 0x280, isFinal: false });
    expect(io({ opcode: 0, namespace: 1 })).toMatchObject({ status: 0x06, isFinal: false });
    expect(errors).toHaveLength(2);
  });

  it("that gives up ranges hands them on", () => {
    const discarded: [number, number][] = [];
    begin({ ...memoryDisk(bytes), discard: (offset, length) => void discarded.push([offset, length]) });
    const put = (n: number, start: number, blocks: number) => {
      driver.memory.store32(DATA + 16 * n + 4, blocks);
      driver.memory.store64(DATA + 16 * n + 8, start);
    };
    put(0, 4, 2);
    put(1, 9, 0);
    put(2, BLOCKS - 1, 1);
    expect(io({ opcode: 9, namespace: 1, prp1: DATA, words: [2, 4] })?.status).toBe(0);
    expect(discarded).toEqual([
      [2048, 1024],
      [(BLOCKS - 1) * 512, 512],
    ]);
    expect(io({ opcode: 9, namespace: 1, prp1: DATA, words: [2, 1] })?.status).toBe(0);
    put(1, BLOCKS, 1);
    expect(io({ opcode: 9, namespace: 1, prp1: DATA, words: [2, 4] })?.status).toBe(0x80);
    expect(discarded).toHaveLength(2);
  });
});

it.each([0, 100, -512, 0.5])("cannot have %s bytes", (size) => {
  expect(() => new NvmeTestDriver({ backend: { ...memoryDisk(bytes), size } })).toThrow(/multiple of 512/);
});
