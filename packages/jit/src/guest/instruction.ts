/** Guest instructions as the translator sees them: a row of the ISA table and plain numbers for its operands. */
import {
  type DecodedInstruction,
  decodeInstruction,
  IMMEDIATE_FIELDS,
  type Instruction,
  type IsaSet,
  isLong,
} from "@hartvisor/core/isa";
import { type RegisterOperands, type RegisterSet, readBy, wideBy, writtenBy } from "./registers.js";

/** Its register numbers are 0 where the instruction does nothing, as fences do here. */
export interface GuestInstruction extends RegisterOperands {
  /** Undefined where the encoding is illegal on this machine. */
  readonly row: Instruction | undefined;
  readonly reads: RegisterSet;
  readonly writes: RegisterSet;
  /** Float registers by their bits that it names, but not for singles. */
  readonly wide: number;
  readonly imm: number;
  /** Rounding mode; 7 is the dynamic one. */
  readonly rm: number;
  readonly length: 2 | 4;
  /** Whether it is a load, store or atomic operation that the TLB is asked for. */
  readonly isAccess: boolean;
  /** Whether it may end a block. */
  readonly mayEndBlock: boolean;
  /** Whether the translator has a lowering for it. */
  readonly isTranslatable: boolean;
  /** The encoding. */
  readonly word: number;
}

const CACHE_LIMIT = 1 << 16;

/** What tells whether an instruction has a lowering. */
export type BareInstruction = Pick<GuestInstruction, "row" | "rm" | "word">;

/** Decodes for machines with one set of extensions; encodings come again and again, and are decoded once. */
export class GuestDecoder {
  readonly #isa: Pick<IsaSet, "has">;
  readonly #isTranslatable: (instruction: BareInstruction) => boolean;
  /** By the encoding as a signed number, for which hosts need no memory. */
  readonly #known = new Map<number, GuestInstruction>();

  constructor(isa: Pick<IsaSet, "has">, isTranslatable: (instruction: BareInstruction) => boolean) {
    this.#isa = isa;
    this.#isTranslatable = isTranslatable;
  }

  /** Decodes the instruction in the low 16 or 32 bits. */
  decode(bits: number): GuestInstruction {
    const key = isLong(bits) ? bits | 0 : bits & 0xffff;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size >= CACHE_LIMIT) this.#known.clear();
    const instruction = this.#decode(key >>> 0);
    this.#known.set(key, instruction);
    return instruction;
  }

  #decode(word: number): GuestInstruction {
    const decoded = decodeInstruction(word);
    const doesNothing = decoded?.row.semantics.kind === "nothing";
    const operands = (doesNothing ? undefined : decoded?.operands) ?? {};
    const has = (row: Instruction) =>
      row.extensions.some((name) => this.#isa.has(name)) && (row.besides === undefined || this.#isa.has(row.besides));
    const legal =
      decoded !== undefined &&
      has(decoded.row) &&
      (decoded.compressed === undefined || this.#isa.has(decoded.compressed.extension));
    const row = legal ? decoded.row : undefined;
    const registers = {
      rd: operands.rd ?? operands.frd ?? 0,
      rs1: operands.rs1 ?? operands.frs1 ?? 0,
      rs2: operands.rs2 ?? operands.frs2 ?? 0,
      rs3: operands.rs3 ?? operands.frs3 ?? 0,
    };
    const kind = row?.semantics.kind;
    const rm = operands.rm ?? 0;
    return {
      row,
      rd: registers.rd,
      rs1: registers.rs1,
      rs2: registers.rs2,
      rs3: registers.rs3,
      reads: readBy(row, registers),
      writes: writtenBy(row, registers),
      wide: wideBy(row, registers),
      imm: immediateOf(operands),
      rm,
      length: isLong(word) ? 4 : 2,
      word,
      isAccess: kind === "load" || kind === "store" || kind === "amo",
      mayEndBlock: kind === "branch" || kind === "jump" || kind === "csr" || kind === "system",
      isTranslatable: this.#isTranslatable({ row, rm, word }),
    };
  }
}

function immediateOf(operands: DecodedInstruction["operands"]): number {
  for (const name of IMMEDIATE_FIELDS) {
    const value = operands[name];
    if (value !== undefined) return value;
  }
  return 0;
}
