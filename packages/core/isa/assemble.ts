/**
 * A small assembler for tests: labels, ABI register names, CSR names, rounding
 * modes, and the few pseudo-instructions that guest code in tests needs. It is
 * no replacement for a toolchain: no sections, no symbols, no expressions.
 */
import { csrNamed } from "./csrs.js";
import { encode, type Operands, rowNamed } from "./encode.js";
import type { Instruction } from "./instruction.js";
import { fenceSetNamed, floatRegisterNamed, integerRegisterNamed, ROUNDING_MODES } from "./registers.js";
import { expanded, hasUpperImmediate, type WrittenOperand, writtenOperands } from "./syntax.js";
import type { CompressedInstruction } from "./table/compressed.js";
import { isFloatField } from "./table/float.js";
import { floatConstantNamed } from "./table/float-constants.js";

/** One instruction or datum of the source, of known length, not yet encoded. */
interface Item {
  readonly line: number;
  readonly length: number;
  /** The bits, once labels are known; `at` is the item's distance from the first byte. */
  readonly bits: (at: number, labels: ReadonlyMap<string, number>) => bigint;
}

function parseInteger(text: string): bigint {
  const [, sign, digits] = /^(-?)(0x[0-9a-f]+|\d+)$/i.exec(text) ?? [];
  if (digits === undefined) throw new SyntaxError(`"${text}" is no number`);
  return sign === "-" ? -BigInt(digits) : BigInt(digits);
}

function known(value: number | undefined, text: string, what: string): number {
  if (value === undefined) throw new SyntaxError(`"${text}" is no ${what}`);
  return value;
}

function parseValue(row: Instruction, name: string, text: string): number {
  switch (name) {
    case "rm": {
      const mode = ROUNDING_MODES.indexOf(text);
      return known(mode < 0 ? undefined : mode, text, "rounding mode");
    }
    case "csr":
      return csrNamed(text)?.number ?? Number(parseInteger(text));
    case "pred":
    case "succ":
      return known(fenceSetNamed(text), text, "fence set");
    case "constant":
      return known(floatConstantNamed(text), text, "constant of fli");
    case "shamt":
    case "rnum":
    case "bs":
    case "uimm":
      return Number(parseInteger(text));
    case "imm": {
      const value = Number(parseInteger(text));
      if (!hasUpperImmediate(row)) return value;
      if (value >= 2 ** 20) throw new RangeError(`${row.name}: imm = ${value} is out of range: up to 0xfffff`);
      return value < 2 ** 19 ? value * 4096 : (value - 2 ** 20) * 4096;
    }
    default: {
      const names = isFloatField(name) ? floatRegisterNamed : integerRegisterNamed;
      return known(names.get(text), text, `${isFloatField(name) ? "float" : "integer"} register`);
    }
  }
}

function parseTarget(text: string, at: number, labels: ReadonlyMap<string, number>): number {
  const [, distance] = /^\.([+-]\d+)$/.exec(text) ?? [];
  if (distance !== undefined) return Number(distance);
  return known(labels.get(text), text, "label") - at;
}

function parseOperands(
  row: Instruction | CompressedInstruction,
  texts: readonly string[],
  target: (text: string) => number,
): Operands {
  const written = writtenOperands(row);
  const required = written.filter(({ name }) => !["rm", "pred", "succ"].includes(name ?? "")).length;
  if (texts.length < required || texts.length > written.length) {
    throw new SyntaxError(`${row.name} takes ${required} operands, not ${texts.length}`);
  }
  const instruction = expanded(row);
  const operands: Record<string, number> = {};
  const parse = (operand: WrittenOperand, text: string): void => {
    if (operand.kind === "target") operands[operand.name] = target(text);
    else if (operand.kind === "literal") {
      if (text !== operand.name) throw new SyntaxError(`${row.name} takes ${operand.name}, not "${text}"`);
    } else if (operand.kind === "plain") operands[operand.name] = parseValue(instruction, operand.name, text);
    else {
      const [, offset = "", base] = /^([^()]*)\(([^()]+)\)$/.exec(text) ?? [];
      if (base === undefined) throw new SyntaxError(`"${text}" is no address such as 8(sp)`);
      operands[operand.base] = parseValue(instruction, operand.base, base);
      if (operand.name !== undefined) operands[operand.name] = parseValue(instruction, operand.name, offset || "0");
      else if (offset !== "" && offset !== "0") throw new SyntaxError(`${row.name} has no offset`);
    }
  };
  for (const [n, text] of texts.entries()) {
    const operand = written[n];
    if (operand !== undefined) parse(operand, text);
  }
  return operands;
}

/** Splits off the ordering bits of an atomic: `amoadd.w.aqrl`. */
function parseMnemonic(mnemonic: string): { name: string; ordering: Operands } {
  const [, name, suffix] = /^((?:amo|lr|sc).*)\.(aq|rl|aqrl)$/.exec(mnemonic) ?? [];
  if (name === undefined || suffix === undefined) return { name: mnemonic, ordering: {} };
  return { name, ordering: { aq: suffix.startsWith("aq") ? 1 : 0, rl: suffix.endsWith("rl") ? 1 : 0 } };
}

/** The instructions that load a constant: each step appends twelve bits to what lies above them. */
function loadConstant(rd: string, constant: bigint): string[] {
  const value = BigInt.asIntN(64, constant);
  if (value === BigInt.asIntN(12, value)) return [`addi ${rd}, zero, ${value}`];
  const low = BigInt.asIntN(12, value);
  if (value === BigInt.asIntN(32, value)) {
    const upper = `lui ${rd}, ${BigInt.asUintN(20, (value - low) >> 12n)}`;
    return low === 0n ? [upper] : [upper, `addiw ${rd}, ${rd}, ${low}`];
  }
  let high = BigInt.asIntN(64, value - low) >> 12n;
  let shift = 12;
  for (; (high & 1n) === 0n; shift++) high >>= 1n;
  const shifted = [...loadConstant(rd, high), `slli ${rd}, ${rd}, ${shift}`];
  return low === 0n ? shifted : [...shifted, `addi ${rd}, ${rd}, ${low}`];
}

/** What a pseudo-instruction stands for, or the line itself. */
function expandPseudo(mnemonic: string, texts: readonly string[]): string[] {
  const [first = "", second = ""] = texts;
  switch (mnemonic) {
    case "li":
      return loadConstant(first, parseInteger(second));
    case "mv":
      return [`addi ${first}, ${second}, 0`];
    case "j":
      return [`jal zero, ${first}`];
    case "ret":
      return ["jalr zero, 0(ra)"];
    case "nop":
      return ["addi zero, zero, 0"];
    default:
      return [`${mnemonic} ${texts.join(", ")}`];
  }
}

const DATA: Readonly<Record<string, number>> = { ".half": 2, ".word": 4, ".dword": 8 };

function split(statement: string): { mnemonic: string; texts: string[] } {
  const [, mnemonic = "", rest = ""] = /^(\S+)\s*(.*)$/.exec(statement.trim()) ?? [];
  return { mnemonic, texts: rest === "" ? [] : rest.split(",").map((text) => text.trim()) };
}

function parseStatement(statement: string, line: number): Item[] {
  const { mnemonic, texts } = split(statement);
  const size = DATA[mnemonic];
  if (size !== undefined) {
    return texts.map((text) => ({ line, length: size, bits: () => BigInt.asUintN(size * 8, parseInteger(text)) }));
  }
  return expandPseudo(mnemonic, texts).map((instruction) => {
    const parts = split(instruction);
    const { name, ordering } = parseMnemonic(parts.mnemonic);
    const row = rowNamed(name);
    return {
      line,
      length: row.encoding.bits / 8,
      bits: (at, labels) => {
        const operands = parseOperands(row, parts.texts, (text) => parseTarget(text, at, labels));
        return BigInt(encode(name, { ...operands, ...ordering }));
      },
    };
  });
}

/** Names the line of an error in the source. */
function onLine<T>(line: number, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw new SyntaxError(`line ${line}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/**
 * Assembles a program, one statement a line or separated by `;`, comments after
 * `#`. Immediates are decimal or hexadecimal; targets are labels or distances
 * (`.+8`). Pseudo-instructions: `li` (any 64-bit constant), `mv`, `j`, `ret`,
 * `nop`; data: `.half`, `.word`, `.dword`. Throws a SyntaxError that names the
 * line.
 *
 * @example assemble("li a0, 10\nloop: addi a0, a0, -1\nbne a0, zero, loop")
 */
export function assemble(source: string): Uint8Array {
  const items: Item[] = [];
  const labels = new Map<string, number>();
  let size = 0;
  for (const [index, text] of source.split("\n").entries()) {
    const line = index + 1;
    for (const part of text.replace(/#.*/, "").split(";")) {
      const [, names = "", statement = ""] = /^\s*((?:\w+:\s*)*)(.*)$/.exec(part) ?? [];
      for (const name of names.match(/\w+/g) ?? []) labels.set(name, size);
      if (statement.trim() === "") continue;
      for (const item of onLine(line, () => parseStatement(statement, line))) {
        items.push(item);
        size += item.length;
      }
    }
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const { line, length, bits } of items) {
    const value = onLine(line, () => bits(at, labels));
    for (let n = 0; n < length; n++) bytes[at + n] = Number((value >> BigInt(8 * n)) & 0xffn);
    at += length;
  }
  return bytes;
}
