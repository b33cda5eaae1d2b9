/** M: integer multiplication and division (Unprivileged ISA ch. 13). */
import { call, mul, rs1, rs2, sext, wrap } from "../expression.js";
import { type Instruction, rd, rows } from "../instruction.js";

const table: Instruction[] = [];
const row = rows("M", table);
const zmmul = rows("Zmmul", table); // implied by M
const OP = (funct3: string) => `0000001 rs2 rs1 ${funct3} rd 0110011`;
const OP_W = (funct3: string) => `0000001 rs2 rs1 ${funct3} rd 0111011`;
const syntax = "rd, rs1, rs2";

zmmul("mul", OP("000"), syntax, rd(mul(rs1, rs2)));
zmmul("mulh", OP("001"), syntax, rd(call("mulh", rs1, rs2)));
zmmul("mulhsu", OP("010"), syntax, rd(call("mulhsu", rs1, rs2)));
zmmul("mulhu", OP("011"), syntax, rd(call("mulhu", rs1, rs2)));
row("div", OP("100"), syntax, rd(call("div", rs1, rs2)));
row("divu", OP("101"), syntax, rd(call("divu", rs1, rs2)));
row("rem", OP("110"), syntax, rd(call("rem", rs1, rs2)));
row("remu", OP("111"), syntax, rd(call("remu", rs1, rs2)));
zmmul("mulw", OP_W("000"), syntax, rd(sext(mul(wrap(rs1), wrap(rs2)))));
row("divw", OP_W("100"), syntax, rd(call("divw", rs1, rs2)));
row("divuw", OP_W("101"), syntax, rd(call("divuw", rs1, rs2)));
row("remw", OP_W("110"), syntax, rd(call("remw", rs1, rs2)));
row("remuw", OP_W("111"), syntax, rd(call("remuw", rs1, rs2)));

export const multiply: readonly Instruction[] = table;
