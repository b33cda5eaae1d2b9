/** Pages that a guest gives up: their frames are free, they read as zeros, and get frames again when they are touched. */
import { describe, expect, it } from "vitest";
import { createGuest, DATA, guestWith, PACES, PROGRAM, RAM } from "./guest.js";
import { AddressSpace, OPEN } from "./page-tables.js";

const pageOf = (address: number) => address / 4096;

describe.each(PACES)("a page that was given up, %s", (pace) => {
  /** Runs a program once, gives a page up, and runs it again. */
  async function afterwards(source: string, page = DATA) {
    const guest = await guestWith(`${source}\nj .+0`, { pace });
    guest.set({ a1: DATA, a2: 0x1122_3344n });
    guest.write64(DATA, 7n, 8n, 9n);
    guest.run();
    const { memory } = guest.machine;
    const before = memory.framesInUse;
    memory.discard([pageOf(page)]);
    expect(memory.framesInUse).toBe(before - 1);
    guest.hart.pc = BigInt(PROGRAM);
    guest.run();
    return { guest, memory, before };
  }

  it("reads as zeros, and has a frame again", async () => {
    const { guest, memory, before } = await afterwards("ld a0, 8(a1)");
    expect(guest.get("a0")).toBe(0n);
    expect(memory.framesInUse).toBe(before);
  });

  it.each([
    ["sd a2, 8(a1)", [0n, 0x1122_3344n]],
    ["amoadd.d a0, a2, (a1)", [0x1122_3344n, 0n]],
    ["lr.d a0, (a1)\nsc.d a3, a2, (a1)", [0x1122_3344n, 0n]],
    ["cbo.zero (a1)", [0n, 0n]],
  ])("can be written again by `%s`", async (source, expected) => {
    const { guest } = await afterwards(source);
    expect([guest.read64(DATA), guest.read64(DATA + 8)]).toEqual(expected);
  });

  it("is found by an access that begins in the page before", async () => {
    const { guest } = await afterwards("li a4, 0x80008ffc\nsd a2, 0(a4)\nld a0, 0(a4)", DATA + 0x1000);
    expect(guest.get("a0")).toBe(0x1122_3344n);
  });

  it("holds no code any more", async () => {
    const guest = await guestWith("jalr ra, (a1)\nj .+0", { pace });
    guest.load(DATA, "addi a0, a0, 1\nret");
    guest.set({ a0: 0n, a1: DATA });
    guest.run();
    guest.machine.memory.discard([pageOf(DATA)]);
    guest.load(DATA, "addi a0, a0, 100\nret");
    guest.hart.pc = BigInt(PROGRAM);
    guest.run();
    expect(guest.get("a0")).toBe(101n);
  });

  it("was a page table: its addresses fault", async () => {
    const guest = await guestWith("ld a0, 0(a1)\nj .+0", { pace });
    const space = new AddressSpace(guest);
    space.map(0x10000n, PROGRAM, OPEN);
    space.map(0x4000_0000n, DATA, OPEN);
    guest.setCsrs({ satp: space.satp() });
    guest.write64(DATA, 7n);
    guest.set({ a1: 0x4000_0000n });
    guest.enter("supervisor", 0x10000n);
    guest.run();
    expect(guest.get("a0")).toBe(7n);
    guest.machine.memory.discard([pageOf(DATA)]);
    guest.hart.pc = 0x10000n;
    guest.run();
    expect(guest.get("a0")).toBe(0n);
  });

  it("takes a reservation with it", async () => {
    const guest = await guestWith("lr.d a0, (a1)\nj .+0", { pace });
    guest.set({ a1: DATA });
    guest.run();
    guest.machine.memory.discard([pageOf(DATA)]);
    guest.load(PROGRAM, "sc.d a0, a2, (a1)\nj .+0");
    guest.hart.pc = BigInt(PROGRAM);
    guest.run();
    expect(guest.get("a0")).toBe(1n);
  });
});

describe("pages that were given up", () => {
  it("read as zeros to the host and devices, and take no frame for it", async () => {
    const { machine } = await createGuest();
    const { memory } = machine;
    memory.write(DATA, new Uint8Array(0x3000).fill(5));
    const before = memory.framesInUse;
    memory.discard([pageOf(DATA), pageOf(DATA) + 2, pageOf(DATA)]);
    expect(memory.framesInUse).toBe(before - 2);
    expect(memory.read(DATA + 0xffc, 8)).toEqual(new Uint8Array([0, 0, 0, 0, 5, 5, 5, 5]));
    expect([memory.load16(DATA), memory.load32(DATA + 0x2ffc), memory.load64(DATA + 0xffc)]).toEqual([
      0,
      0,
      0x0505_0505 * 2 ** 32,
    ]);
    const views: Uint8Array[] = [];
    memory.readableViews(DATA, 0x3000, views);
    expect(views.map((view) => [view.length, view[0]])).toEqual([
      [0x1000, 0],
      [0x1000, 5],
      [0x1000, 0],
    ]);
    expect(memory.framesInUse).toBe(before - 2);
  });

  it("get frames where the host or a device writes", async () => {
    const { memory } = (await createGuest()).machine;
    const before = memory.framesInUse;
    const first = pageOf(DATA);
    memory.discard([0, 1, 2, 3, 4].map((n) => first + n));
    memory.write(DATA, new Uint8Array([1]));
    memory.store8(DATA + 0x1000, 2);
    memory.store32(DATA + 0x2000, 3);
    const views: Uint8Array[] = [];
    memory.writableViews(DATA + 0x3ffe, 4, views);
    for (const view of views) view.fill(9);
    expect(memory.framesInUse).toBe(before);
    expect([0, 0x1000, 0x2000, 0x3ffc, 0x4000].map((at) => memory.load32(DATA + at))).toEqual([
      1, 2, 3, 0x0909_0000, 0x0909,
    ]);
  });

  it("do not keep what was in their frame, whoever gets it next", async () => {
    const { memory } = (await createGuest()).machine;
    memory.write(DATA, new Uint8Array(0x1000).fill(5));
    memory.discard([pageOf(DATA)]);
    memory.write(DATA + 1, new Uint8Array([1]));
    expect(memory.read(DATA, 4)).toEqual(new Uint8Array([0, 1, 0, 0]));
  });

  it("are dirty once, and again when they are written, not when they are read", async () => {
    const guest = await guestWith("ld a0, (a1)\nj .+0");
    const { memory } = guest.machine;
    const page = (DATA - RAM) / 4096;
    memory.trackWrites();
    memory.discard([pageOf(DATA)]);
    expect(memory.dirtyPages()).toEqual([page]);
    expect(memory.dirtyPages()).toEqual([]);
    guest.set({ a1: DATA });
    guest.run();
    expect(memory.dirtyPages()).toEqual([]);
    memory.write(DATA, new Uint8Array(1));
    expect(memory.dirtyPages()).toEqual([page]);
  });

  it("must be RAM", async () => {
    const { memory } = (await createGuest()).machine;
    for (const page of [0, pageOf(RAM) - 1, pageOf(RAM) + 0x100, -1, 0.5]) {
      expect(() => memory.discard([page])).toThrow(RangeError);
    }
  });
});
