/**
 * Which exception is taken where one instruction deserves several (Privileged ISA 1.13, 3.1.15, the table of priorities,
 * from the top: each test has two rows of it at once).
 */
import { describe, expect, it } from "vitest";
import { type Access, PROGRAMS } from "./access.js";
import { Cause, createGuest, DATA, type Guest, type GuestOptions, PACES, PROGRAM, type Trap } from "./guest.js";
import { AddressSpace, OPEN, Pte } from "./page-tables.js";
import { CODE, PAGE, PAGE_FAULTS } from "./paged-guest.js";
import { ACCESS_FAULTS, type Entry, everywhere, napot, protect, R, W, X } from "./protected-guest.js";

const { V, A, D } = Pte;
const READ_ONLY = V | Pte.R | A;
const ILLEGAL = 0xffff_ffff;

const ACCESSES = Object.keys(PROGRAMS) as Access[];
const hex = (word: number) => `.word 0x${word.toString(16)}`;

describe.each(PACES)("the first exception, %s", (pace) => {
  interface Setting extends GuestOptions {
    /** PMP entries before one that opens everything. */
    readonly pmp?: (space: AddressSpace) => readonly Entry[];
    /** What is mapped beside the program. */
    readonly pages?: (space: AddressSpace) => void;
  }

  /** A guest whose program runs in S-mode at CODE. */
  async function guestIn({ pmp, pages, ...options }: Setting): Promise<Guest> {
    const guest = await createGuest({ pace, closedMemory: true, ...options });
    const space = new AddressSpace(guest);
    space.map(CODE, PROGRAM, OPEN);
    pages?.(space);
    protect(guest, [...(pmp?.(space) ?? []), everywhere(R | W | X)]);
    guest.setCsrs({ satp: space.satp() });
    guest.set({ a0: 0, a1: PAGE, a2: 0x1234n });
    return guest;
  }

  function trapIn(guest: Guest, source: string, pc = CODE): Trap {
    guest.load(PROGRAM, source);
    guest.enter("supervisor", pc);
    guest.run();
    return guest.machineTrap();
  }

  const closed = (at: number, permissions = 0) => napot(at, 0x1000, permissions);

  describe("of an address", () => {
    /** The table that holds the entry of PAGE. */
    const tableOf = (space: AddressSpace) => Math.floor(space.entry(PAGE) / 0x1000) * 0x1000;
    /** Where the trap of an access comes from. */
    const at = (access: Access) => ({ pc: access === "fetch" ? PAGE : CODE, value: PAGE });

    it.each(ACCESSES)("of a %s is its page's fault, where PMP closes the frame, too", async (access) => {
      const guest = await guestIn({ pages: (space) => space.map(PAGE, DATA, 0n), pmp: () => [closed(DATA)] });
      expect(trapIn(guest, PROGRAMS[access])).toEqual({ cause: PAGE_FAULTS[access], ...at(access) });
    });

    it.each(["store", "fetch", "amo"] as const)(
      "of a %s is the fault of a page that is for reading, where PMP closes the frame, too",
      async (access) => {
        const guest = await guestIn({ pages: (space) => space.map(PAGE, DATA, READ_ONLY), pmp: () => [closed(DATA)] });
        expect(trapIn(guest, PROGRAMS[access])).toEqual({ cause: PAGE_FAULTS[access], ...at(access) });
      },
    );

    it("of a store is the fault of a page that is not dirty, where PMP closes the frame to stores, too", async () => {
      const guest = await guestIn({
        pages: (space) => space.map(PAGE, DATA, OPEN & ~D),
        pmp: () => [closed(DATA, R | X)],
      });
      expect(trapIn(guest, PROGRAMS.store)).toEqual({ cause: Cause.StorePageFault, ...at("store") });
    });

    it.each(ACCESSES)(
      "of a %s is the access fault of a table, where the entry in it is invalid, too",
      async (access) => {
        const guest = await guestIn({ pmp: (space) => [closed(tableOf(space))] });
        expect(trapIn(guest, PROGRAMS[access])).toEqual({ cause: ACCESS_FAULTS[access], ...at(access) });
      },
    );

    it.each(ACCESSES)(
      "of a %s is the page fault of an entry, where the table behind it is closed, too",
      async (access) => {
        let table = 0;
        const guest = await guestIn({
          pages: (space) => {
            table = tableOf(space);
            space.map(PAGE, table, 0n, 1); // what led to it does not any more
          },
          pmp: () => [closed(table)],
        });
        expect(trapIn(guest, PROGRAMS[access])).toEqual({ cause: PAGE_FAULTS[access], ...at(access) });
      },
    );
  });

  describe("of a fetch", () => {
    it("is the page's, whatever instruction is there", async () => {
      const guest = await guestIn({ pages: (space) => space.map(PAGE, DATA, OPEN & ~Pte.X) });
      for (const instruction of ["ecall", "ebreak", hex(ILLEGAL)]) {
        guest.load(DATA, instruction);
        expect(trapIn(guest, PROGRAMS.fetch)).toEqual({ cause: Cause.FetchPageFault, pc: PAGE, value: PAGE });
      }
    });

    it("is PMP's, whatever instruction is there", async () => {
      const guest = await guestIn({ pages: (space) => space.map(PAGE, DATA, OPEN), pmp: () => [closed(DATA, R | W)] });
      for (const instruction of ["ecall", "ebreak", hex(ILLEGAL)]) {
        guest.load(DATA, instruction);
        expect(trapIn(guest, PROGRAMS.fetch)).toEqual({ cause: Cause.FetchAccessFault, pc: PAGE, value: PAGE });
      }
    });

    const LAST = PAGE + 0xffen;
    /** Two pages at PAGE, apart in RAM, and an instruction across their boundary. */
    async function across(first: bigint, second: bigint, closedFrames: readonly number[] = []) {
      const guest = await guestIn({
        pages: (space) => {
          space.map(PAGE, DATA, first);
          space.map(PAGE + 0x1000n, DATA + 0x2000, second);
        },
        pmp: () => closedFrames.map((frame) => closed(frame, R | W)),
      });
      guest.write(DATA + 0xffe, Uint8Array.of(0xff, 0xff));
      guest.write(DATA + 0x2000, Uint8Array.of(0xff, 0xff));
      return trapIn(guest, "jalr zero, 0(a1)", LAST);
    }

    it("is that of the first half, where the second half's page faults, too", async () => {
      const trap = await across(OPEN, 0n, [DATA]);
      expect(trap).toEqual({ cause: Cause.FetchAccessFault, pc: LAST, value: LAST });
    });

    it("is that of the first half, where PMP closes the second, too", async () => {
      const trap = await across(0n, OPEN, [DATA + 0x2000]);
      expect(trap).toEqual({ cause: Cause.FetchPageFault, pc: LAST, value: LAST });
    });

    it("is that of the second half's page, where the instruction is illegal and PMP closes the frame, too", async () => {
      const trap = await across(OPEN, 0n, [DATA + 0x2000]);
      expect(trap).toEqual({ cause: Cause.FetchPageFault, pc: LAST, value: PAGE + 0x1000n });
    });

    it("is that of the second half's frame, where the instruction is illegal, too", async () => {
      const trap = await across(OPEN, OPEN, [DATA + 0x2000]);
      expect(trap).toEqual({ cause: Cause.FetchAccessFault, pc: LAST, value: PAGE + 0x1000n });
    });

    it("is the instruction's, if 16 bits tell that it is illegal, where the next page faults", async () => {
      const guest = await guestIn({ pages: (space) => space.map(PAGE, DATA, OPEN) });
      guest.write(DATA + 0xffe, Uint8Array.of(0, 0));
      expect(trapIn(guest, "nop", LAST)).toEqual({ cause: Cause.IllegalInstruction, pc: LAST, value: 0n });
    });

    it("is the jump's, if its target is misaligned, where the target cannot be fetched either", async () => {
      const guest = await guestIn({ isa: "rv64ima_zicsr" });
      for (const instruction of ["jalr ra, 2(a1)", "jal ra, .+524286", "beq zero, zero, .-2050"]) {
        const { cause, pc, value } = trapIn(guest, instruction);
        expect([instruction, cause, pc]).toEqual([instruction, 0n, CODE]);
        expect(value % 4n).toBe(2n);
      }
      expect(guest.get("ra")).not.toBe(CODE + 4n);
    });
  });

  describe("of an instruction that may not be executed is that", () => {
    it.each([
      ["fld fa0, 0(a1)"],
      ["fsw fa0, 1(a1)"],
      ["cbo.zero 0(a1)"],
      [".word 0x28c5c5af"], // amocas.q with an odd register
      ["csrrw a0, cycle, a1"],
    ])("`%s`, where its access would fault", async (source) => {
      const guest = await guestIn({ misaligned: "trap" });
      guest.setCsrs({ menvcfg: 0, mstatus: 0 });
      expect(trapIn(guest, source)).toMatchObject({ cause: Cause.IllegalInstruction, pc: CODE });
    });
  });

  describe("of a misaligned address", () => {
    const MISALIGNED: readonly (readonly [source: string, cause: bigint])[] = [
      ["ld a0, 1(a1)", Cause.LoadMisaligned],
      ["sw a2, 1(a1)", Cause.StoreMisaligned],
      ["amoadd.w a0, a2, (a3)", Cause.StoreMisaligned],
      ["amocas.d a0, a2, (a3)", Cause.StoreMisaligned],
      ["lr.d a0, (a3)", Cause.LoadMisaligned],
      ["sc.w a0, a2, (a3)", Cause.StoreMisaligned],
    ];

    it.each(MISALIGNED)("of `%s` is that, where its page faults, too", async (source, cause) => {
      const guest = await guestIn({ misaligned: "trap" });
      guest.set({ a3: PAGE + 1n });
      expect(trapIn(guest, source)).toEqual({ cause, pc: CODE, value: PAGE + 1n });
    });

    it.each(MISALIGNED)("of `%s` is that, where PMP closes the frame, too", async (source, cause) => {
      const guest = await guestIn({
        misaligned: "trap",
        pages: (space) => space.map(PAGE, DATA, OPEN),
        pmp: () => [closed(DATA)],
      });
      guest.set({ a3: PAGE + 1n });
      expect(trapIn(guest, source)).toEqual({ cause, pc: CODE, value: PAGE + 1n });
    });

    const SPLIT = PAGE + 0xffcn;
    const split = (first: bigint, second: bigint, frame: number) =>
      guestIn({
        pages: (space) => {
          space.map(PAGE, DATA, first);
          space.map(PAGE + 0x1000n, DATA + 0x2000, second);
        },
        pmp: () => [closed(frame)],
      });

    it.each(["load", "store"] as const)("of a %s in hardware is that of its first page", async (access) => {
      const closedFirst = await split(OPEN, 0n, DATA);
      closedFirst.set({ a1: SPLIT });
      expect(trapIn(closedFirst, PROGRAMS[access])).toEqual({ cause: ACCESS_FAULTS[access], pc: CODE, value: SPLIT });
      const closedSecond = await split(0n, OPEN, DATA + 0x2000);
      closedSecond.set({ a1: SPLIT });
      expect(trapIn(closedSecond, PROGRAMS[access])).toEqual({ cause: PAGE_FAULTS[access], pc: CODE, value: SPLIT });
    });

    it("of a store in hardware whose second frame is closed stores nothing", async () => {
      const guest = await split(OPEN, OPEN, DATA + 0x2000);
      guest.set({ a1: SPLIT });
      expect(trapIn(guest, PROGRAMS.store)).toEqual({ cause: Cause.StoreAccessFault, pc: CODE, value: PAGE + 0x1000n });
      expect(guest.read64(DATA + 0xff8)).toBe(0n);
    });
  });
});
