/** Exceptions: their causes, what handlers find, delegation, and the way back (Privileged ISA 1.13, ch. 3 and 10). */
import { describe, expect, it } from "vitest";
import {
  Cause,
  createGuest,
  DATA,
  type GuestOptions,
  M_VECTOR,
  PACES,
  PROGRAM,
  type Privilege,
  RAM,
  S_VECTOR,
  Status,
} from "./guest.js";

const at = BigInt;
/** Nothing answers here: neither RAM nor a device. */
const NOWHERE = 0x1000n;

describe.each(PACES)("exceptions, %s", (pace) => {
  const guestWith = (options: GuestOptions = {}) => createGuest({ pace, ...options });

  describe("cause, epc and tval", () => {
    const causes: readonly (readonly [what: string, source: string, cause: bigint, value: bigint, mode?: Privilege])[] =
      [
        ["the defined illegal 16-bit instruction", ".half 0", Cause.IllegalInstruction, 0n],
        ["a reserved 16-bit instruction", ".half 0x9000", Cause.IllegalInstruction, 0x9000n],
        ["c.addi4spn without an offset", ".half 0x0004", Cause.IllegalInstruction, 0x4n],
        ["a 32-bit instruction of all ones", ".word 0xffffffff", Cause.IllegalInstruction, 0xffffffffn],
        ["a reserved 32-bit instruction", ".word 0x0000707f", Cause.IllegalInstruction, 0x707fn],
        ["the custom-0 space", ".word 0xdeadbe0b", Cause.IllegalInstruction, 0xdeadbe0bn],
        ["ebreak", "ebreak", Cause.Breakpoint, at(PROGRAM)],
        ["c.ebreak", "c.ebreak", Cause.Breakpoint, at(PROGRAM)],
        ["ecall from U-mode", "ecall", Cause.EcallFromUser, 0n, "user"],
        ["ecall from S-mode", "ecall", Cause.EcallFromSupervisor, 0n, "supervisor"],
        ["ecall from M-mode", "ecall", Cause.EcallFromMachine, 0n],
        ["a load from nowhere", "ld a0, 8(a1)", Cause.LoadAccessFault, NOWHERE + 8n],
        ["a compressed load from nowhere", "c.ld a0, 8(a1)", Cause.LoadAccessFault, NOWHERE + 8n],
        ["a store to nowhere", "sb a0, -1(a1)", Cause.StoreAccessFault, NOWHERE - 1n],
        ["a float load from nowhere", "fld fa0, 0(a1)", Cause.LoadAccessFault, NOWHERE],
        ["an AMO to nowhere", "amoadd.w a0, a0, (a1)", Cause.StoreAccessFault, NOWHERE],
        ["a load-reserved from nowhere", "lr.d a0, (a1)", Cause.LoadAccessFault, NOWHERE],
        ["a store-conditional to nowhere", "sc.d a0, a0, (a1)", Cause.StoreAccessFault, NOWHERE],
        ["a misaligned AMO", "amoadd.d a0, a0, (a2)", Cause.StoreMisaligned, at(DATA + 4)],
        ["a misaligned load-reserved", "lr.d a0, (a2)", Cause.LoadMisaligned, at(DATA + 4)],
        ["a misaligned store-conditional", "sc.d a0, a0, (a2)", Cause.StoreMisaligned, at(DATA + 4)],
        ["cbo.zero to nowhere", "cbo.zero 0(a1)", Cause.StoreAccessFault, NOWHERE],
        ["a reserved static rounding mode", ".word 0x00005053", Cause.IllegalInstruction, 0x5053n],
      ];

    const rows = causes.map(([what, source, cause, value, mode = "machine"]) => ({ what, source, cause, value, mode }));
    it.each(rows)("of $what", async ({ source, cause, value, mode }) => {
      const guest = await guestWith();
      guest.set({ a1: NOWHERE, a2: DATA + 4 });
      guest.setBits("mstatus", Status.FS);
      expect(guest.trapOf(source, mode)).toEqual({ cause, pc: at(PROGRAM), value });
    });

    it("of a jump to nowhere are those of the target, not of the jump", async () => {
      const guest = await guestWith();
      guest.set({ a1: NOWHERE });
      expect(guest.trapOf("jalr ra, 0(a1)")).toEqual({ cause: Cause.FetchAccessFault, pc: NOWHERE, value: NOWHERE });
      expect(guest.get("ra")).toBe(at(PROGRAM + 4));
    });

    it("of a return to nowhere are those of the target", async () => {
      const guest = await guestWith();
      guest.setCsrs({ mepc: NOWHERE });
      guest.load(PROGRAM, "mret");
      guest.setBits("mstatus", Status.MPP);
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: Cause.FetchAccessFault, pc: NOWHERE, value: NOWHERE });
    });

    it("of code that runs off the end of RAM are those of the first byte behind it", async () => {
      const guest = await guestWith();
      const end = RAM + guest.machine.memory.size;
      guest.load(end - 4, "nop");
      guest.enter("machine", end - 4);
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: Cause.FetchAccessFault, pc: at(end), value: at(end) });
    });

    it("of an instruction half of which lies behind RAM name that half in tval", async () => {
      const guest = await guestWith();
      const end = RAM + guest.machine.memory.size;
      guest.write(end - 2, new Uint8Array([0x13, 0x00]));
      guest.enter("machine", end - 2);
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: Cause.FetchAccessFault, pc: at(end - 2), value: at(end) });
    });

    it("of a load that leaves RAM half-way name the first byte outside", async () => {
      const guest = await guestWith();
      const end = RAM + guest.machine.memory.size;
      guest.set({ a1: end - 3 });
      expect(guest.trapOf("ld a0, 0(a1)")).toEqual({ cause: Cause.LoadAccessFault, pc: at(PROGRAM), value: at(end) });
    });

    it("leave the destination of a faulting load as it was", async () => {
      const guest = await guestWith();
      guest.set({ a0: 77n, a1: NOWHERE });
      guest.trapOf("ld a0, 0(a1)");
      expect(guest.get("a0")).toBe(77n);
    });

    it("leave the base of a faulting load alone where it is the destination, too", async () => {
      const guest = await guestWith();
      guest.set({ a1: NOWHERE });
      guest.trapOf("ld a1, 0(a1)");
      expect(guest.get("a1")).toBe(NOWHERE);
    });

    it("of the second instruction of a page come with its own pc", async () => {
      const guest = await guestWith();
      expect(guest.trapOf("c.mv a0, a1\n.half 0")).toEqual({
        cause: Cause.IllegalInstruction,
        pc: at(PROGRAM + 2),
        value: 0n,
      });
    });

    it("of an illegal instruction that crosses pages hold both halves", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM + 0x4ffe, ".word 0xdeadbe0b");
      guest.enter("machine", PROGRAM + 0x4ffe);
      guest.run();
      expect(guest.machineTrap()).toEqual({
        cause: Cause.IllegalInstruction,
        pc: at(PROGRAM + 0x4ffe),
        value: 0xdeadbe0bn,
      });
    });
  });

  describe("illegal by state", () => {
    const illegal: readonly (readonly [
      what: string,
      word: number,
      source: string,
      mode: Privilege,
      status?: bigint,
    ])[] = [
      ["fadd.s with FS off", 0x00c58553, "fadd.s fa0, fa1, fa2, rne", "machine", 0n],
      ["flw with FS off, before its address is looked at", 0x0005a507, "flw fa0, 0(a1)", "machine", 0n],
      ["fsd with FS off", 0x00a5b027, "fsd fa0, 0(a1)", "machine", 0n],
      ["c.fld with FS off", 0x2188, "c.fld fa0, 0(a1)", "machine", 0n],
      ["fmv.x.d with FS off", 0xe2050553, "fmv.x.d a0, fa0", "machine", 0n],
      ["a read of fcsr with FS off", 0x00302573, "csrrs a0, fcsr, zero", "machine", 0n],
      ["mret in S-mode", 0x30200073, "mret", "supervisor"],
      ["mret in U-mode", 0x30200073, "mret", "user"],
      ["sret in U-mode", 0x10200073, "sret", "user"],
      ["sret in S-mode under TSR", 0x10200073, "sret", "supervisor", Status.TSR],
      ["wfi in U-mode", 0x10500073, "wfi", "user"],
      ["wfi in S-mode under TW", 0x10500073, "wfi", "supervisor", Status.TW],
      ["sfence.vma in U-mode", 0x12000073, "sfence.vma zero, zero", "user"],
      ["sfence.vma in S-mode under TVM", 0x12000073, "sfence.vma zero, zero", "supervisor", Status.TVM],
      ["sinval.vma in S-mode under TVM", 0x16000073, "sinval.vma zero, zero", "supervisor", Status.TVM],
      ["sfence.w.inval in U-mode", 0x18000073, "sfence.w.inval", "user"],
      ["a read of satp in S-mode under TVM", 0x18002573, "csrrs a0, satp, zero", "supervisor", Status.TVM],
      ["a write of satp in S-mode under TVM", 0x18051073, "csrrw zero, satp, a0", "supervisor", Status.TVM],
      ["a read of an M-mode CSR in S-mode", 0x30002573, "csrrs a0, mstatus, zero", "supervisor"],
      ["a read of an S-mode CSR in U-mode", 0x10002573, "csrrs a0, sstatus, zero", "user"],
      ["a write of a read-only CSR", 0xc0051073, "csrrw zero, cycle, a0", "machine"],
      ["a set of a read-only CSR with a register of zero", 0xf1432573, "csrrs a0, mhartid, t1", "machine"],
      ["a read of a CSR that does not exist", 0x5c002573, "csrrs a0, 0x5c0, zero", "machine"],
      ["a read of an RV32 CSR", 0x31002573, "csrrs a0, 0x310, zero", "machine"],
      ["a read of pmpcfg1, which RV64 does not have", 0x3a102573, "csrrs a0, 0x3a1, zero", "machine"],
      ["a read of stimecmp in S-mode without STCE", 0x14d02573, "csrrs a0, stimecmp, zero", "supervisor"],
      ["cbo.zero in S-mode without CBZE", 0x0045a00f, "cbo.zero 0(a1)", "supervisor"],
      ["cbo.clean in U-mode without CBCFE", 0x0015a00f, "cbo.clean 0(a1)", "user"],
      ["cbo.inval in S-mode without CBIE", 0x0005a00f, "cbo.inval 0(a1)", "supervisor"],
    ];

    const rows = illegal.map(([what, word, source, mode, status = 0n]) => ({ what, word, source, mode, status }));
    it.each(rows)("$what, with the instruction in tval", async ({ word, source, mode, status }) => {
      const guest = await guestWith();
      guest.set({ a1: NOWHERE, t1: 0n });
      guest.setBits("mstatus", status);
      expect(guest.trapOf(source, mode)).toEqual({
        cause: Cause.IllegalInstruction,
        pc: at(PROGRAM),
        value: at(word),
      });
    });

    it("but not cache-block operations that menvcfg and senvcfg open to U-mode", async () => {
      const guest = await guestWith();
      guest.setCsrs({ menvcfg: 0xd0, senvcfg: 0xd0 });
      guest.write64(DATA, 5n);
      guest.set({ a1: DATA });
      guest.load(PROGRAM, "cbo.clean 0(a1)\ncbo.flush 0(a1)\ncbo.inval 0(a1)\ncbo.zero 0(a1)\nj .+0");
      guest.enter("user");
      guest.run();
      expect(guest.hart.pc).toBe(at(PROGRAM + 16));
      expect(guest.read64(DATA)).toBe(0n);
    });

    it("a cache-block operation in U-mode that only menvcfg opens", async () => {
      const guest = await guestWith();
      guest.setCsrs({ menvcfg: 0xd0 });
      guest.set({ a1: DATA });
      expect(guest.trapOf("cbo.zero 0(a1)", "user").cause).toBe(Cause.IllegalInstruction);
    });

    it("a float instruction with the dynamic rounding mode while frm is reserved", async () => {
      const guest = await guestWith();
      guest.setBits("mstatus", Status.FS);
      guest.setCsrs({ frm: 5 });
      expect(guest.trapOf("fadd.s fa0, fa1, fa2, dyn").cause).toBe(Cause.IllegalInstruction);
    });

    it("but not reading a read-only CSR with csrrs or csrrc and x0", async () => {
      const guest = await guestWith();
      guest.load(PROGRAM, "csrrs a0, mhartid, zero\ncsrrc a1, misa, zero\ncsrrsi a2, mvendorid, 0\nj .+0");
      guest.run();
      expect(guest.hart.pc).toBe(at(PROGRAM + 12));
    });

    it("but not sfence.w.inval in S-mode under TVM", async () => {
      const guest = await guestWith();
      guest.setBits("mstatus", Status.TVM);
      guest.load(PROGRAM, "sfence.w.inval\nsfence.inval.ir\nj .+0");
      guest.enter("supervisor");
      guest.run();
      expect(guest.hart.pc).toBe(at(PROGRAM + 8));
    });

    it("but not satp and sfence.vma in M-mode under TVM", async () => {
      const guest = await guestWith();
      guest.setBits("mstatus", Status.TVM);
      guest.load(PROGRAM, "csrrw zero, satp, zero\nsfence.vma zero, zero\nj .+0");
      guest.run();
      expect(guest.hart.pc).toBe(at(PROGRAM + 8));
    });

    it("and changes nothing: the destination of an illegal CSR access stays", async () => {
      const guest = await guestWith();
      guest.set({ a0: 5n });
      guest.trapOf("csrrw a0, mhartid, a0");
      expect(guest.get("a0")).toBe(5n);
    });
  });

  describe("delegation", () => {
    const delegable: readonly (readonly [cause: keyof typeof Cause, source: string, mode: Privilege, value: bigint])[] =
      [
        ["IllegalInstruction", ".word 0xdeadbe0b", "user", 0xdeadbe0bn],
        ["Breakpoint", "ebreak", "user", at(PROGRAM)],
        ["LoadMisaligned", "lr.w a0, (a2)", "user", at(DATA + 2)],
        ["LoadAccessFault", "lw a0, 0(a1)", "supervisor", NOWHERE],
        ["StoreMisaligned", "amoor.w a0, a0, (a2)", "user", at(DATA + 2)],
        ["StoreAccessFault", "sw a0, 0(a1)", "supervisor", NOWHERE],
        ["EcallFromUser", "ecall", "user", 0n],
        ["EcallFromSupervisor", "ecall", "supervisor", 0n],
      ];

    it.each(delegable)("of %s leads to S-mode with scause, sepc and stval", async (name, source, mode, value) => {
      const guest = await guestWith();
      guest.set({ a1: NOWHERE, a2: DATA + 2 });
      guest.setCsrs({ medeleg: 1n << Cause[name], mcause: 99, mtval: 98 });
      guest.load(PROGRAM, source);
      guest.enter(mode);
      guest.run();
      expect(guest.supervisorTrap()).toEqual({ cause: Cause[name], pc: at(PROGRAM), value });
      expect(guest.hart.getCsr("mcause")).toBe(99n);
      expect(guest.hart.getCsr("mtval")).toBe(98n);
    });

    it("does not reach a trap from M-mode", async () => {
      const guest = await guestWith();
      guest.setCsrs({ medeleg: 0xffffn });
      expect(guest.trapOf("ebreak").cause).toBe(Cause.Breakpoint);
    });

    it("of a cause that is not delegated stays with M-mode", async () => {
      const guest = await guestWith();
      guest.setCsrs({ medeleg: 0xffffn & ~(1n << Cause.Breakpoint) });
      expect(guest.trapOf("ebreak", "user").cause).toBe(Cause.Breakpoint);
    });

    it("cannot be asked for M-mode's own ecall", async () => {
      const guest = await guestWith();
      guest.setCsrs({ medeleg: (1n << 64n) - 1n });
      expect(guest.hart.getCsr("medeleg") & (1n << Cause.EcallFromMachine)).toBe(0n);
    });
  });

  describe("vectors", () => {
    it("of exceptions lead to the base in vectored mode, too", async () => {
      const guest = await guestWith();
      guest.setCsrs({ mtvec: M_VECTOR + 1 });
      expect(guest.trapOf("ebreak").cause).toBe(Cause.Breakpoint);
    });

    it("know no reserved mode", async () => {
      const guest = await guestWith();
      for (const name of ["mtvec", "stvec"]) {
        guest.setCsrs({ [name]: M_VECTOR + 3 });
        expect(guest.hart.getCsr(name) & 2n).toBe(0n);
      }
    });

    it("may lead into S-mode's handler and back by sret", async () => {
      const guest = await guestWith();
      guest.setCsrs({ medeleg: 1n << Cause.EcallFromUser });
      guest.load(S_VECTOR, "csrrs t0, sepc, zero\naddi t0, t0, 4\ncsrrw zero, sepc, t0\naddi a0, a0, 1\nsret");
      guest.load(PROGRAM, "ecall\necall\necall\nj .+0");
      guest.set({ a0: 0n });
      guest.enter("user");
      guest.run();
      expect(guest.get("a0")).toBe(3n);
      expect(guest.hart.privilege).toBe("user");
      expect(guest.hart.pc).toBe(at(PROGRAM + 12));
    });
  });

  describe("retirement", () => {
    /** minstret's advance from before an instruction to the first of the handler. */
    async function retired(source: string, mode: Privilege = "machine"): Promise<bigint> {
      const guest = await guestWith();
      guest.load(M_VECTOR, "csrrs s0, minstret, zero\nj .+0");
      guest.load(PROGRAM, source);
      guest.set({ a1: NOWHERE });
      guest.enter(mode);
      const before = guest.hart.getCsr("minstret");
      guest.run();
      return guest.get("s0") - before;
    }

    it.each(["ecall", "ebreak", "c.ebreak", ".half 0", "lw a0, 0(a1)", "jalr zero, 0(a1)", "csrrw a0, cycle, a0"])(
      "does not count `%s` that traps",
      async (source) => {
        // A jump to nowhere retires; the fetch behind it does not.
        expect(await retired(source)).toBe(source.startsWith("jalr") ? 1n : 0n);
      },
    );

    it("does not count an ecall from U-mode after two instructions", async () => {
      expect(await retired("nop\nnop\necall", "user")).toBe(2n);
    });

    it("counts mret", async () => {
      const guest = await guestWith();
      const before = guest.hart.getCsr("minstret");
      guest.enter("machine");
      expect(guest.hart.getCsr("minstret") - before).toBe(1n);
    });
  });

  it("in the handler of an exception overwrite that one's registers", async () => {
    const guest = await guestWith();
    guest.load(M_VECTOR, "csrrs s0, mcause, zero\nli t0, 0x80001020\ncsrrw zero, mtvec, t0\nebreak");
    guest.load(M_VECTOR + 0x20, "j .+0");
    guest.load(PROGRAM, ".half 0");
    guest.run();
    expect(guest.get("s0")).toBe(Cause.IllegalInstruction);
    expect(guest.hart.getCsr("mcause")).toBe(Cause.Breakpoint);
  });
});
