/** Load-reserved, store-conditional and AMOs (Unprivileged ISA, ch. 14), on one hart and between two. */
import { describe, expect, it } from "vitest";
import { Cause, createGuest, DATA, type Guest, type GuestOptions, PACES, PROGRAM } from "./guest.js";

describe.each(PACES)("atomics, %s", (pace) => {
  const guestWith = (options: GuestOptions = {}) => createGuest({ pace, ...options });

  async function run(source: string, registers: Readonly<Record<string, bigint | number>> = {}): Promise<Guest> {
    const guest = await guestWith();
    guest.load(PROGRAM, `${source}\nj .+0`);
    guest.write64(DATA, 0x1111_1111_2222_2222n, 0x3333_3333_4444_4444n);
    guest.set({ a1: DATA, a2: 7n, a3: DATA + 8, a0: 99n, a4: 99n, ...registers });
    guest.enter("machine");
    guest.run();
    return guest;
  }

  describe("a store-conditional", () => {
    it("stores and answers 0 behind its load-reserved", async () => {
      const guest = await run("lr.d a5, (a1)\nsc.d a0, a2, (a1)");
      expect(guest.get("a0")).toBe(0n);
      expect(guest.get("a5")).toBe(0x1111_1111_2222_2222n);
      expect(guest.read64(DATA)).toBe(7n);
    });

    it("stores a word and leaves the rest", async () => {
      const guest = await run("lr.w a5, (a1)\nsc.w a0, a2, (a1)", { a2: -1n });
      expect(guest.get("a0")).toBe(0n);
      expect(guest.read64(DATA)).toBe(0x1111_1111_ffff_ffffn);
    });

    it("answers 1 and stores nothing without a load-reserved", async () => {
      const guest = await run("sc.d a0, a2, (a1)");
      expect(guest.get("a0")).toBe(1n);
      expect(guest.read64(DATA)).toBe(0x1111_1111_2222_2222n);
    });

    it("fails at another address than the one reserved", async () => {
      const guest = await run("lr.d a5, (a1)\nsc.d a0, a2, (a3)");
      expect(guest.get("a0")).toBe(1n);
      expect(guest.read64(DATA + 8)).toBe(0x3333_3333_4444_4444n);
    });

    it("uses the reservation up where it succeeds", async () => {
      const guest = await run("lr.d a5, (a1)\nsc.d a0, a2, (a1)\nsc.d a4, a3, (a1)");
      expect(guest.get("a0")).toBe(0n);
      expect(guest.get("a4")).toBe(1n);
      expect(guest.read64(DATA)).toBe(7n);
    });

    it("uses the reservation up where it fails, too", async () => {
      const guest = await run("lr.d a5, (a1)\nsc.d a0, a2, (a3)\nsc.d a4, a2, (a1)");
      expect(guest.get("a0")).toBe(1n);
      expect(guest.get("a4")).toBe(1n);
    });

    it("goes by the last load-reserved", async () => {
      const guest = await run(
        "lr.d a5, (a1)\nlr.d a5, (a3)\nsc.d a0, a2, (a1)\nlr.d a5, (a1)\nlr.d a5, (a3)\nsc.d a4, a2, (a3)",
      );
      expect(guest.get("a0")).toBe(1n);
      expect(guest.get("a4")).toBe(0n);
    });

    it("writes its answer over the value stored, in one register, after storing it", async () => {
      const guest = await run("lr.d a5, (a1)\nsc.d a2, a2, (a1)");
      expect(guest.get("a2")).toBe(0n);
      expect(guest.read64(DATA)).toBe(7n);
    });

    it("may drop its answer into x0", async () => {
      const guest = await run("lr.d zero, (a1)\nsc.d zero, a2, (a1)");
      expect(guest.get("zero")).toBe(0n);
      expect(guest.read64(DATA)).toBe(7n);
    });

    it("succeeds in the loop that the manual promises progress for", async () => {
      const guest = await run(
        "li t1, 200\nlr.w t0, (a1)\naddi t0, t0, 1\nsc.w t2, t0, (a1)\nbne t2, zero, .-12\naddi t1, t1, -1\nbne t1, zero, .-20",
      );
      expect(guest.read64(DATA) & 0xffff_ffffn).toBe(0x2222_2222n + 200n);
    });

    it.each(["sc.w a0, a2, (a1)", "sc.d a0, a2, (a1)"])(
      "`%s` faults when misaligned, and leaves its destination",
      async (source) => {
        const guest = await run(source, { a1: DATA + 2 });
        expect(guest.machineTrap()).toEqual({
          cause: Cause.StoreMisaligned,
          pc: BigInt(PROGRAM),
          value: BigInt(DATA + 2),
        });
        expect(guest.get("a0")).toBe(99n);
      },
    );
  });

  it("lr.w sign-extends", async () => {
    const guest = await guestWith();
    guest.load(PROGRAM, "lr.w a0, (a1)\nj .+0");
    guest.write64(DATA, 0x8000_0001n);
    guest.set({ a1: DATA });
    guest.run();
    expect(guest.get("a0")).toBe(0xffff_ffff_8000_0001n);
  });

  describe("between harts", () => {
    /** Hart 0 stops between its load-reserved and its store-conditional; the other hart runs meanwhile. */
    async function interrupted(meanwhile: string | undefined, target = DATA): Promise<Guest> {
      const guest = await guestWith({ harts: 2 });
      guest.load(PROGRAM, "lr.d a5, (a1)\nsc.d a0, a2, (a1)\nj .+0");
      guest.set({ a0: 99n, a1: DATA, a2: 7n });
      guest.hart.pc = BigInt(PROGRAM);
      guest.machine.step();
      if (meanwhile !== undefined) {
        guest.load(DATA + 0x1000, `${meanwhile}\nj .+0`);
        guest.machine.enterMachine(1, { address: BigInt(DATA + 0x1000), opaque: BigInt(target) });
        guest.machine.step(3, 1);
      }
      guest.run();
      return guest;
    }

    it("a store to the reserved bytes makes the store-conditional fail", async () => {
      const guest = await interrupted("sd a1, 0(a1)");
      expect(guest.get("a0")).toBe(1n);
      expect(guest.read64(DATA)).toBe(BigInt(DATA));
    });

    it("an AMO on the reserved bytes makes it fail", async () => {
      const guest = await interrupted("amoadd.d zero, a1, (a1)");
      expect(guest.get("a0")).toBe(1n);
    });

    it("a store-conditional to the reserved bytes makes it fail", async () => {
      const guest = await interrupted("lr.d a2, (a1)\nsc.d a3, a1, (a1)");
      expect(guest.get("a0")).toBe(1n);
    });

    it("nothing makes it fail when no other hart has run", async () => {
      const guest = await interrupted(undefined);
      expect(guest.get("a0")).toBe(0n);
    });

    it("a write of the host or of a device to the reserved bytes makes it fail", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, "lr.d a5, (a1)\nsc.d a0, a2, (a1)\nj .+0");
      guest.set({ a0: 99n, a1: DATA, a2: 7n });
      guest.machine.step();
      guest.write64(DATA, 5n);
      guest.run();
      expect(guest.get("a0")).toBe(1n);
      expect(guest.read64(DATA)).toBe(5n);
    });

    it("a write of the host elsewhere does not", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, "lr.d a5, (a1)\nsc.d a0, a2, (a1)\nj .+0");
      guest.set({ a0: 99n, a1: DATA, a2: 7n });
      guest.machine.step();
      guest.write64(DATA + 0x100, 5n);
      guest.run();
      expect(guest.get("a0")).toBe(0n);
    });

    it("four of them count together without losing one, by store-conditionals and by AMOs", async () => {
      const guest = await createGuest({ harts: 4, limits: { instructions: 2_000_000 } });
      const rounds = 20_000;
      guest.load(
        PROGRAM,
        `li t1, ${rounds}
        lr.d t0, (a1)
        addi t0, t0, 1
        sc.d t2, t0, (a1)
        bne t2, zero, .-12
        li t3, 1
        amoadd.d zero, t3, (a2)
        addi t1, t1, -1
        bne t1, zero, .-28
        j .+0`,
      );
      for (const { id } of guest.machine.harts) {
        guest.machine.enterMachine(id, { address: BigInt(PROGRAM), opaque: BigInt(DATA), nextStage: BigInt(DATA + 8) });
      }
      guest.machine.start();
      await guest.machine.exited;
      expect(guest.read64(DATA)).toBe(4n * BigInt(rounds));
      expect(guest.read64(DATA + 8)).toBe(4n * BigInt(rounds));
    });
  });

  describe("an AMO", () => {
    type Operation = (old: bigint, operand: bigint, width: number) => bigint;
    const signed = (value: bigint, width: number) => BigInt.asIntN(width, value);
    const unsigned = (value: bigint, width: number) => BigInt.asUintN(width, value);
    const operations: Readonly<Record<string, Operation>> = {
      swap: (_, operand) => operand,
      add: (old, operand) => old + operand,
      xor: (old, operand) => old ^ operand,
      and: (old, operand) => old & operand,
      or: (old, operand) => old | operand,
      min: (old, operand, width) => (signed(old, width) < signed(operand, width) ? old : operand),
      max: (old, operand, width) => (signed(old, width) > signed(operand, width) ? old : operand),
      minu: (old, operand, width) => (unsigned(old, width) < unsigned(operand, width) ? old : operand),
      maxu: (old, operand, width) => (unsigned(old, width) > unsigned(operand, width) ? old : operand),
    };
    const EDGES = [
      0n,
      1n,
      0x7fff_ffffn,
      0x8000_0000n,
      0xffff_ffffn,
      0x1_0000_0000n,
      0x7fff_ffff_ffff_ffffn,
      0x8000_0000_0000_0000n,
      0xffff_ffff_ffff_ffffn,
      0x1234_5678_9abc_def0n,
    ];

    it.each(
      Object.keys(operations).flatMap((name) => [
        { name, suffix: "w", width: 32 },
        { name, suffix: "d", width: 64 },
      ]),
    )("amo$name.$suffix gives the old value and stores the new", async ({ name, suffix, width }) => {
      const guest = await guestWith();
      guest.load(PROGRAM, `amo${name}.${suffix} a0, a2, (a1)\nj .+0`);
      for (const old of EDGES) {
        for (const operand of EDGES) {
          guest.write64(DATA, old);
          guest.set({ a1: DATA, a2: operand });
          guest.hart.pc = BigInt(PROGRAM);
          guest.machine.step();
          const result = unsigned(operations[name]?.(old, operand, width) ?? 0n, width);
          const kept = width === 32 ? (old >> 32n) << 32n : 0n;
          expect(guest.get("a0")).toBe(unsigned(signed(old, width), 64));
          expect(guest.read64(DATA)).toBe(kept | result);
        }
      }
    });

    it("may have one register for everything", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, "amoadd.d a1, a1, (a1)\nj .+0");
      guest.write64(DATA, 5n);
      guest.set({ a1: DATA });
      guest.run();
      expect(guest.get("a1")).toBe(5n);
      expect(guest.read64(DATA)).toBe(5n + BigInt(DATA));
    });

    it("keeps its meaning with any ordering bits", async () => {
      for (const ordering of [".aq", ".rl", ".aqrl"]) {
        const guest = await run(
          `amoadd.d${ordering} a0, a2, (a1)\nlr.d${ordering} a5, (a3)\nsc.d${ordering} a4, a2, (a3)`,
        );
        expect(guest.read64(DATA)).toBe(0x1111_1111_2222_2229n);
        expect(guest.get("a4")).toBe(0n);
      }
    });

    it.each([
      ["amoswap.w", 1],
      ["amoswap.w", 2],
      ["amomax.d", 4],
      ["amomax.d", 1],
      // The last one crosses a page.
      ["amoadd.d", 0xffc],
    ])("%s at offset %i faults as misaligned, and changes nothing", async (name, offset) => {
      const guest = await run(`${name} a0, a2, (a1)`, { a1: DATA + offset });
      expect(guest.machineTrap()).toEqual({
        cause: Cause.StoreMisaligned,
        pc: BigInt(PROGRAM),
        value: BigInt(DATA + offset),
      });
      expect(guest.read64(DATA)).toBe(0x1111_1111_2222_2222n);
      expect(guest.get("a0")).toBe(99n);
    });

    it("of a word works at an address that is no multiple of eight", async () => {
      const guest = await run("amoadd.w a0, a2, (a1)", { a1: DATA + 4 });
      expect(guest.get("a0")).toBe(0x1111_1111n);
      expect(guest.read64(DATA)).toBe(0x1111_1118_2222_2222n);
    });
  });
});
