/**
 * Inputs for one instruction at a time: encodings of a row, and harts on which
 * to run them, with edge values and random ones. Everything derives from one
 * seed.
 */
import { decodeInstruction } from "../isa/decode.js";
import { encode, operandRange, rowNamed } from "../isa/encode.js";
import type { Field } from "../isa/encoding.js";
import type { ModelHart } from "../isa/evaluate/evaluator.js";
import { FLOAT16, FLOAT32, FLOAT64 } from "../isa/evaluate/float.js";
import { box } from "../isa/evaluate/float-operation.js";
import type { FloatFormat, FloatOperand, Instruction } from "../isa/instruction.js";
import type { CompressedInstruction } from "../isa/table/compressed.js";
import { edges, integerEdges, Random, randomOperands } from "./float/operands.js";
import { RAM_BASE } from "./harness.js";

export const SEED = Number(process.env.HARTVISOR_ROWS_SEED ?? 0x5eed);

/** Two neighbouring pages that hold the data of loads and stores. */
export const DATA = { base: RAM_BASE + 0x20000, size: 0x2000 };

/** Where the instruction lies: within a page, at its very end, across its end. */
const CODE_OFFSETS = [0x400, 0xffc, 0xffe] as const;
export const CODE_PAGE = RAM_BASE + 0x10000;

/** Where division, multiplication and sign extension change: often both operands are among them. */
const EXTREMES = [0n, 1n, -1n, 2n ** 63n, 2n ** 63n - 1n, 2n ** 31n, -(2n ** 31n), 2n ** 31n - 1n, 2n ** 32n - 1n].map(
  (value) => BigInt.asUintN(64, value),
);
const INTEGERS = [...integerEdges(64), ...integerEdges(32)];
const FORMATS = { h: FLOAT16, s: FLOAT32, d: FLOAT64 } as const;
const isFormat = (operand: string | undefined): operand is FloatFormat => operand !== undefined && operand in FORMATS;
const FLOATS = [
  ...edges(FLOAT64),
  ...edges(FLOAT32).map((single) => box("s", single)),
  ...edges(FLOAT16).map((half) => box("h", half)),
  ...edges(FLOAT32, true), // not boxed
  ...edges(FLOAT16, true),
  ...edges(FLOAT16, true).map((half) => box("s", half)), // not far enough
];

const FCSRS = [0x001, 0x002, 0x003];

export interface Case {
  readonly bits: number;
  readonly length: 2 | 4;
  readonly hart: ModelHart;
  /** mstatus.FS: dirty, or initial. */
  readonly floatDirty: boolean;
}

/** Whether an access goes to the address in rs1, plus an offset if there is one. */
function touchesMemory({ semantics }: Instruction): boolean {
  return /^(load|store|amo)/.test(semantics.kind) || (semantics.kind === "system" && /^cbo/.test(semantics.helper));
}

/** Reserved encodings, and x0 as a base: there is no RAM around address 0. */
function isExcluded(row: Instruction | CompressedInstruction, field: string, value: number): boolean {
  if ("syntax" in row) return field === "rs1" && value === 0 && touchesMemory(row);
  return (value === 0 && row.nonzero.includes(field)) || row.not?.[field] === value;
}

/** Makes the cases; the same ones for the same seed. */
export class CaseMaker {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** An encoding of a row, compressed or not, with operands that its decoder accepts. */
  encodingOf(name: string): number {
    const row = rowNamed(name);
    const values = new Map<string, number>();
    for (const [field, description] of row.encoding.fields) {
      let value: number;
      do value = this.#operand(field, description);
      while (isExcluded(row, field, value));
      values.set(field, value);
    }
    if ("syntax" in row) return encode(name, Object.fromEntries(values));
    const sources = Object.entries(row.operands).map(([operand, source]) => [
      operand,
      typeof source === "number" ? source : (values.get(source) ?? 0),
    ]);
    return encode(name, Object.fromEntries(sources));
  }

  #operand(name: string, field: Field): number {
    const { least, most, scale } = operandRange(field);
    if (name === "rm") return this.#random.pick([0, 1, 2, 3, 4, 7, 7, 7]);
    if (name === "csr") return this.#random.pick(FCSRS);
    const isRegister = /^f?r[ds]/.test(name);
    // Few registers, so that operands often coincide; often the ends of a range.
    const favourites = [8, 9, 10, 15].filter((register) => register % scale === 0);
    if (isRegister && this.#random.below(2) === 0) return this.#random.pick(favourites);
    if (!isRegister && this.#random.below(4) === 0) return this.#random.pick([least, 0, most]);
    return least + this.#random.below((most - least) / scale + 1) * scale;
  }

  /** A hart about to execute this encoding: addresses of memory accesses lie in {@link DATA}. */
  caseOf(bits: number): Case {
    const length = (bits & 3) === 3 ? 4 : 2;
    const x = Array.from({ length: 32 }, (_, n) => (n === 0 ? 0n : this.#integer()));
    const f = Array.from({ length: 32 }, () => this.#float());
    const decoded = decodeInstruction(bits);
    const address = BigInt(DATA.base + this.#dataOffset());
    if (decoded !== undefined) {
      const { semantics, encoding } = decoded.row;
      const { rs1 = 0, rs2 = 0, imm = 0 } = decoded.operands;
      if (touchesMemory(decoded.row))
        x[rs1] = BigInt.asUintN(64, address - BigInt(encoding.fields.has("imm") ? imm : 0));
      else if (semantics.kind === "branch" && this.#random.below(2) === 0) x[rs2] = x[rs1] ?? 0n;
      x[0] = 0n;
      if (semantics.kind === "float") this.#suitOperands(f, decoded.operands, semantics.operation.from[0]);
    }
    const pc = BigInt(CODE_PAGE + this.#random.pick(CODE_OFFSETS));
    const fflags = this.#random.pick([0, 1, 1, 31, this.#random.below(32)]);
    const frm = this.#random.pick([0, 0, 0, 1, 2, 3, 4, 5, 6, 7]);
    const reservation = this.#random.pick([undefined, address, address, BigInt(DATA.base)]);
    return { bits, length, hart: { pc, x, f, fflags, frm, reservation }, floatDirty: this.#random.below(2) === 0 };
  }

  /** Mostly aligned; else anywhere, across the page boundary too. */
  #dataOffset(): number {
    const limit = DATA.size - 64;
    switch (this.#random.below(4)) {
      case 0:
        return this.#random.below(limit);
      case 1:
        return 0x1000 - this.#random.below(9);
      default:
        return this.#random.below(limit / 8) * 8;
    }
  }

  /** Gives the sources of a float operation values of its format, most of the time, that lean towards each other. */
  #suitOperands(f: bigint[], operands: Readonly<Record<string, number>>, format: FloatOperand | undefined): void {
    if (!isFormat(format)) return;
    const sources = ["frs1", "frs2", "frs3"].flatMap((name) => operands[name] ?? []);
    const values = randomOperands(FORMATS[format], 3, this.#random);
    for (const [n, register] of sources.entries()) {
      if (this.#random.below(4) !== 0) f[register] = box(format, values[n] ?? 0n);
    }
  }

  #integer(): bigint {
    switch (this.#random.below(4)) {
      case 0:
        return this.#random.bits(64);
      case 1:
        return BigInt.asUintN(64, BigInt.asIntN(32, this.#random.bits(32)));
      case 2:
        return this.#random.pick(EXTREMES);
      default:
        return this.#random.pick(INTEGERS);
    }
  }

  #float(): bigint {
    return this.#random.below(2) === 0 ? this.#random.pick(FLOATS) : this.#random.bits(64);
  }
}
