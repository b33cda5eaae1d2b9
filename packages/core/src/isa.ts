/** The ISA table and the layout of linear memory, for those who generate code from them. */
export { type DecodedInstruction, decodeInstruction, isLong } from "../isa/decode.js";
export { disassemble } from "../isa/disassemble.js";
export { IMMEDIATE_FIELDS } from "../isa/encoding.js";
export type { Expression, PureHelper, WasmType } from "../isa/expression.js";
export { IsaSet } from "../isa/extensions.js";
export type {
  AmoFunction,
  FloatMove,
  FloatOperand,
  FloatOperation,
  Instruction,
  MemoryWidth,
  Semantics,
} from "../isa/instruction.js";
export { CONSTANTS, hartOffset, vmOffset } from "../isa/layout.js";
export { FLOAT_REGISTERS, INTEGER_REGISTERS } from "../isa/registers.js";
