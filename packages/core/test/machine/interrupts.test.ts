/** Interrupts: which, when and to whom (Privileged ISA 1.13, 3.1.6-3.1.9, ch. 10). */
import { describe, expect, it } from "vitest";
import { Interrupt, type InterruptNumber } from "../../src/index.js";
import { createGuest, DATA, INTERRUPT, M_VECTOR, PACES, PROGRAM, S_VECTOR, Status } from "./guest.js";
import { LCOFI, MEI, MSI, MTI, raise, SEI, SSI, STI, SUPERVISOR } from "./pending.js";

describe.each(PACES)("interrupts, %s", (pace) => {
  const guestAt = async (program: string) => {
    const guest = await createGuest({ pace });
    guest.load(PROGRAM, program);
    return guest;
  };

  describe("priority", () => {
    const order: readonly InterruptNumber[] = [11, 3, 7, 9, 1, 5];

    it.each(order.map((number, rank) => ({ number, lower: order.slice(rank) })))(
      "takes $number first of $lower",
      async ({ number, lower }) => {
        const guest = await guestAt("nop\nj .+0");
        raise(
          guest,
          lower.reduce((bits, each) => bits | (1n << BigInt(each)), 0n),
        );
        guest.setCsrs({ mie: 0xaaan, mstatus: Status.MIE });
        guest.run();
        expect(guest.machineTrap()).toEqual({ cause: INTERRUPT | BigInt(number), pc: BigInt(PROGRAM), value: 0n });
      },
    );

    it("takes M-mode's interrupt before a delegated one of higher rank", async () => {
      const guest = await guestAt("nop\nj .+0");
      raise(guest, SEI | MTI);
      guest.setCsrs({ mie: 0xaaan, mideleg: SUPERVISOR });
      guest.enter("user");
      guest.run();
      expect(guest.machineTrap().cause).toBe(INTERRUPT | 7n);
    });

    it("takes delegated interrupts in their order", async () => {
      for (const [pending, number] of [
        [SEI | SSI | STI, 9n],
        [SSI | STI, 1n],
        [STI | LCOFI, 5n],
        [LCOFI, 13n],
      ] as const) {
        const guest = await guestAt("nop\nj .+0");
        raise(guest, pending);
        guest.setBits("mip", pending & LCOFI);
        guest.setCsrs({ mie: 0x2aaan, mideleg: SUPERVISOR | LCOFI });
        guest.enter("user");
        guest.run();
        expect(guest.supervisorTrap().cause).toBe(INTERRUPT | number);
      }
    });

    it("takes an interrupt before the exception of the next instruction", async () => {
      const guest = await guestAt(".half 0");
      raise(guest, MSI);
      guest.setCsrs({ mie: MSI, mstatus: Status.MIE });
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: INTERRUPT | 3n, pc: BigInt(PROGRAM), value: 0n });
    });
  });

  describe("enables", () => {
    it("takes none in M-mode while MIE is clear", async () => {
      const guest = await guestAt("addi a1, a1, 1\nj .+0");
      raise(guest, MEI);
      guest.setCsrs({ mie: MEI });
      guest.run();
      expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
    });

    it("takes none that mie does not enable", async () => {
      const guest = await guestAt("nop\nj .+0");
      raise(guest, MEI | SEI);
      guest.setCsrs({ mie: MSI | MTI, mstatus: Status.MIE });
      guest.run();
      expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
    });

    it.each(["user", "supervisor"] as const)("takes M-mode's interrupts in %s mode whatever MIE says", async (mode) => {
      const guest = await guestAt("nop\nj .+0");
      guest.setCsrs({ mie: MEI });
      guest.enter(mode);
      guest.setCsrs({ mstatus: guest.hart.getCsr("mstatus") & ~Status.MIE });
      raise(guest, MEI);
      guest.run();
      expect(guest.machineTrap().cause).toBe(INTERRUPT | 11n);
    });

    it("never takes a delegated interrupt in M-mode", async () => {
      const guest = await guestAt("nop\nj .+0");
      raise(guest, SEI);
      guest.setCsrs({ mie: SEI, mideleg: SEI, mstatus: Status.MIE | Status.SIE });
      guest.run();
      expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
    });

    it("takes a delegated interrupt in S-mode only while SIE is set", async () => {
      const guest = await guestAt("nop\ncsrrsi zero, sstatus, 2\nnop\nj .+0");
      raise(guest, SEI);
      guest.setCsrs({ mie: SEI, mideleg: SEI });
      guest.enter("supervisor");
      guest.run();
      expect(guest.supervisorTrap()).toEqual({ cause: INTERRUPT | 9n, pc: BigInt(PROGRAM + 8), value: 0n });
      expect(guest.hart.getCsr("sstatus") & (Status.SIE | Status.SPIE | Status.SPP)).toBe(Status.SPIE | Status.SPP);
    });

    it("takes a delegated interrupt in U-mode whatever SIE says", async () => {
      const guest = await guestAt("nop\nj .+0");
      raise(guest, SEI);
      guest.setCsrs({ mie: SEI, mideleg: SEI });
      guest.enter("user");
      guest.run();
      expect(guest.supervisorTrap().cause).toBe(INTERRUPT | 9n);
    });

    const enabling: readonly (readonly [what: string, instruction: string])[] = [
      ["mstatus by csrrsi", "csrrsi zero, mstatus, 8"],
      ["mstatus by csrrw", "csrrw zero, mstatus, a1"],
      ["mie by csrrs", "csrrs zero, mie, a2"],
      ["mip by csrrsi", "csrrsi zero, mip, 2"],
      ["mideleg by csrrw", "csrrw zero, mideleg, zero"],
    ];
    it.each(enabling)("takes an interrupt right behind the write that lets it in: %s", async (what, instruction) => {
      const guest = await guestAt(`nop\n${instruction}\naddi a0, a0, 1\nj .+0`);
      const field = what.split(" ")[0];
      if (field !== "mip") raise(guest, SSI);
      guest.setCsrs({
        mie: field === "mie" ? 0n : SSI,
        mideleg: field === "mideleg" ? SSI : 0n,
        mstatus: field === "mstatus" ? 0n : Status.MIE,
      });
      guest.set({ a0: 0n, a1: Status.MIE, a2: SSI });
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: INTERRUPT | 1n, pc: BigInt(PROGRAM + 8), value: 0n });
      expect(guest.get("a0")).toBe(0n);
    });

    it("takes a pending interrupt at the target of an mret that enables it", async () => {
      const guest = await guestAt("mret");
      raise(guest, MSI);
      guest.setCsrs({ mie: MSI, mstatus: Status.MPIE | Status.MPP, mepc: DATA });
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: INTERRUPT | 3n, pc: BigInt(DATA), value: 0n });
    });

    it("takes a pending interrupt at the target of an sret that enables it", async () => {
      const guest = await guestAt("sret");
      guest.setCsrs({ mie: SSI, mideleg: SSI, sepc: DATA });
      guest.enter("supervisor");
      guest.setBits("mstatus", Status.SPIE | Status.SPP);
      raise(guest, SSI);
      guest.run();
      expect(guest.supervisorTrap()).toEqual({ cause: INTERRUPT | 1n, pc: BigInt(DATA), value: 0n });
    });

    it("does not take it again in the handler, whose MIE is clear, but after it", async () => {
      const guest = await guestAt("csrrsi zero, mstatus, 8\nj .+0");
      guest.load(M_VECTOR, "addi a0, a0, 1\nli t0, 3\nbeq a0, t0, .+8\nmret\nj .+0");
      raise(guest, MSI);
      guest.setCsrs({ mie: MSI });
      guest.set({ a0: 0n });
      guest.run();
      expect(guest.get("a0")).toBe(3n);
      expect(guest.hart.getCsr("mepc")).toBe(BigInt(PROGRAM + 4));
    });

    it("goes on where it was once the wire falls", async () => {
      const guest = await guestAt("addi a0, a0, 1\naddi a0, a0, 1\naddi a0, a0, 1\nj .+0");
      guest.setCsrs({ mie: MEI, mstatus: Status.MIE });
      guest.set({ a0: 0n });
      guest.machine.step(2);
      const line = guest.machine.interruptLine(0, Interrupt.MachineExternal);
      line.set(true);
      line.set(false);
      guest.run();
      expect(guest.get("a0")).toBe(3n);
    });
  });

  describe("vectored mode", () => {
    it.each([11, 3, 9, 1] as const)("leads interrupt %i of M-mode to base + 4 * cause", async (number) => {
      const guest = await guestAt("nop\nj .+0");
      guest.load(M_VECTOR, Array.from({ length: 16 }, () => "j .+0").join("\n"));
      raise(guest, 1n << BigInt(number));
      guest.setCsrs({ mie: 0xaaan, mstatus: Status.MIE, mtvec: M_VECTOR + 1 });
      guest.run();
      expect(guest.hart.pc).toBe(BigInt(M_VECTOR + 4 * number));
    });

    it("leads a delegated interrupt to stvec's base + 4 * cause", async () => {
      const guest = await guestAt("nop\nj .+0");
      guest.load(S_VECTOR, Array.from({ length: 16 }, () => "j .+0").join("\n"));
      raise(guest, SEI);
      guest.setCsrs({ mie: SEI, mideleg: SEI, stvec: S_VECTOR + 1 });
      guest.enter("user");
      guest.run();
      expect(guest.hart.pc).toBe(BigInt(S_VECTOR + 36));
    });
  });

  describe("mip, mie and their supervisor views", () => {
    it("lets software write LCOFIP, SEIP, STIP and SSIP of mip only", async () => {
      const guest = await guestAt("csrrw zero, mip, a1\ncsrrs a0, mip, zero\nj .+0");
      guest.set({ a1: -1n });
      guest.run();
      expect(guest.get("a0")).toBe(SUPERVISOR | LCOFI);
    });

    it("ORs the wire into SEIP, and clears software's part alone", async () => {
      const guest = await guestAt("csrrc a0, mip, a1\ncsrrs a2, mip, zero\nj .+0");
      guest.setBits("mip", SEI);
      guest.machine.interruptLine(0, 9).set(true);
      guest.set({ a1: SEI });
      guest.run();
      expect(guest.get("a0")).toBe(SEI);
      expect(guest.get("a2")).toBe(SEI);
      guest.machine.interruptLine(0, 9).set(false);
      expect(guest.hart.getCsr("mip")).toBe(0n);
    });

    it("does not latch the wire of SEIP when csrrs sets another bit of mip", async () => {
      const guest = await guestAt("csrrsi zero, mip, 2\nj .+0");
      guest.machine.interruptLine(0, 9).set(true);
      guest.run();
      guest.machine.interruptLine(0, 9).set(false);
      expect(guest.hart.getCsr("mip")).toBe(SSI);
    });

    it("does not latch the wire of SSIP when csrrs sets another bit of sip", async () => {
      const guest = await guestAt("csrrs zero, sip, a1\nj .+0");
      guest.setCsrs({ mideleg: SUPERVISOR });
      guest.machine.interruptLine(0, 1).set(true);
      guest.set({ a1: SEI });
      guest.run();
      guest.machine.interruptLine(0, 1).set(false);
      expect(guest.hart.getCsr("mip")).toBe(0n);
    });

    it("shows and takes delegated bits only in sie", async () => {
      const guest = await guestAt("csrrw zero, sie, a1\ncsrrs a0, sie, zero\nj .+0");
      guest.setCsrs({ mideleg: SEI | SSI, mie: MTI });
      guest.set({ a1: -1n });
      guest.run();
      expect(guest.get("a0")).toBe(SEI | SSI);
      expect(guest.hart.getCsr("mie")).toBe(SEI | SSI | MTI);
    });

    it("keeps bits of mie that are not delegated when sie is cleared", async () => {
      const guest = await guestAt("csrrw zero, sie, zero\nj .+0");
      guest.setCsrs({ mideleg: SEI, mie: 0xaaan });
      guest.run();
      expect(guest.hart.getCsr("mie")).toBe(0xaaan & ~SEI);
    });

    it("shows delegated bits only in sip", async () => {
      const guest = await guestAt("csrrs a0, sip, zero\nj .+0");
      guest.setCsrs({ mideleg: SSI });
      raise(guest, SSI | SEI | MEI);
      guest.run();
      expect(guest.get("a0")).toBe(SSI);
    });

    it("lets S-mode write SSIP of sip, not STIP or SEIP", async () => {
      const guest = await guestAt(
        "csrrw zero, sip, a1\ncsrrs a0, sip, zero\ncsrrw zero, sip, zero\ncsrrs a2, sip, zero\nj .+0",
      );
      guest.setCsrs({ mideleg: SUPERVISOR });
      guest.set({ a1: -1n });
      guest.enter("supervisor");
      guest.run();
      expect(guest.get("a0")).toBe(SSI);
      expect(guest.get("a2")).toBe(0n);
    });

    it("keeps SSIP from S-mode while it is not delegated", async () => {
      const guest = await guestAt("csrrsi zero, sip, 2\nj .+0");
      guest.enter("supervisor");
      guest.run();
      expect(guest.hart.getCsr("mip")).toBe(0n);
    });

    it("interrupts S-mode right behind each write of SIE, before the next write takes it back", async () => {
      const guest = await guestAt(
        [
          ...["addi a1, zero, 200", "csrrsi zero, sip, 2", "jal ra, .+20", "jal ra, .+24"],
          ...["addi a1, a1, -1", "bne a1, zero, .-16", "j .+0"],
          ...["csrrsi zero, sstatus, 2", "jalr zero, 0(ra)"], // lets interrupts in
          ...["csrrci zero, sstatus, 2", "jalr zero, 0(ra)"], // keeps them out
        ].join("\n"),
      );
      guest.load(S_VECTOR, "csrrci zero, sip, 2\naddi a2, a2, 1\nsret");
      guest.setCsrs({ mideleg: SUPERVISOR, mie: SSI });
      guest.enter("supervisor");
      guest.run();
      expect(guest.get("a2")).toBe(200n);
    });

    it("interrupts S-mode right behind its own write of SSIP", async () => {
      const guest = await guestAt("nop\ncsrrsi zero, sip, 2\nnop\nj .+0");
      guest.setCsrs({ mideleg: SSI, mie: SSI });
      guest.enter("supervisor");
      guest.setBits("mstatus", Status.SIE);
      guest.run();
      expect(guest.supervisorTrap()).toEqual({ cause: INTERRUPT | 1n, pc: BigInt(PROGRAM + 8), value: 0n });
    });
  });
});
