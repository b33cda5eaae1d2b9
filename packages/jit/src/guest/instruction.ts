/** Guest instructions as the translator sees them: a row of the ISA table and plain numbers for its operands. */
import { decodeInstruction, IMMEDIATE_FIELDS, type Instruction, type IsaSet, isLong } from "@hartvisor/core/isa";
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
  /** The encoding. */
  readonly word: number;
}

const CACHE_LIMIT = 1 << 16;

/** Decodes for machines with one set of extensions; encodings come again and again, and are decoded once. */
export class GuestDecoder {
  readonly #isa: Pick<IsaSet, "has">;
  readonly #known = new Map<number, GuestInstruction>();

  constructor(isa: Pick<IsaSet, "has">) {
    this.#isa = isa;
  }

  /** Decodes the instruction in the low 16 or 32 bits. */
  decode(bits: number): GuestInstruction {
    const word = isLong(bits) ? bits >>> 0 : bits & 0xffff;
    const known = this.#known.get(word);
    if (known !== undefined) return known;
    if (this.#known.size >= CACHE_LIMIT) this.#known.clear();
    const instruction = this.#decode(word);
    this.#known.set(word, instruction);
    return instruction;
  }

  #decode(word: number): GuestInstruction {
    const decoded = decodeInstruction(word);
    const doesNothing = decoded?.row.semantics.kind === "nothing";
    const operand = (...names: string[]) => {
      if (doesNothing) return 0;
      for (const name of names) {
        const value = decoded?.operands[name];
        if (value !== undefined) return value;
      }
      return 0;
    };
    const has = (row: Instruction) =>
      row.extensions.some((name) => this.#isa.has(name)) && (row.besides === undefined || this.#isa.has(row.besides));
    const legal =
      decoded !== undefined &&
      has(decoded.row) &&
      (decoded.compressed === undefined || this.#isa.has(decoded.compressed.extension));
    const row = legal ? decoded.row : undefined;
    const registers = {
      rd: operand("rd", "frd"),
      rs1: operand("rs1", "frs1"),
      rs2: operand("rs2", "frs2"),
      rs3: operand("rs3", "frs3"),
    };
    return {
      row,
      ...registers,
      reads: readBy(row, registers),
      writes: writtenBy(row, registers),
      wide: wideBy(row, registers),
      imm: operand(...IMMEDIATE_FIELDS),
      rm: operand("rm"),
      length: isLong(word) ? 4 : 2,
      word,
    };
  }
}
