/**
 * Walks the table's expression trees with BigInts: the meaning of the integer
 * operations, once more and as plainly as possible, for the evaluator. Values
 * are kept unsigned, in the width of their type.
 */

import type { BinaryOperator, Comparison, Expression, OperandName, PureHelper, UnaryOperator } from "../expression.js";
import { aesInverseMix, aesInverseRound, aesKeyWord, aesRound, sm4Linear } from "./crypto.js";

/** The values that a tree's operands have. */
export type Bindings = Readonly<Record<OperandName, bigint>>;

const unsigned = (width: number, value: bigint): bigint => BigInt.asUintN(width, value);
const signed = (width: number, value: bigint): bigint => BigInt.asIntN(width, value);
const widthOf = (type: "i32" | "i64"): 32 | 64 => (type === "i32" ? 32 : 64);
const bitsOf = (value: bigint, width: number): string => value.toString(2).padStart(width, "0");

function unary(operator: UnaryOperator, value: bigint, width: number): bigint {
  switch (operator) {
    case "wrap":
      return value;
    case "extend_i32_s":
      return signed(32, value);
    case "extend_i32_u":
      return unsigned(32, value);
    case "extend8_s":
      return signed(8, value);
    case "extend16_s":
      return signed(16, value);
    case "clz":
      return BigInt(`${bitsOf(value, width)}1`.indexOf("1"));
    case "ctz":
      return BigInt(width - 1 - `1${bitsOf(value, width)}`.lastIndexOf("1") + 1);
    case "popcnt":
      return BigInt(bitsOf(value, width).replaceAll("0", "").length);
  }
}

function binary(operator: BinaryOperator, left: bigint, right: bigint, width: number): bigint {
  const amount = right % BigInt(width);
  const rest = BigInt(width) - amount;
  switch (operator) {
    case "add":
      return left + right;
    case "sub":
      return left - right;
    case "mul":
      return left * right;
    case "and":
      return left & right;
    case "or":
      return left | right;
    case "xor":
      return left ^ right;
    case "shl":
      return left << amount;
    case "shr_u":
      return left >> amount;
    case "shr_s":
      return signed(width, left) >> amount;
    case "rotl":
      return (left << amount) | (left >> rest);
    case "rotr":
      return (left >> amount) | (left << rest);
  }
}

function compare(operator: Comparison, left: bigint, right: bigint, width: number): boolean {
  switch (operator) {
    case "eq":
      return left === right;
    case "ne":
      return left !== right;
    case "lt_u":
      return left < right;
    case "ge_u":
      return left >= right;
    case "lt_s":
      return signed(width, left) < signed(width, right);
    case "ge_s":
      return signed(width, left) >= signed(width, right);
  }
}

/** Division of any width: by zero all ones, the dividend remains (Unprivileged ISA 13.2). BigInts do not overflow. */
const quotient = (a: bigint, b: bigint): bigint => (b === 0n ? -1n : a / b);
const remainder = (a: bigint, b: bigint): bigint => (b === 0n ? a : a % b);

/** The bytes of a 64-bit value, least significant first. */
const bytesOf = (value: bigint): bigint[] => Array.from({ length: 8 }, (_, n) => (value >> BigInt(8 * n)) & 0xffn);
const fromBytes = (bytes: readonly bigint[]): bigint =>
  bytes.reduce((sum, byte, n) => sum | (byte << BigInt(8 * n)), 0n);

/** Long multiplication that adds without carries: XOR. */
function carryless(a: bigint, b: bigint): bigint {
  let product = 0n;
  for (let n = 0n; n < 64n; n++) if ((b >> n) & 1n) product ^= a << n;
  return product;
}

/** Looks up, in `table`, what each part of `indices` of so many bits says; 0 behind its end. */
function permute(table: bigint, indices: bigint, width: number): bigint {
  const parts = (value: bigint) =>
    Array.from({ length: 64 / width }, (_, n) => BigInt.asUintN(width, value >> BigInt(width * n)));
  const entries = parts(table);
  return parts(indices).reduce((sum, index, n) => sum | ((entries[Number(index)] ?? 0n) << BigInt(width * n)), 0n);
}

const reversedByte = (byte: bigint): bigint => BigInt(`0b${[...bitsOf(byte, 8)].reverse().join("")}`);

function helper(name: PureHelper, a: bigint, b: bigint): bigint {
  switch (name) {
    case "mulh":
      return (signed(64, a) * signed(64, b)) >> 64n;
    case "mulhu":
      return (a * b) >> 64n;
    case "mulhsu":
      return (signed(64, a) * b) >> 64n;
    case "div":
      return quotient(signed(64, a), signed(64, b));
    case "divu":
      return quotient(a, b);
    case "rem":
      return remainder(signed(64, a), signed(64, b));
    case "remu":
      return remainder(a, b);
    case "divw":
      return signed(32, quotient(signed(32, a), signed(32, b)));
    case "divuw":
      return signed(32, quotient(unsigned(32, a), unsigned(32, b)));
    case "remw":
      return signed(32, remainder(signed(32, a), signed(32, b)));
    case "remuw":
      return signed(32, remainder(unsigned(32, a), unsigned(32, b)));
    case "rev8":
      return fromBytes(bytesOf(a).reverse());
    case "orc_b":
      return fromBytes(bytesOf(a).map((byte) => (byte === 0n ? 0n : 0xffn)));
    case "brev8":
      return fromBytes(bytesOf(a).map(reversedByte));
    case "clmul":
      return carryless(a, b);
    case "clmulh":
      return carryless(a, b) >> 64n;
    case "clmulr":
      return carryless(a, b) >> 63n;
    case "xperm4":
      return permute(a, b, 4);
    case "xperm8":
      return permute(a, b, 8);
    case "aes64es":
      return aesRound(a, b, true);
    case "aes64esm":
      return aesRound(a, b, false);
    case "aes64ds":
      return aesInverseRound(a, b, true);
    case "aes64dsm":
      return aesInverseRound(a, b, false);
    case "aes64im":
      return aesInverseMix(a);
    case "aes64ks1i":
      return aesKeyWord(a, b);
    case "sm4_round":
      return sm4Linear(a, [0, 2, 10, 18, 24]);
    case "sm4_key":
      return sm4Linear(a, [0, 13, 23]);
  }
}

/** The value of a tree, unsigned in the width of its type; comparisons give 0 or 1. */
export function evaluateExpression(tree: Expression, bindings: Bindings): bigint {
  const value = (part: Expression): bigint => evaluateExpression(part, bindings);
  const width = widthOf(tree.type);
  switch (tree.kind) {
    case "operand":
      return unsigned(64, bindings[tree.name]);
    case "constant":
      return unsigned(width, tree.value);
    case "unary":
      return unsigned(width, unary(tree.operator, value(tree.value), widthOf(tree.value.type)));
    case "binary":
      return unsigned(width, binary(tree.operator, value(tree.left), value(tree.right), width));
    case "compare":
      return compare(tree.operator, value(tree.left), value(tree.right), widthOf(tree.left.type)) ? 1n : 0n;
    case "select":
      return value(value(tree.condition) === 0n ? tree.whenFalse : tree.whenTrue);
    case "call":
      return unsigned(64, helper(tree.helper, ...pair(tree.args.map(value))));
  }
}

const pair = ([a = 0n, b = 0n]: readonly bigint[]): [bigint, bigint] => [a, b];
