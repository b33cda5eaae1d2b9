/** Interrupts: which, when, to whom, and waiting for them (Privileged ISA 1.13, 3.1.6-3.1.9, 3.3.3, ch. 10 and Sstc). */
import { describe, expect, it } from "vitest";
import { Interrupt, type InterruptNumber } from "../../src/index.js";
import { createGuest, DATA, type Guest, INTERRUPT, M_VECTOR, PACES, PROGRAM, S_VECTOR, Status } from "./guest.js";

const SSI = 1n << 1n;
const MSI = 1n << 3n;
const STI = 1n << 5n;
const MTI = 1n << 7n;
const SEI = 1n << 9n;
const MEI = 1n << 11n;
const LCOFI = 1n << 13n;
const STCE = 1n << 63n;
const SUPERVISOR = SSI | STI | SEI;
/** With the virtual clock. */
const INSTRUCTIONS_PER_TICK = 10n;

/** Raises wires, and the bits that only software or timers can. */
function raise(guest: Guest, pending: bigint): void {
  for (const number of Object.values(Interrupt)) {
    if (((pending >> BigInt(number)) & 1n) === 0n) continue;
    if (number === Interrupt.MachineTimer) guest.machine.setMachineTimer(0, 0n);
    else if (number === Interrupt.SupervisorTimer) guest.setBits("mip", STI);
    else guest.machine.interruptLine(0, number).set(true);
  }
}

/** Runs on until the hart is about to execute an instruction. */
async function runTo(guest: Guest, address: number): Promise<void> {
  const { machine } = guest;
  machine.addBreakpoint(BigInt(address));
  const hit = new Promise((resolve) => machine.on("breakpoint", resolve));
  machine.start();
  await hit;
  await machine.pause();
  machine.removeBreakpoint(BigInt(address));
}

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

    it("interrupts S-mode right behind its own write of SSIP", async () => {
      const guest = await guestAt("nop\ncsrrsi zero, sip, 2\nnop\nj .+0");
      guest.setCsrs({ mideleg: SSI, mie: SSI });
      guest.enter("supervisor");
      guest.setBits("mstatus", Status.SIE);
      guest.run();
      expect(guest.supervisorTrap()).toEqual({ cause: INTERRUPT | 1n, pc: BigInt(PROGRAM + 8), value: 0n });
    });
  });

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
