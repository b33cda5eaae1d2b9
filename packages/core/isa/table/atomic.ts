/**
 * Zalrsc and Zaamo, which together are A: load-reserved, store-conditional and atomic memory operations; Zawrs, Zacas,
 * Zabha (Unprivileged ISA ch. 14 to 17).
 */
import { type AmoFunction, type Instruction, type MemoryWidth, nothing, rows } from "../instruction.js";

const table: Instruction[] = [];
const zalrsc = rows("Zalrsc", table);
const zaamo = rows("Zaamo", table);

const widths = [
  ["w", "010", 4],
  ["d", "011", 8],
] as const;

const functions: readonly (readonly [AmoFunction, string])[] = [
  ["swap", "00001"],
  ["add", "00000"],
  ["xor", "00100"],
  ["and", "01100"],
  ["or", "01000"],
  ["min", "10000"],
  ["max", "10100"],
  ["minu", "11000"],
  ["maxu", "11100"],
];

for (const [suffix, funct3, width] of widths) {
  zalrsc(`lr.${suffix}`, `00010 aq rl 00000 rs1 ${funct3} rd 0101111`, "rd, (rs1)", { kind: "load-reserved", width });
  zalrsc(`sc.${suffix}`, `00011 aq rl rs2 rs1 ${funct3} rd 0101111`, "rd, rs2, (rs1)", {
    kind: "store-conditional",
    width,
  });
  for (const [apply, funct5] of functions) {
    zaamo(`amo${apply}.${suffix}`, `${funct5} aq rl rs2 rs1 ${funct3} rd 0101111`, "rd, rs2, (rs1)", {
      kind: "amo",
      width,
      apply,
    });
  }
}

const zabha = rows("Zabha", table);
for (const [suffix, funct3, width] of [
  ["b", "000", 1],
  ["h", "001", 2],
] as const) {
  for (const [apply, funct5] of functions) {
    zabha(`amo${apply}.${suffix}`, `${funct5} aq rl rs2 rs1 ${funct3} rd 0101111`, "rd, rs2, (rs1)", {
      kind: "amo",
      width,
      apply,
    });
  }
}

const compareSwap = (width: MemoryWidth | 16) => ({ kind: "amo-compare-swap", width }) as const;
const zacas = rows("Zacas", table);
const zabhaWithZacas = rows("Zabha", table, "Zacas");
const CAS = (funct3: string) => `00101 aq rl rs2 rs1 ${funct3} rd 0101111`;
zabhaWithZacas("amocas.b", CAS("000"), "rd, rs2, (rs1)", compareSwap(1));
zabhaWithZacas("amocas.h", CAS("001"), "rd, rs2, (rs1)", compareSwap(2));
zacas("amocas.w", CAS("010"), "rd, rs2, (rs1)", compareSwap(4));
zacas("amocas.d", CAS("011"), "rd, rs2, (rs1)", compareSwap(8));
// Pairs begin with an even register; odd ones are reserved.
zacas("amocas.q", "00101 aq rl rs2[4:1] 0 rs1 100 rd[4:1] 0 0101111", "rd, rs2, (rs1)", compareSwap(16));

// A wait may end for any reason (15.1), and these do at once: mstatus.TW has no wait to forbid.
const zawrs = rows("Zawrs", table);
zawrs("wrs.nto", "000000001101 00000 000 00000 1110011", "", nothing);
zawrs("wrs.sto", "000000011101 00000 000 00000 1110011", "", nothing);

export const atomic: readonly Instruction[] = table;
