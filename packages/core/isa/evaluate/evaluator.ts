/**
 * The slow evaluator: one instruction on a model hart, with BigInts, straight
 * from the table. It is the oracle that the engines are tested against, so it
 * shares nothing with them but the table. It knows registers and memory, not
 * privilege, translation or traps: what needs those is reported, not done.
 */
import { csrNumbered } from "../csrs.js";
import { type DecodedInstruction, decodeInstruction, isLong } from "../decode.js";
import { IMMEDIATE_FIELDS } from "../encoding.js";
import type { AmoFunction, Instruction, MemoryWidth, Semantics, SystemHelper } from "../instruction.js";
import { floatConstant } from "../table/float-constants.js";
import { evaluateExpression } from "./expression.js";
import { box, evaluateFloat, evaluateMove, roundingMode } from "./float-operation.js";

/** The state that unprivileged instructions see. Registers are unsigned 64-bit values; never changed in place. */
export interface ModelHart {
  readonly pc: bigint;
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  readonly fflags: number;
  readonly frm: number;
  /** The address that load-reserved has read. */
  readonly reservation: bigint | undefined;
}

/** Memory as the hart sees it: little-endian, values unsigned, any alignment. */
export interface ModelMemory {
  read(address: bigint, width: MemoryWidth): bigint;
  write(address: bigint, width: MemoryWidth, value: bigint): void;
}

export type Outcome =
  | { readonly kind: "retired"; readonly hart: ModelHart }
  /** An encoding that no row claims, or with a reserved rounding mode: the trap reports its bits. */
  | { readonly kind: "illegal"; readonly bits: number }
  /** An atomic access whose address is no multiple of its width. */
  | { readonly kind: "misaligned"; readonly access: "load" | "store"; readonly address: bigint }
  /** An instruction that acts on more than the model has. */
  | { readonly kind: "system"; readonly helper: SystemHelper | "csr" };

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const extend = (value: bigint, width: MemoryWidth): bigint => u64(BigInt.asIntN(width * 8, value));

const replaced = (values: readonly bigint[], at: number, value: bigint): readonly bigint[] =>
  values.map((old, n) => (n === at ? value : old));

/** One instruction being executed: its operands, and the hart it changes. */
class Execution {
  readonly row: Instruction;
  readonly hart: ModelHart;
  readonly memory: ModelMemory;
  readonly next: bigint;
  readonly #operands: Readonly<Record<string, number>>;

  constructor(decoded: DecodedInstruction, hart: ModelHart, memory: ModelMemory) {
    this.row = decoded.row;
    this.hart = hart;
    this.memory = memory;
    this.next = u64(hart.pc + BigInt(decoded.length));
    this.#operands = decoded.operands;
  }

  field(name: string): number {
    const value = this.#operands[name];
    if (value === undefined) throw new RangeError(`${this.row.name} has no operand ${name}`);
    return value;
  }

  /** An operand's value: an immediate, or what an integer register holds. */
  value(name: "rs1" | "rs2" | "imm" | "pc"): bigint {
    if (name === "pc") return this.hart.pc;
    if (name === "imm")
      return BigInt(this.#operands[IMMEDIATE_FIELDS.find((field) => field in this.#operands) ?? ""] ?? 0);
    const number = this.#operands[name];
    return number === undefined ? 0n : (this.hart.x[number] ?? 0n);
  }

  /** What the registers in the source operands of a float row hold, in order. */
  floatSources(): bigint[] {
    const sources = ["1", "2", "3"].flatMap((n) => {
      const float = this.#operands[`frs${n}`];
      if (float !== undefined) return [this.hart.f[float] ?? 0n];
      return this.#operands[`rs${n}`] === undefined ? [] : [this.value(n === "1" ? "rs1" : "rs2")];
    });
    return sources;
  }

  get address(): bigint {
    return u64(this.value("rs1") + this.value("imm"));
  }

  get bindings() {
    return { rs1: this.value("rs1"), rs2: this.value("rs2"), imm: this.value("imm"), pc: this.hart.pc };
  }

  /** Retires the instruction: its destination register, if it has one, gets the value; x0 stays zero. */
  retire(value?: bigint, changes: Partial<ModelHart> = {}): Outcome {
    const hart = { ...this.hart, pc: this.next, ...changes };
    if (value === undefined) return { kind: "retired", hart };
    const { frd, rd = 0 } = this.#operands;
    if (frd !== undefined) return { kind: "retired", hart: { ...hart, f: replaced(hart.f, frd, value) } };
    return { kind: "retired", hart: rd === 0 ? hart : { ...hart, x: replaced(hart.x, rd, value) } };
  }

  misaligned(access: "load" | "store"): Outcome | undefined {
    const { semantics } = this.row;
    const address = this.value("rs1");
    const isAligned = !("width" in semantics) || address % BigInt(semantics.width) === 0n;
    return isAligned ? undefined : { kind: "misaligned", access, address };
  }
}

/** What an atomic operation writes, from what it read and its operand, both sign-extended. */
function amo(apply: AmoFunction, old: bigint, operand: bigint): bigint {
  const isLess = BigInt.asIntN(64, old) < BigInt.asIntN(64, operand);
  switch (apply) {
    case "swap":
      return operand;
    case "add":
      return old + operand;
    case "xor":
      return old ^ operand;
    case "and":
      return old & operand;
    case "or":
      return old | operand;
    case "min":
      return isLess ? old : operand;
    case "max":
      return isLess ? operand : old;
    // Sign extension keeps the unsigned order.
    case "minu":
      return old < operand ? old : operand;
    case "maxu":
      return old < operand ? operand : old;
  }
}

function atomic(
  execution: Execution,
  semantics: Extract<Semantics, { kind: "amo" | "load-reserved" | "store-conditional" }>,
): Outcome {
  const { hart, memory } = execution;
  const fault = execution.misaligned(semantics.kind === "load-reserved" ? "load" : "store");
  if (fault !== undefined) return fault;
  const address = execution.value("rs1");
  const operand = extend(execution.value("rs2"), semantics.width);
  const write = (value: bigint) => memory.write(address, semantics.width, BigInt.asUintN(semantics.width * 8, value));
  if (semantics.kind === "store-conditional") {
    memory.read(address, semantics.width); // the access must be possible, whether or not it succeeds
    const succeeds = hart.reservation === address;
    if (succeeds) write(operand);
    return execution.retire(succeeds ? 0n : 1n, { reservation: undefined });
  }
  const old = extend(memory.read(address, semantics.width), semantics.width);
  if (semantics.kind === "load-reserved") return execution.retire(old, { reservation: address });
  write(amo(semantics.apply, old, operand));
  return execution.retire(old);
}

/** Pairs of registers for 16 bytes; x0 stands for a pair of zeros, and as a destination for none (Unprivileged ISA 16.1). */
function compareSwap(execution: Execution, { width }: Extract<Semantics, { kind: "amo-compare-swap" }>): Outcome {
  const { hart, memory } = execution;
  const fault = execution.misaligned("store");
  if (fault !== undefined) return fault;
  const size = width === 16 ? 8 : width;
  const parts = (width === 16 ? [0, 1] : [0]).map((n) => {
    const register = (name: string) => (execution.field(name) === 0 ? 0n : (hart.x[execution.field(name) + n] ?? 0n));
    const at = u64(execution.value("rs1") + BigInt(8 * n));
    const [expected, replacement] = [register("rd"), register("rs2")].map((value) => BigInt.asUintN(size * 8, value));
    return { n, at, expected, replacement: replacement ?? 0n, old: memory.read(at, size) };
  });
  if (parts.every(({ expected, old }) => expected === old)) {
    for (const { at, replacement } of parts) memory.write(at, size, replacement);
  }
  const rd = execution.field("rd");
  if (rd === 0) return execution.retire();
  return execution.retire(undefined, {
    x: parts.reduce((x, { n, old }) => replaced(x, rd + n, extend(old, size)), hart.x),
  });
}

/** The registers that the model has: fflags, frm, and both as fcsr (Unprivileged ISA 20.2). */
function csr(execution: Execution, { operation, source }: Extract<Semantics, { kind: "csr" }>): Outcome {
  const { fflags, frm } = execution.hart;
  const name = csrNumbered(execution.field("csr"))?.name;
  const shift = name === "frm" ? 5 : 0;
  const mask = { fflags: 0x1f, frm: 0x7, fcsr: 0xff }[name ?? ""];
  if (mask === undefined) return { kind: "system", helper: "csr" };
  const fcsr = (frm << 5) | fflags;
  const old = (fcsr >> shift) & mask;
  const operand = Number(source === "immediate" ? execution.field("uimm") : execution.value("rs1") & 0xffn) & mask;
  const value = operation === "write" ? operand : operation === "set" ? old | operand : old & ~operand;
  const written = (fcsr & ~(mask << shift)) | (value << shift);
  return execution.retire(BigInt(old), { fflags: written & 0x1f, frm: written >> 5 });
}

function execute(execution: Execution, bits: number): Outcome {
  const { row, hart, memory } = execution;
  const { semantics } = row;
  switch (semantics.kind) {
    case "nothing":
      return execution.retire();
    case "system":
      return { kind: "system", helper: semantics.helper };
    case "csr":
      return csr(execution, semantics);
    case "compute":
      return execution.retire(evaluateExpression(semantics.value, execution.bindings));
    case "jump":
      return execution.retire(execution.next, { pc: evaluateExpression(semantics.target, execution.bindings) });
    case "branch": {
      const isTaken = evaluateExpression(semantics.condition, execution.bindings) !== 0n;
      return execution.retire(undefined, isTaken ? { pc: u64(hart.pc + execution.value("imm")) } : {});
    }
    case "load": {
      const value = memory.read(execution.address, semantics.width);
      if (semantics.to === "f") return execution.retire(u64((-1n << BigInt(semantics.width * 8)) | value)); // boxed
      return execution.retire(semantics.signed ? extend(value, semantics.width) : value);
    }
    case "store": {
      const value = semantics.from === "f" ? hart.f[execution.field("frs2")] : execution.value("rs2");
      memory.write(execution.address, semantics.width, BigInt.asUintN(semantics.width * 8, value ?? 0n));
      return execution.retire();
    }
    case "amo":
    case "load-reserved":
    case "store-conditional":
      return atomic(execution, semantics);
    case "amo-compare-swap":
      return compareSwap(execution, semantics);
    case "float-move": {
      const [a = 0n, b = 0n] = execution.floatSources();
      return execution.retire(evaluateMove(semantics.move, a, b));
    }
    case "float-constant":
      return execution.retire(box(semantics.format, floatConstant(semantics.format, execution.field("constant"))));
    case "float": {
      const rm = row.encoding.fields.has("rm") ? execution.field("rm") : 0;
      const mode = roundingMode(rm === 7 ? hart.frm : rm);
      if (mode === undefined) return { kind: "illegal", bits };
      const { register, flags } = evaluateFloat(semantics.operation, execution.floatSources(), mode);
      return execution.retire(register, { fflags: hart.fflags | flags });
    }
  }
}

/**
 * Executes the instruction at the hart's pc; changes memory through the
 * callbacks only, and gives the hart as it is afterwards. Other outcomes leave
 * everything as it was.
 */
export function evaluate(hart: ModelHart, memory: ModelMemory): Outcome {
  const low = Number(memory.read(hart.pc, 2));
  const bits = isLong(low) ? (low | (Number(memory.read(u64(hart.pc + 2n), 2)) << 16)) >>> 0 : low;
  const decoded = decodeInstruction(bits);
  return decoded === undefined ? { kind: "illegal", bits } : execute(new Execution(decoded, hart, memory), bits);
}
