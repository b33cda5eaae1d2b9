/** Code that changes: whoever writes it, by whatever way, the next instruction is the new one, without fence.i. */
import { describe, expect, it } from "vitest";
import { assemble } from "../../isa/assemble.js";
import { Cause, createGuest, DATA, type Guest, type GuestOptions, PACES, PROGRAM, RAM } from "./guest.js";
import { AddressSpace, leaf, OPEN, Pte } from "./page-tables.js";

/** The bits of an instruction. */
const bits = (source: string): bigint => {
  const bytes = assemble(source);
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
};
const ADD_1 = "addi a0, a0, 1";
const ADD_100 = "addi a0, a0, 100";

describe.each(PACES)("self-modifying code, %s", (pace) => {
  const guestWith = (options: GuestOptions = {}) => createGuest({ pace, ...options });
  /** Loads a program with a0 = 0, a1 = its address and a2 = an instruction that adds 100 to a0, and runs it. */
  function go(guest: Guest, source: string, at = PROGRAM): bigint {
    guest.load(at, source);
    guest.set({ a0: 0n, a1: at, a2: bits(ADD_100) });
    guest.enter("machine", at);
    guest.run();
    return guest.get("a0");
  }

  it("runs what a store has put right behind it", async () => {
    expect(go(await guestWith(), `sw a2, 4(a1)\n${ADD_1}\nj .+0`)).toBe(100n);
  });

  it("runs what a store has put into its own loop", async () => {
    const guest = await guestWith();
    guest.set({ t0: 0n, t1: 10n, t2: 5n });
    // Ten rounds: at the fifth the body is replaced.
    const source = `
      ${ADD_1}
      addi t0, t0, 1
      bne t0, t2, .+8
      sw a2, 0(a1)
      bne t0, t1, .-16
      j .+0`;
    expect(go(guest, source)).toBe(505n);
  });

  it("runs what a store has put into a loop of thousands of rounds", async () => {
    const guest = await createGuest();
    guest.set({ t0: 0n, t1: 4000n, t2: 2000n });
    const source = `
      ${ADD_1}
      addi t0, t0, 1
      bne t0, t2, .+8
      sw a2, 0(a1)
      bne t0, t1, .-16
      j .+0`;
    guest.load(PROGRAM, source);
    guest.set({ a0: 0n, a1: PROGRAM, a2: bits(ADD_100) });
    guest.machine.step(50_000);
    expect(guest.get("a0")).toBe(2000n + 200_000n);
  });

  it("finishes the instruction that overwrites itself", async () => {
    const guest = await guestWith();
    expect(go(guest, `sw a2, 0(a1)\n${ADD_1}\nj .+0`)).toBe(1n);
    guest.enter("machine", PROGRAM);
    guest.run();
    expect(guest.get("a0")).toBe(102n);
  });

  describe("where an instruction straddles", () => {
    /** An instruction of 4 bytes at `at`, behind a jump there from a patch of its second half. */
    async function patchSecondHalf(at: number): Promise<bigint> {
      const guest = await guestWith();
      guest.load(at, `${ADD_1}\nret`);
      // Once around to decode it, then the upper half (the immediate) changes.
      guest.load(PROGRAM, "jalr ra, 0(a1)\nsh a2, 2(a1)\njalr ra, 0(a1)\nj .+0");
      guest.set({ a0: 0n, a1: at, a2: bits(ADD_100) >> 16n });
      guest.enter("machine");
      guest.run();
      return guest.get("a0");
    }

    it("two 64-byte lines, sees its second half change", async () => {
      expect(await patchSecondHalf(DATA + 0x3e)).toBe(101n);
    });

    it("two pages, sees its second half change", async () => {
      expect(await patchSecondHalf(DATA + 0xffe)).toBe(101n);
    });

    it("no line, sees its second half change", async () => {
      expect(await patchSecondHalf(DATA + 0x1a)).toBe(101n);
    });

    it("two lines, sees its first half change", async () => {
      const guest = await guestWith();
      guest.load(DATA + 0x3e, `${ADD_1}\nret`);
      guest.load(PROGRAM, "jalr ra, 0(a1)\nsh a2, 0(a1)\njalr ra, 0(a1)\nj .+0");
      guest.set({ a0: 0n, a1: DATA + 0x3e, a2: bits("addi a3, a0, 1") & 0xffffn });
      guest.enter("machine");
      guest.run();
      expect(guest.get("a0")).toBe(1n);
      expect(guest.get("a3")).toBe(2n);
    });

    it("two lines, goes on to see changes after its first line alone was rewritten", async () => {
      const guest = await guestWith();
      guest.load(DATA + 0x3e, `${ADD_1}\nret`);
      guest.load(PROGRAM, "jalr ra, 0(a1)\nsd zero, -14(a1)\njalr ra, 0(a1)\nsh a2, 2(a1)\njalr ra, 0(a1)\nj .+0");
      guest.set({ a0: 0n, a1: DATA + 0x3e, a2: bits(ADD_100) >> 16n });
      guest.enter("machine");
      guest.run();
      expect(guest.get("a0")).toBe(102n);
    });
  });

  describe("is seen when written by", () => {
    const writers: readonly (readonly [what: string, source: string])[] = [
      ["a byte store to the immediate", "sb a3, 23(a1)"],
      ["a halfword store", "sh a3, 22(a1)"],
      ["a word store", "sw a2, 20(a1)"],
      ["a doubleword store", "sd a4, 16(a1)"],
      ["a float store", "fmv.w.x fa0, a2; fsw fa0, 20(a1)"],
      ["amoswap.w", "addi a5, a1, 20; amoswap.w a6, a2, (a5)"],
      ["amoadd.w", "addi a5, a1, 20; amoadd.w a6, a7, (a5)"],
      ["store-conditional", "addi a5, a1, 20; lr.w a6, (a5); sc.w a6, a2, (a5)"],
    ];

    it.each(writers)("%s", async (_, writer) => {
      const guest = await guestWith();
      guest.setBits("mstatus", 3n << 13n);
      guest.load(DATA, "nop\nnop\nnop\nnop\nnop\naddi a0, a0, 1\nret");
      guest.load(PROGRAM, `jalr ra, 0(a1)\n${writer}\njalr ra, 0(a1)\nj .+0`);
      const patched = bits(ADD_100);
      guest.set({ a0: 0n, a1: DATA, a2: patched, a3: writer.startsWith("sb") ? patched >> 24n : patched >> 16n });
      guest.set({ a4: (patched << 32n) | bits("nop"), a7: patched - bits(ADD_1) });
      guest.enter("machine");
      guest.run();
      // A byte store changes the upper eight bits of the immediate: 1 becomes 1 + (6 << 4).
      expect(guest.get("a0")).toBe(writer.startsWith("sb") ? 1n + 97n : 101n);
    });

    it("a misaligned store over two lines, both of which hold code", async () => {
      const guest = await guestWith();
      guest.load(DATA + 0x3c, `${ADD_1}\n${ADD_1}\nret`);
      guest.load(PROGRAM, "jalr ra, 0(a1)\nsd a2, 0(a1)\njalr ra, 0(a1)\nj .+0");
      guest.set({ a0: 0n, a1: DATA + 0x3c, a2: (bits(ADD_100) << 32n) | bits(ADD_100) });
      guest.enter("machine");
      guest.run();
      expect(guest.get("a0")).toBe(202n);
    });

    it("a misaligned store over two pages, both of which hold code", async () => {
      const guest = await guestWith();
      guest.load(DATA + 0xffc, `${ADD_1}\n${ADD_1}\nret`);
      guest.load(PROGRAM, "jalr ra, 0(a1)\nsd a2, 0(a1)\njalr ra, 0(a1)\nj .+0");
      guest.set({ a0: 0n, a1: DATA + 0xffc, a2: (bits(ADD_100) << 32n) | bits(ADD_100) });
      guest.enter("machine");
      guest.run();
      expect(guest.get("a0")).toBe(202n);
    });

    it("cbo.zero", async () => {
      const guest = await guestWith();
      guest.load(DATA, `${ADD_1}\nret`);
      guest.load(PROGRAM, "jalr ra, 0(a1)\ncbo.zero 0(a1)\njalr ra, 0(a1)\nj .+0");
      guest.set({ a0: 0n, a1: DATA });
      guest.enter("machine");
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: Cause.IllegalInstruction, pc: BigInt(DATA), value: 0n });
      expect(guest.get("a0")).toBe(1n);
    });

    it("the host", async () => {
      const guest = await guestWith();
      expect(go(guest, `${ADD_1}\nj .+0`)).toBe(1n);
      guest.load(PROGRAM, ADD_100);
      guest.enter("machine", PROGRAM);
      guest.run();
      expect(guest.get("a0")).toBe(101n);
    });

    it("the host, over the second half of an instruction that crosses pages", async () => {
      const guest = await guestWith();
      guest.load(DATA + 0xffe, `${ADD_1}\nj .+0`);
      guest.set({ a0: 0n });
      guest.enter("machine", DATA + 0xffe);
      guest.run();
      guest.write(DATA + 0x1000, assemble(ADD_100).subarray(2));
      guest.enter("machine", DATA + 0xffe);
      guest.run();
      expect(guest.get("a0")).toBe(101n);
    });

    it("a virtual alias of its page", async () => {
      const guest = await guestWith();
      const space = new AddressSpace(guest);
      space.map(0x10000n, PROGRAM, OPEN);
      space.map(0x20000n, DATA, OPEN);
      space.map(0x30000n, DATA, OPEN);
      guest.setCsrs({ satp: space.satp() });
      guest.load(DATA, `${ADD_1}\nret`);
      // The alias is warm as data before the page is code, and after.
      guest.load(
        PROGRAM,
        "sw a3, 64(a4)\njalr ra, 0(a1)\nsw a2, 0(a4)\njalr ra, 0(a1)\nsw a3, 0(a4)\njalr ra, 0(a1)\nj .+0",
      );
      guest.set({ a0: 0n, a1: 0x20000n, a2: bits(ADD_100), a3: bits("addi a0, a0, 1000"), a4: 0x30000n });
      guest.enter("supervisor", 0x10000n);
      guest.run();
      expect(guest.get("a0")).toBe(1101n);
    });

    it("another hart", async () => {
      const guest = await guestWith({ harts: 2 });
      expect(go(guest, `${ADD_1}\nj .+0`)).toBe(1n);
      const other = guest.machine.harts[1];
      guest.load(DATA, "sw a2, 0(a1)\nj .+0");
      guest.machine.enterMachine(1, { address: BigInt(DATA), opaque: BigInt(PROGRAM) });
      if (other) guest.set({ a2: bits(ADD_100) }, other);
      guest.machine.step(2, 1);
      guest.enter("machine", PROGRAM);
      guest.run();
      expect(guest.get("a0")).toBe(101n);
    });
  });

  describe("that shares its line with data", () => {
    it("gives an AMO its result, and x0 its zero", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, "amoadd.d a0, a2, (a1)\namoadd.d a3, a2, (a1)\nadd a4, zero, zero\nj .+0");
      guest.write64(PROGRAM + 0x20, 40n);
      guest.set({ a1: PROGRAM + 0x20, a2: 2n });
      guest.enter("machine");
      guest.run();
      expect(["a0", "a3", "a4"].map((name) => guest.get(name))).toEqual([40n, 42n, 0n]);
      expect(guest.read64(PROGRAM + 0x20)).toBe(44n);
    });

    it("gives a store-conditional its result, and x0 its zero", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, "lr.d a0, (a1)\nsc.d a3, a2, (a1)\nsc.d a4, a2, (a1)\nadd a5, zero, zero\nj .+0");
      guest.write64(PROGRAM + 0x20, 40n);
      guest.set({ a1: PROGRAM + 0x20, a2: 2n, a3: 9n });
      guest.enter("machine");
      guest.run();
      expect(["a0", "a3", "a4", "a5"].map((name) => guest.get(name))).toEqual([40n, 0n, 1n, 0n]);
    });

    it.each(["ld a0, 0(a1)", "lr.d a0, (a1)", "c.ld a0, 0(a1)"])(
      "gives `%s` its result where the line holds the page table entry whose A bit it sets",
      async (load) => {
        const guest = await guestWith();
        const space = new AddressSpace(guest);
        // The pages at 0x3000 and at 0x8000 have their entries in lines 0 and 1 of one table, which is code, too.
        const entry = space.map(0x3000n, DATA, Pte.V | Pte.R | Pte.W);
        const table = entry - 3 * 8;
        space.map(0x8000n, table, OPEN);
        guest.load(table, `${load}\nj .+0`);
        guest.write64(DATA, 0x4321n);
        guest.set({ a0: 0n, a1: 0x3000n });
        guest.setCsrs({ satp: space.satp(), menvcfg: 1n << 61n });
        guest.enter("supervisor", 0x8000n);
        guest.run();
        expect(guest.get("a0")).toBe(0x4321n);
        expect(guest.get("zero")).toBe(0n);
        expect(guest.read64(entry)).toBe(leaf(DATA, Pte.V | Pte.R | Pte.W | Pte.A));
      },
    );

    it("keeps stores in a loop and the code around them right", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, "ld t1, 0(a1)\naddi t1, t1, 1\nsd t1, 0(a1)\nbne t1, a2, .-12\nj .+0");
      guest.write64(PROGRAM + 0x18, 0n);
      guest.set({ a1: PROGRAM + 0x18, a2: 300n });
      guest.enter("machine");
      guest.run();
      expect(guest.read64(PROGRAM + 0x18)).toBe(300n);
      expect(guest.get("t1")).toBe(300n);
    });
  });

  it("makes code of a page that was data, and data of a page that was code", async () => {
    const guest = await guestWith();
    guest.load(PROGRAM, "sw a2, 0(a1)\nlw a3, 0(a1)\nsw a4, 4(a1)\njalr ra, 0(a1)\nsw a3, 8(a1)\nlw a5, 0(a1)\nj .+0");
    guest.set({ a0: 0n, a1: DATA, a2: bits(ADD_100), a4: bits("jalr zero, 0(ra)") });
    guest.enter("machine");
    guest.run();
    expect(guest.get("a0")).toBe(100n);
    expect(guest.get("a5")).toBe(guest.get("a3"));
  });
});

describe("more code than the machine keeps decoded", () => {
  const PAGES = 2100;
  const BASE = RAM + 0x100000;

  /** Pages of code that add 1 to a0 and go on to the next; the last one comes back by s0. */
  async function chain(): Promise<Guest> {
    const guest = await createGuest({ memoryBytes: 16 << 20 });
    const link = assemble("addi a0, a0, 1\nadd t0, t0, t1\njalr zero, 0(t0)");
    for (let n = 0; n < PAGES; n++) guest.write(BASE + n * 0x1000, link);
    guest.load(BASE + (PAGES - 1) * 0x1000, "addi a0, a0, 1\njalr zero, 0(s0)");
    // As many rounds as a2 says.
    guest.load(PROGRAM, "mv t0, a1\njalr s0, 0(t0)\naddi a2, a2, -1\nbne a2, zero, .-12\nj .+0");
    guest.set({ a0: 0n, a1: BASE, a2: 3n, t1: 0x1000n });
    return guest;
  }

  it("runs all of it, round after round", async () => {
    const guest = await chain();
    guest.machine.step(100_000);
    expect(guest.get("a0")).toBe(BigInt(3 * PAGES));
    expect(guest.hart.pc).toBe(BigInt(PROGRAM + 16));
  });

  it("sees changes of code that it had dropped, and of code that it kept", async () => {
    const guest = await chain();
    guest.set({ a2: 1n });
    guest.machine.step(100_000);
    for (const page of [0, 1, 1000, PAGES - 2]) guest.load(BASE + page * 0x1000, ADD_100);
    guest.set({ a0: 0n, a2: 2n });
    guest.hart.pc = BigInt(PROGRAM);
    guest.machine.step(100_000);
    expect(guest.get("a0")).toBe(2n * (BigInt(PAGES) + 4n * 99n));
  });
});
