/** How a case of the interpreter reads its operands and writes its result, and other small pieces of cases. */

export const register = (slotField: string) => `<usize>load<u16>(slot, ${slotField}), REGISTER_WINDOW`;
export const setRd = (value: string) => `store<i64>(<usize>load<u16>(slot, SLOT_RD), ${value}, REGISTER_WINDOW);`;
const OPERANDS: Readonly<Record<string, string>> = {
  rs1: `const rs1 = load<i64>(${register("SLOT_RS1")});`,
  rs2: `const rs2 = load<i64>(${register("SLOT_RS2")});`,
  imm: "const imm = <i64>load<i32>(slot, SLOT_IMM);",
  pc: "const pc = <i64>delta + <i64>(slot >> 3);",
};
export const bind = (names: Iterable<string>) => [...names].map((name) => OPERANDS[name] ?? "");

export const indent = (lines: readonly string[]) => lines.map((line) => `  ${line}`);
