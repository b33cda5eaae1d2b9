/** Registers that hold a sign-extended word, whose sign need not be extended again. */
import type { Expression } from "@hartvisor/core/isa";
import type { GuestInstruction } from "../guest/instruction.js";
import type { PlacedInstruction } from "../region/block.js";

const NONE: ReadonlySet<number> = new Set();

/** `sext.w`. */
const extendsWord = ({ row, imm, rd }: GuestInstruction): boolean => row?.name === "addiw" && imm === 0 && rd !== 0;

/** The offsets of the instructions of a block that extend the sign of what is a sign-extended word already, as the block shows. */
export function wordCopies(instructions: readonly PlacedInstruction[]): ReadonlySet<number> {
  if (!instructions.some(({ instruction }) => extendsWord(instruction))) return NONE;
  const copies = new Set<number>();
  let words = 1; // registers by their bits: x0 is one
  for (const { offset, instruction } of instructions) {
    if (extendsWord(instruction) && ((words >>> instruction.rs1) & 1) !== 0) copies.add(offset);
    if (instruction.writes.x === 0) continue;
    if (givesWord(instruction, words)) words |= instruction.writes.x;
    else words &= ~instruction.writes.x;
  }
  return copies;
}

function givesWord({ row, rs1, rs2 }: GuestInstruction, words: number): boolean {
  const semantics = row?.semantics;
  switch (semantics?.kind) {
    case "load":
      return semantics.width < 4 || (semantics.width === 4 && semantics.signed);
    case "compute":
      return isWord(semantics.value, { rs1: ((words >>> rs1) & 1) !== 0, rs2: ((words >>> rs2) & 1) !== 0, imm: true });
    default:
      return false;
  }
}

/** Whether a tree's value is a sign-extended word, if those of its operands are that are said to be. */
function isWord(tree: Expression, operands: Readonly<Partial<Record<string, boolean>>>): boolean {
  switch (tree.kind) {
    case "operand":
      return operands[tree.name] ?? false;
    case "constant":
      return tree.value === BigInt.asIntN(32, tree.value);
    case "compare":
      return true;
    case "unary":
      if (tree.operator === "extend_i32_u") return tree.value.kind === "compare";
      return tree.operator.startsWith("extend");
    case "binary":
      return (
        ["and", "or", "xor"].includes(tree.operator) && isWord(tree.left, operands) && isWord(tree.right, operands)
      );
    case "select":
      return isWord(tree.whenTrue, operands) && isWord(tree.whenFalse, operands);
    case "call":
      return false;
  }
}
