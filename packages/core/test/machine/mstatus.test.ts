/** mstatus and sstatus: what traps and returns make of them, and what software may (Privileged ISA 1.13, 3.1.6 and 12.1.1). */
import { describe, expect, it } from "vitest";
import { Cause, createGuest, DATA, type GuestOptions, M_VECTOR, PACES, PROGRAM, Status } from "./guest.js";

describe.each(PACES)("mstatus, %s", (pace) => {
  const guestWith = (options: GuestOptions = {}) => createGuest({ pace, ...options });

  it("stacks MIE and the privilege on a trap to M-mode", async () => {
    const guest = await guestWith();
    guest.setBits("mstatus", Status.MIE);
    guest.load(PROGRAM, "ecall");
    guest.enter("supervisor");
    guest.setBits("mstatus", Status.MIE);
    guest.run();
    guest.machineTrap();
    const status = guest.hart.getCsr("mstatus");
    expect(status & (Status.MIE | Status.MPIE | Status.MPP)).toBe(Status.MPIE | (1n << 11n));
    expect(guest.hart.privilege).toBe("machine");
  });

  it("stacks a clear MIE as a clear MPIE", async () => {
    const guest = await guestWith();
    guest.load(PROGRAM, "csrrci zero, mstatus, 8\nebreak");
    guest.run();
    guest.machineTrap();
    const status = guest.hart.getCsr("mstatus");
    expect(status & (Status.MIE | Status.MPIE | Status.MPP)).toBe(Status.MPP);
  });

  it("stacks SIE and U-mode on a delegated trap, and leaves M-mode's stack alone", async () => {
    const guest = await guestWith();
    guest.setCsrs({ medeleg: 1n << Cause.EcallFromUser });
    guest.load(PROGRAM, "ecall");
    guest.enter("user");
    const before = guest.hart.getCsr("mstatus");
    guest.setCsrs({ mstatus: before | Status.SIE | Status.SPP });
    guest.run();
    guest.supervisorTrap();
    const status = guest.hart.getCsr("mstatus");
    expect(status & (Status.SIE | Status.SPIE | Status.SPP)).toBe(Status.SPIE);
    expect(status & (Status.MIE | Status.MPIE | Status.MPP)).toBe(before & (Status.MIE | Status.MPIE | Status.MPP));
    expect(guest.hart.privilege).toBe("supervisor");
  });

  it("notes S-mode in SPP where a trap from S-mode is delegated", async () => {
    const guest = await guestWith();
    guest.setCsrs({ medeleg: 1n << Cause.Breakpoint });
    guest.load(PROGRAM, "ebreak");
    guest.enter("supervisor");
    guest.run();
    expect(guest.supervisorTrap().cause).toBe(Cause.Breakpoint);
    expect(guest.hart.getCsr("mstatus") & Status.SPP).toBe(Status.SPP);
  });

  it("comes back by mret: MIE from MPIE, MPIE set, MPP least privileged, MPRV cleared below M-mode", async () => {
    const guest = await guestWith();
    guest.load(PROGRAM, "mret");
    guest.setCsrs({ mepc: M_VECTOR, mstatus: Status.MPIE | (1n << 11n) | Status.MPRV });
    guest.machine.step();
    expect(guest.hart.privilege).toBe("supervisor");
    const status = guest.hart.getCsr("mstatus");
    expect(status & (Status.MIE | Status.MPIE | Status.MPP | Status.MPRV)).toBe(Status.MIE | Status.MPIE);
  });

  it("keeps MPRV when mret stays in M-mode", async () => {
    const guest = await guestWith();
    guest.load(PROGRAM, "mret");
    guest.setCsrs({ mepc: M_VECTOR, mstatus: Status.MPP | Status.MPRV });
    guest.machine.step();
    expect(guest.hart.privilege).toBe("machine");
    expect(guest.hart.getCsr("mstatus") & (Status.MPRV | Status.MPP | Status.MIE)).toBe(Status.MPRV);
  });

  it("comes back by sret: SIE from SPIE, SPIE set, SPP cleared", async () => {
    const guest = await guestWith();
    guest.load(PROGRAM, "sret");
    guest.enter("supervisor");
    guest.setCsrs({ sepc: M_VECTOR, mstatus: Status.SPP | Status.SPIE });
    guest.machine.step();
    expect(guest.hart.privilege).toBe("supervisor");
    const status = guest.hart.getCsr("mstatus");
    expect(status & (Status.SIE | Status.SPIE | Status.SPP)).toBe(Status.SIE | Status.SPIE);
  });

  it("lets sret in M-mode clear MPRV, as it leaves M-mode", async () => {
    const guest = await guestWith();
    guest.setBits("mstatus", Status.MPRV | Status.MPP | Status.TSR);
    guest.setCsrs({ sepc: M_VECTOR });
    guest.load(PROGRAM, "sret");
    guest.machine.step();
    expect(guest.hart.privilege).toBe("user");
    expect(guest.hart.getCsr("mstatus") & Status.MPRV).toBe(0n);
  });

  it("knows no mode 2: a write of it to MPP leaves a mode that exists", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mstatus: 2n << 11n });
    expect((guest.hart.getCsr("mstatus") & Status.MPP) >> 11n).not.toBe(2n);
  });

  it("has SD where FS is dirty, in sstatus, too", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mstatus: Status.FS });
    expect(guest.hart.getCsr("mstatus") & Status.SD).toBe(Status.SD);
    expect(guest.hart.getCsr("sstatus") & Status.SD).toBe(Status.SD);
    guest.setCsrs({ mstatus: 1n << 13n });
    expect(guest.hart.getCsr("mstatus") & Status.SD).toBe(0n);
  });

  it("shows S-mode its own fields only, and takes only those from it", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mstatus: 0n });
    guest.setCsrs({ sstatus: (1n << 64n) - 1n });
    const mask = Status.SIE | Status.SPIE | Status.SPP | Status.FS | Status.SUM | Status.MXR;
    expect(guest.hart.getCsr("sstatus")).toBe(mask | Status.SD | (2n << 32n));
    expect(guest.hart.getCsr("mstatus")).toBe(mask | Status.SD | (0xan << 32n));
  });

  it("says 64 bits for U-mode and S-mode, whatever is written", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mstatus: 5n << 32n });
    expect(guest.hart.getCsr("mstatus") >> 32n).toBe(0xan);
  });

  it("becomes dirty when a float register is written", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mstatus: 1n << 13n });
    guest.load(PROGRAM, "fmv.d.x fa0, a0\nj .+0");
    guest.run();
    expect(guest.hart.getCsr("mstatus") & Status.FS).toBe(Status.FS);
  });

  it("stays clean when float registers are only read", async () => {
    const guest = await guestWith();
    guest.setCsrs({ mstatus: 2n << 13n });
    guest.set({ a1: DATA });
    guest.load(PROGRAM, "fsd fa0, 0(a1)\nfmv.x.d a0, fa0\nfeq.d a0, fa0, fa0\nj .+0");
    guest.run();
    expect(guest.hart.getCsr("mstatus") & Status.FS).toBe(2n << 13n);
  });
});
