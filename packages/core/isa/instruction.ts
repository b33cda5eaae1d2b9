/**
 * A row of the ISA table: how an instruction is written, encoded, and what it
 * does. A row reads like the manual's own pseudo-code; everything clever lives
 * in the generators that read it.
 */
import { type Encoding, parseEncoding } from "./encoding.js";
import { add, type Expression, imm, pc, rs1 } from "./expression.js";
import type { Extension } from "./extensions.js";

export type MemoryWidth = 1 | 2 | 4 | 8;

/** Floating-point formats; `h` and `s` values are NaN-boxed in 64-bit registers. */
export type FloatFormat = "h" | "s" | "d";

/** What a floating-point operation reads or gives: a float register of a format, or an integer register. */
export type FloatOperand = FloatFormat | "w" | "wu" | "l" | "lu";

/**
 * A floating-point operation, by the name it has in `assembly/float`.
 * `rounds`: takes the rounding mode. `raises`: may raise flags. `fast`: has a
 * variant that is exact when the rounding mode is nearest-even and NX is set.
 */
export interface FloatOperation {
  readonly name: string;
  readonly from: readonly FloatOperand[];
  readonly to: FloatOperand;
  readonly rounds: boolean;
  readonly raises: boolean;
  readonly fast: boolean;
  /** Operands whose sign is flipped first: the second and third of the negated multiply-adds. */
  readonly negate?: { readonly product: boolean; readonly addend: boolean };
}

/** Read-modify-write functions of the A extension. */
export type AmoFunction = "swap" | "add" | "xor" | "and" | "or" | "min" | "max" | "minu" | "maxu";

/** Instructions that act on more than registers and memory, by the helper in `assembly/privileged` that does it. */
export type SystemHelper =
  | "ecall"
  | "ebreak"
  | "mret"
  | "sret"
  | "wfi"
  | "sfence_vma"
  | "sfence_w_inval"
  | "sfence_inval_ir"
  | "cbo_inval"
  | "cbo_clean"
  | "cbo_zero";

export type Semantics =
  /** rd = value */
  | { readonly kind: "compute"; readonly value: Expression }
  /** rd = address of the next instruction; go to target */
  | { readonly kind: "jump"; readonly target: Expression }
  /** if (condition) go to pc + imm */
  | { readonly kind: "branch"; readonly condition: Expression }
  /** rd = memory[rs1 + imm] */
  | { readonly kind: "load"; readonly width: MemoryWidth; readonly signed: boolean; readonly to: "x" | "f" }
  /** memory[rs1 + imm] = rs2 */
  | { readonly kind: "store"; readonly width: MemoryWidth; readonly from: "x" | "f" }
  | { readonly kind: "amo"; readonly width: MemoryWidth; readonly apply: AmoFunction }
  /** memory[rs1] = rs2 if it was rd; rd = what it was. With 16 bytes, rd and rs2 are pairs of registers. */
  | { readonly kind: "amo-compare-swap"; readonly width: MemoryWidth | 16 }
  | { readonly kind: "load-reserved"; readonly width: 4 | 8 }
  | { readonly kind: "store-conditional"; readonly width: 4 | 8 }
  | { readonly kind: "csr"; readonly operation: "write" | "set" | "clear"; readonly source: "register" | "immediate" }
  | { readonly kind: "float"; readonly operation: FloatOperation }
  /** A copy between register files, or within one, that neither rounds nor raises. */
  | { readonly kind: "float-move"; readonly move: FloatMove }
  /** A constant by its number, which is the immediate. */
  | { readonly kind: "float-constant"; readonly format: FloatFormat }
  | { readonly kind: "system"; readonly helper: SystemHelper }
  /** Orders what this machine orders anyway: harts take turns, and stores invalidate decoded code at once. */
  | { readonly kind: "nothing" };

export type FloatMove =
  | "fmv.x.h"
  | "fmv.x.w"
  | "fmv.x.d"
  | "fmv.h.x"
  | "fmv.w.x"
  | "fmv.d.x"
  | `${"fsgnj" | "fsgnjn" | "fsgnjx"}.${FloatFormat}`;

export interface Instruction {
  /** As assemblers write it, e.g. `"amoadd.w"`. */
  readonly name: string;
  /** The extensions that bring it, any of which is enough. */
  readonly extensions: readonly Extension[];
  /** An extension that must be on besides. */
  readonly besides?: Extension;
  readonly encoding: Encoding;
  /** Operands in the order of assembly language, e.g. `"rd, imm(rs1)"`. A leading `f` marks float registers. */
  readonly syntax: string;
  readonly semantics: Semantics;
}

/** Adds the rows of an extension, or of what several share: `const row = rows("M", table)`; only with another, `besides`. */
export function rows(extension: Extension | readonly Extension[], table: Instruction[], besides?: Extension) {
  const extensions = typeof extension === "string" ? [extension] : extension;
  return (name: string, encoding: string, syntax: string, semantics: Semantics): void => {
    table.push({ name, extensions, encoding: parseEncoding(encoding), syntax, semantics, ...(besides && { besides }) });
  };
}

export const rd = (value: Expression): Semantics => ({ kind: "compute", value });
export const branch = (condition: Expression): Semantics => ({ kind: "branch", condition });
export const load = (width: MemoryWidth, signed = true): Semantics => ({ kind: "load", width, signed, to: "x" });
export const store = (width: MemoryWidth): Semantics => ({ kind: "store", width, from: "x" });
export const system = (helper: SystemHelper): Semantics => ({ kind: "system", helper });
export const nothing: Semantics = { kind: "nothing" };

/** pc + imm, the target of direct jumps and branches. */
export const relative = add(pc, imm);
/** rs1 + imm, the address of loads and stores. */
export const address = add(rs1, imm);
