/** Zfa: constants, IEEE 754-2019 minimum and maximum, rounding to integers, quiet comparisons (Unprivileged ISA ch. 22). */
import type { Instruction } from "../instruction.js";
import { rows } from "../instruction.js";
import { floatOperation } from "./float.js";

const table: Instruction[] = [];

const formats = [
  { format: "s", fmt: "00", row: rows("Zfa", table) },
  { format: "d", fmt: "01", row: rows("Zfa", table, "D") },
  { format: "h", fmt: "10", row: rows("Zfa", table, "Zfh") },
] as const;

const exact = { rounds: false, raises: true, fast: false };

for (const { format, fmt, row } of formats) {
  const dot = (name: string) => `${name}.${format}`;
  const OP = (funct5: string, middle: string) => `${funct5} ${fmt} ${middle} 1010011`;
  row(dot("fli"), OP("11110", "00001 constant 000 frd"), "frd, constant", { kind: "float-constant", format });
  for (const [name, funct3] of [
    ["minm", "010"],
    ["maxm", "011"],
  ] as const) {
    const encoding = OP("00101", `frs2 frs1 ${funct3} frd`);
    row(dot(`f${name}`), encoding, "frd, frs1, frs2", floatOperation(name, format, 2, format, exact));
  }
  for (const [name, code] of [
    ["round", "00100"],
    ["roundnx", "00101"],
  ] as const) {
    const operation = floatOperation(name, format, 1, format, { rounds: true, raises: true, fast: false });
    row(dot(`f${name}`), OP("01000", `${code} frs1 rm frd`), "frd, frs1, rm", operation);
  }
  for (const [name, funct3] of [
    ["leq", "100"],
    ["ltq", "101"],
  ] as const) {
    const encoding = OP("10100", `frs2 frs1 ${funct3} rd`);
    row(dot(`f${name}`), encoding, "rd, frs1, frs2", floatOperation(name, format, 2, "l", exact));
  }
  // Only one rounding mode is defined, and assembly language writes it all the same.
  if (format === "d") {
    const operation = floatOperation("wrap_i32", format, 1, "w", exact);
    row("fcvtmod.w.d", OP("11000", "01000 frs1 001 rd"), "rd, frs1, rtz", operation);
  }
}

export const floatAdditional: readonly Instruction[] = table;
