/** Accesses and instructions that lie in two pages, and code that runs from one into the next (Privileged ISA 1.13, ch. 10). */
import { describe, expect, it } from "vitest";
import { Cause, DATA, type Guest, PACES, PROGRAM, Status } from "./guest.js";
import { OPEN, Pte } from "./page-tables.js";
import { CODE, PAGE, pagedGuests } from "./paged-guest.js";

const { V, R, W, A, D } = Pte;

describe.each(PACES)("two pages, %s", (pace) => {
  const { inSpace } = pagedGuests(pace);

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
});
