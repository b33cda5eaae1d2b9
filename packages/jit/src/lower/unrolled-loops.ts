/**
 * Small loops, of which several iterations stand in the code one behind the
 * other: what a loop does at its head is done once for all of them. Accesses
 * whose addresses are sums of registers that the loop leaves alone, or only adds
 * constants to, are *steady*: one probe of the TLB at the head serves those of
 * all iterations, if their bytes lie in one page. Where they do not, one
 * iteration is executed as in any other loop.
 */
import { lowest, withoutLowest } from "../guest/registers.js";
import type { PlacedInstruction } from "../region/block.js";
import { type AccessGroup, GROUP_LOCALS, groupAccesses, type Probes, predictedProbes, SPAN } from "./access-groups.js";

export interface UnrolledLoop {
  /** What is probed before the iterations. */
  readonly steady: readonly AccessGroup[];
  /** How the accesses of each iteration ask the TLB. */
  readonly iterations: readonly Probes[];
}

/** Loops of more instructions do enough between two looks at the budget. */
export const MOST_UNROLLED = 64;
/** Iterations that stand one behind the other. */
const ITERATIONS = 4;
/** Registers of a sum at most. */
const MOST_ADDENDS = 3;

/** How a loop that executes these instructions one behind the other is unrolled, if no access is known to need more than a probe. */
export function unrollLoop(
  instructions: readonly PlacedInstruction[],
  chained: ReadonlySet<number>,
): UnrolledLoop | undefined {
  if (instructions.some(({ misses }) => misses === "often" || misses === "misaligned")) return undefined;
  const accesses = steadyAccesses(instructions);
  const groups = groupSteady(accesses);
  const steady = [...new Set(groups.values())];
  const others = groupAccesses(instructions, groups, steady.length);
  const predicted = predictedProbes(instructions, others, chained);
  const iterations = Array.from({ length: ITERATIONS }, (_, n) => ({
    groups: steady.length === 0 ? others : inIteration(n, accesses, groups, others),
    predicted,
  }));
  return { steady, iterations };
}

/** What a register holds: the sum of what these, by their bits, held at the loop's head, and so much. */
interface Sum {
  readonly registers: number;
  readonly shift: number;
}

/** What each register holds at the head. */
const AT_HEAD: readonly Sum[] = Array.from({ length: 32 }, (_, n) => ({ registers: n === 0 ? 0 : 1 << n, shift: 0 }));

interface SteadyAccess {
  readonly base: Sum;
  /** What each iteration adds to it. */
  readonly step: number;
  /** Displacements of its first byte, and behind its last. */
  readonly begin: number;
  readonly end: number;
  readonly writes: boolean;
}

/** By the offsets of their instructions. */
type SteadyAccesses = ReadonlyMap<number, SteadyAccess>;

const NONE: SteadyAccesses = new Map();

function steadyAccesses(instructions: readonly PlacedInstruction[]): SteadyAccesses {
  /** Undefined where it is not known. */
  const sums: (Sum | undefined)[] = [...AT_HEAD];
  const found: (Omit<SteadyAccess, "step"> & { readonly offset: number })[] = [];
  for (const { offset, instruction, misses } of instructions) {
    const { row, rd, rs1, rs2, imm, writes } = instruction;
    const semantics = row?.semantics;
    if (semantics?.kind === "csr") return NONE; // the bank may change
    const base = sums[rs1];
    const isAccess = semantics?.kind === "load" || semantics?.kind === "store";
    if (isAccess && misses !== "in-groups" && base !== undefined && base.registers !== 0) {
      const begin = base.shift + imm;
      found.push({ offset, base, begin, end: begin + semantics.width, writes: semantics.kind === "store" });
    }
    if (writes.x !== 0) sums[rd] = resultOf(row?.name, base, sums[rs2], imm);
  }
  const steady = new Map<number, SteadyAccess>();
  for (const { offset, ...access } of found) {
    const step = stepOf(access.base.registers, sums);
    if (step !== undefined) steady.set(offset, { ...access, step });
  }
  return steady;
}

/** What an instruction gives of sums, if that is one. */
function resultOf(
  name: string | undefined,
  one: Sum | undefined,
  other: Sum | undefined,
  imm: number,
): Sum | undefined {
  if (one === undefined) return undefined;
  if (name === "addi") return { registers: one.registers, shift: one.shift + imm };
  if (name !== "add" || other === undefined || (one.registers & other.registers) !== 0) return undefined;
  return { registers: one.registers | other.registers, shift: one.shift + other.shift };
}

/** What an iteration adds to the sum of some registers, if it leaves them alone or adds constants to them. */
function stepOf(registers: number, atEnd: readonly (Sum | undefined)[]): number | undefined {
  let [step, count] = [0, 0];
  for (let rest = registers; rest !== 0; rest = withoutLowest(rest)) {
    const next = atEnd[lowest(rest)];
    if (next?.registers !== (rest & -rest) || ++count > MOST_ADDENDS) return undefined;
    step += next.shift;
  }
  return step;
}

/** The groups of steady accesses by their offsets: those off the same registers, but for what is too far from the first of them. */
function groupSteady(accesses: SteadyAccesses): ReadonlyMap<number, AccessGroup> {
  const byRegisters = new Map<number, AccessGroup>();
  const groups = new Map<number, AccessGroup>();
  for (const [offset, { base, step, begin, end, writes }] of accesses) {
    const group = byRegisters.get(base.registers);
    const further = (ITERATIONS - 1) * step;
    const least = Math.min(group?.least ?? begin, begin, begin + further);
    const last = Math.max(group?.end ?? end, end, end + further);
    if (last - least > SPAN) continue;
    if (group !== undefined) {
      group.least = least;
      group.end = last;
      group.writes ||= writes;
      groups.set(offset, group);
    } else if (byRegisters.size < GROUP_LOCALS) {
      const made: AccessGroup = {
        ...{
          local: byRegisters.size,
          first: undefined,
          bases: base.registers,
          shifts: undefined,
          least,
          end: last,
          writes,
        },
        ...{ count: 1, isMisaligned: false, isApart: false },
      };
      byRegisters.set(base.registers, made);
      groups.set(offset, made);
    }
  }
  return groups;
}

/** The groups as an iteration sees them, with what their bases have moved by, and others. */
function inIteration(
  iteration: number,
  accesses: SteadyAccesses,
  groups: ReadonlyMap<number, AccessGroup>,
  others: ReadonlyMap<number, AccessGroup>,
): ReadonlyMap<number, AccessGroup> {
  const all = new Map(others);
  for (const [offset, group] of groups) {
    const { base, step } = accesses.get(offset) as SteadyAccess;
    all.set(offset, { ...group, shifts: new Map([[offset, base.shift + iteration * step]]) });
  }
  return all;
}
