/**
 * Runs one case on the interpreter and on the evaluator and tells where they
 * differ. The instruction is followed by a jump to itself, so that a free run
 * of one instruction ends there, too.
 */
import { decodeInstruction } from "../isa/decode.js";
import { disassemble } from "../isa/disassemble.js";
import { evaluate, type ModelMemory, type Outcome } from "../isa/evaluate/evaluator.js";
import type { SystemHelper } from "../isa/instruction.js";
import { createTestHart, type Pace, RAM_BASE, type TestHart } from "./harness.js";
import { type Case, CODE_PAGE, DATA } from "./row-cases.js";

const RAM_SIZE = 0x40000;
/** Where traps lead: a jump to itself. */
export const TRAP_VECTOR = BigInt(RAM_BASE + 0x8000);
/** What mepc and sepc hold when an instruction returns from a trap. */
export const RETURN_ADDRESS = BigInt(RAM_BASE + 0x9000);

const FCSR = 0x003;
const MSTATUS = 0x300;
const [MTVEC, MEPC, MCAUSE, MTVAL, SEPC] = [0x305, 0x341, 0x342, 0x343, 0x141];
const FS_DIRTY = 3n << 13n;
const JUMP_TO_ITSELF = Uint8Array.of(0x01, 0xa0);

/** mstatus before every case: FS initial or dirty, MPP and SPP such that mret stays in M-mode and sret goes to U-mode. */
const STATUS = { initial: 0x3800n, dirty: 0x7800n } as const;

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** What the model cannot say of a system instruction, executed in M-mode. */
export const SYSTEM_EFFECTS: Readonly<Record<SystemHelper, Effects>> = {
  ecall: { cause: 11n, value: () => 0n },
  ebreak: { cause: 3n, value: (pc) => pc },
  mret: { pc: () => RETURN_ADDRESS, privilege: 3 },
  sret: { pc: () => RETURN_ADDRESS, privilege: 0 },
  wfi: { exit: "wait", pc: (pc) => pc },
  sfence_vma: {},
  sfence_w_inval: {},
  sfence_inval_ir: {},
  cbo_inval: {},
  cbo_clean: {},
  cbo_zero: { zeroes: 64 },
};

/** Effects of an instruction beyond going on to the next. */
export interface Effects {
  readonly cause?: bigint;
  readonly value?: (pc: bigint) => bigint;
  readonly pc?: (pc: bigint) => bigint;
  readonly privilege?: number;
  readonly exit?: "wait";
  /** The block at the address in rs1 is cleared. */
  readonly zeroes?: number;
}

/** A memory callback that reads RAM and collects writes. */
class Overlay implements ModelMemory {
  readonly #hart: TestHart;
  readonly written = new Map<number, number>();

  constructor(hart: TestHart) {
    this.#hart = hart;
  }

  read(address: bigint, width: number): bigint {
    return this.#hart.readMemory(Number(address), width).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  write(address: bigint, width: number, value: bigint): void {
    for (let n = 0; n < width; n++) this.written.set(Number(address) + n, Number((value >> BigInt(8 * n)) & 0xffn));
  }
}

export class Comparison {
  readonly hart: TestHart;
  /** RAM as it must be. */
  readonly #expectedRam: Uint8Array;

  private constructor(hart: TestHart) {
    this.hart = hart;
    const random = Uint8Array.from({ length: DATA.size }, (_, n) => (n * 167 + (n >> 5) * 31) & 0xff);
    // Neighbouring pages of code and of data are none in the machine's memory.
    hart.swapFrames(DATA.base + 0x1000, RAM_BASE + 0x28000);
    hart.swapFrames(CODE_PAGE + 0x1000, RAM_BASE + 0x29000);
    hart.writeMemory(DATA.base, random);
    hart.writeMemory(Number(TRAP_VECTOR), JUMP_TO_ITSELF);
    hart.writeMemory(Number(RETURN_ADDRESS), JUMP_TO_ITSELF);
    hart.writeCsr(MTVEC, TRAP_VECTOR);
    this.#expectedRam = hart.readMemory(RAM_BASE, RAM_SIZE);
  }

  static async create(): Promise<Comparison> {
    return new Comparison(await createTestHart(RAM_SIZE));
  }

  /** The case with what memory holds in the register that a compare-and-swap compares. */
  matching(input: Case): Case {
    const { row, operands } = decodeInstruction(input.bits) ?? {};
    const { rd = 0, rs1 = 0 } = operands ?? {};
    if (row?.semantics.kind !== "amo-compare-swap" || rd === 0 || (rs1 & ~1) === (rd & ~1)) return input;
    const address = input.hart.x[rs1] ?? 0n;
    const memory = new Overlay(this.hart);
    const x = input.hart.x.with(rd, memory.read(address, Math.min(row.semantics.width, 8)));
    if (row.semantics.width === 16) x[rd + 1] = memory.read(address + 8n, 8);
    return { ...input, hart: { ...input.hart, x } };
  }

  /** Executes a case once on both; the differences, described. */
  differences(input: Case, pace: Pace, floatOn = true): string[] {
    this.#prepare(input, floatOn);
    const memory = new Overlay(this.hart);
    const outcome: Outcome = floatOn ? evaluate(input.hart, memory) : { kind: "illegal", bits: input.bits };
    for (const [address, byte] of memory.written) this.#expectedRam[address - RAM_BASE] = byte;
    const { kind } = this.hart.run(1, pace);
    const found = this.#compare(input, outcome, kind);
    if (found.length === 0) return [];
    return [`${disassemble(input.bits, input.hart.pc).text} (0x${input.bits.toString(16)}), ${pace} run`, ...found];
  }

  #prepare({ bits, length, floatDirty, hart: { pc, x, f, fflags, frm, reservation } }: Case, floatOn: boolean): void {
    const { hart } = this;
    const code = Uint8Array.from({ length }, (_, n) => bits >>> (8 * n));
    for (const [offset, bytes] of [
      [0, code],
      [length, JUMP_TO_ITSELF],
    ] as const) {
      hart.writeMemory(Number(pc) + offset, bytes);
      this.#expectedRam.set(bytes, Number(pc) + offset - RAM_BASE);
    }
    for (let n = 0; n < 32; n++) {
      hart.setX(n, x[n] ?? 0n);
      hart.setF(n, f[n] ?? 0n);
    }
    hart.setField("fflags", fflags);
    hart.setField("frm", frm);
    hart.setField("privilege", 3);
    hart.writeCsr(MSTATUS, floatOn ? (floatDirty ? STATUS.dirty : STATUS.initial) : 0n);
    for (const csr of [MEPC, SEPC]) hart.writeCsr(csr, RETURN_ADDRESS);
    hart.setReservation(reservation);
    hart.setPc(pc);
    hart.refresh();
  }

  #compare(input: Case, outcome: Outcome, exit: string): string[] {
    switch (outcome.kind) {
      case "retired":
        return this.#compareState(outcome.hart, input.hart, exit);
      case "illegal":
        return this.#compareTrap(input, exit, 2n, BigInt(outcome.bits));
      case "misaligned":
        return this.#compareTrap(input, exit, outcome.access === "load" ? 4n : 6n, outcome.address);
      case "system":
        if (outcome.helper === "csr") throw new RangeError("the model has only the float CSRs");
        return this.#compareSystem(input, SYSTEM_EFFECTS[outcome.helper], exit);
    }
  }

  #compareState(expected: Case["hart"], before: Case["hart"], exit: string): string[] {
    const { hart } = this;
    const found = exit === "budget" ? [] : [`left with ${exit}`];
    const check = (what: string, actual: bigint, wanted: bigint) => {
      if (actual !== wanted) found.push(`${what} is ${hex(actual)}, must be ${hex(wanted)}`);
    };
    check("pc", hart.getPc(), expected.pc);
    for (let n = 0; n < 32; n++) {
      check(`x${n}`, hart.getX(n), expected.x[n] ?? 0n);
      check(`f${n}`, hart.getF(n), expected.f[n] ?? 0n);
    }
    check("fcsr", hart.readCsr(FCSR), BigInt((expected.frm << 5) | expected.fflags));
    check("reservation", hart.getReservation() ?? 0n, expected.reservation ?? 0n);
    const touchedFloat = expected.f !== before.f || expected.fflags !== before.fflags || expected.frm !== before.frm;
    if (touchedFloat) check("mstatus.FS", hart.readCsr(MSTATUS) & FS_DIRTY, FS_DIRTY);
    return [...found, ...this.#compareData()];
  }

  #compareTrap({ hart: before }: Case, exit: string, cause: bigint, value: bigint): string[] {
    const { hart } = this;
    const found = this.#compareState({ ...before, pc: TRAP_VECTOR }, before, exit);
    const actual = [MCAUSE, MTVAL, MEPC].map((csr) => hex(hart.readCsr(csr))).join(", ");
    const wanted = [cause, value, before.pc].map(hex).join(", ");
    if (actual !== wanted) found.push(`mcause, mtval, mepc are ${actual}, must be ${wanted}`);
    return found;
  }

  #compareSystem(input: Case, effects: Effects, exit: string): string[] {
    const { hart: before, length } = input;
    if (effects.cause !== undefined)
      return this.#compareTrap(input, exit, effects.cause, effects.value?.(before.pc) ?? 0n);
    if (effects.zeroes !== undefined) {
      const address = Number(before.x[(input.bits >> 15) & 31]) - RAM_BASE;
      this.#expectedRam.fill(
        0,
        address - (address % effects.zeroes),
        address - (address % effects.zeroes) + effects.zeroes,
      );
    }
    const pc = effects.pc?.(before.pc) ?? before.pc + BigInt(length);
    const found = this.#compareState({ ...before, pc }, before, effects.exit === exit ? "budget" : exit);
    if (effects.exit !== undefined && effects.exit !== exit) found.push(`must leave with ${effects.exit}`);
    const privilege = this.hart.getField("privilege");
    if (privilege !== (effects.privilege ?? 3)) found.push(`privilege is ${privilege}`);
    return found;
  }

  /** Differences in the data; equal afterwards. */
  #compareData(): string[] {
    const actual = this.hart.readMemory(DATA.base, DATA.size);
    const expected = this.#expectedRam.subarray(DATA.base - RAM_BASE, DATA.base - RAM_BASE + DATA.size);
    if (Buffer.compare(actual, expected) === 0) return [];
    const wrong = [...actual.keys()].filter((n) => actual[n] !== expected[n]);
    const found = wrong.map((n) => `byte ${hex(BigInt(DATA.base + n))} is ${actual[n]}, must be ${expected[n]}`);
    expected.set(actual);
    return found;
  }

  /** Whether anything but data and the code under test was written since the beginning. */
  strayWrites(): number[] {
    const actual = this.hart.readMemory(RAM_BASE, RAM_SIZE);
    return [...actual.keys()].filter((n) => actual[n] !== this.#expectedRam[n]);
  }
}
