/**
 * Encodings as the manual prints them: one string per instruction, most
 * significant bit first, made of literal bits and named fields, such as
 * `"imm[11:0] rs1 000 rd 0010011"` or, for a scattered immediate,
 * `"imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011"`. Match, mask, decoder and
 * encoder all come from this string.
 */

/** A run of instruction bits that holds bits of an operand. */
export interface Slice {
  /** Lowest bit of the run in the instruction. */
  readonly at: number;
  readonly width: number;
  /** Which bit of the operand the lowest bit of the run is. */
  readonly operandBit: number;
}

export interface Field {
  readonly name: string;
  readonly slices: readonly Slice[];
}

export interface Encoding {
  /** 16 or 32 bits. */
  readonly bits: 16 | 32;
  readonly match: number;
  readonly mask: number;
  readonly fields: ReadonlyMap<string, Field>;
}

/** Fields that stand without brackets, with their widths. A prime marks the registers x8..x15 of compressed encodings. */
const FIELD_WIDTHS: Readonly<Record<string, number>> = {
  rd: 5,
  rs1: 5,
  rs2: 5,
  rs3: 5,
  frd: 5,
  frs1: 5,
  frs2: 5,
  frs3: 5,
  "rd'": 3,
  "rs1'": 3,
  "rs2'": 3,
  rm: 3,
  csr: 12,
  aq: 1,
  rl: 1,
  fm: 4,
  pred: 4,
  succ: 4,
  rnum: 4,
  bs: 2,
  constant: 5,
};

/** Fields whose value is the immediate of a row; it has one at most. */
export const IMMEDIATE_FIELDS = ["imm", "shamt", "rnum", "bs", "constant"] as const;

/** The round of an AES key schedule; what lies above is reserved (Unprivileged ISA 32.3.7). */
export const LAST_ROUND = 10;

/** Parses an encoding string; throws where its bits do not add up to 16 or 32. */
export function parseEncoding(text: string): Encoding {
  const slices: { name: string; high: number; low: number; width: number }[] = [];
  for (const token of text.trim().split(/\s+/)) {
    if (/^[01]+$/.test(token)) {
      slices.push({ name: token, high: 0, low: 0, width: token.length });
      continue;
    }
    const [, name, ranges] = /^([a-z0-9']+)(?:\[([\d:|]+)\])?$/.exec(token) ?? [];
    if (name === undefined) throw new SyntaxError(`encoding "${text}": cannot read "${token}"`);
    if (ranges === undefined) {
      const width = FIELD_WIDTHS[name];
      if (width === undefined) throw new SyntaxError(`encoding "${text}": field ${name} needs its bits in brackets`);
      slices.push({ name, high: width - 1, low: 0, width });
      continue;
    }
    for (const range of ranges.split("|")) {
      const [high = 0, low = high] = range.split(":").map(Number);
      slices.push({ name, high, low, width: high - low + 1 });
    }
  }
  const bits = slices.reduce((sum, slice) => sum + slice.width, 0);
  if (bits !== 16 && bits !== 32) throw new SyntaxError(`encoding "${text}" has ${bits} bits`);

  let position: number = bits;
  let match = 0;
  let mask = 0;
  const fields = new Map<string, { name: string; slices: Slice[] }>();
  for (const { name, low, width } of slices) {
    position -= width;
    if (/^[01]+$/.test(name)) {
      match += Number.parseInt(name, 2) * 2 ** position;
      mask += (2 ** width - 1) * 2 ** position;
      continue;
    }
    const field = fields.get(name) ?? { name, slices: [] };
    field.slices.push({ at: position, width, operandBit: low });
    fields.set(name, field);
  }
  return { bits, match: match >>> 0, mask: mask >>> 0, fields };
}

/** The operand's value in an instruction; signed when its top bit is a sign. */
export function extractField(field: Field, instruction: number, signed: boolean): number {
  let value = 0;
  let width = 0;
  for (const { at, width: sliceWidth, operandBit } of field.slices) {
    value |= ((instruction >>> at) & ((1 << sliceWidth) - 1)) << operandBit;
    width = Math.max(width, operandBit + sliceWidth);
  }
  return signed ? (value << (32 - width)) >> (32 - width) : value >>> 0;
}

/** The instruction bits that hold an operand's value. */
export function insertField(field: Field, value: number): number {
  let bits = 0;
  for (const { at, width, operandBit } of field.slices) {
    bits |= ((value >>> operandBit) & ((1 << width) - 1)) << at;
  }
  return bits >>> 0;
}

/** Which values a field can hold: its lowest bit's weight and how many bits it spans. */
export function fieldRange(field: Field): { readonly scale: number; readonly width: number } {
  let lowest = 32;
  let width = 0;
  for (const slice of field.slices) {
    lowest = Math.min(lowest, slice.operandBit);
    width = Math.max(width, slice.operandBit + slice.width);
  }
  return { scale: 2 ** lowest, width };
}
