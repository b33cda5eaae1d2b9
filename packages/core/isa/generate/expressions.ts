/** Turns the ISA table's expression trees into AssemblyScript. */
import type { Expression } from "../expression.js";

const UNARY: Readonly<Record<string, (value: string) => string>> = {
  wrap: (value) => `<i32>(${value})`,
  extend_i32_s: (value) => `<i64>(<i32>(${value}))`,
  extend_i32_u: (value) => `<i64>(<u32>(${value}))`,
  extend8_s: (value) => `<i64>(<i8>(${value}))`,
  extend16_s: (value) => `<i64>(<i16>(${value}))`,
};
const BINARY: Readonly<Record<string, string>> = {
  add: "+",
  sub: "-",
  mul: "*",
  and: "&",
  or: "|",
  xor: "^",
  shl: "<<",
  shr_s: ">>",
  shr_u: ">>>",
};
const COMPARE: Readonly<Record<string, string>> = { eq: "==", ne: "!=", lt: "<", ge: ">=" };

/** An expression tree as AssemblyScript; every subexpression has its Wasm type, signed. */
export function expression(tree: Expression): string {
  switch (tree.kind) {
    case "operand":
      return tree.name;
    case "constant":
      return `<${tree.type}>(${tree.value})`;
    case "unary": {
      const value = expression(tree.value);
      return UNARY[tree.operator]?.(value) ?? `${tree.operator}<${tree.type}>(${value})`;
    }
    case "binary": {
      const [left, right] = [expression(tree.left), expression(tree.right)];
      const operator = BINARY[tree.operator];
      return operator
        ? `<${tree.type}>(${left} ${operator} ${right})`
        : `${tree.operator}<${tree.type}>(${left}, ${right})`;
    }
    case "compare": {
      const [relation = "", signedness] = tree.operator.split("_");
      const type = signedness === "u" ? tree.left.type.replace("i", "u") : tree.left.type;
      return `<i32>(<${type}>(${expression(tree.left)}) ${COMPARE[relation]} <${type}>(${expression(tree.right)}))`;
    }
    case "select":
      return `select<${tree.type}>(${expression(tree.whenTrue)}, ${expression(tree.whenFalse)}, ${expression(tree.condition)})`;
    case "call":
      return `${tree.helper}(${tree.args.map(expression).join(", ")})`;
  }
}

/** The operands that a tree names. */
export function operandsOf(tree: Expression, found = new Set<string>()): Set<string> {
  if (tree.kind === "operand") found.add(tree.name);
  if (tree.kind === "unary") operandsOf(tree.value, found);
  if (tree.kind === "binary" || tree.kind === "compare")
    for (const side of [tree.left, tree.right]) operandsOf(side, found);
  if (tree.kind === "select") {
    for (const part of [tree.condition, tree.whenTrue, tree.whenFalse]) operandsOf(part, found);
  }
  if (tree.kind === "call") for (const argument of tree.args) operandsOf(argument, found);
  return found;
}
