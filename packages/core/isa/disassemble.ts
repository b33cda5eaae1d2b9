/**
 * The disassembler: bits to text in the style of GNU objdump without aliases,
 * read off the rows' syntax. For traces, the `disasm` command, and tests.
 */
import { csrNumbered } from "./csrs.js";
import { type DecodedInstruction, decodeInstruction, isLong } from "./decode.js";
import { FLOAT_REGISTERS, fenceSetName, INTEGER_REGISTERS, ROUNDING_MODES } from "./registers.js";
import { hasUpperImmediate, impliedRoundingMode, type WrittenOperand, writtenOperands } from "./syntax.js";
import { isFloatField } from "./table/float.js";
import { FLOAT_CONSTANTS } from "./table/float-constants.js";

const hex = (value: number | bigint, digits = 1) => `0x${value.toString(16).padStart(digits, "0")}`;

function formatValue({ row }: DecodedInstruction, name: string, value: number): string {
  switch (name) {
    case "rm":
      return ROUNDING_MODES[value] ?? "unknown";
    case "csr":
      return csrNumbered(value)?.name ?? hex(value);
    case "pred":
    case "succ":
      return fenceSetName(value);
    case "constant":
      return FLOAT_CONSTANTS[value] ?? "unknown";
    case "shamt":
    case "rnum":
    case "bs":
      return hex(value);
    case "uimm":
      return String(value);
    case "imm":
      return hasUpperImmediate(row) ? hex(value >>> 12) : String(value);
    default:
      return (isFloatField(name) ? FLOAT_REGISTERS : INTEGER_REGISTERS)[value] ?? `?${value}`;
  }
}

function formatTarget(distance: number, address: bigint | undefined): string {
  if (address !== undefined) return hex(BigInt.asUintN(64, address + BigInt(distance)));
  return distance < 0 ? `.${distance}` : `.+${distance}`;
}

function formatOperand(decoded: DecodedInstruction, operand: WrittenOperand, address: bigint | undefined): string[] {
  const value = (name: string) => formatValue(decoded, name, decoded.operands[name] ?? 0);
  switch (operand.kind) {
    case "target":
      return [formatTarget(decoded.operands[operand.name] ?? 0, address)];
    case "literal":
      return [operand.name];
    case "memory":
      return [`${operand.name === undefined ? "" : value(operand.name)}(${value(operand.base)})`];
    case "plain":
      if (operand.name === "rm" && decoded.operands.rm === impliedRoundingMode(decoded.row)) return [];
      return [value(operand.name)];
  }
}

/** `.aq`, `.rl` or `.aqrl`. */
function ordering({ aq, rl }: Readonly<Record<string, number>>): string {
  return aq || rl ? `.${aq ? "aq" : ""}${rl ? "rl" : ""}` : "";
}

/**
 * One instruction as text: `addi sp,sp,-16`. The low 16 bits of `word` suffice
 * for a compressed one. Targets of branches and direct jumps are absolute if
 * the instruction's address is given, else relative (`.+16`). Encodings that no
 * row claims become `.word` or `.half`.
 */
export function disassemble(word: number, address?: bigint): { text: string; length: 2 | 4 } {
  const decoded = decodeInstruction(word);
  if (decoded === undefined) {
    if (isLong(word)) return { text: `.word ${hex(word >>> 0, 8)}`, length: 4 };
    return { text: `.half ${hex(word & 0xffff, 4)}`, length: 2 };
  }
  const { row, compressed, operands, length } = decoded;
  const mnemonic = compressed?.name ?? `${row.name}${ordering(operands)}`;
  const written = writtenOperands(compressed ?? row).flatMap((operand) => formatOperand(decoded, operand, address));
  return { text: written.length === 0 ? mnemonic : `${mnemonic} ${written.join(",")}`, length };
}
