/** Virtual memory: Sv39, Sv48 and Sv57, permissions, A and D (Privileged ISA 1.13, ch. 10). */
import { describe, expect, it } from "vitest";
import { type Access, PROGRAMS } from "./access.js";
import { Cause, DATA, M_VECTOR, PACES, PROGRAM, type Privilege, RAM, S_VECTOR, Status, TABLES } from "./guest.js";
import { leaf, OPEN, OPEN_TO_USER, Pte, pageSize, SCHEMES } from "./page-tables.js";
import { attempt, CODE, PAGE, PAGE_FAULTS, pagedGuests, RETURN } from "./paged-guest.js";

const ADUE = 1n << 61n;
const { V, R, W, X, U, G, A, D } = Pte;

describe.each(PACES)("translation, %s", (pace) => {
  const { inSpace } = pagedGuests(pace);

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
