/**
 * The language in which the ISA table says what an integer instruction
 * computes: expression trees over WebAssembly-shaped operations. Every node
 * has a Wasm type; registers, immediates and the pc are i64, conditions i32.
 * The generators turn trees into AssemblyScript, the evaluator into BigInt.
 */
export type WasmType = "i32" | "i64";

/** What an expression may name: source registers, the decoded immediate, the address of the instruction. */
export type OperandName = "rs1" | "rs2" | "imm" | "pc";

export type UnaryOperator =
  | "wrap" // i64 -> i32
  | "extend_i32_s" // i32 -> i64
  | "extend_i32_u" // i32 -> i64
  | "extend8_s"
  | "extend16_s"
  | "clz"
  | "ctz"
  | "popcnt";

export type BinaryOperator = "add" | "sub" | "mul" | "and" | "or" | "xor" | "shl" | "shr_s" | "shr_u" | "rotl" | "rotr";

export type Comparison = "eq" | "ne" | "lt_s" | "lt_u" | "ge_s" | "ge_u";

/**
 * Operations that Wasm lacks or defines otherwise, each a pure function of i64
 * values: the upper halves of products, RISC-V's division, which never traps, carry-less products, permutations,
 * the parts of ciphers.
 */
export type PureHelper =
  | "mulh"
  | "mulhu"
  | "mulhsu"
  | "div"
  | "divu"
  | "rem"
  | "remu"
  | "divw"
  | "divuw"
  | "remw"
  | "remuw"
  | "rev8"
  | "orc_b"
  | "brev8"
  | "clmul"
  | "clmulh"
  | "clmulr"
  | "xperm4"
  | "xperm8"
  | "aes64ds"
  | "aes64dsm"
  | "aes64es"
  | "aes64esm"
  | "aes64im"
  | "aes64ks1i"
  | "sm4_round"
  | "sm4_key";

export type Expression =
  | { readonly kind: "operand"; readonly name: OperandName; readonly type: "i64" }
  | { readonly kind: "constant"; readonly value: bigint; readonly type: WasmType }
  | { readonly kind: "unary"; readonly operator: UnaryOperator; readonly value: Expression; readonly type: WasmType }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
      readonly type: WasmType;
    }
  | {
      readonly kind: "compare";
      readonly operator: Comparison;
      readonly left: Expression;
      readonly right: Expression;
      readonly type: "i32";
    }
  | {
      readonly kind: "select";
      readonly condition: Expression;
      readonly whenTrue: Expression;
      readonly whenFalse: Expression;
      readonly type: WasmType;
    }
  | { readonly kind: "call"; readonly helper: PureHelper; readonly args: readonly Expression[]; readonly type: "i64" };

const operand = (name: OperandName): Expression => ({ kind: "operand", name, type: "i64" });
export const rs1 = operand("rs1");
export const rs2 = operand("rs2");
export const imm = operand("imm");
export const pc = operand("pc");

export const i64 = (value: bigint | number): Expression => ({ kind: "constant", value: BigInt(value), type: "i64" });
export const i32 = (value: number): Expression => ({ kind: "constant", value: BigInt(value), type: "i32" });

const unary =
  (operator: UnaryOperator, type?: WasmType) =>
  (value: Expression): Expression => ({ kind: "unary", operator, value, type: type ?? value.type });
export const wrap = unary("wrap", "i32");
export const sext = unary("extend_i32_s", "i64");
export const zext = unary("extend_i32_u", "i64");
export const extend8 = unary("extend8_s");
export const extend16 = unary("extend16_s");
export const clz = unary("clz");
export const ctz = unary("ctz");
export const popcnt = unary("popcnt");

function sameType(left: Expression, right: Expression, operator: string): WasmType {
  if (left.type !== right.type) throw new TypeError(`${operator} of ${left.type} and ${right.type}`);
  return left.type;
}

const binary =
  (operator: BinaryOperator) =>
  (left: Expression, right: Expression): Expression => ({
    kind: "binary",
    operator,
    left,
    right,
    type: sameType(left, right, operator),
  });
export const add = binary("add");
export const sub = binary("sub");
export const mul = binary("mul");
export const and = binary("and");
export const or = binary("or");
export const xor = binary("xor");
/** Shifts and rotations take the amount modulo the width of the type, as Wasm and RISC-V both do. */
export const shl = binary("shl");
export const shrS = binary("shr_s");
export const shrU = binary("shr_u");
export const rotl = binary("rotl");
export const rotr = binary("rotr");

const compare =
  (operator: Comparison) =>
  (left: Expression, right: Expression): Expression => {
    sameType(left, right, operator);
    return { kind: "compare", operator, left, right, type: "i32" };
  };
export const eq = compare("eq");
export const ne = compare("ne");
export const ltS = compare("lt_s");
export const ltU = compare("lt_u");
export const geS = compare("ge_s");
export const geU = compare("ge_u");

export const not = (value: Expression): Expression => xor(value, value.type === "i64" ? i64(-1) : i32(-1));

export function select(condition: Expression, whenTrue: Expression, whenFalse: Expression): Expression {
  return { kind: "select", condition, whenTrue, whenFalse, type: sameType(whenTrue, whenFalse, "select") };
}

export const call = (helper: PureHelper, ...args: Expression[]): Expression => ({
  kind: "call",
  helper,
  args,
  type: "i64",
});
