import { describe, expect, it } from "vitest";
import { assemble } from "./assemble.js";
import { encode } from "./encode.js";

const words = (bytes: Uint8Array) => [...new Uint32Array(bytes.slice().buffer)];

describe("encode", () => {
  it.each([
    ["addi", { rd: 5, rs1: 6, imm: -12 }, 0xff430293],
    ["lui", { rd: 10, imm: -4096 }, 0xfffff537],
    ["jal", { rd: 1, imm: -1048576 }, 0x800000ef],
    ["beq", { rs1: 10, rs2: 11, imm: 4094 }, 0x7eb50fe3],
    ["sd", { rs2: 8, rs1: 2, imm: 504 }, 0x1e813c23],
    ["srai", { rd: 10, rs1: 10, shamt: 63 }, 0x43f55513],
    ["csrrwi", { rd: 10, csr: 0x300, uimm: 31 }, 0x300fd573],
    ["amoadd.w", { rd: 10, rs1: 11, rs2: 5, aq: 1 }, 0x0455a52f],
    ["c.addi", { rd: 8, imm: -32 }, 0x1401],
    ["c.lw", { rd: 8, rs1: 15, imm: 124 }, 0x5fe0],
    ["c.addi16sp", { imm: -512 }, 0x7101],
    ["c.fsdsp", { frs2: 31, imm: 504 }, 0xbffe],
  ] as const)("puts the operands of %s into place", (name, operands, bits) => {
    expect(encode(name, operands).toString(16)).toBe(bits.toString(16));
  });

  it("takes the dynamic rounding mode, no ordering and a full fence where nothing is said", () => {
    expect(encode("fadd.d", { frd: 0, frs1: 0, frs2: 0 })).toBe(0x02007053);
    expect(encode("lr.w", { rd: 10, rs1: 11 })).toBe(0x1005a52f);
    expect(encode("fence")).toBe(0x0ff0000f);
  });

  it.each([
    ["addi", { rd: 5, rs1: 6, imm: 2048 }, "addi: imm = 2048 is out of range: -2048 to 2047"],
    ["addi", { rd: 32, rs1: 6, imm: 0 }, "addi: rd = 32 is out of range: 0 to 31"],
    ["beq", { rs1: 0, rs2: 0, imm: 3 }, "beq: imm = 3 is out of range: -4096 to 4094, in multiples of 2"],
    ["slliw", { rd: 1, rs1: 1, shamt: 32 }, "slliw: shamt = 32 is out of range: 0 to 31"],
    ["addi", { rd: 5, rs1: 6 }, "addi: operand imm is missing"],
    ["add", { rd: 5, rs1: 6, rs2: 7, imm: 1 }, "add: has no operand imm; it takes rs2, rs1, rd"],
    ["c.lw", { rd: 8, rs1: 7, imm: 0 }, "c.lw: rs1' = 7 is out of range: 8 to 15"],
    ["c.addi", { rd: 8, rs1: 9, imm: 1 }, "c.addi: rs1 = 9 is out of range: it must be 8 here"],
    ["c.lui", { rd: 2, imm: 4096 }, "c.lui: rd = 2 is out of range: that encoding is another's or reserved"],
    ["c.addi4spn", { rd: 8, imm: 0 }, "c.addi4spn: uimm = 0 is out of range: that encoding is another's or reserved"],
    ["addq", {}, "no instruction is called addq"],
  ] as const)("refuses %s %j", (name, operands, message) => {
    expect(() => encode(name, operands)).toThrow(new RangeError(message));
  });
});

describe("assemble", () => {
  it("resolves labels in both directions across compressed instructions", () => {
    const bytes = assemble(`
      start:         # a label on a line of its own
      loop:  c.addi a0, -1
             bne a0, zero, loop
             beq a0, zero, end
             j start
      end:   ret`);
    expect([...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")).toBe(
      "7d15" + "e31f05fe" + "63040500" + "6ff07fff" + "67800000",
    );
  });

  it("reads ABI names, hexadecimal, addresses, CSR names, fence sets and rounding modes", () => {
    expect(words(assemble("addi x5, t1, -0xc; ld s0, (fp); csrrs a0, mstatus, zero"))).toEqual([
      0xff430293, 0x00043403, 0x30002573,
    ]);
    expect(words(assemble("fence rw, w; fcvt.w.d a0, fa0, rtz; lui a0, 0xfffff; amoadd.w.aq a0, t0, (a1)"))).toEqual([
      0x0310000f, 0xc2051553, 0xfffff537, 0x0455a52f,
    ]);
  });

  it("reads the constants of fli by value or by name", () => {
    expect(words(assemble("fli.s ft1, -1.0; fli.s ft1, min; fli.s ft1, 0.4375; fli.s ft1, 0x1.cp-2"))).toEqual([
      0xf01000d3, 0xf01080d3, 0xf01580d3, 0xf01580d3,
    ]);
  });

  it("lays down data", () => {
    expect([...assemble(".half 0x1234, -1\n.dword 0x0807060504030201")]).toEqual([
      0x34, 0x12, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8,
    ]);
  });

  it.each([
    ["nop\naddi a0, a1", "line 2: addi takes 3 operands, not 2"],
    ["addi a0, a9, 1", 'line 1: "a9" is no integer register'],
    ["j nowhere", 'line 1: "nowhere" is no label'],
    ["ld a0, sp", 'line 1: "sp" is no address such as 8(sp)'],
    ["addi a0, a0, 4096", "line 1: addi: imm = 4096 is out of range: -2048 to 2047"],
    ["li a0, five", 'line 1: "five" is no number'],
    ["fli.s fa0, 5", 'line 1: "5" is no constant of fli'],
    ["fcvtmod.w.d a0, fa0, rne", 'line 1: fcvtmod.w.d takes rtz, not "rne"'],
  ])("names the line of an error: %j", (source, message) => {
    expect(() => assemble(source)).toThrow(new SyntaxError(message));
  });
});
