/** Through which page tables an access goes: satp, MPRV, fences, address spaces (Privileged ISA 1.13, 3.1.6.3 and ch. 10). */
import { describe, expect, it } from "vitest";
import { Cause, DATA, PACES, PROGRAM, RAM, Status, TABLES } from "./guest.js";
import { AddressSpace, leaf, OPEN, OPEN_TO_USER, SCHEMES } from "./page-tables.js";
import { attempt, CODE, PAGE, pagedGuests } from "./paged-guest.js";

describe.each(PACES)("address spaces, %s", (pace) => {
  const { guestWith, inSpace } = pagedGuests(pace);

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
});
