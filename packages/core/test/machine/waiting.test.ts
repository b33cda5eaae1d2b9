/** Waiting for interrupts (Privileged ISA 1.13, 3.3.3), and what becomes of virtual time meanwhile. */
import { describe, expect, it } from "vitest";
import { createGuest, DATA, INTERRUPT, PACES, PROGRAM, Status } from "./guest.js";
import { MEI, MSI, MTI, raise, runTo, SEI, STCE, STI } from "./pending.js";

describe.each(PACES)("waiting, %s", (pace) => {
  const guestAt = async (program: string) => {
    const guest = await createGuest({ pace });
    guest.load(PROGRAM, program);
    return guest;
  };

  describe("wfi", () => {
    it("goes on behind itself when an enabled interrupt is pending, though MIE is clear", async () => {
      const guest = await guestAt("wfi\naddi a0, a0, 1\nj .+0");
      raise(guest, MEI);
      guest.setCsrs({ mie: MEI });
      guest.set({ a0: 0n });
      guest.run();
      expect(guest.get("a0")).toBe(1n);
    });

    it("waits while the pending interrupt is not enabled in mie", async () => {
      const guest = await guestAt("wfi\naddi a0, a0, 1\nj .+0");
      raise(guest, MEI);
      guest.setCsrs({ mie: MSI });
      guest.set({ a0: 0n });
      expect(guest.machine.step(2)).toBe(false);
      expect(guest.get("a0")).toBe(0n);
    });

    it("is woken by a wire later, and traps behind itself where interrupts are on", async () => {
      const guest = await guestAt("wfi\naddi a0, a0, 1\nj .+0");
      guest.setCsrs({ mie: MEI, mstatus: Status.MIE });
      guest.set({ a0: 0n });
      expect(guest.machine.step(2)).toBe(false);
      raise(guest, MEI);
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: INTERRUPT | 11n, pc: BigInt(PROGRAM + 4), value: 0n });
      expect(guest.get("a0")).toBe(0n);
    });

    it("wakes in M-mode for a delegated interrupt that M-mode never takes", async () => {
      const guest = await guestAt("wfi\naddi a0, a0, 1\nj .+0");
      guest.setCsrs({ mie: SEI, mideleg: SEI, mstatus: Status.MIE });
      guest.set({ a0: 0n });
      expect(guest.machine.step(2)).toBe(false);
      raise(guest, SEI);
      guest.run();
      expect(guest.get("a0")).toBe(1n);
    });

    it("is allowed in S-mode without TW", async () => {
      const guest = await guestAt("wfi\nj .+0");
      guest.setCsrs({ mie: SEI, mideleg: SEI });
      raise(guest, SEI);
      guest.enter("supervisor");
      guest.run();
      expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
    });

    it("counts as one instruction, however long it waits", async () => {
      const guest = await guestAt("wfi\ncsrrs a0, minstret, zero\nj .+0");
      guest.setCsrs({ mie: MEI });
      expect(guest.machine.step(1)).toBe(true);
      expect(guest.machine.step(1)).toBe(false);
      raise(guest, MEI);
      guest.run();
      expect(guest.get("a0")).toBe(1n);
    });
  });
});

describe("waiting with the virtual clock", () => {
  it("ends at the deadline of the machine timer, not after it", async () => {
    const guest = await createGuest();
    guest.load(PROGRAM, "wfi\ncsrrs a0, time, zero\nj .+0");
    guest.setCsrs({ mie: MTI });
    guest.machine.setMachineTimer(0, 1234n);
    await runTo(guest, PROGRAM + 8);
    expect(guest.get("a0")).toBe(1234n);
  });

  it("ends at the deadline of stimecmp that lies thousands of turns ahead", async () => {
    const guest = await createGuest();
    guest.load(PROGRAM, "wfi\ncsrrs a0, time, zero\nj .+0");
    guest.setCsrs({ mie: STI, menvcfg: STCE, stimecmp: 10_000_000_000n });
    await runTo(guest, PROGRAM + 8);
    expect(guest.get("a0")).toBe(10_000_000_000n);
  });

  it("is not held up by a timer that is due but not enabled", async () => {
    const guest = await createGuest();
    guest.load(PROGRAM, "wfi\ncsrrs a0, time, zero\nj .+0");
    guest.setCsrs({ mie: STI, menvcfg: STCE, stimecmp: 5000 });
    guest.machine.setMachineTimer(0, 0n);
    await runTo(guest, PROGRAM + 8);
    expect(guest.get("a0")).toBe(5000n);
  });

  it("ends at the deadline on a hart whose neighbour computes", async () => {
    const guest = await createGuest({ harts: 2 });
    guest.load(PROGRAM, "wfi\ncsrrs a0, time, zero\nj .+0");
    guest.load(DATA, "j .+0");
    guest.machine.enterMachine(1, { address: BigInt(DATA), opaque: 0n });
    guest.setCsrs({ mie: MTI });
    guest.machine.setMachineTimer(0, 123_456n);
    await runTo(guest, PROGRAM + 8);
    expect(guest.get("a0")).toBe(123_456n);
  });

  it("keeps the clocks of two harts together", async () => {
    const guest = await createGuest({ harts: 2, limits: { instructions: 1_000_000 } });
    guest.load(PROGRAM, "wfi\ncsrrs a0, time, zero\nj .-8");
    guest.load(DATA, "csrrs a0, time, zero\nj .-4");
    guest.machine.enterMachine(1, { address: BigInt(DATA), opaque: 0n });
    guest.setCsrs({ mie: MTI });
    guest.machine.setMachineTimer(0, 777n);
    guest.machine.start();
    await guest.machine.exited;
    const [first, second] = guest.machine.harts.map((hart) => Number(guest.get("a0", hart)));
    expect(first).toBeGreaterThan(777);
    // They take turns of 100,000 instructions.
    expect(Math.abs((first ?? 0) - (second ?? 0))).toBeLessThanOrEqual(2 * 10_000);
  });

  it("wakes a sleeping machine by a wire", async () => {
    const guest = await createGuest();
    guest.load(PROGRAM, "wfi\naddi a0, a0, 1\nj .+0");
    guest.setCsrs({ mie: MEI });
    setTimeout(() => guest.machine.interruptLine(0, 11).set(true), 1);
    await runTo(guest, PROGRAM + 8);
    expect(guest.hart.pc).toBe(BigInt(PROGRAM + 8));
  });
});
