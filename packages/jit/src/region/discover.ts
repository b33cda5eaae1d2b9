/**
 * Grows a region from a hot block: the blocks that can be reached from it by
 * branches, direct jumps and the returns of calls, nearest first, as far as
 * they lie in the pages at hand, were executed before, and fit the limit. Where
 * another region begins this one ends, as code in both would be compiled twice,
 * but for the returns of its calls, the targets of its indirect jumps, and what
 * soon leads back.
 */
import type { GuestInstruction } from "../guest/instruction.js";
import type { RegisterSet } from "../guest/registers.js";
import { endsRegion } from "../lower/system.js";
import {
  type Block,
  DISPATCH,
  type Misses,
  type PlacedInstruction,
  type Region,
  successors,
  type Terminator,
} from "./block.js";
import { singlesOf } from "./singles.js";

/** The guest's code around the hot block. */
export interface Code {
  /** The instruction at an offset; undefined where it cannot be read or must be left to the interpreter. */
  at(offset: number): GuestInstruction | undefined;
  /** Whether the interpreter has been there. */
  executed(offset: number): boolean;
  /** Whether another region begins there. */
  isRegion(offset: number): boolean;
  /** How often a region leaves the instruction there to the interpreter. */
  misses(offset: number): Misses;
  /** Offsets where control has arrived by jumps, as far as samples tell. */
  arrivals(): readonly number[];
}

export interface Limits {
  readonly instructions: number;
  /** Only the block itself. */
  readonly singleBlock: boolean;
  /** Blocks that were never executed, too. */
  readonly eager: boolean;
}

const LINK_REGISTERS = [1, 5];

/** The terminator that an instruction is, if it is one. */
function terminatorOf(instruction: GuestInstruction, offset: number): Terminator | undefined {
  const { row, imm, length } = instruction;
  switch (row?.semantics.kind) {
    case "branch":
      return { kind: "branch", taken: offset + imm, otherwise: offset + length };
    case "jump":
      return jumpOf(instruction, offset);
    case "csr":
    case "system":
      return endsRegion(instruction) ? { kind: "system" } : undefined;
    default:
      return undefined;
  }
}

function jumpOf({ row, rd, rs1, imm, length }: GuestInstruction, offset: number): Terminator {
  const target = row?.name === "jal" ? offset + imm : undefined;
  if (LINK_REGISTERS.includes(rd)) return { kind: "call", target, link: offset + length };
  if (target === undefined) return { kind: "indirect", isReturn: LINK_REGISTERS.includes(rs1) };
  // A link in another register is the beginning of a computation, not of a call.
  return { kind: "jump", to: target };
}

/** Instructions that a region takes of others at most. */
const MOST_BORROWED = 128;

export function discover(entry: number, code: Code, limits: Limits): Region {
  const placed = new Map<number, PlacedInstruction>();
  const leaders = new Set<number>([entry]);
  const queue = [entry];
  /** Where code of other regions was entered, and what follows from there alone. */
  const borrowed = new Set<number>();
  let count = 0;
  /** What belongs to this region even if another begins there. */
  const own = new Set<number>([entry]);
  let arrivals: ReadonlySet<number> | undefined;
  const isElsewhere = (offset: number) => code.isRegion(offset) && !own.has(offset);

  const enqueue = (offset: number) => {
    if (leaders.has(offset)) return;
    leaders.add(offset);
    if (!placed.has(offset)) queue.push(offset);
  };

  for (let n = 0; n < queue.length; n++) {
    let offset = queue[n] as number;
    if (n > 0 && (limits.singleBlock || !(limits.eager || code.executed(offset)))) continue;
    let isBorrowed = borrowed.has(offset);
    while (!placed.has(offset) && count < limits.instructions) {
      isBorrowed ||= isElsewhere(offset);
      if (isBorrowed && borrowed.size >= MOST_BORROWED) break;
      const instruction = code.at(offset);
      if (instruction === undefined || !instruction.isTranslatable) break;
      const misses = instruction.isAccess || own.has(offset) ? code.misses(offset) : "seldom";
      const terminator = instruction.mayEndBlock ? terminatorOf(instruction, offset) : undefined;
      placed.set(offset, { offset, instruction, misses, terminator });
      if (isBorrowed) borrowed.add(offset);
      count++;
      if (terminator !== undefined) {
        if (terminator.kind === "call") own.add(terminator.link);
        for (const successor of successors({ terminator })) {
          if (successor !== DISPATCH) {
            if (isBorrowed && !leaders.has(successor) && !placed.has(successor)) borrowed.add(successor);
            enqueue(successor);
          } else if (arrivals === undefined && !limits.singleBlock) {
            arrivals = new Set([entry, ...code.arrivals()]);
            for (const arrival of arrivals) {
              own.add(arrival);
              enqueue(arrival);
            }
          }
        }
        break;
      }
      offset += instruction.length;
    }
  }
  giveBack(placed, borrowed);
  const isInterpreted = (offset: number) => {
    const instruction = code.at(offset);
    return instruction === undefined || !instruction.isTranslatable;
  };
  const blocks = cut(leaders, placed, isInterpreted);
  if (arrivals !== undefined) addDispatch(blocks, arrivals);
  const registers = registersOf(placed);
  const singles = singlesOf({ entry, blocks }, registers.f);
  return { entry, first: entry, blocks, instructionCount: placed.size, registers, singles };
}

/** All that instructions read or write. */
function registersOf(placed: ReadonlyMap<number, PlacedInstruction>): RegisterSet {
  let [x, f] = [0, 0];
  for (const { instruction } of placed.values()) {
    x |= instruction.reads.x | instruction.writes.x;
    f |= instruction.reads.f | instruction.writes.f;
  }
  return { x, f };
}

/** Takes out what was borrowed of other regions, but for what leads back: loops would else go through several functions. */
function giveBack(placed: Map<number, PlacedInstruction>, borrowed: ReadonlySet<number>): void {
  if (borrowed.size === 0) return;
  const order = [...borrowed].filter((offset) => placed.has(offset)).sort((a, b) => b - a);
  const kept = new Set<number>();
  const stays = (offset: number) => placed.has(offset) && (!borrowed.has(offset) || kept.has(offset));
  for (let before = -1; before !== kept.size; ) {
    before = kept.size;
    for (const offset of order) {
      const { instruction, terminator: end } = placed.get(offset) as PlacedInstruction;
      const terminator = end ?? { kind: "next", to: offset + instruction.length };
      if (successors({ terminator }).some(stays)) kept.add(offset);
    }
  }
  for (const offset of order) if (!kept.has(offset)) placed.delete(offset);
}

/** Table entries of a dispatch at most: one for every two bytes from the first target to the last. */
const DISPATCH_RANGE = 4096;

/** Adds the block by which indirect jumps go, if there is more than one place for them to go to. */
function addDispatch(blocks: Map<number, Block>, arrivals: ReadonlySet<number>): void {
  const targets = [...arrivals].filter((offset) => blocks.has(offset)).sort((a, b) => a - b);
  const [first = 0, last = 0] = [targets[0], targets.at(-1)];
  if (targets.length < 2 || (last - first) / 2 >= DISPATCH_RANGE) return;
  blocks.set(DISPATCH, {
    offset: DISPATCH,
    instructions: [],
    terminator: { kind: "dispatch", targets },
    end: DISPATCH,
  });
}

/** Cuts the instructions into blocks at the leaders. */
function cut(
  leaders: ReadonlySet<number>,
  placed: ReadonlyMap<number, PlacedInstruction>,
  isInterpreted: (offset: number) => boolean,
): Map<number, Block> {
  const blocks = new Map<number, Block>();
  for (const leader of leaders) {
    const instructions: PlacedInstruction[] = [];
    let offset = leader;
    let terminator: Terminator | undefined;
    for (let here = placed.get(offset); here !== undefined && terminator === undefined; here = placed.get(offset)) {
      instructions.push(here);
      offset += here.instruction.length;
      terminator = here.terminator;
      if (leaders.has(offset)) terminator ??= { kind: "next", to: offset };
    }
    if (instructions.length === 0) continue;
    terminator ??= isInterpreted(offset) ? { kind: "interpret", at: offset } : { kind: "next", to: offset };
    blocks.set(leader, { offset: leader, instructions, terminator, end: offset });
  }
  return blocks;
}
