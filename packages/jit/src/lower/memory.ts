/**
 * Loads, stores and atomics: the probe of the software TLB inline, whose one
 * comparison tells tag, validity and alignment; and where that fails, the way
 * back to the interpreter, or its helpers.
 */
import { type AmoFunction, CONSTANTS, hartOffset, type MemoryWidth, type Semantics } from "@hartvisor/core/isa";
import type { GuestInstruction } from "../guest/instruction.js";
import { lowest, withoutLowest } from "../guest/registers.js";
import type { PlacedInstruction } from "../region/block.js";
import { helper } from "../wasm/module.js";
import { Op } from "../wasm/opcodes.js";
import type { AccessGroup, Probes } from "./access-groups.js";
import { exitCode, type FunctionContext, Local } from "./context.js";

const { ADDENDS, TLB_ENTRIES, TLB_READ, TLB_WRITE } = CONSTANTS;
const PAGE = 4096;

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

const LOAD_SLOW = helper("loadSlow");
const TOUCH = helper("touch");
const STORE_SLOW = helper("storeSlow");

/** Puts rs1 + imm into the address local. */
function setAddress(context: FunctionContext, { rs1, imm }: GuestInstruction): void {
  context.getX(rs1);
  if (imm !== 0) {
    context.i64(imm);
    context.op(Op.i64_add);
  }
  context.set(Local.address);
}

/** Sets the entry local to the TLB's entry for the address local, and leaves its tag on the stack. */
function findEntry(context: FunctionContext, table: number): void {
  context.get(Local.address);
  context.op(Op.i32_wrap_i64);
  context.i32(8);
  context.op(Op.i32_shr_u);
  context.i32((TLB_ENTRIES - 1) << 4);
  context.op(Op.i32_and);
  context.get(Local.bank);
  context.op(Op.i32_add);
  context.tee(Local.entry);
  context.memory(Op.i64_load, table);
}

/** Leaves 1 on the stack if the TLB does not answer for the address local; sets the entry local. */
function probe(context: FunctionContext, table: number, width: number): void {
  findEntry(context, table);
  context.get(Local.address);
  context.i64(-PAGE | (width - 1));
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

/**
 * The same for an access that a loop waits for: with the addend that it met last, for which the processor need not wait; the
 * entry's is only compared. Where they differ the interpreter goes on, and the next time it is the other.
 */
function predict(context: FunctionContext, table: number, place: Place): void {
  const last = ADDENDS + (place.offset & (PAGE - 2)) * 2;
  context.get(Local.entry);
  context.memory(Op.i32_load, table + 8);
  context.tee(Local.state);
  context.i32(0);
  context.memory(Op.i32_load, last);
  context.tee(Local.machine);
  context.op(Op.i32_ne);
  context.unlikely();
  context.open(Op.if);
  context.i32(0);
  context.get(Local.state);
  context.memory(Op.i32_store, last);
  context.giveBack(place.offset, place.uncounted);
  context.close();
  context.get(Local.address);
  context.op(Op.i32_wrap_i64);
  context.get(Local.machine);
  context.op(Op.i32_add);
}

/** Leaves 1 on the stack if the bytes of a group do not lie in one page that the TLB has; sets the entry and address locals. */
function probePage(context: FunctionContext, { bases, least, end, writes }: AccessGroup): void {
  for (let rest = bases; rest !== 0; rest = withoutLowest(rest)) {
    context.getX(lowest(rest));
    if (rest !== bases) context.op(Op.i64_add);
  }
  if (least !== 0) {
    context.i64(least);
    context.op(Op.i64_add);
  }
  context.set(Local.address);
  findEntry(context, writes ? TLB_WRITE : TLB_READ);
  // The page of the last byte is compared, found by that of the first: where they are two, the entry is never the last one's.
  context.get(Local.address);
  context.i64(end - least - 1);
  context.op(Op.i64_add);
  context.i64(-PAGE);
  context.op(Op.i64_and, Op.i64_ne);
}

/**
 * Before the first access of a group: its local gets the machine address of its lowest byte. If there is none, the
 * interpreter goes on.
 */
function probeGroup(context: FunctionContext, group: AccessGroup, isPredicted: boolean, place: Place): void {
  const table = group.writes ? TLB_WRITE : TLB_READ;
  probePage(context, group);
  context.giveBackIf(place.offset, place.uncounted);
  if (isPredicted) predict(context, table, place);
  else translate(context, table);
  context.set(Local.group + group.local);
}

/** The same before an unrolled loop's iterations; if there is none, goes out of the construct that was opened at a depth. */
export function probeSteady(context: FunctionContext, group: AccessGroup, outOf: number): void {
  probePage(context, group);
  context.unlikely();
  context.branch(Op.br_if, outOf);
  translate(context, group.writes ? TLB_WRITE : TLB_READ);
  context.set(Local.group + group.local);
}

/** Whether it is a load or store that is misaligned with these low bits in its base register. */
export function isMisalignedAccess({ row, imm }: GuestInstruction, base: number): boolean {
  const semantics = row?.semantics;
  return (semantics?.kind === "load" || semantics?.kind === "store") && ((base + imm) & (semantics.width - 1)) !== 0;
}

/**
 * Emits an access: `fast` with the machine address in a local and a displacement. Where the probe fails, the interpreter
 * executes it and goes on: a call for every access, which the host's compiler must save registers around, would double its
 * work. Only an access that misses often has it: `slow`, with the virtual address in its local.
 */
function emitAccess(
  context: FunctionContext,
  { instruction, offset, misses }: PlacedInstruction,
  { groups, predicted }: Probes,
  place: Place,
  table: number,
  width: number,
  fast: (machine: number, displacement: number) => void,
  slow: () => void,
): void {
  const group = groups.get(offset);
  const isPredicted = predicted.has(offset);
  if (group !== undefined) {
    if (group.first === offset) probeGroup(context, group, isPredicted, place);
    const shift = group.shifts?.get(offset) ?? 0;
    fast(Local.group + group.local, instruction.imm + shift - group.least);
    return;
  }
  setAddress(context, instruction);
  const hit = () => {
    if (isPredicted) predict(context, table, place);
    else translate(context, table);
    context.set(Local.machine);
    fast(Local.machine, 0);
  };
  if (misses !== "often") {
    probe(context, table, width);
    context.giveBackIf(place.offset, place.uncounted);
    hit();
    return;
  }
  const done = context.depth;
  context.open(Op.block);
  const miss = context.depth;
  context.open(Op.block);
  probe(context, table, width);
  context.unlikely();
  context.branch(Op.br_if, miss);
  hit();
  context.branch(Op.br, done);
  context.close();
  slow();
  context.close();
}

export function emitLoad(
  context: FunctionContext,
  { width, signed, to }: Extract<Semantics, { kind: "load" }>,
  placed: PlacedInstruction,
  probes: Probes,
  place: Place,
): void {
  const { rd } = placed.instruction;
  const read = (machine: number, displacement: number) => {
    context.get(machine);
    if (to === "x") {
      context.memory(LOADS[width][signed ? 0 : 1], displacement);
      context.setX(rd);
    } else if (width === 8) {
      context.memory(Op.f64_load, displacement);
      context.setF(rd);
    } else {
      if (context.isSingle(rd)) context.memory(Op.f32_load, displacement);
      else {
        context.memory(Op.i64_load32_u, displacement);
        box(context);
      }
      context.setF(rd);
    }
  };
  emitAccess(context, placed, probes, place, TLB_READ, width, read, () => {
    context.get(Local.address);
    context.i64(0);
    context.i32(width);
    context.call(LOAD_SLOW);
    context.tee(Local.machine);
    context.op(Op.i32_eqz);
    context.giveBackIf(place.offset, place.uncounted);
    read(Local.machine, 0);
  });
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
  placed: PlacedInstruction,
  probes: Probes,
  place: Place,
): void {
  const { rs2 } = placed.instruction;
  const value = () => {
    if (from === "x") context.getX(rs2);
    else {
      context.getF(rs2);
      if (context.isSingle(rs2)) context.op(Op.i32_reinterpret_f32, Op.i64_extend_i32_u);
      else context.op(Op.i64_reinterpret_f64);
    }
  };
  const write = (machine: number, displacement: number) => {
    context.get(machine);
    if (from === "f" && (width === 8 || context.isSingle(rs2))) {
      context.getF(rs2);
      context.memory(width === 8 ? Op.f64_store : Op.f32_store, displacement);
    } else {
      value();
      context.memory(STORES[width], displacement);
    }
  };
  emitAccess(context, placed, probes, place, TLB_WRITE, width, write, () => {
    context.get(Local.address);
    value();
    context.i32(width);
    context.call(STORE_SLOW);
    leaveAfter(context, place);
  });
}

const ZERO = helper("zeroInRegion");
const BLOCK = 64;
/** CBZE, of menvcfg and senvcfg (CMO 1.0, 2.4). */
const ZERO_ENABLED = 1 << 7;

/** cbo.zero: stores, where it is enabled and the TLB answers; kernels clear page after page by it. */
export function emitZero(context: FunctionContext, { rs1 }: GuestInstruction, place: Place): void {
  const done = context.depth;
  context.open(Op.block);
  const slow = context.depth;
  context.open(Op.block);
  context.getX(rs1);
  context.i64(-BLOCK);
  context.op(Op.i64_and);
  context.set(Local.address);
  probe(context, TLB_WRITE, 1);
  isZeroEnabled(context);
  context.op(Op.i32_eqz, Op.i32_or);
  context.unlikely();
  context.branch(Op.br_if, slow);
  translate(context, TLB_WRITE);
  context.set(Local.machine);
  for (let offset = 0; offset < BLOCK; offset += 8) {
    context.get(Local.machine);
    context.i64(0);
    context.memory(Op.i64_store, offset);
  }
  context.branch(Op.br, done);
  context.close();
  context.getX(rs1);
  context.i64(0);
  context.i32(0);
  context.call(ZERO);
  leaveAfter(context, place);
  context.close();
}

/** Leaves something other than 0 on the stack if menvcfg grants cbo.zero, and in U-mode senvcfg, too. */
function isZeroEnabled(context: FunctionContext): void {
  context.i32(0);
  context.get(Local.hart);
  context.memory(Op.i32_load, hartOffset("privilege"));
  context.op(Op.i32_sub); // has the bit but in U-mode
  context.get(Local.hart);
  context.memory(Op.i32_load, hartOffset("senvcfg"));
  context.op(Op.i32_or);
  context.get(Local.hart);
  context.memory(Op.i32_load, hartOffset("menvcfg"));
  context.op(Op.i32_and);
  context.i32(ZERO_ENABLED);
  context.op(Op.i32_and);
}

/** Takes the outcome of a slow store: done, the interpreter's, or done with code overwritten, perhaps the region's own. */
function leaveAfter(context: FunctionContext, { offset, next, uncounted }: Place): void {
  context.tee(Local.state);
  context.unlikely();
  context.open(Op.if);
  context.i32(exitCode(offset, uncounted, true));
  context.i32(exitCode(next, uncounted - 1, false));
  context.get(Local.state);
  context.i32(1);
  context.op(Op.i32_eq, Op.select);
  context.set(Local.exit);
  context.leaveByStub();
  context.close();
}

/** Leaves something other than 0 on the stack if the address local is no multiple of the width. */
function isMisaligned(context: FunctionContext, width: number): void {
  context.get(Local.address);
  context.op(Op.i32_wrap_i64);
  context.i32(width - 1);
  context.op(Op.i32_and);
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

/** An atomic read-modify-write: harts take turns, so a load and a store do. What traps or has another effect is the interpreter's. */
export function emitAmo(
  context: FunctionContext,
  { width, apply }: Extract<Semantics, { kind: "amo" }>,
  placed: PlacedInstruction,
  probes: Probes,
  place: Place,
): void {
  const { rd, rs2 } = placed.instruction;
  const exchange = () => {
    context.get(Local.machine);
    context.memory(LOADS[width][0], 0);
    context.set(Local.value);
    context.get(Local.machine);
    combine(context, apply, width, rs2);
    context.memory(STORES[width], 0);
    context.get(Local.value);
    context.setX(rd);
  };
  emitAccess(context, placed, probes, place, TLB_WRITE, width, exchange, () => {
    isMisaligned(context, width);
    context.giveBackIf(place.offset, place.uncounted);
    context.get(Local.address);
    context.i64(1);
    context.i32(width);
    context.call(TOUCH);
    context.tee(Local.machine);
    context.op(Op.i32_eqz);
    context.giveBackIf(place.offset, place.uncounted);
    exchange();
  });
}

/** Leaves what an atomic operation stores: of the value local and rs2. */
function combine(context: FunctionContext, apply: AmoFunction, width: MemoryWidth, rs2: number): void {
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
}

const RESERVE = helper("reserveSlow");
const STORE_CONDITIONAL = helper("storeConditionalSlow");

export function emitLoadReserved(
  context: FunctionContext,
  { width }: Extract<Semantics, { kind: "load-reserved" }>,
  { rd, rs1 }: GuestInstruction,
  place: Place,
): void {
  context.getX(rs1);
  context.i64(0);
  context.i32(width);
  context.call(RESERVE);
  context.tee(Local.machine);
  context.op(Op.i32_eqz);
  context.giveBackIf(place.offset, place.uncounted);
  context.get(Local.machine);
  context.memory(LOADS[width][0], 0);
  context.setX(rd);
}

export function emitStoreConditional(
  context: FunctionContext,
  { width }: Extract<Semantics, { kind: "store-conditional" }>,
  instruction: GuestInstruction,
  place: Place,
): void {
  const { rd, rs1, rs2 } = instruction;
  context.getX(rs1);
  context.getX(rs2);
  context.i32(width);
  context.call(STORE_CONDITIONAL);
  context.tee(Local.state);
  context.i32(2);
  context.op(Op.i32_eq);
  context.giveBackIf(place.offset, place.uncounted);
  context.get(Local.state);
  context.i32(1);
  context.op(Op.i32_and, Op.i64_extend_i32_u);
  context.setX(rd);
  context.wrote(instruction);
  context.get(Local.state);
  context.i32(4);
  context.op(Op.i32_eq);
  context.giveBackIf(place.next, place.uncounted - 1, false);
}
