/** What a case of the interpreter does, for every kind of semantics. */
import type { AmoFunction, MemoryWidth, Semantics } from "../instruction.js";
import { expression, operandsOf } from "./expressions.js";
import { boxed, constantBody, floatBody, floatGuard, moveBody } from "./float-cases.js";
import { bind, indent, register, setRd } from "./operands.js";
import type { Operation } from "./operations.js";

/** Statements of one case. They end in `next`, or in `break` with `target` or `attention` set. */
export function body({ instruction, length, inPage }: Operation, next: readonly string[]): string[] {
  const { semantics, encoding } = instruction;
  switch (semantics.kind) {
    case "nothing":
      return [...next];
    case "compute":
      return [...bind(operandsOf(semantics.value)), setRd(expression(semantics.value)), ...next];
    case "jump": {
      const link = setRd(`delta + <u64>(slot >> 3) + ${length}`);
      if (inPage) return [link, ...jumpInPage];
      return [
        ...bind(operandsOf(semantics.target)),
        `target = ${expression(semantics.target)};`,
        ...unlessMisaligned,
        link,
        "break;",
      ];
    }
    case "branch": {
      const condition = expression(semantics.condition);
      const taken = inPage
        ? jumpInPage
        : ["target = delta + <u64>(slot >> 3) + <u64>(<i64>load<i32>(slot, SLOT_IMM));", ...unlessMisaligned, "break;"];
      return [...bind(operandsOf(semantics.condition)), `if (${condition}) {`, ...indent(taken), "}", ...next];
    }
    case "load":
      return [...loadBody(semantics), ...next];
    case "store":
      return [...storeBody(semantics), ...next];
    case "load-reserved":
      return [
        ...bind(["rs1"]),
        `const machine = reserve(hart, rs1, ${semantics.width});`,
        ...unlessFaulted,
        setRd(`<i64>load<i${semantics.width * 8}>(machine)`),
        ...next,
      ];
    case "store-conditional":
      return [
        ...bind(["rs1", "rs2"]),
        `const outcome = storeConditional(hart, rs1, ${semantics.width}, rs2);`,
        "if (outcome < 0) {",
        "  attention = load<u32>(hart, HART_STATUS);",
        "  break;",
        "}",
        setRd("outcome ^ 1"),
        ...next,
      ];
    case "amo":
      return [
        ...bind(["rs1", "rs2"]),
        ...machineOf("TLB_WRITE", "rs1", semantics.width, `atomicAddress(hart, rs1, ${semantics.width})`),
        `const old = load<i${semantics.width * 8}>(machine);`,
        `store<i${semantics.width * 8}>(machine, ${amo(semantics.apply, semantics.width)});`,
        setRd("<i64>old"),
        ...next,
      ];
    case "amo-compare-swap":
      return [...(semantics.width === 16 ? compareSwapPair : compareSwap(semantics.width)), ...next];
    case "csr": {
      const operation = `CSR_${semantics.operation.toUpperCase()}`;
      return helper(`csr(hart, slot, ${operation}, ${semantics.source === "immediate"})`, next);
    }
    case "system":
      return helper(`${semantics.helper}(hart, slot)`, next);
    case "float":
      return [...floatBody(semantics.operation, encoding.fields.has("rm")), ...next];
    case "float-move":
      return [...moveBody(semantics.move), ...next];
    case "float-constant":
      return [...constantBody(semantics.format), ...next];
  }
}

const jumpInPage = [
  "slot += <usize>load<i32>(slot, SLOT_IMM);",
  "if (left > 0) continue;",
  "target = delta + <u64>(slot >> 3);",
  "break;",
];

/** Without compressed instructions a jump itself traps if its target is not a multiple of four (Unprivileged ISA 2.5). */
const unlessMisaligned = [
  "if (<u32>target & load<u32>(hart, HART_MISALIGNED_TARGET)) {",
  "  raise(hart, FETCH_MISALIGNED, target);",
  "  attention = STATUS_TRAP;",
  "  break;",
  "}",
];

const unlessFaulted = ["if (machine == 0) {", "  attention = load<u32>(hart, HART_STATUS);", "  break;", "}"];

/** A helper that may look at the pc and the budget, and change anything. */
function helper(call: string, next: readonly string[]): string[] {
  return [
    "store<u64>(hart, delta + <u64>(slot >> 3), HART_PC);",
    "store<u32>(hart, left + 1, HART_LEFT);",
    `attention = ${call};`,
    "dataBank = <usize>load<u32>(hart, HART_DATA_BANK);",
    "fetchBank = fetchBankOf(hart);",
    "if (attention) break;",
    ...next,
  ];
}

/** The TLB probe: one comparison for tag, validity and alignment. */
function machineOf(table: string, address: string, width: MemoryWidth | 16, slow: string): string[] {
  return [
    `const entry = dataBank + ${table} + ((<u32>${address} >> 8) & TLB_INDEX);`,
    "let machine: usize;",
    `if (load<u64>(entry) == (<u64>${address} & <u64>(~0xfff | ${width - 1}))) machine = <usize>(<u32>${address} + load<u32>(entry, 8));`,
    "else {",
    `  machine = ${slow};`,
    ...indent(unlessFaulted),
    "}",
  ];
}

function loadBody({ width, signed, to }: Extract<Semantics, { kind: "load" }>): string[] {
  const type = `${signed ? "i" : "u"}${width * 8}`;
  const extension = to === "f" ? "EXTENSION_FLOAT" : signed ? "EXTENSION_SIGN" : "EXTENSION_ZERO";
  const value = to === "f" ? boxed(width, `load<u${width * 8}>(machine)`) : `<i64>load<${type}>(machine)`;
  return [
    ...(to === "f" ? floatGuard(true) : []),
    ...bind(["rs1", "imm"]),
    "const address = rs1 + imm;",
    ...machineOf(
      "TLB_READ",
      "address",
      width,
      `readAddress(hart, address, ${width}, ${extension}, <u32>load<u16>(slot, SLOT_RD))`,
    ),
    setRd(value),
  ];
}

function storeBody({ width, from }: Extract<Semantics, { kind: "store" }>): string[] {
  return [
    ...(from === "f" ? floatGuard(false) : []),
    ...bind(["rs1", "rs2", "imm"]),
    "const address = rs1 + imm;",
    ...machineOf("TLB_WRITE", "address", width, `writeAddress(hart, address, ${width}, rs2)`),
    `store<u${width * 8}>(machine, <u${width * 8}>rs2);`,
  ];
}

function compareSwap(width: MemoryWidth): string[] {
  const type = `i${width * 8}`;
  return [
    ...bind(["rs1", "rs2"]),
    ...machineOf("TLB_WRITE", "rs1", width, `atomicAddress(hart, rs1, ${width})`),
    `const old = load<${type}>(machine);`,
    `if (old == load<${type}>(${register("SLOT_RS3")})) store<${type}>(machine, <${type}>rs2);`,
    setRd("<i64>old"),
  ];
}

/** Pairs of registers; x0 stands for a pair of zeros, and as a destination for none (Unprivileged ISA 16.1). */
const compareSwapPair: readonly string[] = [
  ...bind(["rs1", "rs2"]),
  ...machineOf("TLB_WRITE", "rs1", 16, "atomicAddress(hart, rs1, 16)"),
  "const low = load<i64>(machine);",
  "const high = load<i64>(machine, 8);",
  "const pair = <usize>load<u16>(slot, SLOT_RS3);",
  "if (low == load<i64>(pair, REGISTER_WINDOW) && high == upperOfPair(pair)) {",
  "  store<i64>(machine, rs2);",
  "  store<i64>(machine, upperOfPair(<usize>load<u16>(slot, SLOT_RS2)), 8);",
  "}",
  setRd("low"),
  "if (pair != 0) store<i64>(pair, high, REGISTER_WINDOW + 8);",
];

function amo(apply: AmoFunction, width: MemoryWidth): string {
  const [signed, unsigned] = [`i${width * 8}`, `u${width * 8}`];
  const operand = `<${signed}>rs2`;
  switch (apply) {
    case "swap":
      return operand;
    case "add":
      return `old + ${operand}`;
    case "xor":
      return `old ^ ${operand}`;
    case "and":
      return `old & ${operand}`;
    case "or":
      return `old | ${operand}`;
    case "min":
    case "max":
      return `${apply}<${signed}>(old, ${operand})`;
    case "minu":
    case "maxu":
      return `${apply.slice(0, 3)}<${unsigned}>(<${unsigned}>old, <${unsigned}>${operand})`;
  }
}
