/**
 * Writes the interpreter: one loop around one `switch`, a case per operation.
 * Guarded by `pnpm bench:interpreter`; what was measured stands in
 * docs/architecture.md.
 */
import type { Expression } from "../expression.js";
import type { AmoFunction, FloatMove, FloatOperand, FloatOperation, MemoryWidth, Semantics } from "../instruction.js";
import { isRare, type Operation, operations } from "./operations.js";

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
function expression(tree: Expression): string {
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
function operandsOf(tree: Expression, found = new Set<string>()): Set<string> {
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

const register = (slotField: string) => `<usize>load<u16>(slot, ${slotField}), REGISTER_WINDOW`;
const setRd = (value: string) => `store<i64>(<usize>load<u16>(slot, SLOT_RD), ${value}, REGISTER_WINDOW);`;
const OPERANDS: Readonly<Record<string, string>> = {
  rs1: `const rs1 = load<i64>(${register("SLOT_RS1")});`,
  rs2: `const rs2 = load<i64>(${register("SLOT_RS2")});`,
  imm: "const imm = <i64>load<i32>(slot, SLOT_IMM);",
  pc: "const pc = <i64>delta + <i64>(slot >> 3);",
};
const bind = (names: Iterable<string>) => [...names].map((name) => OPERANDS[name] ?? "");

/** Goes on behind the instruction. */
const advance = ({ length }: Operation) => [`slot += ${length / 2} * SLOT_SIZE;`, "continue;"];

/** Statements of one case. They end in `next`, or in `break` with `target` or `attention` set. */
function body({ instruction, length, inPage }: Operation, next: readonly string[]): string[] {
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
  }
}

const indent = (lines: readonly string[]) => lines.map((line) => `  ${line}`);

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
    `const entry = dataBank + ${table} + ((<u32>${address} >> 8) & 0xff0);`,
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
  const value = to === "f" && width === 4 ? "<i64>(<u64>load<u32>(machine) | BOX)" : `<i64>load<${type}>(machine)`;
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

/** Before an instruction that moves float registers without rounding: FS must be on, and dirty if one is written. */
function floatGuard(writes: boolean): string[] {
  const ready = writes
    ? "(<u32>load<u64>(hart, HART_MSTATUS) & FS) == FS"
    : "(<u32>load<u64>(hart, HART_MSTATUS) & FS) != 0";
  return [
    `if (!(${ready})) {`,
    "  store<u64>(hart, delta + <u64>(slot >> 3), HART_PC);",
    "  if (!floatEnabled(hart)) {",
    "    attention = STATUS_TRAP;",
    "    break;",
    "  }",
    ...(writes ? ["  floatChanged(hart);"] : []),
    "}",
  ];
}

const FLOAT_SLOTS = ["SLOT_RS1", "SLOT_RS2", "SLOT_RS3"] as const;

/** A source operand as the float routines take it. */
function floatSource(type: FloatOperand, slot: string): string {
  switch (type) {
    case "s":
      return `unbox(load<u64>(${register(slot)}))`;
    case "d":
    case "l":
    case "lu":
      return `load<${type === "l" ? "i64" : "u64"}>(${register(slot)})`;
    case "w":
    case "wu":
      return `load<${type === "w" ? "i32" : "u32"}>(${register(slot)})`;
  }
}

function floatBody(operation: FloatOperation, hasRoundingMode: boolean): string[] {
  const { name, from, to, fast, rounds, raises } = operation;
  const sources = from.map(
    (type, n) => `const ${"abc"[n]} = ${floatSource(type, FLOAT_SLOTS[n] ?? "")}${negation(operation, n)};`,
  );
  const operands = from.map((_, n) => "abc"[n]);
  const toFloat = to === "s" || to === "d";
  const call = (suffix: string, rm: string) =>
    `${name}${suffix}(${[...operands, ...(rm === "" ? [] : [rm]), ...(raises ? ["hart + HART_FFLAGS"] : [])].join(", ")})`;
  const write = (value: string) => setRd(to === "s" ? `<u64>(${value}) | BOX` : `<i64>(${value})`);

  const trap = ["  attention = STATUS_TRAP;", "  break;", "}"];
  const exact = [
    "store<u64>(hart, delta + <u64>(slot >> 3), HART_PC);",
    ...(hasRoundingMode
      ? ["const rm = roundingMode(hart, slot);", "if (rm < 0) {", ...trap]
      : ["if (!floatEnabled(hart)) {", ...trap]),
    ...(toFloat ? [] : ["const flags = load<u32>(hart, HART_FFLAGS);"]),
    write(call("", rounds ? "rm" : "")),
    toFloat ? "floatChanged(hart);" : "if (load<u32>(hart, HART_FFLAGS) != flags) floatChanged(hart);",
  ];
  // With FS dirty and NX set already, nothing but the result, and rarer flags, is left to write.
  const quick = fast ? [write(call("_rne", ""))] : rounds ? [write(call("", "0"))] : [write(call("", ""))];
  const condition = hasRoundingMode
    ? "load<u32>(hart, HART_FLOAT_FAST) & <u32>load<u8>(slot, SLOT_RM)"
    : "load<u32>(hart, HART_FLOAT_FAST)";
  return [...sources, `if (${condition}) {`, ...indent(quick), "} else {", ...indent(exact), "}"];
}

function negation({ negate, from }: FloatOperation, n: number): string {
  const flipped = (n === 0 && negate?.product) || (n === 2 && negate?.addend);
  if (!flipped) return "";
  return from[n] === "s" ? " ^ 0x80000000" : " ^ 0x8000000000000000";
}

function moveBody(move: FloatMove): string[] {
  const a = `load<u64>(${register("SLOT_RS1")})`;
  const b = `load<u64>(${register("SLOT_RS2")})`;
  const sign = "0x8000000000000000";
  const single = (value: string) => [
    `const a = unbox(${a});`,
    `const b = unbox(${b});`,
    setRd(`<u64>(${value}) | BOX`),
  ];
  const double = (value: string) => [`const a = ${a};`, `const b = ${b};`, setRd(value)];
  const lines: Readonly<Record<FloatMove, string[]>> = {
    "fmv.x.w": [setRd(`<i64>(<i32>${a})`)],
    "fmv.x.d": [setRd(a)],
    "fmv.w.x": [setRd(`${a} | BOX`)],
    "fmv.d.x": [setRd(a)],
    "fsgnj.s": single("(a & 0x7fffffff) | (b & 0x80000000)"),
    "fsgnjn.s": single("(a & 0x7fffffff) | (~b & 0x80000000)"),
    "fsgnjx.s": single("a ^ (b & 0x80000000)"),
    "fsgnj.d": double(`(a & ~${sign}) | (b & ${sign})`),
    "fsgnjn.d": double(`(a & ~${sign}) | (~b & ${sign})`),
    "fsgnjx.d": double(`a ^ (b & ${sign})`),
  };
  return [...floatGuard(!move.startsWith("fmv.x")), ...lines[move]];
}

function cases(of: readonly Operation[], next: (operation: Operation) => readonly string[], margin: string): string {
  return of
    .map((operation) => {
      const { number, instruction, length, inPage } = operation;
      const label = `case ${number}: { // ${instruction.name}, ${length} bytes${inPage ? ", target in the page" : ""}`;
      return [label, ...indent(body(operation, next(operation))), "}"].map((line) => `${margin}${line}`).join("\n");
    })
    .join("\n");
}

const common = operations.filter(({ instruction }) => !isRare(instruction));
const rare = operations.filter(({ instruction }) => isRare(instruction));

/** Every name that a case may use from the hand-written files, by file. */
const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  "../arithmetic": "mulh mulhu mulhsu div divu rem remu divw divuw remw remuw rev8 orc_b".split(" "),
  "../carryless": ["clmul", "clmulh", "clmulr"],
  "../code/fetch": ["breakpoint", "crossing", "decodeSlot", "locate"],
  "../crypto/aes": "aes64ds aes64dsm aes64es aes64esm aes64im aes64ks1i".split(" "),
  "../crypto/sm4": ["sm4_key", "sm4_round"],
  "../memory/access": ["atomicAddress", "raise", "readAddress", "reserve", "storeConditional", "writeAddress"],
  "../permute": ["brev8", "xperm4", "xperm8"],
  "../privileged/fields": ["FETCH_MISALIGNED", "ILLEGAL_INSTRUCTION"],
  "../privileged/float-state": ["floatChanged", "floatEnabled", "roundingMode"],
  "../privileged/system":
    "CSR_CLEAR CSR_SET CSR_WRITE cbo_clean cbo_inval cbo_zero csr ebreak ecall mret sfence_inval_ir sfence_vma sfence_w_inval sret wfi".split(
      " ",
    ),
  "../privileged/trap": ["deliverException", "isStuck", "takeInterrupt"],
  "./layout":
    "EXTENSION_FLOAT EXTENSION_SIGN EXTENSION_ZERO EXIT_BREAKPOINT EXIT_BUDGET EXIT_STUCK HART_BANKS HART_DATA_BANK HART_EXECUTED HART_EXIT_KIND HART_EXIT_NEXT_PC HART_FETCH_BANK HART_FFLAGS HART_FLOAT_FAST HART_LEFT HART_MISALIGNED_TARGET HART_MSTATUS HART_PC HART_SINGLE_STEP HART_SLICE_BUDGET HART_SLOT HART_SLOT_DELTA HART_STATUS REGISTERS_SIZE REGISTER_WINDOW SLOT_IMM SLOT_LENGTH SLOT_RD SLOT_RM SLOT_RS1 SLOT_RS2 SLOT_RS3 SLOT_SIZE STATUS_EXIT STATUS_LOCATED STATUS_NONE STATUS_TRAP STATUS_YIELD TLB_BANKS TLB_BANK_SIZE TLB_FETCH TLB_READ TLB_WRITE".split(
      " ",
    ),
  "./operations": ["OP_BREAKPOINT", "OP_CROSSING", "OP_ILLEGAL", "OP_NEXT_PAGE", "OP_UNDECODED"],
};

function floatImports(): string[] {
  const names = new Set<string>();
  for (const { instruction } of operations) {
    if (instruction.semantics.kind !== "float") continue;
    const { name, fast } = instruction.semantics.operation;
    names.add(name);
    if (fast) names.add(`${name}_rne`);
  }
  return [...names].sort();
}

export function generateInterpreter(): string {
  const imports = Object.entries({ ...IMPORTS, "../float/index": floatImports() });
  return `${imports.map(([from, names]) => `import { ${names.join(", ")} } from "${from}";`).join("\n")}

/** The upper half of a NaN-boxed single (Unprivileged ISA 21.2). */
const BOX: u64 = 0xffffffff00000000;
const CANONICAL_NAN: u32 = 0x7fc00000;
/** mstatus.FS. */
const FS: u32 = 0x6000;

// @ts-ignore: decorator
@inline
function unbox(value: u64): u32 {
  return value >> 32 == 0xffffffff ? <u32>value : CANONICAL_NAN;
}

function upperOfPair(pair: usize): i64 {
  return pair == 0 ? 0 : load<i64>(pair, REGISTER_WINDOW + 8);
}

/** While single-stepping, a bank whose fetch table is empty sends every instruction through \`locate\`. */
function fetchBankOf(hart: usize): usize {
  if (load<u32>(hart, HART_SINGLE_STEP) == 0) return <usize>load<u32>(hart, HART_FETCH_BANK);
  return <usize>load<u32>(hart, HART_BANKS) + TLB_BANKS * TLB_BANK_SIZE;
}

/** Gives the registers back to the hart's block and adds up what the slice executed. */
function finish(hart: usize, executed: i32): void {
  memory.copy(hart, REGISTER_WINDOW, REGISTERS_SIZE);
  store<u64>(hart, load<u64>(hart, HART_EXECUTED) + <u64>executed, HART_EXECUTED);
  store<u32>(hart, 0, HART_SLICE_BUDGET);
  store<u32>(hart, 0, HART_LEFT);
}

/**
 * Instructions that are rare; the hart's pc is set. They go on by way of STATUS_LOCATED: a \`continue\` in the loop's
 * default case costs every other case some 10 %.
 */
function executeRare(hart: usize, slot: usize): u32 {
  const delta = load<u64>(hart, HART_PC) - <u64>(slot >> 3);
  const dataBank = <usize>load<u32>(hart, HART_DATA_BANK);
  let attention: u32 = STATUS_NONE;
  switch (<u32>load<u16>(slot)) {
${cases(rare, () => ["break;"], "    ")}
  }
  if (attention) return attention;
  store<u32>(hart, <u32>slot + <u32>load<u8>(slot, SLOT_LENGTH) * <u32>(SLOT_SIZE / 2), HART_SLOT);
  store<u64>(hart, delta, HART_SLOT_DELTA);
  return STATUS_LOCATED;
}

/**
 * Runs the hart from its pc for about \`budget\` instructions: the budget is
 * looked at where control leaves straight-line code, at most a page further.
 * Returns an exit kind; all state is in the hart's block then.
 */
export function execute(hart: usize, budget: i32): u32 {
  let left = budget;
  let attention: u32 = STATUS_NONE;
  let target = load<u64>(hart, HART_PC);
  let slot: usize = 0;
  let delta: u64 = 0;
  let dataBank = <usize>load<u32>(hart, HART_DATA_BANK);
  let fetchBank = fetchBankOf(hart);
  memory.copy(REGISTER_WINDOW, hart, REGISTERS_SIZE);
  store<u32>(hart, budget, HART_SLICE_BUDGET);
  store<u32>(hart, budget, HART_LEFT);

  while (true) {
    // Something out of the ordinary happened at the instruction in \`slot\`.
    if (attention == STATUS_LOCATED) {
      slot = <usize>load<u32>(hart, HART_SLOT);
      delta = load<u64>(hart, HART_SLOT_DELTA);
    } else {
      if (attention) {
        store<u32>(hart, STATUS_NONE, HART_STATUS);
        if (attention == STATUS_TRAP) {
          store<u64>(hart, delta + <u64>(slot >> 3), HART_PC);
          deliverException(hart);
        } else if (attention == STATUS_EXIT) {
          const pc = delta + <u64>(slot >> 3);
          store<u64>(hart, pc, HART_PC);
          store<u64>(hart, pc + <u64>load<u8>(slot, SLOT_LENGTH), HART_EXIT_NEXT_PC);
          const kind = load<u32>(hart, HART_EXIT_KIND);
          finish(hart, budget - left - (kind == EXIT_BREAKPOINT ? 1 : 0));
          return kind;
        } else if (attention == STATUS_YIELD) {
          finish(hart, budget - left);
          return EXIT_BUDGET;
        } else {
          takeInterrupt(hart);
        }
        dataBank = <usize>load<u32>(hart, HART_DATA_BANK);
        fetchBank = fetchBankOf(hart);
        target = load<u64>(hart, HART_PC);
      }

      // Go to \`target\`.
      if (left <= 0) {
        store<u64>(hart, target, HART_PC);
        finish(hart, budget - left);
        return EXIT_BUDGET;
      }
      const entry = fetchBank + TLB_FETCH + ((<u32>target >> 8) & 0xff0);
      if (load<u64>(entry) == (target & ~0xfff)) {
        const page = <usize>load<u32>(entry, 8);
        slot = page + ((<usize>target & 0xfff) << 3);
        delta = (target & ~0xfff) - <u64>(page >> 3);
      } else {
        store<u64>(hart, target, HART_PC);
        if (!locate(hart)) {
          store<u32>(hart, STATUS_NONE, HART_STATUS);
          left--;
          deliverException(hart);
          if (isStuck(hart)) {
            finish(hart, budget - left);
            return EXIT_STUCK;
          }
          dataBank = <usize>load<u32>(hart, HART_DATA_BANK);
          fetchBank = fetchBankOf(hart);
          target = load<u64>(hart, HART_PC);
          attention = STATUS_NONE;
          continue;
        }
        slot = <usize>load<u32>(hart, HART_SLOT);
        delta = load<u64>(hart, HART_SLOT_DELTA);
      }
    }
    attention = STATUS_NONE;

    while (true) {
      left--;
      switch (<u32>load<u16>(slot)) {
        case OP_UNDECODED: {
          left++;
          decodeSlot(hart, slot, delta + <u64>(slot >> 3));
          continue;
        }
        case OP_NEXT_PAGE: {
          left++;
          target = delta + <u64>(slot >> 3);
          break;
        }
        case OP_CROSSING: {
          store<u64>(hart, delta + <u64>(slot >> 3), HART_PC);
          attention = crossing(hart);
          if (attention == STATUS_LOCATED) left++;
          break;
        }
        case OP_BREAKPOINT: {
          store<u64>(hart, delta + <u64>(slot >> 3), HART_PC);
          attention = breakpoint(hart);
          if (attention == STATUS_LOCATED) left++;
          break;
        }
        case OP_ILLEGAL: {
          raise(hart, ILLEGAL_INSTRUCTION, <u64>load<u32>(slot, SLOT_IMM));
          attention = STATUS_TRAP;
          break;
        }
${cases(common, advance, "        ")}
        default: {
          store<u64>(hart, delta + <u64>(slot >> 3), HART_PC);
          attention = executeRare(hart, slot);
          break;
        }
      }
      break;
    }
  }
}`;
}
