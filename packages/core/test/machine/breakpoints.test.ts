/** Breakpoints: where they stop a hart, and how it goes on. */
import { describe, expect, it } from "vitest";
import { code, createGuest, DATA, guestWith, M_VECTOR, PROGRAM, SPIN, Status, toBreakpoint } from "./guest.js";
import { AddressSpace, OPEN } from "./page-tables.js";

describe("breakpoints", () => {
  it("stop before their instruction", async () => {
    const guest = await guestWith("addi a0, a0, 1\naddi a0, a0, 10\nj .+0");
    guest.machine.addBreakpoint(BigInt(PROGRAM + 4));
    expect(await toBreakpoint(guest)).toEqual({ hart: 0, address: BigInt(PROGRAM + 4) });
    expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
    expect(guest.get("a0")).toBe(1n);
    expect(guest.hart.executedInstructions).toBe(1);
  });

  it("are passed when the machine goes on, and hit again each time around", async () => {
    const guest = await guestWith("addi a0, a0, 1\nnop\nj .-8");
    guest.machine.addBreakpoint(BigInt(PROGRAM + 4));
    for (let round = 1n; round <= 5n; round++) {
      await toBreakpoint(guest);
      expect(guest.get("a0")).toBe(round);
    }
    expect(guest.hart.executedInstructions).toBe(13);
  });

  it("are hit again by a loop of one instruction", async () => {
    const guest = await guestWith("bne a0, a1, .+0\nj .+0");
    guest.set({ a1: 1n });
    guest.machine.addBreakpoint(BigInt(PROGRAM));
    // The first is skipped: the machine stands there when it starts.
    await toBreakpoint(guest);
    expect(guest.hart.executedInstructions).toBe(1);
    await toBreakpoint(guest);
    expect(guest.hart.executedInstructions).toBe(2);
  });

  it("may lie at neighbours", async () => {
    const guest = await guestWith("addi a0, a0, 1\naddi a0, a0, 1\naddi a0, a0, 1\nj .+0");
    for (const n of [1, 2, 3]) guest.machine.addBreakpoint(BigInt(PROGRAM + 4 * n));
    for (const n of [1, 2, 3]) {
      expect((await toBreakpoint(guest)).address).toBe(BigInt(PROGRAM + 4 * n));
      expect(guest.get("a0")).toBe(BigInt(n));
    }
  });

  it("work on 16-bit instructions, at odd halfwords", async () => {
    const guest = await guestWith("c.addi a0, 1\nc.addi a0, 2\nc.addi a0, 4\nj .+0");
    guest.machine.addBreakpoint(BigInt(PROGRAM + 2));
    await toBreakpoint(guest);
    expect(guest.get("a0")).toBe(1n);
    guest.machine.step();
    expect(guest.get("a0")).toBe(3n);
  });

  it("work on an instruction that crosses pages", async () => {
    const guest = await createGuest();
    guest.load(DATA + 0xffa, "addi a0, a0, 1\naddi a0, a0, 2\naddi a0, a0, 4\nj .-8");
    guest.set({ a0: 0n });
    guest.hart.pc = BigInt(DATA + 0xffa);
    guest.machine.addBreakpoint(BigInt(DATA + 0xffe));
    await toBreakpoint(guest);
    expect(guest.get("a0")).toBe(1n);
    await toBreakpoint(guest);
    expect(guest.get("a0")).toBe(7n);
  });

  it("do not stop at the same offset in another page", async () => {
    const guest = await guestWith("jalr zero, 0(a1)");
    guest.load(DATA, "addi a0, a0, 1\naddi a0, a0, 2\njalr zero, 0(a2)");
    guest.load(DATA + 0x1000, "addi a0, a0, 4\naddi a0, a0, 8\nj .+0");
    guest.set({ a1: DATA, a2: DATA + 0x1000 });
    guest.machine.addBreakpoint(BigInt(DATA + 0x1004));
    await toBreakpoint(guest);
    expect(guest.hart.pc).toBe(BigInt(DATA + 0x1004));
    expect(guest.get("a0")).toBe(7n);
  });

  it("are virtual addresses: an alias of the page is not hit", async () => {
    const guest = await createGuest();
    const space = new AddressSpace(guest);
    space.map(0x10000n, DATA, OPEN);
    space.map(0x20000n, DATA, OPEN);
    guest.load(DATA, "addi a0, a0, 1\nadd t0, a1, zero\njalr zero, 0(t0)");
    guest.set({ a0: 0n, a1: 0x20000n });
    guest.setCsrs({ satp: space.satp() });
    guest.enter("supervisor", 0x10000n);
    guest.machine.addBreakpoint(0x20004n);
    await toBreakpoint(guest);
    expect(guest.hart.pc).toBe(0x20004n);
    expect(guest.get("a0")).toBe(2n);
  });

  it("work in code that has run before, and stop working when removed", async () => {
    const guest = await guestWith(SPIN);
    guest.machine.step(5000);
    guest.machine.addBreakpoint(BigInt(PROGRAM));
    await toBreakpoint(guest);
    guest.machine.removeBreakpoint(BigInt(PROGRAM));
    expect(guest.machine.step(5000)).toBe(true);
  });

  it("end a longer step, and let a step from them begin", async () => {
    const guest = await guestWith("addi a0, a0, 1\naddi a0, a0, 1\naddi a0, a0, 1\nj .+0");
    guest.machine.addBreakpoint(BigInt(PROGRAM + 8));
    expect(guest.machine.step(100)).toBe(false);
    expect(guest.get("a0")).toBe(2n);
    expect(guest.machine.step()).toBe(true);
    expect(guest.get("a0")).toBe(3n);
  });

  it("are hit by code that the guest has just written", async () => {
    const guest = await guestWith("sw a2, 8(a1)\nnop\naddi a0, a0, 1\nj .+0");
    guest.set({ a1: PROGRAM, a2: 0x06450513n }); // addi a0, a0, 100
    guest.machine.addBreakpoint(BigInt(PROGRAM + 8));
    await toBreakpoint(guest);
    guest.machine.step();
    expect(guest.get("a0")).toBe(100n);
  });

  it("in a handler are hit when an interrupt comes first after a stop elsewhere", async () => {
    const guest = await guestWith("nop\naddi a0, a0, 1\nj .+0");
    guest.load(M_VECTOR, "addi a3, a3, 1\nj .+0");
    guest.set({ a3: 0n });
    guest.setCsrs({ mie: 1n << 11n, mstatus: Status.MIE });
    guest.machine.addBreakpoint(BigInt(PROGRAM + 4));
    guest.machine.addBreakpoint(BigInt(M_VECTOR));
    await toBreakpoint(guest);
    guest.machine.interruptLine(0, 11).set(true);
    expect((await toBreakpoint(guest)).address).toBe(BigInt(M_VECTOR));
    expect([guest.get("a0"), guest.get("a3")]).toEqual([0n, 0n]);
  });

  it("stop whichever hart comes there", async () => {
    const guest = await guestWith(SPIN, { harts: 2 });
    guest.load(DATA, "nop\nnop\nj .+0");
    guest.machine.enterMachine(1, { address: BigInt(DATA), opaque: 0n });
    guest.machine.addBreakpoint(BigInt(DATA + 4));
    expect(await toBreakpoint(guest)).toEqual({ hart: 1, address: BigInt(DATA + 4) });
  });

  it("may be 64, and no more", async () => {
    const { machine } = await guestWith(SPIN);
    for (let n = 0; n < 64; n++) machine.addBreakpoint(BigInt(DATA + 4 * n));
    expect(() => machine.addBreakpoint(BigInt(DATA + 256))).toThrow(code("invalid-argument"));
    machine.addBreakpoint(BigInt(DATA)); // there already
    machine.removeBreakpoint(BigInt(DATA));
    machine.addBreakpoint(BigInt(DATA + 256));
  });

  it("do not disturb virtual time", async () => {
    const run = async (breakpoint: boolean) => {
      const guest = await guestWith("addi a0, a0, 1\nli a1, 2000\nbne a0, a1, .-8\ncsrrs a2, time, zero\nj .+0", {
        limits: { instructions: 10_000 },
      });
      if (breakpoint) {
        guest.machine.addBreakpoint(BigInt(PROGRAM + 8));
        for (let n = 0; n < 10; n++) await toBreakpoint(guest);
        guest.machine.removeBreakpoint(BigInt(PROGRAM + 8));
      }
      guest.machine.start();
      await guest.machine.exited;
      return guest.get("a2");
    };
    expect(await run(true)).toBe(await run(false));
  });
});
