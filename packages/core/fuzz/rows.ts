/** The rows of the ISA table, by what they do: what the generators of units pick from. */
import type { Instruction, Semantics } from "../isa/instruction.js";
import { instructions } from "../isa/table.js";

/** Whether a row acts on a cache block. */
export const isBlockOperation = ({ semantics }: Instruction): boolean =>
  semantics.kind === "system" && semantics.helper.startsWith("cbo_");

type Kind = Semantics["kind"];
export type Of<K extends Kind> = Instruction & { readonly semantics: Extract<Semantics, { kind: K }> };

const rowsOf = <K extends Kind>(...kinds: K[]): Of<K>[] =>
  instructions.filter((row): row is Of<K> => (kinds as Kind[]).includes(row.semantics.kind));

export const compute = rowsOf("compute");
export const floats = rowsOf("float", "float-move", "float-constant");
export const accesses = rowsOf("load", "store");
const isFloatAccess = ({ semantics }: Of<"load" | "store">) =>
  semantics.kind === "load" ? semantics.to === "f" : semantics.from === "f";
export const integerAccesses = accesses.filter((row) => !isFloatAccess(row));
export const floatAccesses = accesses.filter(isFloatAccess);
export const atomics = rowsOf("amo", "amo-compare-swap");
export const branches = rowsOf("branch");
const isPrefetch = ({ encoding }: Instruction) => encoding.fields.has("imm") && encoding.fields.has("rs1");
export const fences = rowsOf("nothing").filter((row) => row.name === "fence.i" || !isPrefetch(row));
/** Under mstatus.TW QEMU does not let it wait, while it ends at once here: either is allowed (Unprivileged ISA 15.1). */
export const fencesBelowMachine = fences.filter(({ name }) => name !== "wrs.nto");
export const prefetches = rowsOf("nothing").filter((row) => row.name !== "fence.i" && isPrefetch(row));
export const systems = rowsOf("system");
export const blocks = systems.filter(isBlockOperation);
/** Rows that access memory at an address in rs1, with or without an offset; not those that need a reservation. */
export const addressed = instructions.filter(
  (row) =>
    ["load", "store", "amo", "amo-compare-swap", "load-reserved"].includes(row.semantics.kind) || isBlockOperation(row),
);
