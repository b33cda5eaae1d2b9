import { beforeEach, describe, expect, it } from "vitest";
import { memoryDisk } from "../../backends/memory-disk.js";
import { type CommandWords, DATA, NvmeTestDriver } from "./test-driver.js";

const BLOCKS = 64;

let driver: NvmeTestDriver;

beforeEach(() => {
  driver = new NvmeTestDriver({ backend: memoryDisk(new Uint8Array(BLOCKS * 512)), serial: "a serial" }).start();
});

const admin = (command: CommandWords) => driver.admin(command);
const text = (at: number, length: number) => new TextDecoder().decode(driver.data(length, DATA + at).slice());
const view = () => new DataView(driver.data(4096).slice().buffer);

describe("Identify", () => {
  it("tells of the controller", () => {
    expect(admin({ opcode: 6, prp1: DATA, words: [1] })?.status).toBe(0);
    expect([text(4, 20), text(24, 40).trim(), text(64, 8)]).toEqual([
      "a serial".padEnd(20),
      "hartvisor NVMe",
      "1       ",
    ]);
    expect([view().getUint16(0, true), view().getUint32(80, true), view().getUint32(516, true)]).toEqual([
      0x1b36, 0x1_0400, 1,
    ]);
    expect([77, 259, 512, 513, 520, 525].map((at) => view().getUint8(at))).toEqual([9, 3, 0x66, 0x44, 0x0c, 7]);
    expect(text(768, 68)).toMatch(/^nqn\.2014-08\.org\.nvmexpress:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  it("tells of the namespace, its number and its name", () => {
    expect(admin({ opcode: 6, namespace: 1, prp1: DATA })?.status).toBe(0);
    expect([view().getBigUint64(0, true), view().getBigUint64(8, true), view().getUint8(130)]).toEqual([64n, 64n, 9]);
    admin({ opcode: 6, prp1: DATA, words: [2] });
    expect([view().getUint32(0, true), view().getUint32(4, true)]).toEqual([1, 0]);
    admin({ opcode: 6, namespace: 1, prp1: DATA, words: [2] });
    expect(view().getUint32(0, true)).toBe(0);
    admin({ opcode: 6, namespace: 1, prp1: DATA, words: [3] });
    expect([view().getUint8(0), view().getUint8(1), view().getUint8(20)]).toEqual([3, 16, 0]);
  });

  it.each<[string, CommandWords, number]>([
    ["another namespace", { opcode: 6, namespace: 2, prp1: DATA }, 0x0b],
    ["all namespaces", { opcode: 6, namespace: 0xffff_ffff, prp1: DATA }, 0x0b],
    ["namespaces after the last number", { opcode: 6, namespace: 0xffff_fffe, prp1: DATA, words: [2] }, 0x0b],
    ["another structure", { opcode: 6, prp1: DATA, words: [4] }, 0x02],
    ["an answer outside RAM", { opcode: 6, prp1: 0x1000, words: [1] }, 0x04],
    ["an answer half outside RAM", { opcode: 6, prp1: DATA + 0x800, prp2: 0x1000, words: [1] }, 0x04],
  ])("refuses %s", (_, command, status) => {
    expect(admin(command)?.status).toBe(status);
  });
});

describe("queues", () => {
  const base = DATA;
  it.each<[string, CommandWords, number]>([
    ["without a number", { opcode: 5, prp1: base, words: [7 << 16, 1] }, 0x101],
    ["beyond the last", { opcode: 5, prp1: base, words: [(7 << 16) | 17, 1] }, 0x101],
    ["that are there", { opcode: 5, prp1: base, words: [(7 << 16) | 1, 1] }, 0x101],
    ["of one entry", { opcode: 5, prp1: base, words: [2, 1] }, 0x102],
    ["of too many entries", { opcode: 5, prp1: base, words: [(1024 << 16) | 2, 1] }, 0x102],
    ["with another vector", { opcode: 5, prp1: base, words: [(7 << 16) | 2, 0x1_0003] }, 0x108],
    ["in pieces", { opcode: 5, prp1: base, words: [(7 << 16) | 2, 0] }, 0x02],
    ["with an offset", { opcode: 5, prp1: base + 16, words: [(7 << 16) | 2, 1] }, 0x13],
    ["outside RAM", { opcode: 5, prp1: 0x803f_f000, words: [(1023 << 16) | 2, 1] }, 0x04],
    ["of commands outside RAM", { opcode: 1, prp1: 0x1000, words: [(7 << 16) | 2, 0x1_0001] }, 0x04],
    ["of commands that answer to the admin queue", { opcode: 1, prp1: base, words: [(7 << 16) | 2, 1] }, 0x101],
    ["of commands that answer nowhere", { opcode: 1, prp1: base, words: [(7 << 16) | 2, 0x3_0001] }, 0x100],
    ["of commands that are there", { opcode: 1, prp1: base, words: [(7 << 16) | 1, 0x1_0001] }, 0x101],
  ])("%s are not made", (_, command, status) => {
    driver.createQueues();
    expect(admin(command)).toMatchObject({ status, isFinal: true });
  });

  it("are not made before the sizes of their entries are set", () => {
    driver.start({ configuration: 1 });
    expect(driver.createQueues()).toEqual([0x102, 0x102]);
  });

  it("are deleted, first that of the commands", () => {
    driver.createQueues();
    expect(admin({ opcode: 4, words: [1] })?.status).toBe(0x10c);
    expect(admin({ opcode: 0, words: [1] })?.status).toBe(0);
    expect(admin({ opcode: 4, words: [1] })?.status).toBe(0);
    expect(admin({ opcode: 4, words: [1] })?.status).toBe(0x101);
    expect(admin({ opcode: 0, words: [0] })?.status).toBe(0x101);
    expect(driver.createQueues()).toEqual([0, 0]);
  });
});

describe("features", () => {
  const set = (feature: number, value: number, namespace = 0) =>
    admin({ opcode: 9, namespace, words: [feature, value] })?.status;
  const get = (feature: number, value = 0, namespace = 0) =>
    admin({ opcode: 10, namespace, words: [feature, value] })?.result;

  it.each([
    ["arbitration", 1, 0x0102_0303],
    ["error recovery", 5, 0x1234],
    ["interrupt coalescing", 8, 0x0102],
    ["the interrupt vector", 9, 0x1_0000],
    ["write atomicity", 0x0a, 1],
    ["asynchronous events", 0x0b, 0x1f],
  ])("of %s are read back, until a reset", (_, feature, value) => {
    const namespace = feature === 5 ? 1 : 0;
    const initial = get(feature, 0, namespace);
    expect(set(feature, value, namespace)).toBe(0);
    expect(get(feature, 0, namespace)).toBe(value);
    driver.start();
    expect(get(feature, 0, namespace)).toBe(initial);
  });

  it("of the number of queues are asked for before there are any", () => {
    expect(admin({ opcode: 9, words: [7, 0x0003_0003] })).toMatchObject({ status: 0, result: 0x000f_000f });
    expect(set(7, 0xffff_0000)).toBe(0x02);
    driver.createQueues();
    expect(set(7, 0x0003_0003)).toBe(0x0c);
    expect(get(7)).toBe(0x000f_000f);
  });

  it("of the write cache are on at first", () => {
    expect(get(6)).toBe(1);
    set(6, 0);
    expect(get(6)).toBe(0);
  });

  it.each([
    ["of no kind", 0x20, 0, 0, 0x02],
    ["of a power state", 2, 1, 0, 0x02],
    ["of another vector", 9, 1, 0, 0x02],
    ["to be saved", 0x8000_0001, 0, 0, 0x10d],
    ["of the controller for a namespace", 1, 0, 1, 0x10f],
    ["for another namespace", 1, 0, 2, 0x0b],
    ["of the namespace for none", 5, 0, 0, 0x0b],
    ["of another sensor", 4, 0x1_0000, 0, 0x02],
  ])("%s are not set", (_, feature, value, namespace, status) => {
    expect(set(feature, value, namespace)).toBe(status);
  });

  it("of the temperature lead to a warning and an event", () => {
    expect([get(4), get(4, 0x10_0000)]).toEqual([343, 0]);
    driver.put(0, { opcode: 0x0c });
    driver.ring(0);
    set(0x0b, 2);
    set(4, 300);
    expect(driver.take(0)).toMatchObject({ status: 0, result: 0x02_0101 });
    admin({ opcode: 2, namespace: 0xffff_ffff, prp1: DATA, words: [(127 << 16) | 2] });
    expect([view().getUint8(0), view().getUint16(1, true)]).toEqual([2, 310]);
  });
});

describe("log pages", () => {
  const log = (page: number, words: readonly number[] = [], namespace = 0xffff_ffff) =>
    admin({ opcode: 2, namespace, prp1: DATA, words: [(15 << 16) | page, ...words] })?.status;

  it("count what the guest has done", () => {
    driver.createQueues();
    for (let n = 0; n < 3; n++) driver.submit(1, driver.transfer(2, 0, 8));
    driver.submit(1, driver.transfer(1, 0, 8));
    admin({ opcode: 2, namespace: 0xffff_ffff, prp1: DATA, words: [(127 << 16) | 2] });
    expect([32, 48, 64, 80].map((at) => view().getUint32(at, true))).toEqual([1, 1, 3, 1]);
  });

  it("name the firmware, from any offset", () => {
    expect(log(3)).toBe(0);
    expect([view().getUint8(0), text(8, 8)]).toEqual([1, "1       "]);
    expect(log(3, [0, 8])).toBe(0);
    expect(text(0, 8)).toBe("1       ");
  });

  it.each([
    ["of no kind", 0x70, [], 0xffff_ffff, 0x109],
    ["of one namespace", 2, [], 1, 0x02],
    ["at an odd offset", 3, [0, 2], 0, 0x02],
    ["from beyond their end", 3, [0, 516], 0, 0x02],
    ["from far beyond their end", 3, [0, 0, 0xffff_ffff], 0, 0x02],
    ["of gigabytes", 3, [0xffff], 0, 0x02],
  ])("%s are not given", (_, page, words, namespace, status) => {
    expect(log(page, words, namespace)).toBe(status);
  });
});

describe("event requests", () => {
  const hold = () => {
    const id = driver.put(0, { opcode: 0x0c });
    driver.ring(0);
    return id;
  };

  it("are held, but not more than four", () => {
    for (let n = 0; n < 4; n++) hold();
    expect(driver.take(0)).toBeUndefined();
    hold();
    expect(driver.take(0)?.status).toBe(0x105);
  });

  it("are taken back by an abort, which nothing else is", () => {
    const id = hold();
    driver.put(0, { opcode: 8, words: [id << 16] });
    driver.ring(0);
    expect(driver.take(0)).toMatchObject({ command: id, status: 0x07 });
    expect(driver.take(0)).toMatchObject({ status: 0, result: 0 });
    expect(admin({ opcode: 8, words: [id << 16] })).toMatchObject({ status: 0, result: 1 });
    expect(admin({ opcode: 8, words: [1] })).toMatchObject({ status: 0, result: 1 });
  });

  it("of a kind wait until the log page was read", () => {
    for (let n = 0; n < 3; n++) hold();
    driver.write(0x1040, 1);
    expect(driver.take(0)?.result).toBe(0x01_0000);
    driver.write(0x1040, 1);
    admin({ opcode: 2, prp1: DATA, words: [(15 << 16) | 0x8001] }); // which the guest reads and lets stand
    driver.write(0x1040, 1);
    expect(driver.take(0)).toBeUndefined();
    admin({ opcode: 2, prp1: DATA, words: [(15 << 16) | 1] });
    driver.write(0x1040, 1);
    expect(driver.take(0)?.result).toBe(0x01_0000);
  });
});

describe("a saved controller", () => {
  it("is itself again", () => {
    driver.createQueues();
    driver.put(0, { opcode: 0x0c });
    driver.ring(0);
    driver.submit(1, driver.transfer(2, BLOCKS, 1));
    const saved = structuredClone(driver.controller.save());
    const other = new NvmeTestDriver({ backend: memoryDisk(new Uint8Array(BLOCKS * 512)) }, driver.memory);
    other.controller.restore(saved);
    expect(other.controller.save()).toEqual(saved);
  });

  it.each([
    ["another disk", (state) => ({ ...state, blocks: 65 })],
    ["pages of no size", (state) => ({ ...state, pageSize: 4097 })],
    ["a queue outside RAM", (state) => ({ ...state, completions: [{ ...state.completions[0], base: 0x1000 }] })],
    ["a queue of no size", (state) => ({ ...state, completions: [{ ...state.completions[0], size: 1e9 }] })],
    ["a head beyond its queue", (state) => ({ ...state, completions: [{ ...state.completions[0], head: 16 }] })],
    ["no admin queue", (state) => ({ ...state, submissions: [] })],
    ["queues where there are none", (state) => ({ ...state, status: 0 })],
    ["features of another kind", (state) => ({ ...state, features: [1] })],
    ["too many event requests", (state) => ({ ...state, events: { ...state.events, held: [1, 2, 3, 4, 5] } })],
    ["half an error", (state) => ({ ...state, errors: new Uint8Array(9) })],
    ["a field of nobody's", (state) => ({ ...state, more: 1 })],
  ] satisfies readonly (readonly [string, (state: ReturnType<NvmeTestDriver["controller"]["save"]>) => object])[])(
    "with %s is refused",
    (_, spoil) => {
      const state = spoil(driver.controller.save()) as { version: number };
      expect(() => driver.controller.restore({ ...state, version: 1 })).toThrow(/cannot restore nvme/);
    },
  );
});
