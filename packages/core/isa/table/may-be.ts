/** Zimop: instructions that write zero to rd until an extension gives them a meaning (Unprivileged ISA ch. 10). */
import { i64 } from "../expression.js";
import { type Instruction, rd, rows } from "../instruction.js";

const table: Instruction[] = [];
const zimop = rows("Zimop", table);
/** Bit `at` of a row's number. */
const bit = (n: number, at: number) => (n >> at) & 1;

for (let n = 0; n < 32; n++) {
  const [high, middle, low] = [bit(n, 4), `${bit(n, 3)}${bit(n, 2)}`, `${bit(n, 1)}${bit(n, 0)}`];
  zimop(`mop.r.${n}`, `1 ${high} 00 ${middle} 0111 ${low} rs1 100 rd 1110011`, "rd, rs1", rd(i64(0)));
}
for (let n = 0; n < 8; n++) {
  const [high, low] = [bit(n, 2), `${bit(n, 1)}${bit(n, 0)}`];
  zimop(`mop.rr.${n}`, `1 ${high} 00 ${low} 1 rs2 rs1 100 rd 1110011`, "rd, rs1, rs2", rd(i64(0)));
}

export const mayBe: readonly Instruction[] = table;
