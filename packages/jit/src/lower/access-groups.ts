/**
 * Accesses of a block off one register that keeps its value, such as those of a
 * stack frame or a structure: one probe of the TLB serves all, if their bytes
 * lie in one page.
 */
import type { GuestInstruction } from "../guest/instruction.js";
import type { PlacedInstruction } from "../region/block.js";

export interface AccessGroup {
  /** Which of the locals for machine addresses it has. */
  readonly local: number;
  /** The instruction at which the probe stands. */
  readonly first: number;
  readonly base: number;
  /** Displacement of the lowest byte. */
  least: number;
  /** Displacement behind the highest byte. */
  end: number;
  writes: boolean;
  count: number;
  /** A single access that is often misaligned: a group's probe does not look at that. */
  readonly isMisaligned: boolean;
  /** One of them often misses the TLB, perhaps since they do not lie in one page: each goes its own way. */
  isApart: boolean;
}

/** How the accesses of a block ask the TLB. */
export interface Probes {
  /** By the offsets of their instructions. */
  readonly groups: ReadonlyMap<number, AccessGroup>;
  /** Where a probe stands that predicts what it finds. */
  readonly predicted: ReadonlySet<number>;
}

/** Bytes that the accesses of a group span at most: the more, the likelier they cross a page. */
const SPAN = 512;
/** Groups of a block that have a local of their own. */
export const GROUP_LOCALS = 6;

/** Of the base register that is no address. */
const X0 = 1;

const NONE: ReadonlyMap<number, AccessGroup> = new Map();
const NOWHERE: ReadonlySet<number> = new Set();

/** The groups of a block by the offsets of their instructions; a single access is none unless it is misaligned. */
export function groupAccesses(instructions: readonly PlacedInstruction[]): ReadonlyMap<number, AccessGroup> {
  const shared = sharedBases(instructions);
  if (shared === 0) return NONE;
  const open = new Map<number, AccessGroup>();
  const groups = new Map<number, AccessGroup>();
  let next = 0;
  for (const { offset, instruction, misses } of instructions) {
    const access = ((shared >>> instruction.rs1) & 1) === 0 ? undefined : accessOf(instruction);
    if (access !== undefined) {
      const { rs1: base, imm } = instruction;
      const isMisaligned = misses === "misaligned";
      let group = isMisaligned ? undefined : open.get(base);
      const [least, end] = [Math.min(group?.least ?? imm, imm), Math.max(group?.end ?? imm, imm + access.width)];
      if (group === undefined || end - least > SPAN) {
        const bytes = { least: imm, end: imm + access.width };
        group = { local: next++, first: offset, base, ...bytes, writes: false, count: 0, isMisaligned, isApart: false };
        if (!isMisaligned) open.set(base, group);
      } else {
        group.least = least;
        group.end = end;
      }
      group.writes ||= access.writes;
      group.isApart ||= misses === "in-groups" || misses === "often";
      group.count++;
      groups.set(offset, group);
    }
    if (instruction.row?.semantics.kind === "csr") open.clear(); // the bank may change
    if (instruction.writes.x !== 0) open.delete(instruction.rd);
  }
  for (const [offset, { count, isMisaligned, isApart }] of groups) {
    if (isApart || (count === 1 && !isMisaligned)) groups.delete(offset);
  }
  const locals = new Map<number, number>();
  for (const [offset, group] of groups) {
    if (!locals.has(group.local)) locals.set(group.local, locals.size);
    if ((locals.get(group.local) ?? 0) >= GROUP_LOCALS) groups.delete(offset);
  }
  for (const group of new Set(groups.values())) {
    (group as { local: number }).local = locals.get(group.local) ?? 0;
  }
  return groups;
}

/** The registers, by their bits, that are bases of two accesses, or of a misaligned one: most blocks have none. */
function sharedBases(instructions: readonly PlacedInstruction[]): number {
  let [bases, shared] = [0, 0];
  for (const { instruction, misses } of instructions) {
    if (!instruction.isAccess) continue;
    const base = 1 << instruction.rs1;
    if ((bases & base) !== 0 || misses === "misaligned") shared |= base;
    bases |= base;
  }
  return shared & ~X0;
}

/** Where the probes stand for chained loads (see `chains.ts`), but for those that predicted badly or often miss. */
export function predictedProbes(
  instructions: readonly PlacedInstruction[],
  groups: ReadonlyMap<number, AccessGroup>,
  chained: ReadonlySet<number>,
): ReadonlySet<number> {
  if (chained.size === 0) return NOWHERE;
  const predicted = new Set<number>();
  const probes = new Set(
    instructions.flatMap(({ offset }) => (chained.has(offset) ? [groups.get(offset)?.first ?? offset] : [])),
  );
  for (const { offset, misses } of instructions) if (misses === "seldom" && probes.has(offset)) predicted.add(offset);
  return predicted;
}

function accessOf({ row }: GuestInstruction): { readonly width: number; readonly writes: boolean } | undefined {
  const semantics = row?.semantics;
  if (semantics?.kind === "load") return { width: semantics.width, writes: false };
  if (semantics?.kind === "store") return { width: semantics.width, writes: true };
  return undefined;
}
