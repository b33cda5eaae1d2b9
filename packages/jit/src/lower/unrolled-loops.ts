/**
 * Small loops, of which several iterations stand in the code one behind the
 * other: what a loop does at its head is done once for all of them. Accesses
 * whose addresses are sums of registers that the loop leaves alone, or only adds
 * constants to, are *steady*: one probe of the TLB at the head serves those of
 * all iterations, if their bytes lie in one page. Where they do not, one
 * iteration is executed as in any other loop.
 */
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
    groups: new Map([...others, ...inIteration(n, accesses, groups)]),
    predicted,
  }));
  return { steady, iterations };
}

/** What a register holds: the sum of what these held at the loop's head, and so much. */
interface Sum {
  readonly registers: readonly number[];
  readonly shift: number;
}

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

function steadyAccesses(instructions: readonly PlacedInstruction[]): SteadyAccesses {
  /** What the registers hold that were written, if it is known. */
  const written = new Map<number, Sum | undefined>([[0, { registers: [], shift: 0 }]]);
  const sumIn = (register: number) =>
    written.has(register) ? written.get(register) : { registers: [register], shift: 0 };
  const found = new Map<number, Omit<SteadyAccess, "step">>();
  for (const { offset, instruction, misses } of instructions) {
    const { row, rd, rs1, rs2, imm, writes } = instruction;
    const semantics = row?.semantics;
    if (semantics?.kind === "csr") return new Map(); // the bank may change
    const base = sumIn(rs1);
    if ((semantics?.kind === "load" || semantics?.kind === "store") && misses !== "in-groups" && base !== undefined) {
      const begin = base.shift + imm;
      found.set(offset, { base, begin, end: begin + semantics.width, writes: semantics.kind === "store" });
    }
    if (writes.x === 0) continue;
    if (row?.name === "addi") written.set(rd, sumOf(base, { registers: [], shift: imm }));
    else written.set(rd, row?.name === "add" ? sumOf(base, sumIn(rs2)) : undefined);
  }
  const steady = new Map<number, SteadyAccess>();
  for (const [offset, access] of found) {
    let step = 0;
    for (const register of access.base.registers) {
      const next = sumIn(register);
      const isStep = next?.registers.length === 1 && next.registers[0] === register;
      step += isStep ? next.shift : Number.NaN;
    }
    if (!Number.isNaN(step) && access.base.registers.length > 0) steady.set(offset, { ...access, step });
  }
  return steady;
}

function sumOf(one: Sum | undefined, other: Sum | undefined): Sum | undefined {
  if (one === undefined || other === undefined) return undefined;
  const registers = [...one.registers, ...other.registers].sort((a, b) => a - b);
  return registers.length > MOST_ADDENDS ? undefined : { registers, shift: one.shift + other.shift };
}

/** The groups of steady accesses by their offsets: those off the same registers, but for what is too far from the first of them. */
function groupSteady(accesses: SteadyAccesses): ReadonlyMap<number, AccessGroup> {
  const byRegisters = new Map<string, AccessGroup>();
  const groups = new Map<number, AccessGroup>();
  for (const [offset, { base, step, begin, end, writes }] of accesses) {
    const key = base.registers.join();
    const group = byRegisters.get(key);
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
      byRegisters.set(key, made);
      groups.set(offset, made);
    }
  }
  return groups;
}

/** The groups as an iteration sees them: with what their bases have moved by. */
function inIteration(
  iteration: number,
  accesses: SteadyAccesses,
  groups: ReadonlyMap<number, AccessGroup>,
): ReadonlyMap<number, AccessGroup> {
  return new Map(
    [...groups].map(([offset, group]) => {
      const { base, step } = accesses.get(offset) as SteadyAccess;
      return [offset, { ...group, shifts: new Map([[offset, base.shift + iteration * step]]) }];
    }),
  );
}
