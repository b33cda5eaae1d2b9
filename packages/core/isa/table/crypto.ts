/** Scalar cryptography: AES (Unprivileged ISA ch. 32). */
import { call, i64, imm, or, rs1, rs2, shl, shrU, wrap, xor, zext } from "../expression.js";
import { type Instruction, rd, rows } from "../instruction.js";

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

export const crypto: readonly Instruction[] = table;
