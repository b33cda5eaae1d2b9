/**
 * C, Zcb and Zcmop: 16-bit encodings, each an expansion into one 32-bit instruction
 * (Unprivileged ISA ch. 10, 26, 27). A row names the expanded instruction and where
 * its operands come from; `when` excludes reserved values and encodings that
 * another row claims.
 */

import { type Encoding, extractField, type Field, parseEncoding } from "../encoding.js";
import type { Extension } from "../extensions.js";

/** A constant, or a field of the compressed encoding. */
export type OperandSource = number | string;

export interface CompressedInstruction {
  readonly name: string;
  /** The extension that brings it, if there is also one that brings the instruction that it stands for. */
  readonly extension: Extension;
  readonly encoding: Encoding;
  /** Name of the 32-bit instruction. */
  readonly expandsTo: string;
  /** Operand of the 32-bit instruction -> where its value comes from. */
  readonly operands: Readonly<Record<string, OperandSource>>;
  /** Fields that must not be zero, and values that `rd` must not have. */
  readonly nonzero: readonly string[];
  readonly not?: Readonly<Record<string, number>>;
}

const table: CompressedInstruction[] = [];
function row(
  name: string,
  encoding: string,
  expandsTo: string,
  operands: Record<string, OperandSource>,
  conditions: { nonzero?: string[]; not?: Record<string, number>; extension?: Extension } = {},
): void {
  const { nonzero = [], not } = conditions;
  const extension = conditions.extension ?? (expandsTo === "fld" || expandsTo === "fsd" ? "Zcd" : "Zca");
  table.push({ name, extension, encoding: parseEncoding(encoding), expandsTo, operands, nonzero, ...(not && { not }) });
}

const SP = 2;
const RA = 1;

// Quadrant 0
row("c.addi4spn", "000 uimm[5:4|9:6|2|3] rd' 00", "addi", { rd: "rd'", rs1: SP, imm: "uimm" }, { nonzero: ["uimm"] });
row("c.fld", "001 uimm[5:3] rs1' uimm[7:6] rd' 00", "fld", { frd: "rd'", rs1: "rs1'", imm: "uimm" });
row("c.lw", "010 uimm[5:3] rs1' uimm[2|6] rd' 00", "lw", { rd: "rd'", rs1: "rs1'", imm: "uimm" });
row("c.ld", "011 uimm[5:3] rs1' uimm[7:6] rd' 00", "ld", { rd: "rd'", rs1: "rs1'", imm: "uimm" });
row("c.fsd", "101 uimm[5:3] rs1' uimm[7:6] rs2' 00", "fsd", { frs2: "rs2'", rs1: "rs1'", imm: "uimm" });
row("c.sw", "110 uimm[5:3] rs1' uimm[2|6] rs2' 00", "sw", { rs2: "rs2'", rs1: "rs1'", imm: "uimm" });
row("c.sd", "111 uimm[5:3] rs1' uimm[7:6] rs2' 00", "sd", { rs2: "rs2'", rs1: "rs1'", imm: "uimm" });

// Quadrant 1
row("c.addi", "000 imm[5] rd imm[4:0] 01", "addi", { rd: "rd", rs1: "rd", imm: "imm" });
row("c.addiw", "001 imm[5] rd imm[4:0] 01", "addiw", { rd: "rd", rs1: "rd", imm: "imm" }, { nonzero: ["rd"] });
row("c.li", "010 imm[5] rd imm[4:0] 01", "addi", { rd: "rd", rs1: 0, imm: "imm" });
row("c.addi16sp", "011 imm[9] 00010 imm[4|6|8:7|5] 01", "addi", { rd: SP, rs1: SP, imm: "imm" }, { nonzero: ["imm"] });
row("c.lui", "011 imm[17] rd imm[16:12] 01", "lui", { rd: "rd", imm: "imm" }, { nonzero: ["imm"], not: { rd: SP } });
row("c.srli", "100 shamt[5] 00 rd' shamt[4:0] 01", "srli", { rd: "rd'", rs1: "rd'", shamt: "shamt" });
row("c.srai", "100 shamt[5] 01 rd' shamt[4:0] 01", "srai", { rd: "rd'", rs1: "rd'", shamt: "shamt" });
row("c.andi", "100 imm[5] 10 rd' imm[4:0] 01", "andi", { rd: "rd'", rs1: "rd'", imm: "imm" });
for (const [name, bits] of [
  ["sub", "0 11 rd' 00"],
  ["xor", "0 11 rd' 01"],
  ["or", "0 11 rd' 10"],
  ["and", "0 11 rd' 11"],
  ["subw", "1 11 rd' 00"],
  ["addw", "1 11 rd' 01"],
] as const) {
  row(`c.${name}`, `100 ${bits} rs2' 01`, name, { rd: "rd'", rs1: "rd'", rs2: "rs2'" });
}
row("c.j", "101 imm[11|4|9:8|10|6|7|3:1|5] 01", "jal", { rd: 0, imm: "imm" });
row("c.beqz", "110 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", "beq", { rs1: "rs1'", rs2: 0, imm: "imm" });
row("c.bnez", "111 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", "bne", { rs1: "rs1'", rs2: 0, imm: "imm" });

// Quadrant 2
row("c.slli", "000 shamt[5] rd shamt[4:0] 10", "slli", { rd: "rd", rs1: "rd", shamt: "shamt" });
row("c.fldsp", "001 uimm[5] frd[4:0] uimm[4:3|8:6] 10", "fld", { frd: "frd", rs1: SP, imm: "uimm" });
row("c.lwsp", "010 uimm[5] rd uimm[4:2|7:6] 10", "lw", { rd: "rd", rs1: SP, imm: "uimm" }, { nonzero: ["rd"] });
row("c.ldsp", "011 uimm[5] rd uimm[4:3|8:6] 10", "ld", { rd: "rd", rs1: SP, imm: "uimm" }, { nonzero: ["rd"] });
row("c.jr", "100 0 rs1 00000 10", "jalr", { rd: 0, rs1: "rs1", imm: 0 }, { nonzero: ["rs1"] });
row("c.mv", "100 0 rd rs2 10", "add", { rd: "rd", rs1: 0, rs2: "rs2" }, { nonzero: ["rs2"] });
row("c.ebreak", "100 1 00000 00000 10", "ebreak", {});
row("c.jalr", "100 1 rs1 00000 10", "jalr", { rd: RA, rs1: "rs1", imm: 0 }, { nonzero: ["rs1"] });
row("c.add", "100 1 rd rs2 10", "add", { rd: "rd", rs1: "rd", rs2: "rs2" }, { nonzero: ["rs2"] });
row("c.fsdsp", "101 uimm[5:3|8:6] frs2[4:0] 10", "fsd", { frs2: "frs2", rs1: SP, imm: "uimm" });
row("c.swsp", "110 uimm[5:2|7:6] rs2 10", "sw", { rs2: "rs2", rs1: SP, imm: "uimm" });
row("c.sdsp", "111 uimm[5:3|8:6] rs2 10", "sd", { rs2: "rs2", rs1: SP, imm: "uimm" });

// Zcb
const zcb = (name: string, encoding: string, expandsTo: string, operands: Record<string, OperandSource>): void =>
  row(name, encoding, expandsTo, operands, { extension: "Zcb" });
zcb("c.lbu", "100 000 rs1' uimm[0|1] rd' 00", "lbu", { rd: "rd'", rs1: "rs1'", imm: "uimm" });
zcb("c.lhu", "100 001 rs1' 0 uimm[1] rd' 00", "lhu", { rd: "rd'", rs1: "rs1'", imm: "uimm" });
zcb("c.lh", "100 001 rs1' 1 uimm[1] rd' 00", "lh", { rd: "rd'", rs1: "rs1'", imm: "uimm" });
zcb("c.sb", "100 010 rs1' uimm[0|1] rs2' 00", "sb", { rs2: "rs2'", rs1: "rs1'", imm: "uimm" });
zcb("c.sh", "100 011 rs1' 0 uimm[1] rs2' 00", "sh", { rs2: "rs2'", rs1: "rs1'", imm: "uimm" });
zcb("c.zext.b", "100 111 rd' 11 000 01", "andi", { rd: "rd'", rs1: "rd'", imm: 0xff });
zcb("c.sext.b", "100 111 rd' 11 001 01", "sext.b", { rd: "rd'", rs1: "rd'" });
zcb("c.zext.h", "100 111 rd' 11 010 01", "zext.h", { rd: "rd'", rs1: "rd'" });
zcb("c.sext.h", "100 111 rd' 11 011 01", "sext.h", { rd: "rd'", rs1: "rd'" });
zcb("c.zext.w", "100 111 rd' 11 100 01", "add.uw", { rd: "rd'", rs1: "rd'", rs2: 0 });
zcb("c.not", "100 111 rd' 11 101 01", "xori", { rd: "rd'", rs1: "rd'", imm: -1 });
zcb("c.mul", "100 111 rd' 10 rs2' 01", "mul", { rd: "rd'", rs1: "rd'", rs2: "rs2'" });

// Zcmop: c.lui with an immediate of zero, for odd registers up to x15. It writes none.
for (let n = 1; n < 16; n += 2) {
  const encoding = `011 0 ${n.toString(2).padStart(5, "0")} 00000 01`;
  row(`c.mop.${n}`, encoding, "addi", { rd: 0, rs1: 0, imm: 0 }, { extension: "Zcmop" });
}

/** Immediates called `imm` are signed, `uimm` and `shamt` are not. */
export const isSigned = (field: string): boolean => field === "imm";

/** The value that an operand takes: a prime field names x8..x15. */
export function compressedOperand(field: Field, instruction: number): number {
  const value = extractField(field, instruction, isSigned(field.name));
  return field.name.endsWith("'") ? value + 8 : value;
}

/** The 16-bit encodings, those with more fixed bits first where they overlap. */
export const compressed: readonly CompressedInstruction[] = table;
