/** Guest memory as its host sees it: bounds, remapping, dirty pages, watched bytes. */
import { describe, expect, it } from "vitest";
import { Cause, createGuest, DATA, type Guest, guestWith, PACES, PROGRAM, RAM, Status } from "./guest.js";
import { AddressSpace, OPEN, OPEN_TO_USER, Pte } from "./page-tables.js";

describe("memory", () => {
  const END = RAM + 0x100000;

  it("is read and written up to its last byte, and not beyond", async () => {
    const { memory } = (await createGuest()).machine;
    const bytes = new Uint8Array([1, 2, 3, 4]);
    expect(memory.write(END - 4, bytes)).toBe(true);
    expect(memory.read(END - 4, 4)).toEqual(bytes);
    for (const address of [END - 3, END, RAM - 1, RAM - 4, 0, -1, 2 ** 53, Number.NaN]) {
      expect(memory.write(address, bytes)).toBe(false);
      expect(memory.read(address, 4)).toBeUndefined();
    }
    for (const address of [(1n << 64n) - 2n, 1n << 63n, -1n]) {
      expect(memory.write(address, bytes)).toBe(false);
      expect(memory.read(address, 4)).toBeUndefined();
    }
    expect(memory.read(END - 4, 4)).toEqual(bytes);
  });

  it("gives and takes nothing where nothing is asked for", async () => {
    const { memory } = (await createGuest()).machine;
    expect(memory.read(RAM, 0)).toEqual(new Uint8Array(0));
    expect(memory.write(RAM, new Uint8Array(0))).toBe(true);
    expect(memory.read(END, 0)).toEqual(new Uint8Array(0));
    expect(memory.read(RAM, -1)).toBeUndefined();
  });

  it("gives copies", async () => {
    const { memory } = (await createGuest()).machine;
    memory.read(DATA, 8)?.fill(9);
    expect(memory.read(DATA, 8)).toEqual(new Uint8Array(8));
  });

  it("can put another frame behind a page, for data and code, whatever is cached", async () => {
    const guest = await guestWith("jalr ra, 0(a1)\nld a3, 64(a1)\nsd a3, 72(a1)\nj .+0");
    const { memory } = guest.machine;
    guest.load(DATA, "addi a0, a0, 1\nret");
    guest.write64(DATA + 64, 11n);
    guest.load(DATA + 0x1000, "addi a0, a0, 100\nret");
    guest.write64(DATA + 0x1040, 22n);
    guest.set({ a1: DATA });
    guest.run();
    const page = (DATA - RAM) / 4096;
    const [one, other] = [memory.frameOf(page), memory.frameOf(page + 1)];
    memory.remap(page, other);
    memory.remap(page + 1, one);
    guest.hart.pc = BigInt(PROGRAM);
    guest.run();
    expect(guest.get("a0")).toBe(101n);
    expect(guest.get("a3")).toBe(22n);
    expect(guest.read64(DATA + 72)).toBe(22n);
    expect(guest.read64(DATA + 0x1048)).toBe(11n);
    expect(() => memory.remap(page, 1 << 20)).toThrow(RangeError);
    expect(() => memory.remap(1 << 20, 0)).toThrow(RangeError);
  });

  it("reads and writes across pages whose frames are no neighbours", async () => {
    const guest = await createGuest();
    const { memory } = guest.machine;
    const page = (DATA - RAM) / 4096;
    const [one, other] = [memory.frameOf(page), memory.frameOf(page + 5)];
    memory.remap(page, other);
    memory.remap(page + 5, one);
    const bytes = Uint8Array.from({ length: 9000 }, (_, n) => n % 251);
    memory.write(DATA - 100, bytes);
    expect(memory.read(DATA - 100, 9000)).toEqual(bytes);
  });
});

describe("dirty pages", () => {
  const page = (address: number) => (address - RAM) / 4096;

  /** The pages that a program writes after it has run once before tracking began. */
  async function dirtied(source: string, prepare: (guest: Guest) => void = () => {}): Promise<number[]> {
    const guest = await guestWith(`${source}\nj .+0`);
    guest.setBits("mstatus", Status.FS);
    prepare(guest);
    guest.set({ a1: DATA, a2: 1n });
    const again = () => {
      guest.hart.pc = BigInt(PROGRAM);
      guest.run();
    };
    again();
    guest.machine.memory.trackWrites();
    expect(guest.machine.memory.dirtyPages()).toEqual([]);
    again();
    return guest.machine.memory.dirtyPages();
  }

  it.each([
    ["sb a2, 0(a1)"],
    ["sd a2, 8(a1)"],
    ["fsd fa0, 0(a1)"],
    ["c.sd a2, 0(a1)"],
    ["amoadd.w a3, a2, (a1)"],
    ["lr.d a3, (a1); sc.d a4, a2, (a1)"],
    ["cbo.zero 0(a1)"],
    ["sd a2, 13(a1)"],
  ])("hold the page that `%s` writes, and no other", async (source) => {
    expect(await dirtied(source)).toEqual([page(DATA)]);
  });

  it("hold both pages of a store across them", async () => {
    expect(await dirtied("li a3, 0x80008ffc; sd a2, 0(a3)")).toEqual([page(DATA), page(DATA) + 1]);
  });

  it.each(["ld a2, 0(a1)", "lr.d a2, (a1)", "nop"])("are none after `%s`", async (source) => {
    expect(await dirtied(source)).toEqual([]);
  });

  it("hold the page table whose A and D bits the hart sets", async () => {
    const guest = await guestWith("ld a0, 0(a1)\nj .+0");
    const space = new AddressSpace(guest);
    space.map(0x10000n, PROGRAM, OPEN);
    const entry = space.map(0x20000n, DATA, Pte.V | Pte.R | Pte.W);
    guest.setCsrs({ satp: space.satp(), menvcfg: 1n << 61n });
    guest.set({ a1: 0x20000n });
    guest.enter("supervisor", 0x10000n);
    guest.machine.memory.trackWrites();
    guest.run();
    expect(guest.machine.memory.dirtyPages()).toEqual([Math.floor(page(entry))]);
    guest.load(PROGRAM, "sd a0, 0(a1)\nj .+0");
    guest.machine.memory.dirtyPages();
    guest.enter("supervisor", 0x10000n);
    guest.run();
    expect(guest.machine.memory.dirtyPages()).toEqual([page(DATA), Math.floor(page(entry))]);
  });

  it("hold what the host writes", async () => {
    const guest = await createGuest();
    guest.machine.memory.trackWrites();
    guest.write(DATA + 0xff0, new Uint8Array(0x20));
    expect(guest.machine.memory.dirtyPages()).toEqual([page(DATA), page(DATA) + 1]);
  });

  it("begin anew with each look, for pages written again and again", async () => {
    const guest = await guestWith("sd a2, 0(a1)\nj .-4");
    guest.set({ a1: DATA });
    guest.machine.memory.trackWrites();
    for (let n = 0; n < 3; n++) {
      guest.machine.step(5000);
      expect(guest.machine.memory.dirtyPages()).toEqual([page(DATA)]);
    }
    expect(guest.machine.memory.dirtyPages()).toEqual([]);
  });

  it("hold stores through every mode's and hart's translations", async () => {
    const guest = await guestWith("sd a2, 0(a1)\nj .+0", { harts: 2 });
    const space = new AddressSpace(guest);
    space.map(0x10000n, PROGRAM, OPEN_TO_USER);
    space.map(0x20000n, DATA, OPEN_TO_USER);
    guest.setCsrs({ satp: space.satp() });
    const inUserMode = () => {
      guest.set({ a1: 0x20000n });
      guest.enter("user", 0x10000n);
      guest.run();
    };
    const onHart1 = () => {
      guest.machine.enterMachine(1, { address: BigInt(PROGRAM), opaque: BigInt(DATA) });
      guest.machine.step(2, 1);
    };
    inUserMode();
    onHart1();
    guest.machine.memory.trackWrites();
    inUserMode();
    expect(guest.machine.memory.dirtyPages()).toEqual([page(DATA)]);
    onHart1();
    expect(guest.machine.memory.dirtyPages()).toEqual([page(DATA)]);
  });
});

describe.each(PACES)("watched bytes, %s", (pace) => {
  /** The writes that are reported: address and width, and what lies at the watched eight bytes then. */
  async function reported(source: string) {
    const guest = await guestWith(`${source}\nj .+0`, { pace });
    const writes: (readonly [at: number, width: number, value: bigint])[] = [];
    guest.machine.watchWrites(DATA + 0x40, 8, (address, width) => {
      writes.push([address - DATA, width, guest.read64(DATA + 0x40)]);
    });
    guest.setBits("mstatus", Status.FS);
    guest.set({ a0: 0n, a1: DATA, a2: 0x1122_3344_5566_7788n });
    guest.run();
    return { guest, writes };
  }

  it("report a store, after it happened", async () => {
    const { guest, writes } = await reported("sd a2, 64(a1)\naddi a0, a0, 1");
    expect(writes).toEqual([[0x40, 8, 0x1122_3344_5566_7788n]]);
    expect(guest.get("a0")).toBe(1n);
  });

  it("report two halves in their order", async () => {
    const { writes } = await reported("sw a2, 64(a1)\nc.sw a2, 68(a1)");
    expect(writes).toEqual([
      [0x40, 4, 0x5566_7788n],
      [0x44, 4, 0x5566_7788_5566_7788n],
    ]);
  });

  it("report stores of bytes and of floats", async () => {
    const { writes } = await reported("sb a2, 71(a1)\nfmv.d.x fa0, a2\nfsd fa0, 64(a1)");
    expect(writes).toEqual([
      [0x47, 1, 0x88n << 56n],
      [0x40, 8, 0x1122_3344_5566_7788n],
    ]);
  });

  it("report a misaligned store that touches them", async () => {
    const { writes } = await reported("sd a2, 60(a1)");
    expect(writes).toEqual([[0x3c, 8, 0x1122_3344n]]);
  });

  it("do not report neighbours in the page, or loads", async () => {
    const { guest, writes } = await reported("sd a2, 56(a1)\nsd a2, 72(a1)\nld a3, 64(a1)\nsb a2, 63(a1)");
    expect(writes).toEqual([]);
    expect(guest.read64(DATA + 0x48)).toBe(0x1122_3344_5566_7788n);
  });

  it("report every store of a loop", async () => {
    const { writes } = await reported("li t0, 300\nsw t0, 64(a1)\nsw t0, 72(a1)\naddi t0, t0, -1\nbne t0, zero, .-12");
    expect(writes).toHaveLength(300);
    expect(writes.at(-1)).toEqual([0x40, 4, 1n]);
  });

  it("report stores through a virtual alias by their physical address", async () => {
    const { guest, writes } = await reported("nop");
    const space = new AddressSpace(guest);
    space.map(0x10000n, PROGRAM, OPEN);
    space.map(0x20000n, DATA, OPEN);
    guest.setCsrs({ satp: space.satp() });
    guest.load(PROGRAM, "sw a2, 68(a1)\nj .+0");
    guest.set({ a1: 0x20000n });
    guest.enter("supervisor", 0x10000n);
    guest.run();
    expect(writes).toEqual([[0x44, 4, 0x5566_7788n << 32n]]);
  });

  it("lie in pages whose code and whose stores beside them stay right", async () => {
    const { guest, writes } = await reported("jalr ra, 0(a1)");
    guest.load(DATA, "sd a2, 64(a1)\naddi a0, a0, 5\nret");
    guest.set({ a0: 0n });
    guest.hart.pc = BigInt(PROGRAM);
    guest.run();
    expect(writes).toHaveLength(1);
    expect(guest.get("a0")).toBe(5n);
  });
});

describe("cbo.zero", () => {
  const CBZE = 0x80n;
  const LOOP = [
    ...["sd a2, 72(a1)", "sd a2, 56(a1)", "sd a2, 128(a1)", "addi a3, a1, 69", "cbo.zero 0(a3)"],
    ...["addi a4, a4, -1", "bne a4, zero, .-24", "j .+0"],
  ].join("\n");

  it.each([
    ["machine", 0n, 0n, true],
    ["supervisor", 0n, CBZE, false],
    ["supervisor", CBZE, 0n, true],
    ["user", 0n, CBZE, false],
    ["user", CBZE, 0n, false],
    ["user", CBZE, CBZE, true],
  ] as const)(
    "in %s mode with menvcfg %i and senvcfg %i clears a block: %s",
    async (mode, menvcfg, senvcfg, isEnabled) => {
      const guest = await guestWith(LOOP);
      guest.set({ a1: DATA, a2: 7, a4: 100 });
      guest.run(); // where it is enabled, so that every engine has met it
      guest.hart.pc = BigInt(PROGRAM);
      guest.setCsrs({ menvcfg, senvcfg });
      guest.set({ a4: 100 });
      guest.enter(mode);
      guest.run();
      expect([56, 72, 128].map((offset) => guest.read64(DATA + offset))).toEqual([7n, isEnabled ? 0n : 7n, 7n]);
      if (!isEnabled) {
        expect(guest.machineTrap()).toMatchObject({ cause: Cause.IllegalInstruction, pc: BigInt(PROGRAM + 16) });
      }
    },
  );
});
