/** Virtual memory: Sv39, Sv48 and Sv57, permissions, A and D, fences, address spaces (Privileged ISA 1.13, ch. 10). */
import { describe, expect, it } from "vitest";
import {
  Cause,
  createGuest,
  DATA,
  type Guest,
  type GuestOptions,
  M_VECTOR,
  PACES,
  PROGRAM,
  type Privilege,
  RAM,
  S_VECTOR,
  Status,
  TABLES,
} from "./guest.js";
import { AddressSpace, leaf, OPEN, OPEN_TO_USER, Pte, pageSize, SCHEMES, type Scheme } from "./page-tables.js";

/** Where programs are mapped, and where tests map what they look at. */
const CODE = 0x10000n;
const PAGE = 0x4000_0000n;
const ADUE = 1n << 61n;
const { V, R, W, X, U, G, A, D } = Pte;

type Access = "load" | "store" | "fetch" | "amo" | "load-reserved";
const PROGRAMS: Readonly<Record<Access, string>> = {
  load: "ld a0, 0(a1)\nj .+0",
  store: "sd a2, 0(a1)\nj .+0",
  fetch: "jalr ra, 0(a1)\nj .+0",
  amo: "amoswap.d a0, a2, (a1)\nj .+0",
  "load-reserved": "lr.d a0, (a1)\nj .+0",
};
const PAGE_FAULTS: Readonly<Record<Access, bigint>> = {
  load: Cause.LoadPageFault,
  store: Cause.StorePageFault,
  fetch: Cause.FetchPageFault,
  amo: Cause.StorePageFault,
  "load-reserved": Cause.LoadPageFault,
};
/** `jalr zero, 0(ra)` and what a load of it gives. */
const RETURN = 0x8067n;

describe.each(PACES)("translation, %s", (pace) => {
  const guestWith = (options: GuestOptions = {}) => createGuest({ pace, ...options });

  /** A guest with a space in which its program is mapped at CODE for a mode, and a `ret` at DATA. */
  async function inSpace(mode: Privilege, scheme: Scheme = SCHEMES[0], options: GuestOptions = {}) {
    const guest = await guestWith(options);
    const space = new AddressSpace(guest, scheme);
    space.map(CODE, PROGRAM, mode === "user" ? OPEN_TO_USER : OPEN);
    guest.write64(DATA, RETURN);
    guest.setCsrs({ satp: space.satp() });
    return { guest, space };
  }

  /** What becomes of one access to an address: "done", or the cause of the trap after a look at its tval and pc. */
  function attempt(guest: Guest, mode: Privilege, access: Access, address: bigint): bigint | "done" {
    guest.load(PROGRAM, PROGRAMS[access]);
    guest.set({ a1: address, a2: 0x1234n });
    guest.enter(mode, CODE);
    guest.run();
    if (guest.hart.pc === CODE + 4n) return "done";
    const { cause, pc, value } = guest.machineTrap();
    expect(pc).toBe(access === "fetch" ? address : CODE);
    expect(value).toBe(address);
    return cause;
  }

  describe.each(SCHEMES)("in $scheme", (scheme) => {
    const levels = Array.from({ length: scheme.levels }, (_, level) => level);
    /** The last address but eight bytes of the lower half. */
    const half = 1n << BigInt(12 + 9 * scheme.levels - 1);

    it.each(levels)("finds data through a page of level %i, offset and all", async (level) => {
      const { guest, space } = await inSpace("supervisor", scheme);
      const size = pageSize(level);
      const base = size > 0x4000_0000n ? size : 0x4000_0000n;
      // A superpage that holds RAM: the virtual offset in it is RAM's.
      const physical = (BigInt(DATA) / size) * size;
      space.map(base, physical, OPEN, level);
      guest.write64(DATA + 8, 0x5566n);
      const address = base + (BigInt(DATA + 8) - physical);
      expect(attempt(guest, "supervisor", "load", address)).toBe("done");
      expect(guest.get("a0")).toBe(0x5566n);
    });

    it.each(levels.slice(1))("faults on a misaligned superpage of level %i", async (level) => {
      const { guest, space } = await inSpace("supervisor", scheme);
      const size = pageSize(level);
      const base = size > 0x4000_0000n ? size : 0x4000_0000n;
      space.map(base, 0x1000n, OPEN, level);
      for (const access of ["load", "store", "fetch"] as const) {
        expect(attempt(guest, "supervisor", access, base)).toBe(PAGE_FAULTS[access]);
      }
    });

    it("reaches the upper half by addresses whose upper bits are all ones", async () => {
      const { guest, space } = await inSpace("supervisor", scheme);
      space.map(-half, DATA, OPEN);
      space.map(-0x1000n, DATA, OPEN);
      expect(attempt(guest, "supervisor", "load", BigInt.asUintN(64, -half))).toBe("done");
      expect(attempt(guest, "supervisor", "load", BigInt.asUintN(64, -8n))).toBe("done");
      expect(attempt(guest, "supervisor", "fetch", BigInt.asUintN(64, -half))).toBe("done");
    });

    it.each(["load", "store", "fetch", "amo"] as const)("faults on a %s whose upper bits differ", async (access) => {
      const { guest, space } = await inSpace("supervisor", scheme);
      space.map(-half, DATA, OPEN);
      space.map(PAGE, DATA, OPEN);
      for (const address of [half, PAGE | (1n << 63n), PAGE + 2n * half, BigInt.asUintN(64, -half) - 8n]) {
        expect(attempt(guest, "supervisor", access, address)).toBe(PAGE_FAULTS[access]);
      }
    });

    it("faults at an invalid entry of any level", async () => {
      const { guest } = await inSpace("supervisor", scheme);
      for (const level of levels) {
        expect(attempt(guest, "supervisor", "load", 3n * pageSize(level))).toBe(Cause.LoadPageFault);
      }
    });
  });

  describe("permissions", () => {
    interface Case {
      readonly page: string;
      readonly flags: bigint;
      readonly mode: Privilege;
      readonly status?: bigint;
      /** The accesses that are allowed, of load, store and fetch. */
      readonly allowed: readonly Access[];
    }
    const cases: readonly Case[] = [
      { page: "R", flags: R, mode: "supervisor", allowed: ["load"] },
      { page: "RW", flags: R | W, mode: "supervisor", allowed: ["load", "store"] },
      { page: "RX", flags: R | X, mode: "supervisor", allowed: ["load", "fetch"] },
      { page: "RWX", flags: R | W | X, mode: "supervisor", allowed: ["load", "store", "fetch"] },
      { page: "X", flags: X, mode: "supervisor", allowed: ["fetch"] },
      { page: "X under MXR", flags: X, mode: "supervisor", status: Status.MXR, allowed: ["load", "fetch"] },
      { page: "X under MXR", flags: X | U, mode: "user", status: Status.MXR, allowed: ["load", "fetch"] },
      { page: "W, which is reserved", flags: W, mode: "supervisor", allowed: [] },
      { page: "WX, which is reserved", flags: W | X, mode: "supervisor", status: Status.MXR, allowed: [] },
      { page: "RWX of S-mode", flags: R | W | X, mode: "user", allowed: [] },
      { page: "RWX of S-mode under SUM", flags: R | W | X, mode: "user", status: Status.SUM, allowed: [] },
      { page: "RWXU", flags: R | W | X | U, mode: "user", allowed: ["load", "store", "fetch"] },
      { page: "RU", flags: R | U, mode: "user", allowed: ["load"] },
      { page: "RWXU", flags: R | W | X | U, mode: "supervisor", allowed: [] },
      {
        page: "RWXU under SUM",
        flags: R | W | X | U,
        mode: "supervisor",
        status: Status.SUM,
        allowed: ["load", "store"],
      },
      { page: "XU under SUM", flags: X | U, mode: "supervisor", status: Status.SUM, allowed: [] },
      {
        page: "XU under SUM and MXR",
        flags: X | U,
        mode: "supervisor",
        status: Status.SUM | Status.MXR,
        allowed: ["load"],
      },
      { page: "a global RWX", flags: R | W | X | G, mode: "supervisor", allowed: ["load", "store", "fetch"] },
    ];

    it.each(cases)("of a page $page for $mode: $allowed", async ({ flags, mode, status = 0n, allowed }) => {
      const { guest, space } = await inSpace(mode);
      space.map(PAGE, DATA, flags | V | A | D);
      guest.setBits("mstatus", status);
      for (const access of ["load", "store", "fetch", "load"] as const) {
        if (access === "fetch") guest.write64(DATA, RETURN);
        const expected = allowed.includes(access) ? "done" : PAGE_FAULTS[access];
        expect([access, attempt(guest, mode, access, PAGE)]).toEqual([access, expected]);
      }
    });

    it("of an AMO are those of a store, of a load-reserved those of a load", async () => {
      const { guest, space } = await inSpace("supervisor");
      space.map(PAGE, DATA, V | R | A | D);
      expect(attempt(guest, "supervisor", "load-reserved", PAGE)).toBe("done");
      expect(attempt(guest, "supervisor", "amo", PAGE)).toBe(Cause.StorePageFault);
      space.map(PAGE + 0x1000n, DATA, 0n);
      expect(attempt(guest, "supervisor", "load-reserved", PAGE + 0x1000n)).toBe(Cause.LoadPageFault);
    });

    it("of S-mode change at once with SUM, in both directions", async () => {
      const { guest, space } = await inSpace("supervisor");
      space.map(PAGE, DATA, OPEN_TO_USER);
      guest.load(PROGRAM, "csrrs zero, sstatus, a3\nld a0, 0(a1)\ncsrrc zero, sstatus, a3\nld a2, 0(a1)\nj .+0");
      guest.set({ a1: PAGE, a2: 0n, a3: Status.SUM });
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: Cause.LoadPageFault, pc: CODE + 12n, value: PAGE });
      expect(guest.get("a0")).toBe(RETURN);
    });

    it("change at once with MXR, in both directions", async () => {
      const { guest, space } = await inSpace("supervisor");
      space.map(PAGE, DATA, V | X | A | D);
      guest.load(PROGRAM, "csrrs zero, sstatus, a3\nld a0, 0(a1)\ncsrrc zero, sstatus, a3\nld a2, 0(a1)\nj .+0");
      guest.set({ a1: PAGE, a3: Status.MXR });
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.machineTrap().pc).toBe(CODE + 12n);
      expect(guest.get("a0")).toBe(RETURN);
    });

    it("are those of the mode after a change of mode, whatever was cached before", async () => {
      const { guest, space } = await inSpace("user");
      space.map(CODE + 0x1000n, PROGRAM, OPEN);
      space.map(PAGE, DATA, OPEN);
      guest.load(PROGRAM, PROGRAMS.load);
      guest.set({ a1: PAGE });
      guest.enter("supervisor", CODE + 0x1000n);
      guest.run();
      expect(guest.hart.pc).toBe(CODE + 0x1004n);
      expect(attempt(guest, "user", "load", PAGE)).toBe(Cause.LoadPageFault);
      expect(attempt(guest, "user", "fetch", PAGE)).toBe(Cause.FetchPageFault);
    });

    it("let no store through to a page that loads have cached", async () => {
      const { guest, space } = await inSpace("supervisor");
      space.map(PAGE, DATA, V | R | A | D);
      guest.load(PROGRAM, "ld a0, 0(a1)\nsd a0, 0(a1)\nj .+0");
      guest.set({ a1: PAGE });
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: Cause.StorePageFault, pc: CODE + 4n, value: PAGE });
    });
  });

  describe("malformed entries", () => {
    const bits = Array.from({ length: 10 }, (_, n) => 54 + n);
    it.each(bits)("fault where a leaf has the reserved bit %i, without Svnapot and Svpbmt", async (bit) => {
      const { guest, space } = await inSpace("supervisor", SCHEMES[0], { isa: "rv64gc" });
      space.map(PAGE, DATA, OPEN | (1n << BigInt(bit)));
      expect(attempt(guest, "supervisor", "load", PAGE)).toBe(Cause.LoadPageFault);
    });

    it.each([
      ["A", A],
      ["D", D],
      ["U", U],
      ["bit 54", 1n << 54n],
      ["bit 63", 1n << 63n],
      ["W", W],
    ] as const)("fault where a pointer to the next level has %s", async (_, flag) => {
      const { guest, space } = await inSpace("supervisor");
      space.map(PAGE, DATA, OPEN);
      const pointer = space.entry(PAGE, 1);
      guest.write64(pointer, guest.read64(pointer) | flag);
      expect(attempt(guest, "supervisor", "load", PAGE)).toBe(Cause.LoadPageFault);
      expect(attempt(guest, "supervisor", "store", PAGE)).toBe(Cause.StorePageFault);
      expect(attempt(guest, "supervisor", "fetch", PAGE)).toBe(Cause.FetchPageFault);
    });

    it.each([
      ["G", G],
      ["the software bits", 3n << 8n],
    ] as const)("are none where a pointer has %s", async (_, flag) => {
      const { guest, space } = await inSpace("supervisor");
      space.map(PAGE, DATA, OPEN);
      const pointer = space.entry(PAGE, 1);
      guest.write64(pointer, guest.read64(pointer) | flag);
      expect(attempt(guest, "supervisor", "load", PAGE)).toBe("done");
    });

    it("fault where the last level points on", async () => {
      const { guest, space } = await inSpace("supervisor");
      space.map(PAGE, TABLES, V);
      expect(attempt(guest, "supervisor", "load", PAGE)).toBe(Cause.LoadPageFault);
    });

    it("are none where only the software bits are set", async () => {
      const { guest, space } = await inSpace("supervisor");
      space.map(PAGE, DATA, OPEN | (3n << 8n));
      expect(attempt(guest, "supervisor", "load", PAGE)).toBe("done");
    });

    it.each([
      ["load", Cause.LoadAccessFault],
      ["store", Cause.StoreAccessFault],
      ["fetch", Cause.FetchAccessFault],
      ["amo", Cause.StoreAccessFault],
    ] as const)("that lie outside of RAM make a %s an access fault", async (access, cause) => {
      const { guest, space } = await inSpace("supervisor");
      guest.write64(space.entry(PAGE, 2), leaf(0x1000n, V));
      expect(attempt(guest, "supervisor", access, PAGE)).toBe(cause);
    });

    it.each([
      ["load", Cause.LoadAccessFault],
      ["store", Cause.StoreAccessFault],
      ["fetch", Cause.FetchAccessFault],
    ] as const)(
      "none, a page outside of RAM makes a %s an access fault at its virtual address",
      async (access, cause) => {
        const { guest, space } = await inSpace("supervisor");
        space.map(PAGE, 0x1000n, OPEN);
        expect(attempt(guest, "supervisor", access, PAGE)).toBe(cause);
        space.map(PAGE + 0x1000n, ((1n << 44n) - 1n) << 12n, OPEN);
        expect(attempt(guest, "supervisor", access, PAGE + 0x1000n)).toBe(cause);
      },
    );
  });

  describe("A and D", () => {
    const BITS = { neither: 0n, A, D, "A and D": A | D } as const;

    it.each([
      ["load", "neither"],
      ["store", "neither"],
      ["store", "A"],
      ["fetch", "neither"],
      ["fetch", "D"],
      ["amo", "A"],
      ["load-reserved", "neither"],
    ] as const)("fault on a %s where %s is set, without ADUE (Svade)", async (access, bits) => {
      const { guest, space } = await inSpace("supervisor");
      const flags = V | R | W | X | BITS[bits];
      const entry = space.map(PAGE, DATA, flags);
      expect(attempt(guest, "supervisor", access, PAGE)).toBe(PAGE_FAULTS[access]);
      expect(guest.read64(entry)).toBe(leaf(DATA, flags));
    });

    it.each([
      ["load", "neither", "A"],
      ["load", "D", "A and D"],
      ["store", "neither", "A and D"],
      ["store", "A", "A and D"],
      ["fetch", "neither", "A"],
      ["amo", "neither", "A and D"],
      ["load-reserved", "neither", "A"],
    ] as const)("are set by a %s under ADUE (Svadu): from %s to %s", async (access, before, after) => {
      const { guest, space } = await inSpace("supervisor");
      guest.setCsrs({ menvcfg: ADUE });
      const entry = space.map(PAGE, DATA, V | R | W | X | BITS[before]);
      expect(attempt(guest, "supervisor", access, PAGE)).toBe("done");
      expect(guest.read64(entry)).toBe(leaf(DATA, V | R | W | X | BITS[after]));
    });

    it("are set in a superpage's entry, too", async () => {
      const { guest, space } = await inSpace("supervisor");
      guest.setCsrs({ menvcfg: ADUE });
      const entry = space.map(0x8000_0000n, RAM, V | R | W, 2);
      expect(attempt(guest, "supervisor", "store", BigInt(DATA))).toBe("done");
      expect(guest.read64(entry)).toBe(leaf(RAM, V | R | W | A | D));
    });

    it("stay where permission is refused", async () => {
      const { guest, space } = await inSpace("supervisor");
      guest.setCsrs({ menvcfg: ADUE });
      const entry = space.map(PAGE, DATA, V | R);
      expect(attempt(guest, "supervisor", "store", PAGE)).toBe(Cause.StorePageFault);
      expect(guest.read64(entry)).toBe(leaf(DATA, V | R));
    });

    it("get D by a store after a load has cached the page", async () => {
      const { guest, space } = await inSpace("supervisor");
      guest.setCsrs({ menvcfg: ADUE });
      const entry = space.map(PAGE, DATA, V | R | W);
      guest.load(PROGRAM, "ld a0, 0(a1)\nsd a0, 0(a1)\nj .+0");
      guest.set({ a1: PAGE });
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.read64(entry)).toBe(leaf(DATA, V | R | W | A | D));
    });

    it("are set anew after they were cleared and fenced", async () => {
      const { guest, space } = await inSpace("supervisor");
      guest.setCsrs({ menvcfg: ADUE });
      const entry = space.map(PAGE, DATA, V | R | W);
      attempt(guest, "supervisor", "store", PAGE);
      space.map(PAGE, DATA, V | R | W);
      guest.load(PROGRAM, "sfence.vma a1, zero\nsd a2, 0(a1)\nj .+0");
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.read64(entry)).toBe(leaf(DATA, V | R | W | A | D));
    });

    it("fault on a machine without the hardware for them, whatever menvcfg asks for", async () => {
      const { guest, space } = await inSpace("supervisor", SCHEMES[0], { isa: "rv64gc" });
      guest.setCsrs({ menvcfg: ADUE });
      space.map(PAGE, DATA, V | R | W);
      expect(attempt(guest, "supervisor", "load", PAGE)).toBe(Cause.LoadPageFault);
    });

    it("fault again when ADUE is turned off", async () => {
      const { guest, space } = await inSpace("supervisor");
      guest.setCsrs({ menvcfg: ADUE });
      space.map(PAGE, DATA, V | R | W);
      expect(attempt(guest, "supervisor", "load", PAGE)).toBe("done");
      guest.setCsrs({ menvcfg: 0 });
      expect(attempt(guest, "supervisor", "store", PAGE)).toBe(Cause.StorePageFault);
    });
  });

  describe("satp", () => {
    it("keeps its value when a mode is written that does not exist", async () => {
      const guest = await guestWith();
      const value = (9n << 60n) | (5n << 44n) | 0x80080n;
      for (const mode of [1n, 2n, 7n, 11n, 15n]) {
        guest.setCsrs({ satp: value });
        guest.setCsrs({ satp: (mode << 60n) | 0x123n });
        expect(guest.hart.getCsr("satp")).toBe(value);
      }
    });

    it("holds sixteen bits of ASID and 44 of the root's page", async () => {
      const guest = await guestWith();
      guest.setCsrs({ satp: (8n << 60n) | ((1n << 60n) - 1n) });
      expect(guest.hart.getCsr("satp")).toBe((8n << 60n) | ((1n << 60n) - 1n));
    });

    it("acts on the very next fetch", async () => {
      const { guest } = await inSpace("supervisor");
      guest.load(PROGRAM, "csrrw zero, satp, zero\nnop");
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: Cause.FetchAccessFault, pc: CODE + 4n, value: CODE + 4n });
    });

    it("says nothing to M-mode", async () => {
      const guest = await guestWith();
      guest.setCsrs({ satp: (8n << 60n) | 0x12345n });
      guest.load(PROGRAM, "ld a0, 0(a1)\nj .+0");
      guest.set({ a1: DATA });
      guest.run();
      expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
    });
  });

  describe("MPRV", () => {
    async function privileged(mpp: bigint, flags: bigint, source = "ld a0, 0(a1)\nj .+0") {
      const guest = await guestWith();
      const space = new AddressSpace(guest);
      space.map(PAGE, DATA, flags);
      guest.write64(DATA, 0x77n);
      guest.setCsrs({ satp: space.satp(), mstatus: Status.MPRV | (mpp << 11n) });
      guest.load(PROGRAM, source);
      guest.set({ a1: PAGE, a2: 0x88n });
      guest.run();
      return guest;
    }

    it("loads as S-mode would, by MPP", async () => {
      const guest = await privileged(1n, OPEN);
      expect(guest.get("a0")).toBe(0x77n);
    });

    it("stores as U-mode would, by MPP", async () => {
      const guest = await privileged(0n, OPEN_TO_USER, "sd a2, 0(a1)\nj .+0");
      expect(guest.read64(DATA)).toBe(0x88n);
    });

    it("faults where S-mode would on a page of U-mode, but as M-mode's exception", async () => {
      const guest = await privileged(1n, OPEN_TO_USER);
      guest.setCsrs({ medeleg: 0xffffn });
      expect(guest.machineTrap()).toEqual({ cause: Cause.LoadPageFault, pc: BigInt(PROGRAM), value: PAGE });
      expect(guest.hart.getCsr("mstatus") & Status.MPP).toBe(Status.MPP);
    });

    it("does not concern fetches", async () => {
      const guest = await privileged(0n, OPEN_TO_USER);
      expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
    });

    it("changes nothing with MPP = M", async () => {
      const guest = await privileged(3n, OPEN);
      expect(guest.machineTrap()).toEqual({ cause: Cause.LoadAccessFault, pc: BigInt(PROGRAM), value: PAGE });
    });

    it("acts from the next instruction on, and no longer than it is set", async () => {
      const guest = await guestWith();
      const space = new AddressSpace(guest);
      space.map(DATA, DATA + 0x1000, OPEN);
      guest.write64(DATA, 1n);
      guest.write64(DATA + 0x1000, 2n);
      guest.setCsrs({ satp: space.satp(), mstatus: 1n << 11n });
      guest.load(
        PROGRAM,
        "ld a2, 0(a1)\ncsrrs zero, mstatus, a0\nld a3, 0(a1)\ncsrrc zero, mstatus, a0\nld a4, 0(a1)\nj .+0",
      );
      guest.set({ a0: Status.MPRV, a1: DATA });
      guest.run();
      expect(["a2", "a3", "a4"].map((name) => guest.get(name))).toEqual([1n, 2n, 1n]);
    });
  });

  describe("accesses across two pages", () => {
    const SPLIT = PAGE + 0xffcn;

    /** Two neighbours in virtual memory that lie apart, and in the other order, in RAM. */
    async function twoPages(second: bigint, first = OPEN) {
      const { guest, space } = await inSpace("supervisor");
      space.map(PAGE, DATA + 0x3000, first);
      space.map(PAGE + 0x1000n, DATA + 0x1000, second);
      guest.write64(DATA + 0x3ff8, 0x1111_2222_3333_4444n);
      guest.write64(DATA + 0x1000, 0x5555_6666_7777_8888n);
      guest.set({ a1: SPLIT, a2: 0xaaaa_bbbb_cccc_ddddn, a0: 9n });
      return guest;
    }
    const go = (guest: Guest, source: string, from = CODE) => {
      guest.load(PROGRAM, source);
      guest.enter("supervisor", from);
      guest.run();
    };

    it("load from both frames", async () => {
      const guest = await twoPages(OPEN);
      go(guest, "ld a0, 0(a1)\nj .+0");
      expect(guest.get("a0")).toBe(0x7777_8888_1111_2222n);
    });

    it("store to both frames", async () => {
      const guest = await twoPages(OPEN);
      go(guest, "sd a2, 0(a1)\nj .+0");
      expect(guest.read64(DATA + 0x3ff8)).toBe(0xcccc_dddd_3333_4444n);
      expect(guest.read64(DATA + 0x1000)).toBe(0x5555_6666_aaaa_bbbbn);
    });

    it.each([
      ["ld a0, 0(a1)", Cause.LoadPageFault],
      ["fld fa0, 0(a1)", Cause.LoadPageFault],
      ["sd a2, 0(a1)", Cause.StorePageFault],
    ] as const)("`%s` that fault on the second page name its first byte, and change nothing", async (source, cause) => {
      const guest = await twoPages(0n);
      guest.setBits("mstatus", Status.FS);
      go(guest, `${source}\nj .+0`);
      expect(guest.machineTrap()).toEqual({ cause, pc: CODE, value: PAGE + 0x1000n });
      expect(guest.get("a0")).toBe(9n);
      expect(guest.read64(DATA + 0x3ff8)).toBe(0x1111_2222_3333_4444n);
    });

    it("fault on the first page before the second, with their own address", async () => {
      const guest = await twoPages(0n, 0n);
      go(guest, "sd a2, 0(a1)\nj .+0");
      expect(guest.machineTrap()).toEqual({ cause: Cause.StorePageFault, pc: CODE, value: SPLIT });
    });

    it("store nothing where the second page may only be read", async () => {
      const guest = await twoPages(V | R | A | D);
      go(guest, "sd a2, 0(a1)\nj .+0");
      expect(guest.machineTrap()).toEqual({ cause: Cause.StorePageFault, pc: CODE, value: PAGE + 0x1000n });
      expect(guest.read64(DATA + 0x3ff8)).toBe(0x1111_2222_3333_4444n);
    });

    it("fetch an instruction from both frames", async () => {
      const guest = await twoPages(OPEN);
      // addi a0, a0, 100; then c.jr ra
      guest.write(DATA + 0x3ffe, new Uint8Array([0x13, 0x05]));
      guest.write(DATA + 0x1000, new Uint8Array([0x45, 0x06, 0x82, 0x80]));
      guest.set({ a1: PAGE + 0xffen });
      go(guest, "jalr ra, 0(a1)\nj .+0");
      expect(guest.get("a0")).toBe(109n);
    });

    it("fault on the second half of an instruction: epc is its address, tval the second page's", async () => {
      const guest = await twoPages(0n);
      guest.write(DATA + 0x3ffe, new Uint8Array([0x13, 0x05]));
      guest.set({ a1: PAGE + 0xffen });
      go(guest, "jalr ra, 0(a1)\nj .+0");
      expect(guest.machineTrap()).toEqual({
        cause: Cause.FetchPageFault,
        pc: PAGE + 0xffen,
        value: PAGE + 0x1000n,
      });
    });

    it("fetch a 16-bit instruction that ends its page without a look at the next", async () => {
      const guest = await twoPages(0n);
      guest.write(DATA + 0x3ffe, new Uint8Array([0x82, 0x80])); // c.jr ra
      guest.set({ a1: PAGE + 0xffen });
      go(guest, "jalr ra, 0(a1)\nj .+0");
      expect(guest.hart.pc).toBe(CODE + 4n);
    });

    it("run from one page into the next without a jump", async () => {
      const guest = await twoPages(OPEN);
      guest.load(DATA + 0x3ffc, "addi a0, a0, 1");
      guest.load(DATA + 0x1000, "addi a0, a0, 2\nj .+0");
      guest.enter("supervisor", PAGE + 0xffcn);
      guest.run();
      expect(guest.get("a0")).toBe(12n);
    });

    it("fault where code runs into a page that may not be executed", async () => {
      const guest = await twoPages(V | R | W | A | D);
      guest.load(DATA + 0x3ffc, "addi a0, a0, 1");
      guest.enter("supervisor", PAGE + 0xffcn);
      guest.run();
      expect(guest.machineTrap()).toEqual({
        cause: Cause.FetchPageFault,
        pc: PAGE + 0x1000n,
        value: PAGE + 0x1000n,
      });
      expect(guest.get("a0")).toBe(10n);
    });

    it("wrap from the last page of the address space to the first", async () => {
      const { guest, space } = await inSpace("supervisor");
      space.map(-0x1000n, DATA, OPEN);
      space.map(0n, DATA + 0x1000, OPEN);
      guest.write64(DATA + 0xff8, 0x1111_2222_3333_4444n);
      guest.write64(DATA + 0x1000, 0x5555_6666_7777_8888n);
      guest.set({ a1: -4n });
      go(guest, "ld a0, 0(a1)\nj .+0");
      expect(guest.get("a0")).toBe(0x7777_8888_1111_2222n);
    });
  });

  it("fetches an instruction that wraps from the last page of the address space to the first", async () => {
    const { guest, space } = await inSpace("supervisor");
    space.map(-0x1000n, DATA, OPEN);
    space.map(0n, DATA + 0x5000, OPEN);
    guest.write(DATA + 0xffe, new Uint8Array([0x17, 0x05])); // auipc a0, 0x1000
    guest.write(DATA + 0x5000, new Uint8Array([0x00, 0x01, 0x01, 0xa0])); // and c.j .+0
    guest.enter("supervisor", BigInt.asUintN(64, -2n));
    guest.run();
    expect(guest.hart.pc).toBe(2n);
    expect(guest.get("a0")).toBe(0xff_fffen);
  });

  describe("sfence.vma", () => {
    const fences: readonly (readonly [what: string, instruction: string])[] = [
      ["of everything", "sfence.vma zero, zero"],
      ["by address", "sfence.vma a1, zero"],
      ["by another address in the page", "sfence.vma a4, zero"],
      ["by address space", "sfence.vma zero, a5"],
      ["by address space, with bits above the ASID set", "sfence.vma zero, a6"],
      ["by both", "sfence.vma a1, a5"],
      ["sinval.vma by both", "sfence.w.inval; sinval.vma a1, a5; sfence.inval.ir"],
    ];

    it.each(fences)("%s makes loads, stores and fetches see a changed entry", async (_, fence) => {
      const { guest, space } = await inSpace("supervisor");
      const entry = space.map(PAGE, DATA, OPEN);
      guest.setCsrs({ satp: space.satp(5) });
      space.map(CODE + 0x1000n, space.root + Math.floor((entry - space.root) / 0x1000) * 0x1000, OPEN);
      guest.load(DATA + 0x40, "li s0, 1\nret");
      guest.load(DATA + 0x1040, "li s0, 2\nret");
      guest.write64(DATA, 1n);
      guest.write64(DATA + 0x1000, 2n);
      guest.load(
        PROGRAM,
        `ld a0, 0(a1)
        sd a0, 8(a1)
        jalr ra, 64(a1)
        sd a2, 0(a3)         # the entry
        ${fence}
        ld a0, 0(a1)
        sd a0, 16(a1)
        jalr ra, 64(a1)
        j .+0`,
      );
      guest.set({
        a1: PAGE,
        a2: leaf(DATA + 0x1000, OPEN),
        a3: CODE + 0x1000n + BigInt(entry & 0xfff),
        a4: PAGE + 0xff8n,
        a5: 5n,
        a6: 0x10005n,
      });
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.get("a0")).toBe(2n);
      expect(guest.get("s0")).toBe(2n);
      expect(guest.read64(DATA + 0x1010)).toBe(2n);
      expect(guest.read64(DATA + 0x10)).toBe(0n);
    });

    it.each(fences.slice(1, 3))("%s drops every piece of a superpage", async (_, fence) => {
      const { guest, space } = await inSpace("supervisor");
      space.map(0xc000_0000n, RAM, OPEN, 2);
      const distance = BigInt(DATA - RAM);
      guest.write64(DATA, 1n);
      guest.load(PROGRAM, `ld a0, 0(a1)\nebreak\n${fence}\nld a0, 0(a1)\nj .+0`);
      guest.set({ a1: 0xc000_0000n + distance, a4: 0xc03f_f000n });
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.get("a0")).toBe(1n);
      guest.write64(space.entry(0xc000_0000n, 2), 0n);
      guest.enter("supervisor", CODE + 8n);
      guest.run();
      expect(guest.machineTrap()).toMatchObject({ cause: Cause.LoadPageFault, pc: CODE + 12n });
    });

    it("makes an unmapped code page fault, be it the one that runs", async () => {
      const { guest, space } = await inSpace("supervisor");
      space.map(CODE + 0x1000n, TABLES, OPEN);
      const entry = space.entry(CODE);
      space.map(CODE + 0x1000n, Math.floor(entry / 0x1000) * 0x1000, OPEN);
      guest.load(PROGRAM, "sd zero, 0(a1)\nsfence.vma zero, zero\naddi a0, a0, 1\nj .+0");
      guest.set({ a0: 0n, a1: CODE + 0x1000n + BigInt(entry & 0xfff) });
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: Cause.FetchPageFault, pc: CODE + 8n, value: CODE + 8n });
      expect(guest.get("a0")).toBe(0n);
    });

    it("of another address or space leaves either the old or the new entry in force", async () => {
      for (const fence of ["sfence.vma a4, zero", "sfence.vma zero, a5"]) {
        const { guest, space } = await inSpace("supervisor");
        space.map(PAGE, DATA, OPEN);
        guest.write64(DATA, 1n);
        guest.write64(DATA + 0x1000, 2n);
        guest.load(PROGRAM, `ld a0, 0(a1)\nebreak\n${fence}\nld a0, 0(a1)\nj .+0`);
        guest.set({ a1: PAGE, a4: PAGE + 0x1000n, a5: 7n });
        guest.enter("supervisor", CODE);
        guest.run();
        space.map(PAGE, DATA + 0x1000, OPEN);
        guest.enter("supervisor", CODE + 8n);
        guest.run();
        expect([1n, 2n]).toContain(guest.get("a0"));
      }
    });

    it("in M-mode reaches what S-mode has cached", async () => {
      const { guest, space } = await inSpace("supervisor");
      space.map(PAGE, DATA, OPEN);
      expect(attempt(guest, "supervisor", "load", PAGE)).toBe("done");
      space.map(PAGE, DATA, 0n);
      guest.load(PROGRAM + 0x100, "sfence.vma zero, zero\nj .+0");
      guest.enter("machine", PROGRAM + 0x100);
      guest.run();
      expect(attempt(guest, "supervisor", "load", PAGE)).toBe(Cause.LoadPageFault);
    });

    it("reaches what is cached for U-mode and for S-mode under SUM", async () => {
      const { guest, space } = await inSpace("user");
      space.map(PAGE, DATA, OPEN_TO_USER);
      expect(attempt(guest, "user", "load", PAGE)).toBe("done");
      guest.load(PROGRAM + 0x100, "csrrs zero, mstatus, a4\nld a0, 0(a1)\nsfence.vma a1, zero\nld a0, 0(a1)\nj .+0");
      guest.set({ a4: Status.MPRV | Status.SUM, a1: PAGE });
      guest.enter("machine", PROGRAM + 0x100);
      guest.setBits("mstatus", 1n << 11n);
      guest.machine.step(2);
      space.map(PAGE, DATA, 0n);
      guest.run();
      expect(guest.machineTrap()).toEqual({
        cause: Cause.LoadPageFault,
        pc: BigInt(PROGRAM + 0x10c),
        value: PAGE,
      });
      guest.setCsrs({ mstatus: 0 });
      expect(attempt(guest, "user", "load", PAGE)).toBe(Cause.LoadPageFault);
    });
  });

  describe("address spaces", () => {
    /** Two spaces that differ in what lies at PAGE; the code at CODE and the switch are common to them. */
    async function twoSpaces(asids: readonly [number, number]) {
      const guest = await guestWith();
      const one = new AddressSpace(guest, SCHEMES[0], TABLES);
      const other = new AddressSpace(guest, SCHEMES[0], TABLES + 0x10000);
      for (const [space, frame] of [
        [one, DATA],
        [other, DATA + 0x1000],
      ] as const) {
        space.map(CODE, PROGRAM, OPEN);
        space.map(PAGE, frame, OPEN);
      }
      guest.load(DATA, "addi s0, s0, 1\nret");
      guest.load(DATA + 0x1000, "addi s0, s0, 100\nret");
      guest.set({ s0: 0n, a1: PAGE, s1: one.satp(asids[0]), s2: other.satp(asids[1]) });
      guest.setCsrs({ satp: one.satp(asids[0]) });
      return guest;
    }

    it("with ASIDs of their own need no fence between them, for code and data", async () => {
      const guest = await twoSpaces([1, 2]);
      guest.load(
        PROGRAM,
        `li t1, 5
        loop: csrrw zero, satp, s1
        jalr ra, 0(a1)
        lwu a2, 0(a1)
        csrrw zero, satp, s2
        jalr ra, 0(a1)
        lwu a3, 0(a1)
        addi t1, t1, -1
        bne t1, zero, loop
        j .+0`,
      );
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.get("s0")).toBe(505n);
      expect(guest.get("a2")).not.toBe(guest.get("a3"));
    });

    it("with one ASID and a fence after each switch do as well", async () => {
      const guest = await twoSpaces([0, 0]);
      guest.load(
        PROGRAM,
        `jalr ra, 0(a1)
        csrrw zero, satp, s2
        sfence.vma zero, zero
        jalr ra, 0(a1)
        csrrw zero, satp, s1
        sfence.vma zero, zero
        jalr ra, 0(a1)
        j .+0`,
      );
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.get("s0")).toBe(102n);
    });

    it("may be many: more of them than the hart keeps translations of", async () => {
      const guest = await guestWith();
      const count = 40;
      const satps: bigint[] = [];
      for (let n = 0; n < count; n++) {
        const space = new AddressSpace(guest, SCHEMES[0], TABLES + n * 0x3000);
        // One table for the code and the data of each, to save room.
        space.map(CODE, PROGRAM, OPEN);
        space.map(CODE + 0x1000n, DATA + n * 0x1000, OPEN);
        guest.write64(DATA + n * 0x1000, BigInt(n));
        satps.push(space.satp(n));
      }
      guest.load(
        PROGRAM,
        `li t1, 3
        again: li t2, ${count}
        mv t0, s1
        loop: csrrw zero, satp, t0
        ld t3, 0(a1)
        add s0, s0, t3
        sd s0, 8(a1)
        add t0, t0, s2       # the next space: its root and its ASID
        addi t2, t2, -1
        bne t2, zero, loop
        addi t1, t1, -1
        bne t1, zero, again
        j .+0`,
      );
      guest.set({ s0: 0n, a1: CODE + 0x1000n, s1: satps[0] ?? 0n, s2: (satps[1] ?? 0n) - (satps[0] ?? 0n) });
      guest.setCsrs({ satp: satps[0] ?? 0n });
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.get("s0")).toBe(3n * 780n);
      expect(guest.read64(DATA + 3 * 0x1000 + 8)).toBe(2n * 780n + 6n);
    });

    it("share the decoded code of a frame that they map at different addresses", async () => {
      const { guest, space } = await inSpace("supervisor");
      space.map(PAGE, DATA, OPEN);
      space.map(PAGE + 0x5000n, DATA, OPEN);
      guest.load(DATA, "auipc a0, 0\nret");
      guest.load(PROGRAM, "jalr ra, 0(a1)\nmv s0, a0\njalr ra, 0(a2)\nmv s1, a0\nj .+0");
      guest.set({ a1: PAGE, a2: PAGE + 0x5000n });
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.get("s0")).toBe(PAGE);
      expect(guest.get("s1")).toBe(PAGE + 0x5000n);
    });
  });

  it("lets a delegated page fault be mended by S-mode, and goes on at the faulting instruction", async () => {
    const { guest, space } = await inSpace("supervisor");
    const entry = space.map(PAGE, DATA, 0n);
    space.map(CODE + 0x1000n, Math.floor(entry / 0x1000) * 0x1000, OPEN);
    space.map(S_VECTOR, S_VECTOR, OPEN);
    guest.setCsrs({ medeleg: 1n << Cause.StorePageFault, stvec: S_VECTOR });
    guest.load(S_VECTOR, "csrrs s2, stval, zero\ncsrrs s3, scause, zero\nsd s0, 0(s1)\nsfence.vma s2, zero\nsret");
    guest.load(PROGRAM, "sd a2, 8(a1)\nsd a2, 16(a1)\nj .+0");
    guest.set({ a1: PAGE, a2: 42n, s0: leaf(DATA, OPEN), s1: CODE + 0x1000n + BigInt(entry & 0xfff) });
    guest.enter("supervisor", CODE);
    guest.run();
    expect(guest.hart.pc).toBe(CODE + 8n);
    expect(guest.get("s2")).toBe(PAGE + 8n);
    expect(guest.get("s3")).toBe(Cause.StorePageFault);
    expect(guest.read64(DATA + 8)).toBe(42n);
    expect(guest.read64(DATA + 16)).toBe(42n);
  });

  it("stands apart from M-mode, whose handler runs untranslated", async () => {
    const { guest } = await inSpace("user");
    guest.load(M_VECTOR, "ld s0, 0(s1)\nj .+0");
    guest.set({ s1: DATA });
    guest.load(PROGRAM, "ecall");
    guest.enter("user", CODE);
    guest.run();
    expect(guest.get("s0")).toBe(RETURN);
  });
});
