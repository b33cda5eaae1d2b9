/** Scalar cryptography: AES, SHA-2, SM4 and SM3 (Unprivileged ISA ch. 32). */
import {
  and,
  call,
  type Expression,
  i32,
  i64,
  imm,
  or,
  rotl,
  rotr,
  rs1,
  rs2,
  sext,
  shl,
  shrU,
  wrap,
  xor,
  zext,
} from "../expression.js";
import { type Instruction, rd, rows, type Semantics } from "../instruction.js";

const table: Instruction[] = [];
const OP = (funct7: string) => `${funct7} rs2 rs1 000 rd 0110011`;
const UNARY = (funct12: string) => `${funct12} rs1 001 rd 0010011`;
const binary = "rd, rs1, rs2";
const unary = "rd, rs1";

const zknd = rows("Zknd", table);
zknd("aes64ds", OP("0011101"), binary, rd(call("aes64ds", rs1, rs2)));
zknd("aes64dsm", OP("0011111"), binary, rd(call("aes64dsm", rs1, rs2)));
zknd("aes64im", UNARY("001100000000"), unary, rd(call("aes64im", rs1)));

const zkne = rows("Zkne", table);
zkne("aes64es", OP("0011001"), binary, rd(call("aes64es", rs1, rs2)));
zkne("aes64esm", OP("0011011"), binary, rd(call("aes64esm", rs1, rs2)));

const keys = rows(["Zknd", "Zkne"], table);
keys("aes64ks1i", UNARY("0011000 1 rnum"), "rd, rs1, rnum", rd(call("aes64ks1i", rs1, imm)));
const word = xor(shrU(rs1, i64(32)), rs2);
keys("aes64ks2", OP("0111111"), binary, rd(or(zext(wrap(word)), shl(xor(word, shrU(rs2, i64(32))), i64(32)))));

/** The sum of three rotations to the right, or of two and a shift (FIPS 180-4, 4.1.2 and 4.1.3). */
const rotations = (x: Expression, a: number, b: number, c: number): Expression => {
  const constant = x.type === "i32" ? i32 : i64;
  return xor(xor(rotr(x, constant(a)), rotr(x, constant(b))), rotr(x, constant(c)));
};
const rotationsAndShift = (x: Expression, a: number, b: number, c: number): Expression => {
  const constant = x.type === "i32" ? i32 : i64;
  return xor(xor(rotr(x, constant(a)), rotr(x, constant(b))), shrU(x, constant(c)));
};

const zknh = rows("Zknh", table);
const SHA = (operation: string) => UNARY(`00010000${operation}`);
const w = wrap(rs1);
zknh("sha256sum0", SHA("0000"), unary, rd(sext(rotations(w, 2, 13, 22))));
zknh("sha256sum1", SHA("0001"), unary, rd(sext(rotations(w, 6, 11, 25))));
zknh("sha256sig0", SHA("0010"), unary, rd(sext(rotationsAndShift(w, 7, 18, 3))));
zknh("sha256sig1", SHA("0011"), unary, rd(sext(rotationsAndShift(w, 17, 19, 10))));
zknh("sha512sum0", SHA("0100"), unary, rd(rotations(rs1, 28, 34, 39)));
zknh("sha512sum1", SHA("0101"), unary, rd(rotations(rs1, 14, 18, 41)));
zknh("sha512sig0", SHA("0110"), unary, rd(rotationsAndShift(rs1, 1, 8, 7)));
zknh("sha512sig1", SHA("0111"), unary, rd(rotationsAndShift(rs1, 19, 61, 6)));

// `bs` chooses the byte of rs2, and where the result's bytes go.
const zksed = rows("Zksed", table);
const SM4 = (operation: string) => `bs ${operation} rs2 rs1 000 rd 0110011`;
const at = shl(imm, i64(3));
const sm4 = (helper: "sm4_round" | "sm4_key"): Semantics =>
  rd(sext(xor(wrap(rs1), rotl(wrap(call(helper, and(shrU(rs2, at), i64(0xff)))), wrap(at)))));
zksed("sm4ed", SM4("11000"), "rd, rs1, rs2, bs", sm4("sm4_round"));
zksed("sm4ks", SM4("11010"), "rd, rs1, rs2, bs", sm4("sm4_key"));

const zksh = rows("Zksh", table);
zksh("sm3p0", SHA("1000"), unary, rd(sext(xor(w, xor(rotl(w, i32(9)), rotl(w, i32(17)))))));
zksh("sm3p1", SHA("1001"), unary, rd(sext(xor(w, xor(rotl(w, i32(15)), rotl(w, i32(23)))))));

export const crypto: readonly Instruction[] = table;
