/** Where PMP meets pages: several permissions in one, and page tables (Privileged ISA 1.13, 3.7 and 12.3.2). */
import { describe, expect, it } from "vitest";
import { Cause, DATA, PACES, PROGRAM, RAM, Status, TABLES } from "./guest.js";
import { AddressSpace, leaf, OPEN, Pte } from "./page-tables.js";
import { allows, everywhere, napot, protectedGuests, R, W, X } from "./protected-guest.js";

describe.each(PACES)("PMP and pages, %s", (pace) => {
  const guestWith = protectedGuests(pace);
  /** Before what a test is about: the program may run anywhere. */
  const PROGRAM_RUNS = napot(PROGRAM, 0x1000, R | W | X);

  describe("a page with several permissions", () => {
    it("lets loads and stores through by address, in any order", async () => {
      const guest = await guestWith(
        PROGRAM_RUNS,
        napot(DATA, 0x100, R),
        napot(DATA + 0x100, 0x100, R | W),
        napot(DATA + 0x200, 0x100, 0),
        everywhere(R | W),
      );
      for (const [offset, load, store] of [
        [0x400, true, true],
        [0x200, false, false],
        [0x100, true, true],
        [0x0, true, false],
        [0x2f8, false, false],
        [0x300, true, true],
        [0xf8, true, false],
        [0x1f8, true, true],
      ] as const) {
        expect([offset, allows(guest, "supervisor", "load", DATA + offset)]).toEqual([offset, load]);
        expect([offset, allows(guest, "supervisor", "store", DATA + offset)]).toEqual([offset, store]);
      }
    });

    it("stops code at the first instruction that may not be executed", async () => {
      const guest = await guestWith(PROGRAM_RUNS, napot(DATA, 0x10, X), everywhere(R | W));
      guest.load(DATA, Array.from({ length: 8 }, () => "addi a0, a0, 1").join("\n"));
      guest.set({ a0: 0n });
      guest.enter("supervisor", DATA);
      guest.run();
      expect(guest.machineTrap()).toEqual({
        cause: Cause.FetchAccessFault,
        pc: BigInt(DATA + 0x10),
        value: BigInt(DATA + 0x10),
      });
      expect(guest.get("a0")).toBe(4n);
    });

    it("stops code before an instruction half of which may not be executed, and says which half", async () => {
      const guest = await guestWith(PROGRAM_RUNS, napot(DATA, 0x10, X), everywhere(R | W));
      guest.load(DATA, "c.li a0, 7\naddi a1, a1, 1\naddi a1, a1, 1\naddi a1, a1, 1\naddi a1, a1, 1");
      guest.set({ a1: 0n });
      guest.enter("supervisor", DATA);
      guest.run();
      expect(guest.machineTrap()).toEqual({
        cause: Cause.FetchAccessFault,
        pc: BigInt(DATA + 0xe),
        value: BigInt(DATA + 0x10),
      });
      expect(guest.get("a1")).toBe(3n);
    });

    it("runs loops in the part that may be executed", async () => {
      const guest = await guestWith(PROGRAM_RUNS, napot(DATA, 0x10, X), everywhere(R | W));
      guest.load(DATA, "addi a0, a0, 1\nbne a0, a1, .-4\nj .+0");
      guest.set({ a0: 0n, a1: 100n });
      guest.enter("supervisor", DATA);
      guest.run();
      expect(guest.get("a0")).toBe(100n);
      expect(guest.hart.pc).toBe(BigInt(DATA + 8));
    });

    it("does not stop M-mode in code that S-mode may not execute", async () => {
      const guest = await guestWith(PROGRAM_RUNS, napot(DATA, 0x10, X), everywhere(R | W));
      guest.load(DATA, `${Array.from({ length: 5 }, () => "addi a0, a0, 1").join("\n")}\nj .+0`);
      guest.set({ a0: 0n });
      guest.enter("machine", DATA);
      guest.run();
      expect(guest.get("a0")).toBe(5n);
      guest.set({ a0: 0n });
      guest.enter("user", DATA);
      guest.run();
      expect(guest.machineTrap().pc).toBe(BigInt(DATA + 0x10));
    });

    it("stops a straight run into the next page where that is closed", async () => {
      const guest = await guestWith(PROGRAM_RUNS, napot(DATA, 0x1000, X), everywhere(R | W));
      guest.load(DATA + 0xff8, "addi a0, a0, 1\naddi a0, a0, 1\naddi a0, a0, 1");
      guest.set({ a0: 0n });
      guest.enter("user", DATA + 0xff8);
      guest.run();
      expect(guest.machineTrap().pc).toBe(BigInt(DATA + 0x1000));
      expect(guest.get("a0")).toBe(2n);
    });

    it("lets cbo.zero clear nothing of a block that may be written in part", async () => {
      const guest = await guestWith(PROGRAM_RUNS, napot(DATA, 0x20, R | W), everywhere(R));
      guest.setCsrs({ menvcfg: 0x80 });
      guest.write64(DATA + 8, 5n);
      guest.load(PROGRAM, "cbo.zero 0(a1)\nj .+0");
      guest.set({ a1: DATA + 8 });
      guest.enter("supervisor");
      guest.run();
      expect(guest.machineTrap()).toEqual({
        cause: Cause.StoreAccessFault,
        pc: BigInt(PROGRAM),
        value: BigInt(DATA + 8),
      });
      expect(guest.read64(DATA + 8)).toBe(5n);
    });
  });

  describe("page tables", () => {
    const PAGE = 0x4000_0000n;
    const CODE = 0x10000n;
    async function paged(tableConfig: number, flags: bigint) {
      const guest = await guestWith(napot(TABLES, 0x10000, tableConfig), everywhere(R | W | X));
      const space = new AddressSpace(guest);
      space.map(CODE, PROGRAM, OPEN);
      const entry = space.map(PAGE, DATA, flags);
      guest.setCsrs({ satp: space.satp(), menvcfg: 1n << 61n });
      guest.set({ a1: PAGE });
      return { guest, entry };
    }

    it("that may not be read make an access an access fault of its own kind", async () => {
      const { guest } = await paged(0, OPEN);
      guest.load(PROGRAM, "nop");
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: Cause.FetchAccessFault, pc: CODE, value: CODE });
      for (const [source, cause] of [
        ["ld a0, 0(a1)", Cause.LoadAccessFault],
        ["sd a0, 0(a1)", Cause.StoreAccessFault],
      ] as const) {
        guest.load(PROGRAM, source);
        guest.enter("machine");
        guest.setCsrs({ mstatus: Status.MPRV | (1n << 11n) });
        guest.run();
        expect(guest.machineTrap()).toEqual({ cause, pc: BigInt(PROGRAM), value: PAGE });
      }
    });

    it("that may be read serve while no bit need be set in them", async () => {
      const { guest } = await paged(R, OPEN);
      guest.load(PROGRAM, "sd a0, 0(a1)\nj .+0");
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.hart.pc).toBe(CODE + 4n);
    });

    it("that may not be written make setting A or D an access fault, and stay as they were", async () => {
      const flags = Pte.V | Pte.R | Pte.W;
      for (const [source, cause] of [
        ["ld a0, 0(a1)", Cause.LoadAccessFault],
        ["sd a0, 0(a1)", Cause.StoreAccessFault],
      ] as const) {
        const { guest, entry } = await paged(R, flags);
        guest.load(PROGRAM, source);
        guest.enter("supervisor", CODE);
        guest.run();
        expect(guest.machineTrap()).toEqual({ cause, pc: CODE, value: PAGE });
        expect(guest.read64(entry)).toBe(leaf(DATA, flags));
      }
    });

    it("leave the check of the page they lead to: an access fault at the virtual address", async () => {
      const guest = await guestWith(napot(DATA, 0x1000, R), everywhere(R | W | X));
      const space = new AddressSpace(guest);
      space.map(CODE, PROGRAM, OPEN);
      space.map(0x8000_0000n, RAM, OPEN, 1);
      guest.setCsrs({ satp: space.satp() });
      guest.set({ a1: DATA });
      guest.load(PROGRAM, "ld a0, 0(a1)\nsd a0, -8(a1)\nsd a0, 0(a1)\nj .+0");
      guest.enter("supervisor", CODE);
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: Cause.StoreAccessFault, pc: CODE + 8n, value: BigInt(DATA) });
    });
  });
});
