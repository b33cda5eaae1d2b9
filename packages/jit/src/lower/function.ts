/**
 * A region's function. Control flow is structured by the dominator tree
 * (N. Ramsey, "Beyond Relooper", ICFP 2022): a loop around each loop header, a
 * block before each merge point; where the graph is irreducible, a loop around
 * a branch table dispatches instead. Guest calls are WebAssembly calls.
 */
import type { GuestInstruction } from "../guest/instruction.js";
import { NO_REGISTERS, type RegisterSet } from "../guest/registers.js";
import { type Block, DISPATCH, type PlacedInstruction, type Region, successors } from "../region/block.js";
import { chainedLoads } from "../region/chains.js";
import { type Cycle, cycles, withCopies } from "../region/cycles.js";
import type { FlowGraph } from "../region/flow-graph.js";
import type { Shape } from "../region/reducible.js";
import { type RegisterFlow, registerFlow } from "../region/registers.js";
import type { ModuleBuilder } from "../wasm/module.js";
import { Op } from "../wasm/opcodes.js";
import { type AccessGroup, groupAccesses, type Probes, predictedProbes } from "./access-groups.js";
import { FunctionContext, Local, type LoweringOptions } from "./context.js";
import { emitExpression } from "./expression.js";
import { type BlockState, blockState, emitStraight, placeOf } from "./instruction.js";
import { followJumpCache } from "./jump-cache.js";
import { callRegion, leave, leaveTo, returnAddress } from "./leaving.js";
import { probeSteady } from "./memory.js";
import type { LoweringNotes } from "./notes.js";
import { emitSystem } from "./system.js";
import { MOST_UNROLLED, type UnrolledLoop, unrollLoop } from "./unrolled-loops.js";

const NONE: ReadonlyMap<number, AccessGroup> = new Map();

/** Adds a region's function to a module, and tells of it if there are notes to take; gives what it knows of its accesses. */
export function lower(
  module: ModuleBuilder,
  shape: Shape,
  options: LoweringOptions,
  notes?: LoweringNotes,
): RegionProbes {
  const writer = new FunctionWriter(module, shape, options, notes);
  writer.write();
  return writer.probes;
}

/** How the accesses of a region ask the TLB. */
export interface RegionProbes {
  /** Those that an access of theirs asks for; where others find no page, nothing is given back. */
  readonly groups: readonly (Pick<AccessGroup, "least" | "end"> & { readonly first: number })[];
  /** Offsets of probes that predict. */
  readonly predicted: readonly number[];
}

/** The instruction that ends a block, if one does. */
const lastOf = ({ terminator, instructions }: Block): PlacedInstruction | undefined =>
  terminator.kind === "next" || terminator.kind === "interpret" ? undefined : instructions.at(-1);

class FunctionWriter {
  readonly #region: Region;
  readonly #context: FunctionContext;
  #graph: FlowGraph;
  readonly #registers: RegisterFlow;
  /** By block number. */
  readonly #probes: readonly Probes[];
  /** By the numbers of their headers. */
  readonly #unrolled = new Map<number, UnrolledLoop & { readonly cycle: Cycle }>();
  /** By block number: the depth before its loop, or the block that ends where it begins, was opened. */
  readonly #labels = new Map<number, number>();
  /** Depth of the dispatching loop, if there is one. */
  #dispatch: number | undefined;

  constructor(
    module: ModuleBuilder,
    { region, graph }: Shape,
    options: LoweringOptions,
    notes: LoweringNotes | undefined,
  ) {
    this.#region = region;
    this.#context = new FunctionContext(module, region, options, notes);
    this.#graph = graph;
    this.#registers = registerFlow(region, this.#graph);
    const chained = chainedLoads(region, graph);
    this.#probes = this.#graph.order.map((_, number) => {
      const { instructions } = this.#block(number);
      const groups = options.groupAccesses ? groupAccesses(instructions) : NONE;
      return { groups, predicted: predictedProbes(instructions, groups, chained) };
    });
    if (options.unrollsLoops) this.#unroll(chained);
  }

  #unroll(chained: ReadonlySet<number>): void {
    for (const cycle of cycles(this.#region, this.#graph, MOST_UNROLLED)) {
      const instructions = cycle.flatMap((number) => this.#block(number).instructions);
      const loop = unrollLoop(instructions, chained);
      if (loop !== undefined) this.#unrolled.set(cycle[0] as number, { ...loop, cycle });
    }
    this.#graph = withCopies(
      this.#graph,
      [...this.#unrolled.values()].map(({ cycle }) => cycle),
    );
  }

  get probes(): RegionProbes {
    const groups: RegionProbes["groups"][number][] = [];
    const predicted: number[] = [];
    const all = [...this.#probes];
    for (const { iterations } of this.#unrolled.values()) all.push(...iterations.slice(0, 1));
    for (const probes of all) {
      for (const [first, group] of probes.groups)
        if (group.first === first) groups.push({ first, least: group.least, end: group.end });
      predicted.push(...probes.predicted);
    }
    return { groups, predicted };
  }

  write(): void {
    if (this.#region.first === DISPATCH) {
      this.#context.get(Local.pc);
      this.#context.set(Local.address);
    }
    this.#context.pending = this.#liveAt(0).x;
    if (this.#graph.irreducible.length === 0) this.#tree(0);
    else this.#dispatched();
    this.#context.finish(this.#liveAt(0).f, () => followJumpCache(this.#context));
  }

  #block(number: number): Block {
    const block = this.#region.blocks.get(this.#graph.order[number] ?? -1);
    if (block === undefined) throw new RangeError(`the region has no block ${number}`);
    return block;
  }

  #dirtyAt(number: number): RegisterSet {
    return this.#registers.dirty[number] ?? NO_REGISTERS;
  }

  #liveAt(number: number): RegisterSet {
    return this.#registers.live[number] ?? NO_REGISTERS;
  }

  // Structure.

  /** A block and all that it dominates. */
  #tree(number: number): void {
    const context = this.#context;
    const merges = (this.#graph.dominated[number] ?? []).filter((child) => this.#graph.isMerge[child]);
    const isLoop = this.#graph.isLoopHeader[number];
    if (isLoop) {
      context.loadPending(this.#liveAt(number).x);
      context.pending = 0;
      this.#labels.set(number, context.depth);
      context.open(Op.loop);
      if (this.#block(number).offset !== DISPATCH) this.#checkBudget(number);
    }
    this.#within(number, merges);
    if (isLoop) {
      context.close();
      this.#labels.delete(number);
    }
  }

  /** A block inside the blocks that end where the merge points begin which it dominates. */
  #within(number: number, merges: readonly number[]): void {
    const [outermost, ...rest] = merges;
    if (outermost === undefined) {
      this.#body(number);
      return;
    }
    const context = this.#context;
    this.#labels.set(outermost, context.depth);
    context.open(Op.block);
    this.#within(number, rest);
    context.close();
    context.pending = 0; // whoever branches here has loaded what is live
    this.#labels.delete(outermost);
    this.#tree(outermost);
  }

  /** Every block in a case of one branch table. */
  #dispatched(): void {
    const context = this.#context;
    const count = this.#graph.order.length;
    context.loadPending(this.#liveAt(0).x);
    context.i32(0);
    context.set(Local.state);
    this.#dispatch = context.depth;
    context.open(Op.loop);
    this.#checkDispatchBudget();
    const cases = Array.from({ length: count }, () => {
      const depth = context.depth;
      context.open(Op.block);
      return depth;
    }).reverse();
    context.get(Local.state);
    context.op(Op.br_table);
    context.out.unsigned(count - 1);
    for (const depth of cases) context.out.unsigned(context.depth - depth - 1);
    for (let number = 0; number < count; number++) {
      context.close();
      context.pending = 0;
      this.#body(number);
    }
    context.close();
  }

  /** Leaves a loop whose budget is used up. */
  #checkBudget(number: number): void {
    this.#context.dirty = this.#dirtyAt(number);
    this.#context.get(Local.left);
    this.#context.i32(0);
    this.#context.op(Op.i32_le_s);
    this.#context.giveBackIf(this.#block(number).offset, 0, false);
  }

  /** The same where the next block is only known by its number. */
  #checkDispatchBudget(): void {
    const context = this.#context;
    context.get(Local.left);
    context.i32(0);
    context.op(Op.i32_le_s);
    context.unlikely();
    context.open(Op.if);
    for (const [number, offset] of this.#graph.order.entries()) {
      if (offset === DISPATCH) continue; // it looks itself
      context.dirty = this.#dirtyAt(number);
      context.get(Local.state);
      context.i32(number);
      context.op(Op.i32_eq);
      context.giveBackIf(offset, 0, false);
    }
    context.close();
  }

  // Blocks.

  #body(number: number): void {
    const context = this.#context;
    const { offset: begin, instructions, terminator, end } = this.#block(number);
    context.mark("block", begin);
    context.dirty = this.#dirtyAt(number);
    if (terminator.kind === "dispatch") {
      context.loadPending(this.#liveAt(number).x);
      this.#dispatchIndirect(terminator.targets);
      return;
    }
    this.#iterations(number);
    const last = lastOf(this.#block(number));
    const state = blockState(context, instructions, this.#probes[number] as Probes);
    emitStraight(context, instructions, last, state);
    switch (terminator.kind) {
      case "next":
        this.#go(number, terminator.to);
        return;
      case "interpret":
        context.giveBack(terminator.at, 0);
        return;
      case "system":
        if (last !== undefined) emitSystem(context, last.instruction, placeOf(last, 1));
        return;
      case "branch":
        this.#condition(last);
        this.#branch(number, terminator.taken, terminator.otherwise);
        return;
      case "jump":
        if (last !== undefined) this.#link(last.instruction, end);
        this.#go(number, terminator.to);
        return;
      case "indirect":
      case "call": {
        const semantics = last?.instruction.row?.semantics;
        if (last === undefined || semantics?.kind !== "jump") throw new RangeError("a jump that is none");
        // The target before the link: they may name one register.
        if (terminator.kind === "call" && terminator.target !== undefined) context.address(terminator.target);
        else emitExpression(context, semantics.target, last.instruction, last.offset);
        context.set(Local.address);
        this.#link(last.instruction, end);
        if (terminator.kind === "call") this.#call(number, end);
        else if (!terminator.isReturn && this.#graph.numberOf.has(DISPATCH)) this.#go(number, DISPATCH);
        else leave(context, !terminator.isReturn);
      }
    }
  }

  /** Some iterations of the loop of which a block is the header, if it is unrolled. */
  #iterations(header: number): void {
    const loop = this.#unrolled.get(header);
    if (loop === undefined) return;
    const context = this.#context;
    const single = context.depth;
    context.open(Op.block);
    /** By the offsets to which the iterations go: the depths before their labels. */
    const ways = new Map<number, number>();
    const outside: number[] = [];
    for (const offset of loop.cycle.flatMap((number) => successors(this.#block(number)))) {
      const to = this.#graph.numberOf.get(offset);
      const label = this.#labels.get(to ?? -1);
      if (label !== undefined) ways.set(offset, label);
      else if (to === undefined && !ways.has(offset)) {
        outside.push(offset);
        ways.set(offset, context.depth);
        context.open(Op.block);
      }
    }
    for (const group of loop.steady) probeSteady(context, group, single);
    const states = loop.cycle.map((number) =>
      blockState(context, this.#block(number).instructions, loop.iterations[0] as Probes),
    );
    let known = { floatDirty: false, floatFast: false };
    for (const probes of loop.iterations) {
      context.dirty = this.#dirtyAt(header); // all that an iteration writes is
      for (const [n, number] of loop.cycle.entries()) {
        const block = this.#block(number);
        const state = { ...(states[n] as BlockState), ...probes, ...known };
        emitStraight(context, block.instructions, lastOf(block), state);
        known = { floatDirty: state.floatDirty, floatFast: state.floatFast };
        if (block.terminator.kind === "branch") this.#stay(block, loop.cycle[n + 1] ?? header, ways);
      }
    }
    context.branch(Op.br, this.#labels.get(header) as number);
    for (const offset of outside.reverse()) {
      context.close();
      context.dirty = this.#dirtyAt(header);
      leaveTo(context, offset);
    }
    context.close();
    context.dirty = this.#dirtyAt(header);
  }

  /** Goes on to a block of a cycle behind the branch of another, or leaves the cycle. */
  #stay(from: Block, to: number, ways: ReadonlyMap<number, number>): void {
    const context = this.#context;
    const [taken, otherwise] = successors(from) as [number, number];
    const isTaken = this.#graph.numberOf.get(taken) === to;
    this.#condition(lastOf(from));
    if (isTaken) context.op(Op.i32_eqz);
    context.branch(Op.br_if, ways.get(isTaken ? otherwise : taken) as number);
  }

  /** Leaves on the stack whether a branch is taken. */
  #condition(last: PlacedInstruction | undefined): void {
    const semantics = last?.instruction.row?.semantics;
    if (last === undefined || semantics?.kind !== "branch") throw new RangeError("a branch that is none");
    emitExpression(this.#context, semantics.condition, last.instruction, last.offset);
  }

  /** Goes to the address local: by a table if it is one of the targets, else out of the region. */
  #dispatchIndirect(targets: readonly number[]): void {
    const context = this.#context;
    const first = targets[0] ?? 0;
    const range = ((targets.at(-1) ?? 0) - first) / 2 + 1;
    const outside = context.depth;
    context.open(Op.block);
    context.get(Local.left);
    context.i32(0);
    context.op(Op.i32_le_s);
    context.unlikely();
    context.branch(Op.br_if, outside);
    context.get(Local.address);
    context.address(first);
    context.op(Op.i64_sub);
    context.tee(Local.value);
    context.i64(range * 2);
    context.op(Op.i64_ge_u);
    context.unlikely();
    context.branch(Op.br_if, outside);
    context.get(Local.value);
    context.op(Op.i32_wrap_i64);
    context.i32(1);
    context.op(Op.i32_shr_u, Op.br_table);
    context.out.unsigned(range);
    let next = 0;
    for (let n = 0; n < range; n++) {
      const target = first + n * 2;
      const isTarget = target === targets[next];
      if (isTarget) next++;
      const label = isTarget ? this.#labels.get(this.#graph.numberOf.get(target) ?? -1) : undefined;
      context.out.unsigned(context.depth - (label ?? outside) - 1);
    }
    context.out.unsigned(context.depth - outside - 1);
    context.close();
    leave(context);
  }

  #link(instruction: GuestInstruction, next: number): void {
    if (instruction.rd === 0) return;
    this.#context.address(next);
    this.#context.setX(instruction.rd);
    this.#context.wrote(instruction);
  }

  /** Goes on at an offset: to a block of the region, or out of it. */
  #go(from: number, offset: number): void {
    const context = this.#context;
    const to = this.#graph.numberOf.get(offset);
    if (to === undefined) leaveTo(context, offset);
    else if (this.#dispatch !== undefined) {
      context.loadPending(this.#liveAt(to).x);
      context.i32(to);
      context.set(Local.state);
      context.branch(Op.br, this.#dispatch);
    } else if (this.#isLabelled(from, to)) this.#goToLabel(Op.br, to);
    else this.#tree(to);
  }

  /** Branches to a block, with what is live there loaded. */
  #goToLabel(opcode: number, to: number): void {
    this.#context.loadPending(this.#liveAt(to).x);
    this.#context.branch(opcode, this.#labels.get(to) as number);
  }

  /** Whether a block of the region is reached by a branch, not by falling into it. */
  #isLabelled(from: number, to: number): boolean {
    return to <= from || (this.#graph.isMerge[to] ?? false);
  }

  /** Goes one of two ways, by the condition on the stack. */
  #branch(from: number, taken: number, otherwise: number): void {
    const context = this.#context;
    const to = this.#graph.numberOf.get(taken);
    const other = this.#graph.numberOf.get(otherwise);
    // What both ways need is loaded once, before them.
    context.loadPending(this.#liveAt(to ?? -1).x & this.#liveAt(other ?? -1).x);
    if (this.#dispatch === undefined && to !== undefined && this.#isLabelled(from, to)) {
      this.#goToLabel(Op.br_if, to);
      this.#go(from, otherwise);
      return;
    }
    const { dirty, pending } = context;
    context.open(Op.if);
    this.#go(from, taken);
    context.close();
    context.dirty = dirty;
    context.pending = pending;
    this.#go(from, otherwise);
  }

  /** Calls the address local, and goes on behind the call if it comes back there. */
  #call(from: number, link: number): void {
    const context = this.#context;
    callRegion(context, link);
    const to = this.#graph.numberOf.get(link);
    if (to === undefined) {
      returnAddress(context);
      return;
    }
    context.loadFloats(this.#liveAt(to).f, Local.address);
    context.pending = this.#liveAt(to).x;
    context.loadBank();
    if (context.usesFloat) context.loadFloatState();
    this.#go(from, link);
  }
}
