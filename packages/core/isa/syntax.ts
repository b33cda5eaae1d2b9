/**
 * Operands as assembly language writes them, read from the rows' `syntax`.
 * Compressed forms have none of their own: theirs is that of the instruction
 * they expand to, less what their encoding implies, which is how GNU writes
 * them. For the assembler and the disassembler.
 */
import { fieldRange } from "./encoding.js";
import type { Instruction } from "./instruction.js";
import { ROUNDING_MODES } from "./registers.js";
import type { CompressedInstruction } from "./table/compressed.js";
import { instructionNamed } from "./table.js";

/** A register, an immediate, a branch target, or `offset(base)`, by operands of the 32-bit instruction; or text that is always the same. */
export type WrittenOperand =
  | { readonly kind: "plain"; readonly name: string }
  | { readonly kind: "target"; readonly name: string }
  | { readonly kind: "literal"; readonly name: string }
  | { readonly kind: "memory"; readonly name: string | undefined; readonly base: string };

const STACK_POINTER = 2;

function parse(syntax: string): WrittenOperand[] {
  if (syntax === "") return [];
  return syntax.split(", ").map((part) => {
    if (part === "target") return { kind: "target", name: "imm" };
    const [, name, base] = /^(\w*)\((\w+)\)$/.exec(part) ?? [];
    if (base !== undefined) return { kind: "memory", name: name || undefined, base };
    return { kind: ROUNDING_MODES.includes(part) ? "literal" : "plain", name: part };
  });
}

/** Leaves out constants other than sp, and what is the same field again. */
function compressedSyntax({ expandsTo, operands }: CompressedInstruction): WrittenOperand[] {
  const seen = new Set<number | string>();
  const isWritten = (name: string | undefined): boolean => {
    const source = name === undefined ? undefined : operands[name];
    if (source === undefined || seen.has(source)) return false;
    seen.add(source);
    return typeof source === "string" || source === STACK_POINTER;
  };
  return parse(instructionNamed(expandsTo).syntax).flatMap((operand): WrittenOperand[] => {
    if (operand.kind !== "memory") return isWritten(operand.name) ? [operand] : [];
    if (isWritten(operand.name)) return [operand];
    return isWritten(operand.base) ? [{ kind: "plain", name: operand.base }] : [];
  });
}

/** The operands of a row, in the order of assembly language. */
export function writtenOperands(row: Instruction | CompressedInstruction): readonly WrittenOperand[] {
  return "syntax" in row ? parse(row.syntax) : compressedSyntax(row);
}

/** The instruction that a row stands for. */
export function expanded(row: Instruction | CompressedInstruction): Instruction {
  return "expandsTo" in row ? instructionNamed(row.expandsTo) : row;
}

/** Whether the immediate is the upper part of a word, which is written shifted down. */
export function hasUpperImmediate({ encoding }: Instruction): boolean {
  const field = encoding.fields.get("imm");
  return field !== undefined && fieldRange(field).scale === 4096;
}

/**
 * The rounding mode that is meant where none is written: the dynamic one, but
 * nearest-even for conversions that are always exact, as GNU has it.
 */
export function impliedRoundingMode({ semantics }: Instruction): number {
  if (semantics.kind !== "float") return 7;
  const { name, rounds } = semantics.operation;
  return !rounds || name === "i32_to_f64" || name === "u32_to_f64" ? 0 : 7;
}
