/** Basic blocks and the region that they make up. Offsets are bytes from the virtual page in which the region begins. */
import type { GuestInstruction } from "../guest/instruction.js";
import type { RegisterSet } from "../guest/registers.js";

/**
 * How often an instruction is left to the interpreter, as an access that misses the TLB, or where a register that is loaded
 * holds no single: seldom; more often, since its pages lie here and there and it predicts where, or it shares a probe with accesses
 * to another page, or is misaligned; or often.
 */
export type Misses = "seldom" | "scattered" | "in-groups" | "misaligned" | "often";

export interface PlacedInstruction {
  readonly offset: number;
  readonly instruction: GuestInstruction;
  readonly misses: Misses;
  /** How it ends its block, if it does. */
  readonly terminator: Terminator | undefined;
}

/** How a block ends. */
export type Terminator =
  /** Goes on with the next block. */
  | { readonly kind: "next"; readonly to: number }
  | { readonly kind: "branch"; readonly taken: number; readonly otherwise: number }
  | { readonly kind: "jump"; readonly to: number }
  /** A jump that links: comes back to the next instruction, as a rule. */
  | { readonly kind: "call"; readonly target: number | undefined; readonly link: number }
  /** jalr without such a link; a return, if it says so. */
  | { readonly kind: "indirect"; readonly isReturn: boolean }
  /** The block of {@link DISPATCH}: goes to whichever of these an indirect jump names, or out of the region. */
  | { readonly kind: "dispatch"; readonly targets: readonly number[] }
  /** A system instruction that changes the mode, or how code is fetched. */
  | { readonly kind: "system" }
  /** The instruction at `at`, which is not part of the block, is the interpreter's. */
  | { readonly kind: "interpret"; readonly at: number };

export interface Block {
  readonly offset: number;
  /** All of them, the terminator's included. */
  readonly instructions: readonly PlacedInstruction[];
  readonly terminator: Terminator;
  /** Offset behind the last instruction. */
  readonly end: number;
}

/**
 * Stands for the offset of a block without instructions by which all indirect jumps of a region go, so that jumps from many
 * places to many leave the graph reducible.
 */
export const DISPATCH = Number.MIN_SAFE_INTEGER;

export interface Region {
  readonly entry: number;
  /** The block with which it begins: that of the entry, or {@link DISPATCH}, which goes there. */
  readonly first: number;
  /** By offset; successors that are not among them leave the region. */
  readonly blocks: ReadonlyMap<number, Block>;
  readonly instructionCount: number;
  /** All that its instructions read or write. */
  readonly registers: RegisterSet;
  /** Float registers by their bits that only hold singles (see `singles.ts`). */
  readonly singles: number;
}

/** Where control may go from a block within its region; offsets that it does not have are left out by the caller. */
export function successors({ terminator }: Pick<Block, "terminator">): number[] {
  switch (terminator.kind) {
    case "next":
    case "jump":
      return [terminator.to];
    case "branch":
      return [terminator.taken, terminator.otherwise];
    case "call":
      return [terminator.link];
    case "indirect":
      return terminator.isReturn ? [] : [DISPATCH];
    case "dispatch":
      return [...terminator.targets];
    case "system":
    case "interpret":
      return [];
  }
}
