/** Which instructions have a lowering, and the lowering of those that do not end a block. */
import type { BareInstruction } from "../guest/instruction.js";
import type { PlacedInstruction } from "../region/block.js";
import { Op } from "../wasm/opcodes.js";
import type { Probes } from "./access-groups.js";
import { type FunctionContext, Local } from "./context.js";
import { emitCsr, isInlineCsr } from "./csr.js";
import { copiedRegister, emitExpression } from "./expression.js";
import { emitArithmetic, emitFloat, isInline, requireFloat } from "./float.js";
import { type FloatBatch, floatBatches } from "./float-batches.js";
import { isBatchOutside, type Look } from "./float-looks.js";
import { emitMove, isInlineMove } from "./float-moves.js";
import {
  emitAmo,
  emitLoad,
  emitLoadReserved,
  emitStore,
  emitStoreConditional,
  emitZero,
  type Place,
} from "./memory.js";
import { type CombinedShifts, combineShifts, emitCombined } from "./shifts.js";
import { endsRegion } from "./system.js";
import { wordCopies } from "./words.js";

const NO_BATCHES: ReadonlyMap<number, FloatBatch> = new Map();

/** Whether an instruction becomes code; what does not is left to the interpreter. */
export function isTranslatable(instruction: BareInstruction): boolean {
  const { row, rm } = instruction;
  if (row === undefined) return false;
  const { semantics } = row;
  switch (semantics.kind) {
    case "compute":
    case "jump":
    case "branch":
    case "nothing":
    case "amo":
    case "load-reserved":
    case "store-conditional":
      return true;
    case "csr":
      return isInlineCsr(instruction) || endsRegion(instruction);
    case "system":
      return semantics.helper === "cbo_zero" || endsRegion(instruction);
    case "load":
      return semantics.to === "x" || semantics.width >= 4;
    case "store":
      return semantics.from === "x" || semantics.width >= 4;
    case "float":
      return isInline(semantics.operation, rm, row.encoding.fields.has("rm"));
    case "float-move":
      return isInlineMove(semantics.move);
    default:
      return false;
  }
}

/** What a block knows: what earlier instructions have established, how its accesses ask the TLB, and what was found of its instructions. */
export interface BlockState extends Probes {
  floatDirty: boolean;
  floatFast: boolean;
  /** Offsets of instructions that extend what is extended already (see `words.ts`). */
  readonly wordCopies: ReadonlySet<number>;
  readonly shifts: CombinedShifts;
  /** By the offsets of their first instructions. */
  readonly batches: ReadonlyMap<number, FloatBatch>;
}

/** What is known where a block begins. */
export function blockState(
  context: FunctionContext,
  instructions: readonly PlacedInstruction[],
  probes: Probes,
): BlockState {
  return {
    ...{ floatDirty: false, floatFast: false },
    ...{ wordCopies: wordCopies(instructions), shifts: combineShifts(instructions) },
    ...probes,
    batches: context.usesFloat
      ? floatBatches(instructions, probes.groups, context.options.fusedMultiplyAdd)
      : NO_BATCHES,
  };
}

export const placeOf = ({ offset, instruction }: PlacedInstruction, uncounted: number): Place => ({
  offset,
  next: offset + instruction.length,
  uncounted,
});

/** Emits the instructions of a block but for the last one, if that ends it; counts all of them. */
export function emitStraight(
  context: FunctionContext,
  instructions: readonly PlacedInstruction[],
  last: PlacedInstruction | undefined,
  state: BlockState,
): void {
  context.get(Local.left);
  context.i32(instructions.length);
  context.op(Op.i32_sub);
  context.set(Local.left);
  for (let n = 0; n < instructions.length; n++) {
    const placed = instructions[n] as PlacedInstruction;
    const batch = state.batches.get(placed.offset);
    const uncounted = instructions.length - n;
    if (batch !== undefined) {
      emitBatch(context, batch, (member) => placeOf(member, uncounted), state);
      n += batch.instructions.length - 1;
      continue;
    }
    context.mark("instruction", placed.offset);
    context.loadPending(placed.instruction.reads.x);
    if (placed !== last) emitInstruction(context, placed, placeOf(placed, uncounted), state);
  }
}

/** Emits a translatable instruction that does not end its block. */
function emitInstruction(context: FunctionContext, placed: PlacedInstruction, place: Place, state: BlockState): void {
  emit(context, placed, place, state);
  context.wrote(placed.instruction);
}

/** Emits a batch; `placeOf` tells where its instructions stand. */
function emitBatch(
  context: FunctionContext,
  { instructions, looks, hasProducts, hasSums }: FloatBatch,
  placeOf: (placed: PlacedInstruction) => Place,
  state: BlockState,
): void {
  for (const { instruction } of instructions) context.loadPending(instruction.reads.x);
  needFloat(context, placeOf(instructions[0] as PlacedInstruction), state, true);
  context.beginBatch();
  for (const placed of instructions) {
    context.mark("instruction", placed.offset);
    emit(context, placed, placeOf(placed), state, looks.get(placed.offset));
  }
  isBatchOutside(context, hasProducts, hasSums);
  context.unlikely();
  context.open(Op.if);
  context.beginBatch();
  for (const placed of instructions) emit(context, placed, placeOf(placed), state);
  context.close();
  context.endBatch();
  for (const { instruction } of instructions) context.wrote(instruction);
}

function emit(context: FunctionContext, placed: PlacedInstruction, place: Place, state: BlockState, look?: Look): void {
  const { instruction } = placed;
  const { row, rd } = instruction;
  if (row === undefined) return;
  const { semantics } = row;
  switch (semantics.kind) {
    case "nothing":
      return;
    case "compute": {
      if (rd === 0 || state.shifts.skipped.has(placed.offset)) return;
      const copied = state.wordCopies.has(placed.offset) ? instruction.rs1 : copiedRegister(row, instruction);
      const combined = state.shifts.combined.get(placed.offset);
      if (combined !== undefined) emitCombined(context, combined);
      else if (copied !== undefined) context.getX(copied);
      else emitExpression(context, semantics.value, instruction, place.offset);
      context.setX(rd);
      return;
    }
    case "load":
      if (semantics.to === "f") needFloat(context, place, state, false);
      emitLoad(context, semantics, placed, state, place);
      return;
    case "store":
      if (semantics.from === "f") needFloat(context, place, state, false);
      emitStore(context, semantics, placed, state, place);
      return;
    case "amo":
      emitAmo(context, semantics, placed, state, place);
      return;
    case "load-reserved":
      emitLoadReserved(context, semantics, instruction, place);
      return;
    case "store-conditional":
      emitStoreConditional(context, semantics, instruction, place);
      return;
    case "csr":
      emitCsr(context, instruction, place);
      state.floatDirty = false;
      state.floatFast = false;
      return;
    case "system":
      emitZero(context, instruction, place);
      return;
    case "float":
      needFloat(context, place, state, true);
      if (look === undefined) emitFloat(context, semantics.operation, instruction, place);
      else emitArithmetic(context, semantics.operation, instruction, look);
      return;
    case "float-move":
      needFloat(context, place, state, false);
      emitMove(context, semantics.move, instruction);
      return;
    default:
      throw new RangeError(`${row.name} has no lowering`);
  }
}

function needFloat(context: FunctionContext, place: Place, state: BlockState, fast: boolean): void {
  if (state.floatFast || (state.floatDirty && !fast)) return;
  requireFloat(context, place, fast);
  state.floatDirty = true;
  state.floatFast ||= fast;
}
