/** The timers: mtimecmp of the platform, stimecmp of Sstc (Privileged ISA 1.13, 3.2.1, ch. 14). */
import { describe, expect, it } from "vitest";
import { createGuest, INTERRUPT, M_VECTOR, PACES, PROGRAM, S_VECTOR, Status } from "./guest.js";
import { INSTRUCTIONS_PER_TICK, MEI, MSI, MTI, raise, STCE, STI } from "./pending.js";

describe.each(PACES)("timers, %s", (pace) => {
  const guestAt = async (program: string) => {
    const guest = await createGuest({ pace });
    guest.load(PROGRAM, program);
    return guest;
  };

  describe("the machine timer", () => {
    it("interrupts at the exact instruction of its deadline", async () => {
      const guest = await guestAt("addi a0, a0, 1\nj .-4");
      guest.load(M_VECTOR, "csrrs s0, minstret, zero\ncsrrs s1, time, zero\nj .+0");
      guest.setCsrs({ mie: MTI, mstatus: Status.MIE });
      guest.machine.setMachineTimer(0, 37n);
      guest.machine.step(3000);
      expect(guest.get("s0")).toBe(37n * INSTRUCTIONS_PER_TICK);
      expect(guest.get("s1")).toBe(37n);
    });

    it("shows in mip when it is due, and not before", async () => {
      const guest = await guestAt("j .+0");
      guest.machine.setMachineTimer(0, 5n);
      guest.machine.step(49);
      expect(guest.hart.getCsr("mip")).toBe(0n);
      guest.machine.step(1);
      guest.machine.setMachineTimer(0, 5n);
      expect(guest.hart.getCsr("mip")).toBe(MTI);
    });

    it("falls when the deadline moves ahead", async () => {
      const guest = await guestAt("j .+0");
      guest.machine.setMachineTimer(0, 0n);
      expect(guest.hart.getCsr("mip")).toBe(MTI);
      guest.machine.setMachineTimer(0, 1000n);
      expect(guest.hart.getCsr("mip")).toBe(0n);
    });

    it("cannot be written away in mip", async () => {
      const guest = await guestAt("csrrw zero, mip, zero\ncsrrs a0, mip, zero\nj .+0");
      raise(guest, MTI | MSI | MEI);
      guest.run();
      expect(guest.get("a0")).toBe(MTI | MSI | MEI);
    });
  });

  describe("stimecmp", () => {
    it("interrupts at the exact instruction of its deadline, set long before the run", async () => {
      const guest = await guestAt("addi a0, a0, 1\nj .-4");
      guest.load(S_VECTOR, "csrrs s0, instret, zero\nj .+0");
      guest.setCsrs({ menvcfg: STCE, mcounteren: 7, mie: STI, mideleg: STI, stimecmp: 41 });
      guest.enter("user");
      guest.machine.step(3000);
      expect(guest.get("s0")).toBe(41n * INSTRUCTIONS_PER_TICK);
    });

    it("interrupts at the exact instruction of a deadline that the program sets", async () => {
      const guest = await guestAt("csrrw zero, stimecmp, a1\ncsrrsi zero, sstatus, 2\naddi a0, a0, 1\nj .-4");
      guest.load(S_VECTOR, "csrrs s0, instret, zero\nj .+0");
      guest.setCsrs({ menvcfg: STCE, mcounteren: 7, mie: STI, mideleg: STI, stimecmp: (1n << 64n) - 1n });
      guest.set({ a1: 60n });
      guest.enter("supervisor");
      guest.machine.step(20_000);
      expect(guest.get("s0")).toBe(60n * INSTRUCTIONS_PER_TICK);
    });

    it("interrupts at the exact instruction where menvcfg turns it on", async () => {
      const guest = await guestAt("csrrw zero, menvcfg, a1\naddi a0, a0, 1\nj .-4");
      guest.load(M_VECTOR, "csrrs s0, minstret, zero\nj .+0");
      guest.setCsrs({ mie: STI, mstatus: Status.MIE, stimecmp: 30 });
      guest.set({ a1: STCE });
      guest.machine.step(20_000);
      expect(guest.get("s0")).toBe(30n * INSTRUCTIONS_PER_TICK);
    });

    it("interrupts at once when it is set to the past", async () => {
      const guest = await guestAt("nop\ncsrrw zero, stimecmp, zero\nnop\nj .+0");
      guest.setCsrs({ menvcfg: STCE, mcounteren: 7, mie: STI, mideleg: STI, stimecmp: (1n << 64n) - 1n });
      guest.enter("supervisor");
      guest.setBits("mstatus", Status.SIE);
      guest.run();
      expect(guest.supervisorTrap()).toEqual({ cause: INTERRUPT | 5n, pc: BigInt(PROGRAM + 8), value: 0n });
    });

    it("drives STIP, which nothing else sets or clears then", async () => {
      const guest = await guestAt(
        "csrrw zero, mip, a1\ncsrrs s0, mip, zero\ncsrrw zero, stimecmp, a2\ncsrrw zero, mip, a1\ncsrrs s1, mip, zero\nj .+0",
      );
      guest.setCsrs({ menvcfg: STCE, stimecmp: 0 });
      guest.set({ a1: 0n, a2: 1_000_000n });
      guest.machine.step(2);
      expect(guest.get("s0")).toBe(STI);
      guest.set({ a1: STI });
      guest.run();
      expect(guest.get("s1")).toBe(0n);
    });

    it("does nothing without STCE, when STIP is software's", async () => {
      const guest = await guestAt("csrrs s0, mip, zero\ncsrrw zero, mip, a1\ncsrrs s1, mip, zero\nj .+0");
      guest.setCsrs({ stimecmp: 0 });
      guest.set({ a1: STI });
      guest.run();
      expect(guest.get("s0")).toBe(0n);
      expect(guest.get("s1")).toBe(STI);
    });
  });
});
