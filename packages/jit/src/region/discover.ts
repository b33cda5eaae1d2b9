/**
 * Grows a region from a hot block: the blocks that can be reached from it by
 * branches, direct jumps and the returns of calls, nearest first, as far as
 * they lie in the pages at hand, were executed before, and fit the limit. Where
 * another region begins this one ends, as code in both would be compiled twice,
 * but for the returns of its calls and the targets of its indirect jumps.
 */
import type { GuestInstruction } from "../guest/instruction.js";
import { isAccess } from "../lower/memory.js";
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
function terminatorOf({ instruction, offset }: PlacedInstruction): Terminator | undefined {
  const { row, rd, imm, length } = instruction;
  const next = offset + length;
  if (row !== undefined && endsRegion(instruction)) return { kind: "system" };
  if (row?.semantics.kind === "branch") return { kind: "branch", taken: offset + imm, otherwise: next };
  if (row?.semantics.kind !== "jump") return undefined;
  const target = row.name === "jal" ? offset + imm : undefined;
  if (LINK_REGISTERS.includes(rd)) return { kind: "call", target, link: next };
  if (target === undefined) return { kind: "indirect", isReturn: LINK_REGISTERS.includes(instruction.rs1) };
  // A link in another register is the beginning of a computation, not of a call.
  return { kind: "jump", to: target };
}

/** Whether the translator has a lowering for it. */
export type IsTranslatable = (instruction: GuestInstruction) => boolean;

export function discover(entry: number, code: Code, limits: Limits, isTranslatable: IsTranslatable): Region {
  const placed = new Map<number, PlacedInstruction>();
  const leaders = new Set<number>([entry]);
  const queue = [entry];
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
    while (!placed.has(offset) && !isElsewhere(offset) && count < limits.instructions) {
      const instruction = code.at(offset);
      if (instruction === undefined || !isTranslatable(instruction)) break;
      const misses = isAccess(instruction) || own.has(offset) ? code.misses(offset) : "seldom";
      const here = { offset, instruction, misses };
      placed.set(offset, here);
      count++;
      const terminator = terminatorOf(here);
      if (terminator !== undefined) {
        if (terminator.kind === "call") own.add(terminator.link);
        for (const successor of successors({ terminator })) {
          if (successor !== DISPATCH) enqueue(successor);
          else if (arrivals === undefined && !limits.singleBlock) {
            arrivals = new Set(code.arrivals());
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
  const isInterpreted = (offset: number) => {
    const instruction = code.at(offset);
    return instruction === undefined || !isTranslatable(instruction);
  };
  const blocks = cut(leaders, placed, isInterpreted);
  if (arrivals !== undefined) addDispatch(blocks, arrivals);
  return { entry, blocks, instructionCount: count };
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
      terminator = terminatorOf(here);
      if (leaders.has(offset)) terminator ??= { kind: "next", to: offset };
    }
    if (instructions.length === 0) continue;
    terminator ??= isInterpreted(offset) ? { kind: "interpret", at: offset } : { kind: "next", to: offset };
    blocks.set(leader, { offset: leader, instructions, terminator, end: offset });
  }
  return blocks;
}
