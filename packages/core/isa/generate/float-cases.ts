/**
 * Cases of floating-point instructions: the exact routines of assembly/float, or their fast variants where FS is dirty,
 * the rounding mode nearest-even and NX set already.
 */
import type { FloatMove, FloatOperand, FloatOperation } from "../instruction.js";
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

const FLOAT_SLOTS = ["SLOT_RS1", "SLOT_RS2", "SLOT_RS3"] as const;

/** A source operand as the float routines take it. */
function floatSource(type: FloatOperand, slot: string): string {
  switch (type) {
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
  const toFloat = to === "s" || to === "d";
  const call = (suffix: string, rm: string) =>
    `${name}${suffix}(${[...operands, ...(rm === "" ? [] : [rm]), ...(raises ? ["hart + HART_FFLAGS"] : [])].join(", ")})`;
  const write = (value: string) => setRd(to === "s" ? `<u64>(${value}) | BOX` : `<i64>(${value})`);

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
  return from[n] === "s" ? " ^ 0x80000000" : " ^ 0x8000000000000000";
}

export function moveBody(move: FloatMove): string[] {
  const a = `load<u64>(${register("SLOT_RS1")})`;
  const b = `load<u64>(${register("SLOT_RS2")})`;
  const sign = "0x8000000000000000";
  const single = (value: string) => [
    `const a = unbox(${a});`,
    `const b = unbox(${b});`,
    setRd(`<u64>(${value}) | BOX`),
  ];
  const double = (value: string) => [`const a = ${a};`, `const b = ${b};`, setRd(value)];
  const lines: Readonly<Record<FloatMove, string[]>> = {
    "fmv.x.w": [setRd(`<i64>(<i32>${a})`)],
    "fmv.x.d": [setRd(a)],
    "fmv.w.x": [setRd(`${a} | BOX`)],
    "fmv.d.x": [setRd(a)],
    "fsgnj.s": single("(a & 0x7fffffff) | (b & 0x80000000)"),
    "fsgnjn.s": single("(a & 0x7fffffff) | (~b & 0x80000000)"),
    "fsgnjx.s": single("a ^ (b & 0x80000000)"),
    "fsgnj.d": double(`(a & ~${sign}) | (b & ${sign})`),
    "fsgnjn.d": double(`(a & ~${sign}) | (~b & ${sign})`),
    "fsgnjx.d": double(`a ^ (b & ${sign})`),
  };
  return [...floatGuard(!move.startsWith("fmv.x")), ...lines[move]];
}
