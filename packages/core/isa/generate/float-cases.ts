/**
 * Cases of floating-point instructions: the exact routines of assembly/float, or their fast variants where FS is dirty,
 * the rounding mode nearest-even and NX set already.
 */
import type { FloatFormat, FloatMove, FloatOperand, FloatOperation } from "../instruction.js";
import { FLOAT_CONSTANTS, floatConstant } from "../table/float-constants.js";
import { indent, register, setRd } from "./operands.js";

/** Before an instruction that moves float registers without rounding: FS must be on, and dirty if one is written. */
export function floatGuard(writes: boolean): string[] {
  const ready = writes
    ? "(<u32>load<u64>(hart, HART_MSTATUS) & FS) == FS"
    : "(<u32>load<u64>(hart, HART_MSTATUS) & FS) != 0";
  return [
    `if (!(${ready})) {`,
    "  store<u64>(hart, delta + <u64>(slot >> 3), HART_PC);",
    "  if (!floatEnabled(hart)) {",
    "    attention = STATUS_TRAP;",
    "    break;",
    "  }",
    ...(writes ? ["  floatChanged(hart);"] : []),
    "}",
  ];
}

/** A value of so many bytes as a float register holds it (Unprivileged ISA 21.2). */
export function boxed(width: number, value: string): string {
  if (width === 8) return `<i64>(${value})`;
  return `<i64>(<u64>${value} | ${width === 4 ? "BOX" : "BOX_HALF"})`;
}

const WIDTHS: Readonly<Record<FloatFormat, number>> = { h: 2, s: 4, d: 8 };
const isFormat = (operand: FloatOperand): operand is FloatFormat => operand in WIDTHS;
const SIGNS: Readonly<Record<FloatFormat, string>> = { h: "0x8000", s: "0x80000000", d: "0x8000000000000000" };

const FLOAT_SLOTS = ["SLOT_RS1", "SLOT_RS2", "SLOT_RS3"] as const;

/** A source operand as the float routines take it. */
function floatSource(type: FloatOperand, slot: string): string {
  switch (type) {
    case "h":
      return `unboxHalf(load<u64>(${register(slot)}))`;
    case "s":
      return `unbox(load<u64>(${register(slot)}))`;
    case "d":
    case "l":
    case "lu":
      return `load<${type === "l" ? "i64" : "u64"}>(${register(slot)})`;
    case "w":
    case "wu":
      return `load<${type === "w" ? "i32" : "u32"}>(${register(slot)})`;
  }
}

export function floatBody(operation: FloatOperation, hasRoundingMode: boolean): string[] {
  const { name, from, to, fast, rounds, raises } = operation;
  const sources = from.map(
    (type, n) => `const ${"abc"[n]} = ${floatSource(type, FLOAT_SLOTS[n] ?? "")}${negation(operation, n)};`,
  );
  const operands = from.map((_, n) => "abc"[n]);
  const toFloat = isFormat(to);
  const call = (suffix: string, rm: string) =>
    `${name}${suffix}(${[...operands, ...(rm === "" ? [] : [rm]), ...(raises ? ["hart + HART_FFLAGS"] : [])].join(", ")})`;
  const write = (value: string) => setRd(boxed(isFormat(to) ? WIDTHS[to] : 8, value));

  const trap = ["  attention = STATUS_TRAP;", "  break;", "}"];
  const exact = [
    "store<u64>(hart, delta + <u64>(slot >> 3), HART_PC);",
    ...(hasRoundingMode
      ? ["const rm = roundingMode(hart, slot);", "if (rm < 0) {", ...trap]
      : ["if (!floatEnabled(hart)) {", ...trap]),
    ...(toFloat ? [] : ["const flags = load<u32>(hart, HART_FFLAGS);"]),
    write(call("", rounds ? "rm" : "")),
    toFloat ? "floatChanged(hart);" : "if (load<u32>(hart, HART_FFLAGS) != flags) floatChanged(hart);",
  ];
  // With FS dirty and NX set already, nothing but the result, and rarer flags, is left to write.
  const quick = fast ? [write(call("_rne", ""))] : rounds ? [write(call("", "0"))] : [write(call("", ""))];
  const condition = hasRoundingMode
    ? "load<u32>(hart, HART_FLOAT_FAST) & <u32>load<u8>(slot, SLOT_RM)"
    : "load<u32>(hart, HART_FLOAT_FAST)";
  return [...sources, `if (${condition}) {`, ...indent(quick), "} else {", ...indent(exact), "}"];
}

function negation({ negate, from }: FloatOperation, n: number): string {
  const flipped = (n === 0 && negate?.product) || (n === 2 && negate?.addend);
  if (!flipped) return "";
  return ` ^ ${SIGNS[from[n] as FloatFormat]}`;
}

/** The value of FSGNJ, FSGNJN and FSGNJX. */
function signInjection(name: string, sign: string): string {
  switch (name) {
    case "fsgnj":
      return `(a & ~${sign}) | (b & ${sign})`;
    case "fsgnjn":
      return `(a & ~${sign}) | (~b & ${sign})`;
    default:
      return `a ^ (b & ${sign})`;
  }
}

function moveValue(move: FloatMove): string[] {
  const a = `load<u64>(${register("SLOT_RS1")})`;
  switch (move) {
    case "fmv.x.h":
      return [setRd(`<i64>(<i16>${a})`)];
    case "fmv.x.w":
      return [setRd(`<i64>(<i32>${a})`)];
    case "fmv.h.x":
      return [setRd(boxed(2, a))];
    case "fmv.w.x":
      return [setRd(boxed(4, a))];
    case "fmv.x.d":
    case "fmv.d.x":
      return [setRd(a)];
  }
  const [name = "", format] = move.split(".") as [string, FloatFormat];
  return [
    `const a = ${floatSource(format, "SLOT_RS1")};`,
    `const b = ${floatSource(format, "SLOT_RS2")};`,
    setRd(boxed(WIDTHS[format], `(${signInjection(name, SIGNS[format])})`)),
  ];
}

export const moveBody = (move: FloatMove): string[] => [...floatGuard(!move.startsWith("fmv.x")), ...moveValue(move)];

export const constantBody = (format: FloatFormat): string[] => [
  ...floatGuard(true),
  setRd(boxed(WIDTHS[format], `floatConstant_${format}(load<u32>(slot, SLOT_IMM))`)),
];

/** The table of FLI as a function: the module has no data. */
export function floatConstants(format: FloatFormat): string {
  const cases = FLOAT_CONSTANTS.map((name, n) => `    case ${n}: return ${floatConstant(format, n)}; // ${name}`);
  return `function floatConstant_${format}(number: u32): u64 {\n  switch (number) {\n${cases.join("\n")}\n  }\n  return 0;\n}`;
}
