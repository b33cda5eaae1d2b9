/** F and D: IEEE 754 arithmetic in single and double precision (Unprivileged ISA ch. 20, 21). */
import type { FloatFormat, FloatMove, FloatOperand, FloatOperation, Instruction } from "../instruction.js";
import { rows } from "../instruction.js";

const table: Instruction[] = [];

const formats = [
  { extension: "F", format: "s", fmt: "00", width: 4, funct3: "010" },
  { extension: "D", format: "d", fmt: "01", width: 8, funct3: "011" },
] as const;

/** The names that `assembly/float` gives to formats and integer types. */
const typeName: Readonly<Record<FloatOperand, string>> = {
  s: "f32",
  d: "f64",
  w: "i32",
  wu: "u32",
  l: "i64",
  lu: "u64",
};

for (const { extension, format, fmt, width, funct3 } of formats) {
  const row = rows(extension, table);
  const type = typeName[format];
  const dot = (name: string) => `${name}.${format}`;

  /** An operation on values of this format. */
  const float = (
    name: string,
    from: readonly FloatOperand[],
    to: FloatOperand,
    properties: Pick<FloatOperation, "rounds" | "raises" | "fast">,
    negate?: FloatOperation["negate"],
  ) =>
    ({
      kind: "float",
      operation: { name: `${type}_${name}`, from, to, ...properties, ...(negate && { negate }) },
    }) as const;
  const arithmetic = { rounds: true, raises: true, fast: true };
  const comparison = { rounds: false, raises: true, fast: false };
  const move = (name: string) => ({ kind: "float-move", move: name as FloatMove }) as const;

  row(width === 4 ? "flw" : "fld", `imm[11:0] rs1 ${funct3} frd 0000111`, "frd, imm(rs1)", {
    kind: "load",
    width,
    signed: false,
    to: "f",
  });
  row(width === 4 ? "fsw" : "fsd", `imm[11:5] frs2 rs1 ${funct3} imm[4:0] 0100111`, "frs2, imm(rs1)", {
    kind: "store",
    width,
    from: "f",
  });

  const triple = [format, format, format] as const;
  const FMA = (opcode: string) => `frs3 ${fmt} frs2 frs1 rm frd ${opcode}`;
  const fma = "frd, frs1, frs2, frs3, rm";
  row(dot("fmadd"), FMA("1000011"), fma, float("fma", triple, format, arithmetic));
  row(dot("fmsub"), FMA("1000111"), fma, float("fma", triple, format, arithmetic, { product: false, addend: true }));
  row(dot("fnmsub"), FMA("1001011"), fma, float("fma", triple, format, arithmetic, { product: true, addend: false }));
  row(dot("fnmadd"), FMA("1001111"), fma, float("fma", triple, format, arithmetic, { product: true, addend: true }));

  const OP = (funct5: string, middle: string) => `${funct5} ${fmt} ${middle} 1010011`;
  const pair = [format, format] as const;
  for (const [name, funct5] of [
    ["add", "00000"],
    ["sub", "00001"],
    ["mul", "00010"],
    ["div", "00011"],
  ] as const) {
    row(dot(`f${name}`), OP(funct5, "frs2 frs1 rm frd"), "frd, frs1, frs2, rm", float(name, pair, format, arithmetic));
  }
  row(dot("fsqrt"), OP("01011", "00000 frs1 rm frd"), "frd, frs1, rm", float("sqrt", [format], format, arithmetic));
  row(dot("fsgnj"), OP("00100", "frs2 frs1 000 frd"), "frd, frs1, frs2", move(dot("fsgnj")));
  row(dot("fsgnjn"), OP("00100", "frs2 frs1 001 frd"), "frd, frs1, frs2", move(dot("fsgnjn")));
  row(dot("fsgnjx"), OP("00100", "frs2 frs1 010 frd"), "frd, frs1, frs2", move(dot("fsgnjx")));
  row(dot("fmin"), OP("00101", "frs2 frs1 000 frd"), "frd, frs1, frs2", float("min", pair, format, comparison));
  row(dot("fmax"), OP("00101", "frs2 frs1 001 frd"), "frd, frs1, frs2", float("max", pair, format, comparison));
  row(dot("fle"), OP("10100", "frs2 frs1 000 rd"), "rd, frs1, frs2", float("le", pair, "l", comparison));
  row(dot("flt"), OP("10100", "frs2 frs1 001 rd"), "rd, frs1, frs2", float("lt", pair, "l", comparison));
  row(dot("feq"), OP("10100", "frs2 frs1 010 rd"), "rd, frs1, frs2", float("eq", pair, "l", comparison));
  row(
    dot("fclass"),
    OP("11100", "00000 frs1 001 rd"),
    "rd, frs1",
    float("classify", [format], "l", { rounds: false, raises: false, fast: false }),
  );

  const integers = [
    ["w", "00000"],
    ["wu", "00001"],
    ["l", "00010"],
    ["lu", "00011"],
  ] as const;
  const conversion = (name: string, from: FloatOperand, to: FloatOperand, rounds: boolean) =>
    ({ kind: "float", operation: { name, from: [from], to, rounds, raises: true, fast: false } }) as const;
  for (const [integer, code] of integers) {
    const name = typeName[integer];
    row(`fcvt.${integer}.${format}`, OP("11000", `${code} frs1 rm rd`), "rd, frs1, rm", {
      ...conversion(`${type}_to_${name}`, format, integer, true),
    });
    row(`fcvt.${format}.${integer}`, OP("11010", `${code} rs1 rm frd`), "frd, rs1, rm", {
      ...conversion(`${name}_to_${type}`, integer, format, true),
    });
  }

  const letter = width === 4 ? "w" : "d";
  row(`fmv.x.${letter}`, OP("11100", "00000 frs1 000 rd"), "rd, frs1", move(`fmv.x.${letter}`));
  row(`fmv.${letter}.x`, OP("11110", "00000 rs1 000 frd"), "frd, rs1", move(`fmv.${letter}.x`));

  if (format === "d") {
    row("fcvt.s.d", "01000 00 00001 frs1 rm frd 1010011", "frd, frs1, rm", conversion("f64_to_f32", "d", "s", true));
    row("fcvt.d.s", "01000 01 00000 frs1 rm frd 1010011", "frd, frs1, rm", conversion("f32_to_f64", "s", "d", false));
  }
}

/** Whether a register field names a float register. */
export const isFloatField = (field: string): boolean => field.startsWith("f") && field !== "fm";

/** Bits of the format's canonical NaN. */
export const canonicalNaN: Readonly<Record<FloatFormat, bigint>> = { s: 0x7fc00000n, d: 0x7ff8000000000000n };

export const float: readonly Instruction[] = table;
