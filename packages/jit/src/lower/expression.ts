/** Integer semantics from expression trees to WebAssembly: a row's tree becomes a template once, operands are put in per instruction. */
import type { Expression, Instruction, PureHelper } from "@hartvisor/core/isa";
import type { GuestInstruction } from "../guest/instruction.js";
import { Op } from "../wasm/opcodes.js";
import { ByteWriter } from "../wasm/writer.js";
import type { FunctionContext } from "./context.js";

/** What a template holds beside bytes. */
const Hole = { rs1: 256, rs2: 257, imm: 258, imm32: 259, pc: 260, helper: 261 } as const;

type Template = readonly number[];

const UNARY: Readonly<Record<string, readonly [i32: number, i64: number]>> = {
  wrap: [Op.i32_wrap_i64, Op.i32_wrap_i64],
  extend_i32_s: [Op.i64_extend_i32_s, Op.i64_extend_i32_s],
  extend_i32_u: [Op.i64_extend_i32_u, Op.i64_extend_i32_u],
  extend8_s: [Op.i32_extend8_s, Op.i64_extend8_s],
  extend16_s: [Op.i32_extend16_s, Op.i64_extend16_s],
  clz: [Op.i32_clz, Op.i64_clz],
  ctz: [Op.i32_ctz, Op.i64_ctz],
  popcnt: [Op.i32_popcnt, Op.i64_popcnt],
};

const operator = (type: "i32" | "i64", name: string): number => Op[`${type}_${name}` as keyof typeof Op];

/** Operations that the interpreter's module exports as pure functions of i64 values. */
const helpers: PureHelper[] = [];

function compile(tree: Expression, out: number[]): void {
  switch (tree.kind) {
    case "operand":
      out.push(Hole[tree.name]);
      return;
    case "constant": {
      const bytes = new ByteWriter();
      bytes.byte(tree.type === "i32" ? Op.i32_const : Op.i64_const);
      bytes.signed64(tree.value);
      out.push(...bytes.view());
      return;
    }
    case "unary":
      if (tree.operator === "wrap" && tree.value.kind === "operand" && tree.value.name === "imm") {
        out.push(Hole.imm32);
        return;
      }
      compile(tree.value, out);
      out.push(UNARY[tree.operator]?.[tree.type === "i32" ? 0 : 1] ?? Op.unreachable);
      return;
    case "binary":
      compile(tree.left, out);
      compile(tree.right, out);
      out.push(operator(tree.type, tree.operator));
      return;
    case "compare":
      compile(tree.left, out);
      compile(tree.right, out);
      out.push(operator(tree.left.type, tree.operator));
      return;
    case "select":
      compile(tree.whenTrue, out);
      compile(tree.whenFalse, out);
      compile(tree.condition, out);
      out.push(Op.select);
      return;
    case "call":
      for (const argument of tree.args) compile(argument, out);
      if (!helpers.includes(tree.helper)) helpers.push(tree.helper);
      out.push(Hole.helper + helpers.indexOf(tree.helper), tree.args.length);
  }
}

const templates = new WeakMap<Expression, Template>();

function templateOf(tree: Expression): Template {
  let template = templates.get(tree);
  if (template === undefined) {
    const out: number[] = [];
    compile(tree, out);
    template = out;
    templates.set(tree, template);
  }
  return template;
}

/** Emits code that leaves a tree's value on the stack. */
export function emitExpression(
  context: FunctionContext,
  tree: Expression,
  instruction: GuestInstruction,
  offset: number,
): void {
  const { out } = context;
  const template = templateOf(tree);
  for (let n = 0; n < template.length; n++) {
    const token = template[n] as number;
    if (token < 256) out.byte(token);
    else if (token === Hole.rs1) context.getX(instruction.rs1);
    else if (token === Hole.rs2) context.getX(instruction.rs2);
    else if (token === Hole.imm) context.i64(instruction.imm);
    else if (token === Hole.imm32) context.i32(instruction.imm);
    else if (token === Hole.pc) context.address(offset);
    else {
      const parameters = Array.from({ length: template[++n] as number }, () => "i64" as const);
      context.call({ name: helpers[token - Hole.helper] as string, parameters, result: "i64" });
    }
  }
}

/** Whether an instruction's value is that of a register, which is common enough to be told. */
export function copiedRegister(row: Instruction, { rs1, rs2, imm }: GuestInstruction): number | undefined {
  if (row.name === "addi" && imm === 0) return rs1;
  if (row.name === "add" && rs1 === 0) return rs2;
  return undefined;
}
