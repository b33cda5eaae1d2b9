/**
 * F, D, Zfhmin and Zfh: IEEE 754 arithmetic in single, double and half precision
 * (Unprivileged ISA ch. 20, 21, 23).
 */
import type { FloatFormat, FloatMove, FloatOperand, FloatOperation, Instruction } from "../instruction.js";
import { rows } from "../instruction.js";

const table: Instruction[] = [];

/** `transfer` brings what moves values from and to memory and x registers. */
const formats = [
  { extension: "F", transfer: "F", format: "s", fmt: "00", width: 4, funct3: "010", letter: "w" },
  { extension: "D", transfer: "D", format: "d", fmt: "01", width: 8, funct3: "011", letter: "d" },
  { extension: "Zfh", transfer: "Zfhmin", format: "h", fmt: "10", width: 2, funct3: "001", letter: "h" },
] as const;

/** The names that `assembly/float` gives to formats and integer types. */
const typeName: Readonly<Record<FloatOperand, string>> = {
  h: "f16",
  s: "f32",
  d: "f64",
  w: "i32",
  wu: "u32",
  l: "i64",
  lu: "u64",
};

/** An operation of `assembly/float` on values of a format. */
export const floatOperation = (
  name: string,
  format: FloatFormat,
  operands: number,
  to: FloatOperand,
  properties: Pick<FloatOperation, "rounds" | "raises" | "fast" | "negate">,
) => {
  const from: readonly FloatOperand[] = Array(operands).fill(format);
  return { kind: "float", operation: { name: `${typeName[format]}_${name}`, from, to, ...properties } } as const;
};

/** A conversion between formats or integers. */
const conversion = (from: FloatOperand, to: FloatOperand, rounds = true) => {
  const name = `${typeName[from]}_to_${typeName[to]}`;
  return { kind: "float", operation: { name, from: [from], to, rounds, raises: true, fast: false } } as const;
};

for (const { extension, transfer, format, fmt, width, funct3, letter } of formats) {
  const row = rows(extension, table);
  const transferRow = rows(transfer, table);
  const dot = (name: string) => `${name}.${format}`;
  const arithmetic = { rounds: true, raises: true, fast: format !== "h" };
  const comparison = { rounds: false, raises: true, fast: false };
  const move = (name: string) => ({ kind: "float-move", move: name as FloatMove }) as const;

  transferRow(`fl${letter}`, `imm[11:0] rs1 ${funct3} frd 0000111`, "frd, imm(rs1)", {
    kind: "load",
    width,
    signed: false,
    to: "f",
  });
  transferRow(`fs${letter}`, `imm[11:5] frs2 rs1 ${funct3} imm[4:0] 0100111`, "frs2, imm(rs1)", {
    kind: "store",
    width,
    from: "f",
  });

  const FMA = (opcode: string) => `frs3 ${fmt} frs2 frs1 rm frd ${opcode}`;
  const fma = "frd, frs1, frs2, frs3, rm";
  row(dot("fmadd"), FMA("1000011"), fma, floatOperation("fma", format, 3, format, arithmetic));
  row(
    dot("fmsub"),
    FMA("1000111"),
    fma,
    floatOperation("fma", format, 3, format, { ...arithmetic, negate: { product: false, addend: true } }),
  );
  row(
    dot("fnmsub"),
    FMA("1001011"),
    fma,
    floatOperation("fma", format, 3, format, { ...arithmetic, negate: { product: true, addend: false } }),
  );
  row(
    dot("fnmadd"),
    FMA("1001111"),
    fma,
    floatOperation("fma", format, 3, format, { ...arithmetic, negate: { product: true, addend: true } }),
  );

  const OP = (funct5: string, middle: string) => `${funct5} ${fmt} ${middle} 1010011`;
  for (const [name, funct5] of [
    ["add", "00000"],
    ["sub", "00001"],
    ["mul", "00010"],
    ["div", "00011"],
  ] as const) {
    row(
      dot(`f${name}`),
      OP(funct5, "frs2 frs1 rm frd"),
      "frd, frs1, frs2, rm",
      floatOperation(name, format, 2, format, arithmetic),
    );
  }
  row(
    dot("fsqrt"),
    OP("01011", "00000 frs1 rm frd"),
    "frd, frs1, rm",
    floatOperation("sqrt", format, 1, format, arithmetic),
  );
  row(dot("fsgnj"), OP("00100", "frs2 frs1 000 frd"), "frd, frs1, frs2", move(dot("fsgnj")));
  row(dot("fsgnjn"), OP("00100", "frs2 frs1 001 frd"), "frd, frs1, frs2", move(dot("fsgnjn")));
  row(dot("fsgnjx"), OP("00100", "frs2 frs1 010 frd"), "frd, frs1, frs2", move(dot("fsgnjx")));
  row(
    dot("fmin"),
    OP("00101", "frs2 frs1 000 frd"),
    "frd, frs1, frs2",
    floatOperation("min", format, 2, format, comparison),
  );
  row(
    dot("fmax"),
    OP("00101", "frs2 frs1 001 frd"),
    "frd, frs1, frs2",
    floatOperation("max", format, 2, format, comparison),
  );
  row(dot("fle"), OP("10100", "frs2 frs1 000 rd"), "rd, frs1, frs2", floatOperation("le", format, 2, "l", comparison));
  row(dot("flt"), OP("10100", "frs2 frs1 001 rd"), "rd, frs1, frs2", floatOperation("lt", format, 2, "l", comparison));
  row(dot("feq"), OP("10100", "frs2 frs1 010 rd"), "rd, frs1, frs2", floatOperation("eq", format, 2, "l", comparison));
  row(
    dot("fclass"),
    OP("11100", "00000 frs1 001 rd"),
    "rd, frs1",
    floatOperation("classify", format, 1, "l", { rounds: false, raises: false, fast: false }),
  );

  const integers = [
    ["w", "00000"],
    ["wu", "00001"],
    ["l", "00010"],
    ["lu", "00011"],
  ] as const;
  for (const [integer, code] of integers) {
    const [to, from] = [`fcvt.${integer}.${format}`, `fcvt.${format}.${integer}`];
    row(to, OP("11000", `${code} frs1 rm rd`), "rd, frs1, rm", conversion(format, integer));
    row(from, OP("11010", `${code} rs1 rm frd`), "frd, rs1, rm", conversion(integer, format));
  }

  transferRow(`fmv.x.${letter}`, OP("11100", "00000 frs1 000 rd"), "rd, frs1", move(`fmv.x.${letter}`));
  transferRow(`fmv.${letter}.x`, OP("11110", "00000 rs1 000 frd"), "frd, rs1", move(`fmv.${letter}.x`));
}

const d = rows("D", table);
const zfhmin = rows("Zfhmin", table);
const zfhminWithD = rows("Zfhmin", table, "D");
const CONVERT = (to: string, from: string) => `01000 ${to} 000${from} frs1 rm frd 1010011`;
d("fcvt.s.d", CONVERT("00", "01"), "frd, frs1, rm", conversion("d", "s"));
d("fcvt.d.s", CONVERT("01", "00"), "frd, frs1, rm", conversion("s", "d", false));
zfhmin("fcvt.s.h", CONVERT("00", "10"), "frd, frs1, rm", conversion("h", "s", false));
zfhmin("fcvt.h.s", CONVERT("10", "00"), "frd, frs1, rm", conversion("s", "h"));
zfhminWithD("fcvt.d.h", CONVERT("01", "10"), "frd, frs1, rm", conversion("h", "d", false));
zfhminWithD("fcvt.h.d", CONVERT("10", "01"), "frd, frs1, rm", conversion("d", "h"));

/** Whether a register field names a float register. */
export const isFloatField = (field: string): boolean => field.startsWith("f") && field !== "fm";

export const float: readonly Instruction[] = table;
