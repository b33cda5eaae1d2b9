/**
 * Accesses of a block off one address, such as those of a stack frame, a
 * structure or the element of an array: one probe of the TLB serves all, if
 * their bytes lie in one page. Their base is one register, or what was made of
 * it by adding constants.
 */
import type { PlacedInstruction } from "../region/block.js";

export interface AccessGroup {
  /** Which of the locals for machine addresses it has; {@link NO_LOCAL} while it is no group. */
  local: number;
  /** The instruction at which the probe stands; none if it stands before the block. */
  readonly first: number | undefined;
  /** The registers by their bits whose sum is its base. */
  readonly bases: number;
  /** By the offsets of accesses whose base is not the first's, or has moved since: how far from it. */
  shifts: Map<number, number> | undefined;
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
export const SPAN = 512;
/** Groups of a block that have a local of their own. */
export const GROUP_LOCALS = 6;

const NO_LOCAL = -1;

/** Of the base register that is no address. */
const X0 = 1;

const NONE: ReadonlyMap<number, AccessGroup> = new Map();
const NOWHERE: ReadonlySet<number> = new Set();

/** What a register holds: what the base of a group's first access held, and so much. */
interface Base {
  readonly group: AccessGroup;
  readonly shift: number;
}

/**
 * The groups of a block by the offsets of their instructions; a single access is none unless it is misaligned. Other groups
 * have some of the accesses already, and so many locals.
 */
export function groupAccesses(
  instructions: readonly PlacedInstruction[],
  others = NONE,
  localsOfOthers = 0,
): ReadonlyMap<number, AccessGroup> {
  if (!mayShare(instructions)) return NONE;
  const open = new Map<number, Base>();
  const groups = new Map<number, AccessGroup>();
  const made: AccessGroup[] = [];
  for (const { offset, instruction, misses } of instructions) {
    const { row, rd, rs1, imm, writes } = instruction;
    const semantics = row?.semantics;
    if (rs1 !== 0 && (semantics?.kind === "load" || semantics?.kind === "store") && !others.has(offset)) {
      const end = imm + semantics.width;
      const isMisaligned = misses === "misaligned";
      const base = isMisaligned ? undefined : open.get(rs1);
      let group = base?.group;
      if (base === undefined || group === undefined || !joins(base, offset, imm, end)) {
        group = {
          local: NO_LOCAL,
          first: offset,
          bases: 1 << rs1,
          shifts: undefined,
          least: imm,
          end,
          writes: false,
          count: 0,
          isMisaligned,
          isApart: false,
        };
        made.push(group);
        if (!isMisaligned) open.set(rs1, { group, shift: 0 });
      }
      group.writes ||= semantics.kind === "store";
      group.isApart ||= misses === "in-groups" || misses === "often";
      group.count++;
      groups.set(offset, group);
    }
    if (semantics?.kind === "csr") open.clear(); // the bank may change
    if (writes.x === 0) continue;
    const moved = row?.name === "addi" ? open.get(rs1) : undefined;
    if (moved === undefined) open.delete(rd);
    else open.set(rd, { group: moved.group, shift: moved.shift + imm });
  }
  let locals = localsOfOthers;
  for (const group of made) {
    const isShared = !group.isApart && (group.count > 1 || group.isMisaligned);
    if (isShared && locals < GROUP_LOCALS) group.local = locals++;
  }
  if (locals - localsOfOthers < made.length)
    for (const { offset } of instructions) if (groups.get(offset)?.local === NO_LOCAL) groups.delete(offset);
  return groups;
}

/**
 * Makes an access to these bytes, from its base register, one of the group's if it may be. Where the base has moved, only what
 * lies among the bytes of others: a loop that goes through memory would else come to two pages more often.
 */
function joins({ group, shift }: Base, offset: number, begin: number, end: number): boolean {
  if (shift === 0) {
    const [least, last] = [Math.min(group.least, begin), Math.max(group.end, end)];
    if (last - least > SPAN) return false;
    group.least = least;
    group.end = last;
    return true;
  }
  if (begin + shift < group.least || end + shift > group.end) return false;
  group.shifts ??= new Map();
  group.shifts.set(offset, shift);
  return true;
}

/** Whether two accesses may have one base, or one is misaligned: in most blocks it is not so. */
function mayShare(instructions: readonly PlacedInstruction[]): boolean {
  let bases = 0;
  for (const { instruction, misses } of instructions) {
    const { row, rd, rs1, isAccess } = instruction;
    if (isAccess) {
      if (((bases & ~X0) >>> rs1) & 1 || misses === "misaligned") return true;
      bases |= 1 << rs1;
    } else if (row?.name === "addi" && ((bases >>> rs1) & 1) !== 0) bases |= 1 << rd;
  }
  return false;
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
