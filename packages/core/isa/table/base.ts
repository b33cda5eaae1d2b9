/** RV64I, Zicsr, Zifencei, and the privileged instructions (Unprivileged ISA ch. 2-6; Privileged ISA 1.13 ch. 3, 10). */
import {
  add,
  and,
  eq,
  geS,
  geU,
  i64,
  imm,
  ltS,
  ltU,
  ne,
  not,
  or,
  pc,
  rs1,
  rs2,
  sext,
  shl,
  shrS,
  shrU,
  sub,
  wrap,
  xor,
  zext,
} from "../expression.js";
import { address, branch, type Instruction, load, nothing, rd, relative, rows, store, system } from "../instruction.js";

const table: Instruction[] = [];
const row = rows("I", table);

row("lui", "imm[31:12] rd 0110111", "rd, imm", rd(imm));
row("auipc", "imm[31:12] rd 0010111", "rd, imm", rd(add(pc, imm)));
row("jal", "imm[20|10:1|11|19:12] rd 1101111", "rd, target", { kind: "jump", target: relative });
row("jalr", "imm[11:0] rs1 000 rd 1100111", "rd, imm(rs1)", { kind: "jump", target: and(address, not(i64(1))) });

const BRANCH = (funct3: string) => `imm[12|10:5] rs2 rs1 ${funct3} imm[4:1|11] 1100011`;
row("beq", BRANCH("000"), "rs1, rs2, target", branch(eq(rs1, rs2)));
row("bne", BRANCH("001"), "rs1, rs2, target", branch(ne(rs1, rs2)));
row("blt", BRANCH("100"), "rs1, rs2, target", branch(ltS(rs1, rs2)));
row("bge", BRANCH("101"), "rs1, rs2, target", branch(geS(rs1, rs2)));
row("bltu", BRANCH("110"), "rs1, rs2, target", branch(ltU(rs1, rs2)));
row("bgeu", BRANCH("111"), "rs1, rs2, target", branch(geU(rs1, rs2)));

const LOAD = (funct3: string) => `imm[11:0] rs1 ${funct3} rd 0000011`;
row("lb", LOAD("000"), "rd, imm(rs1)", load(1));
row("lh", LOAD("001"), "rd, imm(rs1)", load(2));
row("lw", LOAD("010"), "rd, imm(rs1)", load(4));
row("ld", LOAD("011"), "rd, imm(rs1)", load(8));
row("lbu", LOAD("100"), "rd, imm(rs1)", load(1, false));
row("lhu", LOAD("101"), "rd, imm(rs1)", load(2, false));
row("lwu", LOAD("110"), "rd, imm(rs1)", load(4, false));

const STORE = (funct3: string) => `imm[11:5] rs2 rs1 ${funct3} imm[4:0] 0100011`;
row("sb", STORE("000"), "rs2, imm(rs1)", store(1));
row("sh", STORE("001"), "rs2, imm(rs1)", store(2));
row("sw", STORE("010"), "rs2, imm(rs1)", store(4));
row("sd", STORE("011"), "rs2, imm(rs1)", store(8));

const truth = zext; // a comparison gives an i32 of 0 or 1
const OP_IMM = (funct3: string) => `imm[11:0] rs1 ${funct3} rd 0010011`;
const SHIFT_IMM = (funct6: string, funct3: string) => `${funct6} shamt[5:0] rs1 ${funct3} rd 0010011`;
row("addi", OP_IMM("000"), "rd, rs1, imm", rd(add(rs1, imm)));
row("slti", OP_IMM("010"), "rd, rs1, imm", rd(truth(ltS(rs1, imm))));
row("sltiu", OP_IMM("011"), "rd, rs1, imm", rd(truth(ltU(rs1, imm))));
row("xori", OP_IMM("100"), "rd, rs1, imm", rd(xor(rs1, imm)));
row("ori", OP_IMM("110"), "rd, rs1, imm", rd(or(rs1, imm)));
row("andi", OP_IMM("111"), "rd, rs1, imm", rd(and(rs1, imm)));
row("slli", SHIFT_IMM("000000", "001"), "rd, rs1, shamt", rd(shl(rs1, imm)));
row("srli", SHIFT_IMM("000000", "101"), "rd, rs1, shamt", rd(shrU(rs1, imm)));
row("srai", SHIFT_IMM("010000", "101"), "rd, rs1, shamt", rd(shrS(rs1, imm)));

const OP = (funct7: string, funct3: string) => `${funct7} rs2 rs1 ${funct3} rd 0110011`;
row("add", OP("0000000", "000"), "rd, rs1, rs2", rd(add(rs1, rs2)));
row("sub", OP("0100000", "000"), "rd, rs1, rs2", rd(sub(rs1, rs2)));
row("sll", OP("0000000", "001"), "rd, rs1, rs2", rd(shl(rs1, rs2)));
row("slt", OP("0000000", "010"), "rd, rs1, rs2", rd(truth(ltS(rs1, rs2))));
row("sltu", OP("0000000", "011"), "rd, rs1, rs2", rd(truth(ltU(rs1, rs2))));
row("xor", OP("0000000", "100"), "rd, rs1, rs2", rd(xor(rs1, rs2)));
row("srl", OP("0000000", "101"), "rd, rs1, rs2", rd(shrU(rs1, rs2)));
row("sra", OP("0100000", "101"), "rd, rs1, rs2", rd(shrS(rs1, rs2)));
row("or", OP("0000000", "110"), "rd, rs1, rs2", rd(or(rs1, rs2)));
row("and", OP("0000000", "111"), "rd, rs1, rs2", rd(and(rs1, rs2)));

const [w1, w2, wImm] = [wrap(rs1), wrap(rs2), wrap(imm)];
const SHIFT_IMM_W = (funct7: string, funct3: string) => `${funct7} shamt[4:0] rs1 ${funct3} rd 0011011`;
const OP_W = (funct7: string, funct3: string) => `${funct7} rs2 rs1 ${funct3} rd 0111011`;
row("addiw", "imm[11:0] rs1 000 rd 0011011", "rd, rs1, imm", rd(sext(add(w1, wImm))));
row("slliw", SHIFT_IMM_W("0000000", "001"), "rd, rs1, shamt", rd(sext(shl(w1, wImm))));
row("srliw", SHIFT_IMM_W("0000000", "101"), "rd, rs1, shamt", rd(sext(shrU(w1, wImm))));
row("sraiw", SHIFT_IMM_W("0100000", "101"), "rd, rs1, shamt", rd(sext(shrS(w1, wImm))));
row("addw", OP_W("0000000", "000"), "rd, rs1, rs2", rd(sext(add(w1, w2))));
row("subw", OP_W("0100000", "000"), "rd, rs1, rs2", rd(sext(sub(w1, w2))));
row("sllw", OP_W("0000000", "001"), "rd, rs1, rs2", rd(sext(shl(w1, w2))));
row("srlw", OP_W("0000000", "101"), "rd, rs1, rs2", rd(sext(shrU(w1, w2))));
row("sraw", OP_W("0100000", "101"), "rd, rs1, rs2", rd(sext(shrS(w1, w2))));

row("fence", "fm pred succ rs1 000 rd 0001111", "pred, succ", nothing);
row("ecall", "000000000000 00000 000 00000 1110011", "", system("ecall"));
row("ebreak", "000000000001 00000 000 00000 1110011", "", system("ebreak"));

// Stores drop the decoded slots that they overwrite, so instruction fetch never sees stale code.
const zifencei = rows("Zifencei", table);
zifencei("fence.i", "imm[11:0] rs1 001 rd 0001111", "", nothing);

const zicsr = rows("Zicsr", table);
const CSR = (funct3: string) => `csr rs1 ${funct3} rd 1110011`;
const CSR_IMM = (funct3: string) => `csr uimm[4:0] ${funct3} rd 1110011`;
zicsr("csrrw", CSR("001"), "rd, csr, rs1", { kind: "csr", operation: "write", source: "register" });
zicsr("csrrs", CSR("010"), "rd, csr, rs1", { kind: "csr", operation: "set", source: "register" });
zicsr("csrrc", CSR("011"), "rd, csr, rs1", { kind: "csr", operation: "clear", source: "register" });
zicsr("csrrwi", CSR_IMM("101"), "rd, csr, uimm", { kind: "csr", operation: "write", source: "immediate" });
zicsr("csrrsi", CSR_IMM("110"), "rd, csr, uimm", { kind: "csr", operation: "set", source: "immediate" });
zicsr("csrrci", CSR_IMM("111"), "rd, csr, uimm", { kind: "csr", operation: "clear", source: "immediate" });

const privileged = rows("S", table);
privileged("mret", "0011000 00010 00000 000 00000 1110011", "", system("mret"));
privileged("sret", "0001000 00010 00000 000 00000 1110011", "", system("sret"));
privileged("wfi", "0001000 00101 00000 000 00000 1110011", "", system("wfi"));
privileged("sfence.vma", "0001001 rs2 rs1 000 00000 1110011", "rs1, rs2", system("sfence_vma"));

const svinval = rows("Svinval", table);
svinval("sinval.vma", "0001011 rs2 rs1 000 00000 1110011", "rs1, rs2", system("sfence_vma"));
svinval("sfence.w.inval", "0001100 00000 00000 000 00000 1110011", "", system("sfence_w_inval"));
svinval("sfence.inval.ir", "0001100 00001 00000 000 00000 1110011", "", system("sfence_inval_ir"));

/** Base rows in the order of the manual. */
export const base: readonly Instruction[] = table;
