import { describe, expect, it } from "vitest";
import { HartvisorError, Machine } from "../../src/index.js";
import { Cause, createGuest, PROGRAM } from "./guest.js";

describe("an ISA with less than there is", () => {
  it.each([
    ["rv64imac", "fadd.d fa0, fa1, fa2"],
    ["rv64iafdc", "mul a0, a1, a2"],
    ["rv64imfdc", "amoadd.w a0, a1, (a2)"],
    ["rv64gc", "sh1add a0, a1, a2"],
    ["rv64gc", "cbo.zero (a0)"],
    ["rv64gc", "csrr a0, stimecmp"],
    ["rv64imafdc", "fence.i"],
    ["rv64gc_zcmop", "mop.r.7 a0, a1"],
    ["rv64gc_zimop", "c.mop.1"],
    ["rv64gc", "wrs.nto"],
    ["rv64gc", "amocas.w a0, a1, (a2)"],
    ["rv64gc_zacas", "amoadd.b a0, a1, (a2)"],
    ["rv64gc_zacas", "amocas.b a0, a1, (a2)"],
    ["rv64gc_zabha", "amocas.h a0, a1, (a2)"],
    ["rv64gc_zkne", "aes64im a0, a1"],
    ["rv64gc_zknd", "aes64es a0, a1, a2"],
    ["rv64gc_zkne_zknd", "sha512sig0 a0, a1"],
    ["rv64gc_zksh", "sm4ed a0, a1, a2, 1"],
    ["rv64gc_zksed", "sm3p0 a0, a1"],
    ["rv64gcb", "c.lbu a0, 1(a1)"],
    ["rv64gc_zcb", "c.sext.b a0"],
    ["rv64gc_zcb_zbkb", "c.zext.h a0"],
    ["rv64gc_zcb_zbb", "c.zext.w a0"],
    ["rv64iac_zcb", "c.mul a0, a1"],
    ["rv64gc_zbkc", "clmulr a0, a1, a2"],
    ["rv64gc_zbkb", "clz a0, a1"],
    ["rv64gcb", "pack a0, a1, a2"],
    ["rv64gc", "flh fa0, 0(a0)"],
    ["rv64gc", "fcvt.s.h fa0, fa1"],
    ["rv64gc_zfhmin", "fadd.h fa0, fa1, fa2"],
    ["rv64gc_zfhmin", "fcvt.h.w fa0, a0"],
    ["rv64imafc_zfh", "fcvt.d.h fa0, fa1"],
    ["rv64imafc_zfh", "fcvt.h.d fa0, fa1"],
    ["rv64gc_zfh", "fround.s fa0, fa1"],
    ["rv64imafc_zfa", "fround.d fa0, fa1"],
    ["rv64imafc_zfa", "fcvtmod.w.d a0, fa1, rtz"],
    ["rv64gc_zfa_zfhmin", "fli.h fa0, 1"],
    ["rv64gc_zfa_zfhmin", "fltq.h a0, fa1, fa2"],
  ])("%s has no %s", async (isa, instruction) => {
    const guest = await createGuest({ isa });
    guest.setBits("mstatus", 3n << 13n);
    const source = instruction.startsWith("csrr ") ? "csrrs a0, stimecmp, zero" : instruction;
    expect(guest.trapOf(source).cause).toBe(Cause.IllegalInstruction);
  });

  it("cannot switch on floating point that it lacks", async () => {
    const guest = await createGuest({ isa: "rv64imac" });
    guest.setBits("mstatus", 3n << 13n);
    expect(guest.hart.getCsr("mstatus") & (3n << 13n)).toBe(0n);
    expect(guest.hart.getCsr("misa")).toBe((2n << 62n) | 0x141105n);
  });

  it("still has the multiplications of M with Zmmul alone", async () => {
    const guest = await createGuest({ isa: "rv64ic_zmmul" });
    guest.set({ a1: 6, a2: 7 });
    guest.load(PROGRAM, "mul a0, a1, a2");
    guest.machine.step();
    expect(guest.get("a0")).toBe(42n);
  });
});

describe("a profile", () => {
  it.each([
    ["rva20s64", "sh1add a0, a1, a2"],
    ["rva22u64", "fadd.h fa0, fa1, fa2"],
    ["rva22s64", "czero.eqz a0, a1, a2"],
    ["rva22s64", "amocas.w a0, a1, (a2)"],
  ])("%s has no %s", async (isa, instruction) => {
    const guest = await createGuest({ isa });
    guest.setBits("mstatus", 3n << 13n);
    expect(guest.trapOf(instruction).cause).toBe(Cause.IllegalInstruction);
  });

  it("rva22s64 has what it demands, down to half precision in transfers", async () => {
    const guest = await createGuest({ isa: "rva22s64" });
    guest.setBits("mstatus", 3n << 13n);
    const source = ["fence.i", "pause", "sh1add a0, a1, a2", "rev8 a0, a1", "bext a0, a1, a2", "fcvt.s.h fa0, fa1"];
    guest.load(PROGRAM, [...source, "sinval.vma zero, zero", "prefetch.r 0(a0)"].join("\n"));
    for (let n = 0; n < source.length + 2; n++) guest.machine.step();
    expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4 * (source.length + 2)));
  });
});

describe("half precision", () => {
  it.each([
    ["rv64gc_zfhmin", "fcvt.d.h fa0, fa1"],
    ["rv64gc_zfhmin", "fmv.x.h a0, fa1"],
    ["rv64imafc_zfhmin", "fcvt.h.s fa0, fa1"],
    ["rv64imafc_zfh_zfa", "fround.h fa0, fa1"],
  ])("%s has %s", async (isa, instruction) => {
    const guest = await createGuest({ isa });
    guest.setBits("mstatus", 3n << 13n);
    guest.load(PROGRAM, instruction);
    guest.machine.step();
    expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
  });
});

describe("an encoding that several extensions bring", () => {
  it.each([
    ["rv64gc_zbb", "rol a0, a1, a2"],
    ["rv64gc_zbkb", "rol a0, a1, a2"],
    ["rv64gc_zbc", "clmulh a0, a1, a2"],
    ["rv64gc_zbkc", "clmulh a0, a1, a2"],
  ])("%s has %s", async (isa, instruction) => {
    const guest = await createGuest({ isa });
    guest.load(PROGRAM, instruction);
    guest.machine.step();
    expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
  });

  it("are additions to x0 without Zihintntl: the hints of locality", async () => {
    for (const isa of ["rv64gc", "rv64gc_zihintntl"]) {
      const guest = await createGuest({ isa });
      guest.load(PROGRAM, "ntl.pall\nc.add zero, sp");
      guest.machine.step();
      expect([guest.hart.pc, guest.get("zero")]).toEqual([BigInt(PROGRAM + 4), 0n]);
      guest.machine.step();
      expect([guest.hart.pc, guest.get("zero")]).toEqual([BigInt(PROGRAM + 6), 0n]);
    }
  });

  it("is that of either where their encodings are the same: zext.h without Zbb is packw", async () => {
    const guest = await createGuest({ isa: "rv64gc_zbkb" });
    guest.set({ a1: 0x12348765 });
    guest.load(PROGRAM, "zext.h a0, a1");
    guest.machine.step();
    expect(guest.get("a0")).toBe(0x8765n);
  });
});

describe("without compressed instructions", () => {
  it("makes 16-bit encodings illegal", async () => {
    const guest = await createGuest({ isa: "rv64i" });
    expect(guest.trapOf("c.li a0, 1")).toMatchObject({ cause: Cause.IllegalInstruction, value: 0x4505n });
  });

  it.each([
    ["a jump", "jal ra, .+6"],
    ["a taken branch", "beq zero, zero, .+6"],
    ["an indirect jump", "jalr ra, 6(t0)"],
  ])("traps %s to a target between instructions, at the jump itself", async (_, source) => {
    const guest = await createGuest({ isa: "rv64i" });
    guest.set({ t0: PROGRAM, ra: 1 });
    expect(guest.trapOf(source)).toEqual({ cause: 0n, pc: BigInt(PROGRAM), value: BigInt(PROGRAM + 6) });
    expect(guest.get("ra")).toBe(1n);
  });

  it("lets a branch by that is not taken", async () => {
    const guest = await createGuest({ isa: "rv64i" });
    guest.load(PROGRAM, "bne zero, zero, .+6");
    guest.machine.step();
    expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
  });

  it("keeps bit 1 of return addresses clear", async () => {
    const guest = await createGuest({ isa: "rv64i" });
    guest.setCsrs({ mepc: 0x80000006n, sepc: 0x80000006n });
    expect([guest.hart.getCsr("mepc"), guest.hart.getCsr("sepc")]).toEqual([0x80000004n, 0x80000004n]);
  });
});

describe("an ISA that no machine can be", () => {
  it("is refused with the reason", async () => {
    const refusal = Machine.create({ memoryBytes: 4096, isa: "rv64gcv" });
    await expect(refusal).rejects.toThrow("this machine cannot be rv64gcv: it has no extension v");
    await expect(refusal).rejects.toBeInstanceOf(HartvisorError);
  });
});
