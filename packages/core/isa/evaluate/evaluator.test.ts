import { describe, expect, it } from "vitest";
import { assemble } from "../assemble.js";
import type { MemoryWidth } from "../instruction.js";
import { evaluate, type ModelHart, type ModelMemory, type Outcome } from "./evaluator.js";

const CODE = 0x1000n;

/** Memory that is zero until written; the program lies at CODE. */
class SparseMemory implements ModelMemory {
  readonly bytes = new Map<bigint, bigint>();

  constructor(program: Uint8Array) {
    for (const [n, byte] of program.entries()) this.bytes.set(CODE + BigInt(n), BigInt(byte));
  }

  read(address: bigint, width: MemoryWidth): bigint {
    let value = 0n;
    for (let n = 0n; n < width; n++) value |= (this.bytes.get(BigInt.asUintN(64, address + n)) ?? 0n) << (8n * n);
    return value;
  }

  write(address: bigint, width: MemoryWidth, value: bigint): void {
    for (let n = 0n; n < width; n++) this.bytes.set(BigInt.asUintN(64, address + n), (value >> (8n * n)) & 0xffn);
  }
}

interface Setup {
  readonly x?: Readonly<Record<number, bigint>>;
  readonly f?: Readonly<Record<number, bigint>>;
  readonly fflags?: number;
  readonly frm?: number;
  readonly reservation?: bigint;
  readonly memory?: readonly (readonly [bigint, MemoryWidth, bigint])[];
}

const registers = (values: Readonly<Record<number, bigint>> = {}): bigint[] =>
  Array.from({ length: 32 }, (_, n) => values[n] ?? 0n);

function hartWith({ x, f, fflags = 0, frm = 0, reservation }: Setup): ModelHart {
  return { pc: CODE, x: registers(x), f: registers(f), fflags, frm, reservation };
}

function run(source: string, setup: Setup = {}): { outcome: Outcome; memory: SparseMemory } {
  const memory = new SparseMemory(assemble(source));
  for (const [address, width, value] of setup.memory ?? []) memory.write(address, width, value);
  return { outcome: evaluate(hartWith(setup), memory), memory };
}

/** The hart after one instruction; fails if it did not retire. */
function after(source: string, setup: Setup = {}): ModelHart {
  const { outcome } = run(source, setup);
  if (outcome.kind !== "retired") throw new Error(`${source}: ${outcome.kind}`);
  return outcome.hart;
}

const MINUS_ONE = 0xffff_ffff_ffff_ffffn;
const LEAST = 1n << 63n;

describe("evaluate", () => {
  // Examples from the manual's text, and values worked out by hand.
  it.each([
    ["addi a0, a1, -1", 0n, 0n, MINUS_ONE],
    ["addiw a0, a1, 1", 0x7fff_ffffn, 0n, 0xffff_ffff_8000_0000n],
    ["sltiu a0, a1, 1", 0n, 0n, 1n],
    ["sltiu a0, a1, -1", 5n, 0n, 1n],
    ["lui a0, 0x80000", 0n, 0n, 0xffff_ffff_8000_0000n],
    ["auipc a0, 0x1", 0n, 0n, 0x2000n],
    ["sra a0, a1, a2", LEAST, 0x43n, 0xf000_0000_0000_0000n],
    ["srlw a0, a1, a2", 0xffff_ffff_8000_0000n, 0x20n, 0xffff_ffff_8000_0000n],
    ["srliw a0, a1, 4", 0x1_8000_0000n, 0n, 0x0800_0000n],
    ["mulh a0, a1, a2", LEAST, LEAST, 1n << 62n],
    ["mulhu a0, a1, a2", MINUS_ONE, MINUS_ONE, 0xffff_ffff_ffff_fffen],
    ["mulhsu a0, a1, a2", MINUS_ONE, MINUS_ONE, MINUS_ONE],
    ["div a0, a1, a2", LEAST, MINUS_ONE, LEAST],
    ["div a0, a1, a2", 7n, 0n, MINUS_ONE],
    ["rem a0, a1, a2", LEAST, MINUS_ONE, 0n],
    ["rem a0, a1, a2", BigInt.asUintN(64, -7n), 3n, MINUS_ONE],
    ["remu a0, a1, a2", 7n, 0n, 7n],
    ["divw a0, a1, a2", 0x8000_0000n, 0xffff_ffffn, 0xffff_ffff_8000_0000n],
    ["divuw a0, a1, a2", 0xffff_ffffn, 1n, MINUS_ONE],
    ["remuw a0, a1, a2", 0x8000_0000n, 0n, 0xffff_ffff_8000_0000n],
    ["sh3add.uw a0, a1, a2", 0xf_ffff_ffffn, 1n, 0x7_ffff_fff9n],
    ["clz a0, a1", 0n, 0n, 64n],
    ["clzw a0, a1", 0xff_0000_0001n, 0n, 31n],
    ["ctz a0, a1", LEAST, 0n, 63n],
    ["ctzw a0, a1", 1n << 32n, 0n, 32n],
    ["cpopw a0, a1", MINUS_ONE, 0n, 32n],
    ["max a0, a1, a2", MINUS_ONE, 1n, 1n],
    ["maxu a0, a1, a2", MINUS_ONE, 1n, MINUS_ONE],
    ["sext.h a0, a1", 0x1_8000n, 0n, 0xffff_ffff_ffff_8000n],
    ["rolw a0, a1, a2", 0x8000_0001n, 1n, 3n],
    ["rori a0, a1, 4", 0x1fn, 0n, 0xf000_0000_0000_0001n],
    ["orc.b a0, a1", 0x0100_0080_0000_2000n, 0n, 0xff00_00ff_0000_ff00n],
    ["rev8 a0, a1", 0x0102_0304_0506_0708n, 0n, 0x0807_0605_0403_0201n],
    ["bext a0, a1, a2", LEAST, 0x7fn, 1n],
    ["czero.eqz a0, a1, a2", 5n, 0n, 0n],
    ["czero.nez a0, a1, a2", 5n, 0n, 5n],
    ["c.addiw a0, 1", 0n, 0n, 1n],
  ] as const)("%s of %s and %s gives %s", (source, a, b, expected) => {
    const hart = after(source, { x: { 11: a, 12: b } });
    expect(hart.x[10]).toBe(expected);
    expect(hart.pc).toBe(CODE + (source.startsWith("c.") ? 2n : 4n));
  });

  it("keeps x0 at zero", () => {
    expect(after("addi zero, zero, 5").x[0]).toBe(0n);
    expect(after("amoadd.w zero, zero, (a0)", { memory: [[0n, 4, 7n]] }).x[0]).toBe(0n);
  });

  it("links to the next instruction, after reading the target, and clears its lowest bit", () => {
    const hart = after("jalr a0, 3(a0)", { x: { 10: 0x2000n } });
    expect([hart.pc, hart.x[10]]).toEqual([0x2002n, 0x1004n]);
    const short = after("c.jalr a0", { x: { 10: 0x2001n } });
    expect([short.pc, short.x[1]]).toEqual([0x2000n, 0x1002n]);
    expect(after("jal ra, .-4096").pc).toBe(0n);
    expect(after("jal ra, .-4098").pc).toBe(MINUS_ONE - 1n);
  });

  it("branches on signed and unsigned order", () => {
    const x = { 10: MINUS_ONE, 11: 1n };
    expect(after("blt a0, a1, .+8", { x }).pc).toBe(0x1008n);
    expect(after("bltu a0, a1, .+8", { x }).pc).toBe(0x1004n);
    expect(after("c.bnez a0, .-2", { x }).pc).toBe(0xffen);
  });

  it("loads with the row's extension, also misaligned, and around the end of the address space", () => {
    const memory = [[0x2001n, 8, 0x8182_8384_8586_8788n]] as const;
    const x = { 11: 0x2002n };
    expect(after("lh a0, -1(a1)", { x, memory }).x[10]).toBe(0xffff_ffff_ffff_8788n);
    expect(after("lhu a0, -1(a1)", { x, memory }).x[10]).toBe(0x8788n);
    expect(after("flw fa0, -1(a1)", { x, memory }).f[10]).toBe(0xffff_ffff_8586_8788n);
    expect(after("ld a0, -1(zero)", { memory: [[MINUS_ONE, 8, 42n]] }).x[10]).toBe(42n);
  });

  it("stores the low bytes", () => {
    const { memory } = run("c.sw a0, 4(a1)", { x: { 10: 0x1_2345_6789n, 11: 0x2000n } });
    expect(memory.read(0x2000n, 8)).toBe(0x2345_6789_0000_0000n);
  });

  it("gives what an atomic operation has read, sign-extended, and compares in its width", () => {
    const setup = { x: { 11: 0x2000n, 12: 0xff_0000_0001n }, memory: [[0x2000n, 4, 0x8000_0000n]] } as const;
    const { outcome, memory } = run("amomaxu.w.aqrl a0, a2, (a1)", setup);
    expect(outcome).toMatchObject({ kind: "retired" });
    expect(after("amomaxu.w a0, a2, (a1)", setup).x[10]).toBe(0xffff_ffff_8000_0000n);
    expect(memory.read(0x2000n, 8)).toBe(0x8000_0000n);
    expect(run("amomax.w a0, a2, (a1)", setup).memory.read(0x2000n, 8)).toBe(1n);
  });

  it("stores conditionally on the reservation, which is gone afterwards", () => {
    const setup = { x: { 11: 0x2000n, 12: 9n } };
    const reserved = after("lr.d a0, (a1)", setup);
    expect(reserved.reservation).toBe(0x2000n);
    const success = run("sc.d a0, a2, (a1)", { ...setup, reservation: 0x2000n });
    expect(success.outcome).toMatchObject({ kind: "retired", hart: { reservation: undefined } });
    expect(success.memory.read(0x2000n, 8)).toBe(9n);
    const failure = run("sc.d a0, a2, (a1)", { ...setup, reservation: 0x2008n });
    expect(failure.memory.read(0x2000n, 8)).toBe(0n);
    expect(after("sc.d a0, a2, (a1)", { ...setup, reservation: 0x2008n }).x[10]).toBe(1n);
  });

  it("faults on misaligned atomics", () => {
    const setup = { x: { 11: 0x2004n } };
    expect(run("amoadd.d a0, a2, (a1)", setup).outcome).toEqual({
      kind: "misaligned",
      access: "store",
      address: 0x2004n,
    });
    expect(run("lr.d a0, (a1)", setup).outcome).toEqual({ kind: "misaligned", access: "load", address: 0x2004n });
  });

  it("takes an unboxed single for a NaN, and boxes what it writes", () => {
    expect(after("fadd.s fa0, fa1, fa2", { f: { 11: 0x3f80_0000n, 12: MINUS_ONE << 32n } }).f[10]).toBe(
      0xffff_ffff_7fc0_0000n,
    );
    expect(after("fmv.w.x fa0, a1", { x: { 11: 0x1_0000_0001n } }).f[10]).toBe(0xffff_ffff_0000_0001n);
    expect(after("fsgnjn.s fa0, fa1, fa1", { f: { 11: 5n } }).f[10]).toBe(0xffff_ffff_ffc0_0000n);
    expect(after("fmv.x.w a0, fa1", { f: { 11: 0x8000_0000n } }).x[10]).toBe(0xffff_ffff_8000_0000n);
  });

  it("takes a half that is boxed only as far as a single for a NaN, and boxes in 64 bits", () => {
    const one = 0xffff_ffff_ffff_3c00n;
    expect(after("fadd.h fa0, fa1, fa2", { f: { 11: one, 12: one } }).f[10]).toBe(0xffff_ffff_ffff_4000n);
    expect(after("fadd.h fa0, fa1, fa2", { f: { 11: one, 12: 0xffff_ffff_0000_3c00n } }).f[10]).toBe(
      0xffff_ffff_ffff_7e00n,
    );
    expect(after("flh fa0, 0(a1)", { x: { 11: 0x2000n }, memory: [[0x2000n, 8, 0x1234_8001n]] }).f[10]).toBe(
      0xffff_ffff_ffff_8001n,
    );
    expect(after("fmv.x.h a0, fa1", { f: { 11: 0x8000n } }).x[10]).toBe(0xffff_ffff_ffff_8000n);
    expect(after("fcvt.d.h fa0, fa1", { f: { 11: one } }).f[10]).toBe(0x3ff0_0000_0000_0000n);
    expect(after("fcvt.h.wu fa0, a1", { x: { 11: 65520n } })).toMatchObject({ fflags: 5 });
  });

  it("rounds to integers, loads constants, and wraps what does not fit", () => {
    const f = { 11: 0x4004_0000_0000_0000n }; // 2.5
    expect(after("fround.d fa0, fa1", { f }).f[10]).toBe(0x4000_0000_0000_0000n);
    expect(after("froundnx.d fa0, fa1, rup", { f })).toMatchObject({ fflags: 1 });
    expect(after("fli.s fa0, -1.0").f[10]).toBe(0xffff_ffff_bf80_0000n);
    expect(after("fcvtmod.w.d a0, fa1, rtz", { f: { 11: 0x41ef_ffff_ffe0_0000n } })).toMatchObject({ fflags: 16 });
    expect(after("fcvtmod.w.d a0, fa1, rtz", { f: { 11: 0x41ef_ffff_ffe0_0000n } }).x[10]).toBe(MINUS_ONE);
  });

  it("rounds as the instruction says, or as frm does, and adds to the flags", () => {
    const [one, three] = [0x3ff0_0000_0000_0000n, 0x4008_0000_0000_0000n];
    const setup = { f: { 11: one, 12: three }, fflags: 8, frm: 3 };
    expect(after("fdiv.d fa0, fa1, fa2", setup)).toMatchObject({ fflags: 9 });
    expect(after("fdiv.d fa0, fa1, fa2", setup).f[10]).toBe(0x3fd5_5555_5555_5556n);
    expect(after("fdiv.d fa0, fa1, fa2, rne", setup).f[10]).toBe(0x3fd5_5555_5555_5555n);
  });

  it("negates product and addend of the multiply-adds", () => {
    const [two, three, five] = [0x4000_0000_0000_0000n, 0x4008_0000_0000_0000n, 0x4014_0000_0000_0000n];
    const f = { 11: two, 12: three, 13: five };
    const [one, eleven] = [0x3ff0_0000_0000_0000n, 0x4026_0000_0000_0000n];
    expect(after("fmadd.d fa0, fa1, fa2, fa3", { f }).f[10]).toBe(eleven);
    expect(after("fmsub.d fa0, fa1, fa2, fa3", { f }).f[10]).toBe(one);
    expect(after("fnmsub.d fa0, fa1, fa2, fa3", { f }).f[10]).toBe(one | LEAST);
    expect(after("fnmadd.d fa0, fa1, fa2, fa3", { f }).f[10]).toBe(eleven | LEAST);
  });

  it("converts from and to integers in the width of the row", () => {
    expect(after("fcvt.wu.d a0, fa0", { f: { 10: 0x41ef_ffff_ffe0_0000n } }).x[10]).toBe(MINUS_ONE);
    expect(after("fcvt.s.w fa0, a0", { x: { 10: 0x1_ffff_ffffn } }).f[10]).toBe(0xffff_ffff_bf80_0000n);
    expect(after("fcvt.d.lu fa0, a0", { x: { 10: LEAST } }).f[10]).toBe(0x43e0_0000_0000_0000n);
  });

  it("reads and writes the floating-point CSRs", () => {
    const setup = { x: { 11: 0xffn }, fflags: 3, frm: 4 };
    expect(after("csrrw a0, fcsr, a1", setup)).toMatchObject({ fflags: 31, frm: 7 });
    expect(after("csrrw a0, fcsr, a1", setup).x[10]).toBe(0x83n);
    expect(after("csrrci a0, fflags, 1", setup)).toMatchObject({ fflags: 2, frm: 4 });
    expect(after("csrrsi a0, frm, 3", setup)).toMatchObject({ fflags: 3, frm: 7 });
  });

  it("reports what it does not do", () => {
    expect(run("csrrs a0, mstatus, zero").outcome).toEqual({ kind: "system", helper: "csr" });
    expect(run("c.ebreak").outcome).toEqual({ kind: "system", helper: "ebreak" });
    expect(run(".half 0").outcome).toEqual({ kind: "illegal", bits: 0 });
    expect(run(".word 0xffffffff").outcome).toEqual({ kind: "illegal", bits: 0xffff_ffff });
    expect(run("fadd.d fa0, fa1, fa2", { frm: 5 }).outcome).toEqual({ kind: "illegal", bits: 0x02c5_f553 });
    expect(run("fadd.d fa0, fa1, fa2, rne", { frm: 5 }).outcome).toMatchObject({ kind: "retired" });
  });
});

describe("assemble's li", () => {
  it.each([
    0n,
    -1n,
    2047n,
    -2048n,
    2048n,
    0x7fff_f800n,
    0x7fff_ffffn,
    0x8000_0000n,
    -0x8000_0000n,
    0xffff_ffffn,
    0x1234_5678_9abc_def0n,
    0x7fff_ffff_ffff_ffffn,
    -(1n << 63n),
    0xdead_beef_cafe_f00dn,
    0x8000_0000_0000_0800n,
  ])("loads %s", (value) => {
    const program = assemble(`li a0, ${value}`);
    const memory = new SparseMemory(program);
    let hart = hartWith({});
    while (hart.pc < CODE + BigInt(program.length)) {
      const outcome = evaluate(hart, memory);
      if (outcome.kind !== "retired") throw new Error(outcome.kind);
      hart = outcome.hart;
    }
    expect(hart.x[10]).toBe(BigInt.asUintN(64, value));
  });
});
