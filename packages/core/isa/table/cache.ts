/**
 * Zicbom, Zicbop, Zicboz, Zihintntl and Zihintpause (Unprivileged ISA ch. 8, 11, 19): cache
 * blocks of 64 bytes. Memory is coherent, so the management instructions only
 * check permission.
 */
import { type Instruction, nothing, rows, system } from "../instruction.js";

const table: Instruction[] = [];
const CBO = (operation: string) => `${operation} rs1 010 00000 0001111`;

const zicbom = rows("Zicbom", table);
zicbom("cbo.inval", CBO("000000000000"), "(rs1)", system("cbo_inval"));
zicbom("cbo.clean", CBO("000000000001"), "(rs1)", system("cbo_clean"));
zicbom("cbo.flush", CBO("000000000010"), "(rs1)", system("cbo_clean"));

const zicboz = rows("Zicboz", table);
zicboz("cbo.zero", CBO("000000000100"), "(rs1)", system("cbo_zero"));

const zicbop = rows("Zicbop", table);
const PREFETCH = (operation: string) => `imm[11:5] ${operation} rs1 110 00000 0010011`;
zicbop("prefetch.i", PREFETCH("00000"), "imm(rs1)", nothing);
zicbop("prefetch.r", PREFETCH("00001"), "imm(rs1)", nothing);
zicbop("prefetch.w", PREFETCH("00011"), "imm(rs1)", nothing);

// Hints about the locality of the next access: additions to x0.
const zihintntl = rows("Zihintntl", table);
const NTL = (rs2: string) => `0000000 ${rs2} 00000 000 00000 0110011`;
zihintntl("ntl.p1", NTL("00010"), "", nothing);
zihintntl("ntl.pall", NTL("00011"), "", nothing);
zihintntl("ntl.s1", NTL("00100"), "", nothing);
zihintntl("ntl.all", NTL("00101"), "", nothing);

const zihintpause = rows("Zihintpause", table);
zihintpause("pause", "0000 0001 0000 00000 000 00000 0001111", "", nothing);

export const cache: readonly Instruction[] = table;
