/** Writes the decoder: from an encoding to a slot, and from a compressed encoding to the one it stands for. */
import { type Field, IMMEDIATE_FIELDS, LAST_ROUND } from "../encoding.js";
import { type Extension, extensionBit } from "../extensions.js";
import type { Instruction } from "../instruction.js";
import { HART_FIELDS } from "../layout.js";
import { type CompressedInstruction, compressed, isSigned } from "../table/compressed.js";
import { isFloatField } from "../table/float.js";
import { instructionNamed, instructionsByOpcode } from "../table.js";
import { firstOperation, isDirect, lengthsOf } from "./operations.js";

const hex = (value: number) => `0x${(value >>> 0).toString(16)}`;
const bits = (width: number) => hex(2 ** width - 1);

function fieldOffset(name: string): number {
  const field = HART_FIELDS.find((candidate) => candidate.name === name);
  if (field === undefined) throw new RangeError(name);
  return field.offset;
}

/** AssemblyScript for an operand's value in `word`, an i32 if signed, else a u32. */
function extraction(field: Field, word: string): string {
  const parts = field.slices.map(({ at, width, operandBit }) => {
    const run = width === 32 ? word : `((${word} >> ${at}) & ${bits(width)})`;
    return operandBit === 0 ? run : `(${run} << ${operandBit})`;
  });
  const value = parts.join(" | ");
  if (!isSigned(field.name)) return `(${value})`;
  const width = Math.max(...field.slices.map((slice) => slice.operandBit + slice.width));
  return width === 32 ? `<i32>(${value})` : `(<i32>((${value}) << ${32 - width}) >> ${32 - width})`;
}

/** The bytes that select an operand in the register window; `x0` as a destination goes to the sink. */
function registerOffset(field: Field, word: string): string {
  const number = extraction(field, word);
  if (isFloatField(field.name)) return `${fieldOffset("f")} + ${number} * 8`;
  return field.name === "rd" ? `destination(${number})` : `${number} * 8`;
}

const REGISTER_SLOTS: Readonly<Record<string, string>> = {
  rd: "SLOT_RD",
  frd: "SLOT_RD",
  rs1: "SLOT_RS1",
  frs1: "SLOT_RS1",
  rs2: "SLOT_RS2",
  frs2: "SLOT_RS2",
  frs3: "SLOT_RS3",
};

/** Statements that fill a slot from `word`, an encoding of this instruction whose first operation is `operation`. */
function fill(instruction: Instruction): string[] {
  const { encoding, semantics } = instruction;
  const lines: string[] = [];
  const rm = encoding.fields.get("rm");
  if (rm !== undefined) {
    lines.push(`const rm = ${extraction(rm, "word")};`);
    lines.push("if (rm == 5 || rm == 6) return illegal(slot, original);");
    lines.push("store<u8>(slot, rm == 0 || rm == 7 ? rm | RM_MAY_BE_FAST : rm, SLOT_RM);");
  }
  const rnum = encoding.fields.get("rnum");
  if (rnum !== undefined)
    lines.push(`if (${extraction(rnum, "word")} > ${LAST_ROUND}) return illegal(slot, original);`);
  for (const [name, field] of encoding.fields) {
    const slot = REGISTER_SLOTS[name];
    if (slot !== undefined) lines.push(`store<u16>(slot, ${registerOffset(field, "word")}, ${slot});`);
  }
  const rd = encoding.fields.get("rd");
  // What the destination holds is an operand, too: that of x0 is zero, not what the sink got last.
  if (semantics.kind === "amo-compare-swap" && rd !== undefined) {
    lines.push(`store<u16>(slot, ${extraction(rd, "word")} * 8, SLOT_RS3);`);
  }
  const lengths = lengthsOf(instruction);
  const operation = lengths === 2 ? "operation + (length == 2 ? 1 : 0)" : "operation";
  const immediate = encoding.fields.get(IMMEDIATE_FIELDS.find((name) => encoding.fields.has(name)) ?? "");
  if (semantics.kind === "csr" || semantics.kind === "system") {
    lines.push("store<u32>(slot, word, SLOT_IMM);"); // their helpers read the encoding
    lines.push("store<u8>(slot, 0, SLOT_RM);"); // and count how often they trapped
  } else if (isDirect(instruction) && immediate !== undefined) {
    lines.push(`const distance = ${extraction(immediate, "word")};`);
    // A target that may be misaligned is left to the general form, which looks at it.
    lines.push("const inPage = offset < 0x1000 && <u32>(offset + distance) < 0x1000 && (distance & 2) <= compressed;");
    lines.push("store<i32>(slot, inPage ? distance << 3 : distance, SLOT_IMM);");
    lines.push(`store<u16>(slot, ${operation} + (inPage ? ${lengths} : 0));`);
    return lines;
  } else if (immediate !== undefined) {
    lines.push(`store<i32>(slot, ${extraction(immediate, "word")}, SLOT_IMM);`);
  }
  lines.push(`store<u16>(slot, ${operation});`);
  return lines;
}

/** The condition that one of these extensions is on; none for those that every machine has. */
function enabled(extensions: readonly Extension[]): string[] {
  if (extensions.some((name) => name === "I" || name === "S" || name === "Zicsr")) return [];
  const bytes = new Map<number, number>();
  for (const bit of extensions.map(extensionBit)) bytes.set(bit >> 3, (bytes.get(bit >> 3) ?? 0) | (1 << (bit & 7)));
  const tests = [...bytes].map(([byte, bits]) => `(load<u8>(extensions, ${byte}) & ${hex(bits)}) != 0`);
  return [tests.length === 1 ? tests.join() : `(${tests.join(" || ")})`];
}

/** Above an operation's number: which statements fill the slot. */
const SHAPE_SHIFT = 16;

/**
 * First finds the row, then fills the slot in the way that it shares with others:
 * so the decoder stays small, which V8 compiles anew in every process.
 */
function generateDecoder(): string {
  const shapes = new Map<string, number>();
  const shapeOf = (row: Instruction): number => {
    const statements = fill(row).join("\n      ");
    const shape = shapes.get(statements) ?? shapes.size + 1;
    shapes.set(statements, shape);
    return shape;
  };
  const finding: string[] = [];
  for (const [opcode, rows] of instructionsByOpcode) {
    finding.push(`    case ${hex(opcode)}: {`);
    for (const row of rows) {
      const { extensions, besides, encoding } = row;
      const matches = `(word & ${hex(encoding.mask)}) == ${hex(encoding.match)}`;
      const conditions = [matches, ...enabled(extensions), ...(besides ? enabled([besides]) : [])].join(" && ");
      const found = hex((shapeOf(row) << SHAPE_SHIFT) | firstOperation(row).number);
      finding.push(
        `      // ${row.name}`,
        `      if (${conditions}) {`,
        `        found = ${found};`,
        "        break;",
        "      }",
      );
    }
    finding.push("      break;", "    }");
  }
  const filling = [...shapes].map(
    ([statements, shape]) => `    case ${shape}: {\n      ${statements}\n      return;\n    }`,
  );
  return `/**
 * Decodes an instruction of \`length\` bytes into a slot. \`offset\` is where it
 * lies in its page, or 0x1000 where branches must not be taken within the page.
 * \`extensions\` points to those of the machine: what they do not bring is illegal.
 */
export function decode(slot: usize, original: u32, length: u32, offset: u32, extensions: usize): void {
  store<u8>(slot, length, SLOT_LENGTH);
  const compressed: i32 = ${enabled(["Zca"]).join()} ? 2 : 0;
  const word = length == 2 ? expand(original, extensions) : original;
  let found: u32 = 0;
  switch (word & 0x7f) {
${finding.join("\n")}
  }
  const operation = found & 0xffff;
  switch (found >> ${SHAPE_SHIFT}) {
${filling.join("\n")}
  }
  illegal(slot, original);
}`;
}

function expansion(row: CompressedInstruction): string {
  const target = instructionNamed(row.expandsTo);
  const conditions = [`(half & ${hex(row.encoding.mask)}) == ${hex(row.encoding.match)}`];
  const source = (name: string) => {
    const field = row.encoding.fields.get(name);
    if (field === undefined) throw new RangeError(`${row.name} has no field ${name}`);
    return field;
  };
  conditions.push(...enabled([row.extension]), ...enabled(target.extensions));
  for (const name of row.nonzero) conditions.push(`${extraction(source(name), "half")} != 0`);
  for (const [name, value] of Object.entries(row.not ?? {})) {
    conditions.push(`${extraction(source(name), "half")} != ${value}`);
  }
  const parts = [hex(target.encoding.match)];
  for (const [operand, from] of Object.entries(row.operands)) {
    const field = target.encoding.fields.get(operand);
    if (field === undefined) throw new RangeError(`${row.expandsTo} has no field ${operand}`);
    const register = typeof from === "string" && from.endsWith("'");
    const value =
      typeof from === "number" ? String(from) : `<u32>${extraction(source(from), "half")}${register ? " + 8" : ""}`;
    for (const { at, width, operandBit } of field.slices) {
      parts.push(`((((${value}) >> ${operandBit}) & ${bits(width)}) << ${at})`);
    }
  }
  return `  if (${conditions.join(" && ")}) return ${parts.join(" | ")}; // ${row.name}`;
}

export function generateDecode(): string {
  return `import { SLOT_IMM, SLOT_LENGTH, SLOT_RD, SLOT_RM, SLOT_RS1, SLOT_RS2, SLOT_RS3 } from "./layout";
import { OP_ILLEGAL } from "./operations";
import { RM_MAY_BE_FAST } from "../privileged/float-state";

function illegal(slot: usize, original: u32): void {
  store<u32>(slot, original, SLOT_IMM);
  store<u16>(slot, OP_ILLEGAL);
}

function destination(register: u32): u32 {
  return register == 0 ? ${fieldOffset("sink")} : register * 8;
}

${generateDecoder()}

/** The 32-bit instruction that a compressed one stands for; 0, which is illegal, where it is reserved. */
export function expand(half: u32, extensions: usize): u32 {
${compressed.map(expansion).join("\n")}
  return 0;
}`;
}
