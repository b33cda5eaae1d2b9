/** Zba, Zbb, Zbc, Zbs, Zicond, and the bit manipulation of scalar cryptography: Zbkb, Zbkc, Zbkx (Unprivileged ISA ch. 28, 12 and 32). */
import {
  add,
  and,
  call,
  clz,
  ctz,
  eq,
  extend8,
  extend16,
  geS,
  geU,
  i64,
  imm,
  ltS,
  ltU,
  ne,
  not,
  or,
  popcnt,
  rotl,
  rotr,
  rs1,
  rs2,
  select,
  sext,
  shl,
  shrU,
  wrap,
  xor,
  zext,
} from "../expression.js";
import { type Instruction, rd, rows } from "../instruction.js";

const table: Instruction[] = [];
const OP = (funct7: string, funct3: string) => `${funct7} rs2 rs1 ${funct3} rd 0110011`;
const OP_W = (funct7: string, funct3: string) => `${funct7} rs2 rs1 ${funct3} rd 0111011`;
const UNARY = (funct12: string, funct3: string, opcode = "0010011") => `${funct12} rs1 ${funct3} rd ${opcode}`;
const SHIFT_IMM = (funct6: string, funct3: string) => `${funct6} shamt[5:0] rs1 ${funct3} rd 0010011`;
const binary = "rd, rs1, rs2";
const unary = "rd, rs1";
const shift = "rd, rs1, shamt";

const zba = rows("Zba", table);
const low = zext(wrap(rs1));
for (const n of [1, 2, 3]) {
  const funct3 = ["010", "100", "110"][n - 1] ?? "";
  zba(`sh${n}add`, OP("0010000", funct3), binary, rd(add(rs2, shl(rs1, i64(n)))));
  zba(`sh${n}add.uw`, OP_W("0010000", funct3), binary, rd(add(rs2, shl(low, i64(n)))));
}
zba("add.uw", OP_W("0000100", "000"), binary, rd(add(rs2, low)));
zba("slli.uw", "000010 shamt[5:0] rs1 001 rd 0011011", shift, rd(shl(low, imm)));

const zbb = rows("Zbb", table);
const logic = rows(["Zbb", "Zbkb"], table);
logic("andn", OP("0100000", "111"), binary, rd(and(rs1, not(rs2))));
logic("orn", OP("0100000", "110"), binary, rd(or(rs1, not(rs2))));
logic("xnor", OP("0100000", "100"), binary, rd(not(xor(rs1, rs2))));
zbb("clz", UNARY("011000000000", "001"), unary, rd(clz(rs1)));
zbb("ctz", UNARY("011000000001", "001"), unary, rd(ctz(rs1)));
zbb("cpop", UNARY("011000000010", "001"), unary, rd(popcnt(rs1)));
zbb("clzw", UNARY("011000000000", "001", "0011011"), unary, rd(zext(clz(wrap(rs1)))));
zbb("ctzw", UNARY("011000000001", "001", "0011011"), unary, rd(zext(ctz(wrap(rs1)))));
zbb("cpopw", UNARY("011000000010", "001", "0011011"), unary, rd(zext(popcnt(wrap(rs1)))));
zbb("max", OP("0000101", "110"), binary, rd(select(geS(rs1, rs2), rs1, rs2)));
zbb("maxu", OP("0000101", "111"), binary, rd(select(geU(rs1, rs2), rs1, rs2)));
zbb("min", OP("0000101", "100"), binary, rd(select(ltS(rs1, rs2), rs1, rs2)));
zbb("minu", OP("0000101", "101"), binary, rd(select(ltU(rs1, rs2), rs1, rs2)));
zbb("sext.b", UNARY("011000000100", "001"), unary, rd(extend8(rs1)));
zbb("sext.h", UNARY("011000000101", "001"), unary, rd(extend16(rs1)));
zbb("zext.h", UNARY("000010000000", "100", "0111011"), unary, rd(and(rs1, i64(0xffff))));
logic("rol", OP("0110000", "001"), binary, rd(rotl(rs1, rs2)));
logic("ror", OP("0110000", "101"), binary, rd(rotr(rs1, rs2)));
logic("rori", SHIFT_IMM("011000", "101"), shift, rd(rotr(rs1, imm)));
logic("rolw", OP_W("0110000", "001"), binary, rd(sext(rotl(wrap(rs1), wrap(rs2)))));
logic("rorw", OP_W("0110000", "101"), binary, rd(sext(rotr(wrap(rs1), wrap(rs2)))));
logic("roriw", "0110000 shamt[4:0] rs1 101 rd 0011011", shift, rd(sext(rotr(wrap(rs1), wrap(imm)))));
zbb("orc.b", UNARY("001010000111", "101"), unary, rd(call("orc_b", rs1)));
logic("rev8", UNARY("011010111000", "101"), unary, rd(call("rev8", rs1)));

const zbkb = rows("Zbkb", table);
const lowHalf = and(rs1, i64(0xffff));
zbkb("pack", OP("0000100", "100"), binary, rd(or(low, shl(rs2, i64(32)))));
zbkb("packh", OP("0000100", "111"), binary, rd(or(and(rs1, i64(0xff)), shl(and(rs2, i64(0xff)), i64(8)))));
zbkb("packw", OP_W("0000100", "100"), binary, rd(sext(wrap(or(lowHalf, shl(rs2, i64(16)))))));
zbkb("brev8", UNARY("011010000111", "101"), unary, rd(call("brev8", rs1)));

const carryless = rows(["Zbc", "Zbkc"], table);
carryless("clmul", OP("0000101", "001"), binary, rd(call("clmul", rs1, rs2)));
carryless("clmulh", OP("0000101", "011"), binary, rd(call("clmulh", rs1, rs2)));
const zbc = rows("Zbc", table);
zbc("clmulr", OP("0000101", "010"), binary, rd(call("clmulr", rs1, rs2)));

const zbkx = rows("Zbkx", table);
zbkx("xperm4", OP("0010100", "010"), binary, rd(call("xperm4", rs1, rs2)));
zbkx("xperm8", OP("0010100", "100"), binary, rd(call("xperm8", rs1, rs2)));

const zbs = rows("Zbs", table);
const bit = (amount: typeof rs2) => shl(i64(1), amount);
zbs("bclr", OP("0100100", "001"), binary, rd(and(rs1, not(bit(rs2)))));
zbs("bclri", SHIFT_IMM("010010", "001"), shift, rd(and(rs1, not(bit(imm)))));
zbs("bext", OP("0100100", "101"), binary, rd(and(shrU(rs1, rs2), i64(1))));
zbs("bexti", SHIFT_IMM("010010", "101"), shift, rd(and(shrU(rs1, imm), i64(1))));
zbs("binv", OP("0110100", "001"), binary, rd(xor(rs1, bit(rs2))));
zbs("binvi", SHIFT_IMM("011010", "001"), shift, rd(xor(rs1, bit(imm))));
zbs("bset", OP("0010100", "001"), binary, rd(or(rs1, bit(rs2))));
zbs("bseti", SHIFT_IMM("001010", "001"), shift, rd(or(rs1, bit(imm))));

const zicond = rows("Zicond", table);
zicond("czero.eqz", OP("0000111", "101"), binary, rd(select(eq(rs2, i64(0)), i64(0), rs1)));
zicond("czero.nez", OP("0000111", "111"), binary, rd(select(ne(rs2, i64(0)), i64(0), rs1)));

export const bitManipulation: readonly Instruction[] = table;
