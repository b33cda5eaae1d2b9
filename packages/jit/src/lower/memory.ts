/**
 * Loads, stores and atomics: the probe of the software TLB inline, whose one
 * comparison tells tag, validity and alignment, and the interpreter's helpers
 * behind it.
 */
import { type AmoFunction, CONSTANTS, type MemoryWidth, type Semantics } from "@hartvisor/core/isa";
import type { GuestInstruction } from "../guest/instruction.js";
import { Op } from "../wasm/opcodes.js";
import { exitCode, type FunctionContext, Local } from "./context.js";

const { TLB_READ, TLB_WRITE } = CONSTANTS;

const LOADS: Readonly<Record<MemoryWidth, readonly [signed: number, unsigned: number]>> = {
  1: [Op.i64_load8_s, Op.i64_load8_u],
  2: [Op.i64_load16_s, Op.i64_load16_u],
  4: [Op.i64_load32_s, Op.i64_load32_u],
  8: [Op.i64_load, Op.i64_load],
};
const STORES: Readonly<Record<MemoryWidth, number>> = {
  1: Op.i64_store8,
  2: Op.i64_store16,
  4: Op.i64_store32,
  8: Op.i64_store,
};

/** Where an instruction stands: what an exit must tell. */
export interface Place {
  readonly offset: number;
  readonly next: number;
  /** Instructions of its block from this one on: counted already, but not executed. */
  readonly uncounted: number;
}

const LOAD_SLOW = { name: "loadSlow", parameters: ["i64", "i32"], result: "i32" } as const;
const STORE_SLOW = { name: "storeSlow", parameters: ["i64", "i64", "i32"], result: "i32" } as const;

/** Puts rs1 + imm into the address local. */
function setAddress(context: FunctionContext, { rs1, imm }: GuestInstruction): void {
  context.getX(rs1);
  if (imm !== 0) {
    context.i64(imm);
    context.op(Op.i64_add);
  }
  context.set(Local.address);
}

/** Leaves 1 on the stack if the TLB does not answer for the address local; sets the entry local. */
function probe(context: FunctionContext, table: number, width: number): void {
  context.get(Local.address);
  context.op(Op.i32_wrap_i64);
  context.i32(8);
  context.op(Op.i32_shr_u);
  context.i32(0xff0);
  context.op(Op.i32_and);
  context.get(Local.bank);
  context.op(Op.i32_add);
  context.tee(Local.entry);
  context.memory(Op.i64_load, table);
  context.get(Local.address);
  context.i64(-4096 | (width - 1));
  context.op(Op.i64_and, Op.i64_ne);
}

/** Puts the machine address into its local, after a probe that hit. */
function translate(context: FunctionContext, table: number): void {
  context.get(Local.address);
  context.op(Op.i32_wrap_i64);
  context.get(Local.entry);
  context.memory(Op.i32_load, table + 8);
  context.op(Op.i32_add);
}

export function emitLoad(
  context: FunctionContext,
  { width, signed, to }: Extract<Semantics, { kind: "load" }>,
  instruction: GuestInstruction,
  place: Place,
): void {
  setAddress(context, instruction);
  const done = context.depth;
  context.open(Op.block);
  const slow = context.depth;
  context.open(Op.block);
  probe(context, TLB_READ, width);
  context.branch(Op.br_if, slow);
  translate(context, TLB_READ);
  context.set(Local.machine);
  context.branch(Op.br, done);
  context.close();
  context.get(Local.address);
  context.i32(width);
  context.call(LOAD_SLOW);
  context.tee(Local.machine);
  context.op(Op.i32_eqz);
  context.giveBackIf(place.offset, place.uncounted);
  context.close();
  context.get(Local.machine);
  if (to === "x") {
    context.memory(LOADS[width][signed ? 0 : 1], 0);
    context.setX(instruction.rd);
  } else if (width === 8) {
    context.memory(Op.f64_load, 0);
    context.setF(instruction.rd);
  } else {
    context.memory(Op.i64_load32_u, 0);
    box(context);
    context.setF(instruction.rd);
  }
}

/** Makes a float register's value of the bits of a single, an i64 on the stack (Unprivileged ISA 21.2). */
export function box(context: FunctionContext): void {
  context.op(Op.i64_const);
  context.out.signed64(-0x100000000n);
  context.op(Op.i64_or, Op.f64_reinterpret_i64);
}

export function emitStore(
  context: FunctionContext,
  { width, from }: Extract<Semantics, { kind: "store" }>,
  instruction: GuestInstruction,
  place: Place,
): void {
  const value = () => {
    if (from === "x") context.getX(instruction.rs2);
    else {
      context.getF(instruction.rs2);
      context.op(Op.i64_reinterpret_f64);
    }
  };
  setAddress(context, instruction);
  const done = context.depth;
  context.open(Op.block);
  const slow = context.depth;
  context.open(Op.block);
  probe(context, TLB_WRITE, width);
  context.branch(Op.br_if, slow);
  translate(context, TLB_WRITE);
  value();
  context.memory(STORES[width], 0);
  context.branch(Op.br, done);
  context.close();
  context.get(Local.address);
  value();
  context.i32(width);
  context.call(STORE_SLOW);
  leaveAfter(context, place);
  context.close();
}

/** Takes the outcome of a slow store: done, the interpreter's, or done with code overwritten, perhaps the region's own. */
function leaveAfter(context: FunctionContext, { offset, next, uncounted }: Place): void {
  context.tee(Local.state);
  context.open(Op.if);
  context.i32(exitCode(offset, uncounted, true));
  context.i32(exitCode(next, uncounted - 1, false));
  context.get(Local.state);
  context.i32(1);
  context.op(Op.i32_eq, Op.select);
  context.set(Local.exit);
  context.branch(Op.br, 0);
  context.close();
}

const AMO: Readonly<Partial<Record<AmoFunction, number>>> = {
  add: Op.i64_add,
  xor: Op.i64_xor,
  and: Op.i64_and,
  or: Op.i64_or,
};
const AMO_COMPARE: Readonly<Partial<Record<AmoFunction, number>>> = {
  min: Op.i64_lt_s,
  max: Op.i64_lt_s,
  minu: Op.i64_lt_u,
  maxu: Op.i64_lt_u,
};

/** An atomic read-modify-write: harts take turns, so a load and a store do. What the TLB does not answer is the interpreter's. */
export function emitAmo(
  context: FunctionContext,
  { width, apply }: Extract<Semantics, { kind: "amo" }>,
  instruction: GuestInstruction,
  place: Place,
): void {
  const { rd, rs1, rs2 } = instruction;
  context.getX(rs1);
  context.set(Local.address);
  probe(context, TLB_WRITE, width);
  context.giveBackIf(place.offset, place.uncounted);
  translate(context, TLB_WRITE);
  context.tee(Local.machine);
  context.memory(LOADS[width][0], 0);
  context.set(Local.value);
  context.get(Local.machine);
  const compare = AMO_COMPARE[apply];
  const operand = () => {
    context.getX(rs2);
    if (width === 4 && compare !== undefined) context.op(Op.i32_wrap_i64, Op.i64_extend_i32_s);
    if (width === 2 && compare !== undefined) context.op(Op.i64_extend16_s);
    if (width === 1 && compare !== undefined) context.op(Op.i64_extend8_s);
  };
  if (apply === "swap") operand();
  else if (compare === undefined) {
    context.get(Local.value);
    operand();
    context.op(AMO[apply] ?? Op.unreachable);
  } else {
    // Sign-extended values stand in the same order as their bits do unsigned.
    const [first, second] = apply.startsWith("min") ? [0, 1] : [1, 0];
    const push = [() => context.get(Local.value), operand];
    push[first]?.();
    push[second]?.();
    context.get(Local.value);
    operand();
    context.op(compare, Op.select);
  }
  context.memory(STORES[width], 0);
  context.get(Local.value);
  context.setX(rd);
}
