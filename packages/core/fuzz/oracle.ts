/**
 * The slow evaluator as a second reference: it is asked before each single step
 * what the instruction does to registers and memory, and the machine is held to
 * it afterwards. What traps, or runs in virtual memory, is left to QEMU.
 */
import { disassemble } from "../isa/disassemble.js";
import { evaluate, type ModelHart, type ModelMemory } from "../isa/evaluate/evaluator.js";
import type { Hart } from "../src/machine/hart.js";
import type { GuestMemory } from "../src/memory/guest-memory.js";
import type { Difference } from "./compare.js";
import { isVector } from "./driver.js";
import { SLOT_BYTES, SLOTS_BASE, Slot, slotAddress } from "./slot.js";
import type { StepObserver } from "./subject.js";

/** An instruction that the evaluator has retired, and the machine is about to execute. */
interface Expectation {
  readonly text: string;
  readonly slot: number;
  readonly hart: ModelHart;
  readonly writes: readonly (readonly [address: bigint, width: 1 | 2 | 4 | 8, value: bigint])[];
}

/** Thrown out of the evaluator where an address is not RAM. */
class NotMemory extends Error {}

const REGISTERS = Array.from({ length: 32 }, (_, n) => n);
const MPRV = 1n << 17n;

function load(memory: GuestMemory, address: bigint, width: number): bigint {
  const bytes = memory.read(address, width);
  if (bytes === undefined) throw new NotMemory();
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

export class Oracle {
  #expected: Expectation | undefined;
  #reservation: bigint | undefined;
  /** The first disagreement of each program, by its slot's address. */
  readonly #found = new Map<number, Difference>();

  /** What disagreed in the program of a slot. */
  found(base: number): Difference | undefined {
    return this.#found.get(base);
  }

  readonly observe: StepObserver = (pc, { hart, memory }) => {
    const expected = this.#expected;
    this.#expected = undefined;
    if (expected !== undefined && !isVector(pc)) this.#check(expected, hart, memory);
    else this.#reservation = undefined;
    const offset = (pc - SLOTS_BASE) % SLOT_BYTES;
    if (pc >= SLOTS_BASE && offset < Slot.codeBytes) this.#expected = this.#predict(pc, hart, memory);
  };

  #predict(pc: number, hart: Hart, memory: GuestMemory): Expectation | undefined {
    const translates = hart.getCsr("satp") !== 0n;
    if (translates && (hart.privilege !== "machine" || (hart.getCsr("mstatus") & MPRV) !== 0n)) return undefined;
    const writes: [bigint, 1 | 2 | 4 | 8, bigint][] = [];
    const model: ModelMemory = {
      read: (address, width) => load(memory, address, width),
      write: (address, width, value) => {
        load(memory, address, width);
        writes.push([address, width, value]);
      },
    };
    const before = this.#modelOf(hart);
    try {
      const outcome = evaluate(before, model);
      if (outcome.kind !== "retired") return undefined;
      const bits = Number(load(memory, before.pc, 4));
      const slot = slotAddress(Math.floor((pc - SLOTS_BASE) / SLOT_BYTES));
      return { text: disassemble(bits, before.pc).text, slot, hart: outcome.hart, writes };
    } catch (error) {
      if (error instanceof NotMemory) return undefined;
      throw error;
    }
  }

  #modelOf(hart: Hart): ModelHart {
    const fcsr = Number(hart.getCsr("fcsr"));
    return {
      pc: hart.pc,
      x: REGISTERS.map((n) => hart.getRegister(n)),
      f: REGISTERS.map((n) => hart.getFloatRegister(n)),
      fflags: fcsr & 31,
      frm: fcsr >> 5,
      reservation: this.#reservation,
    };
  }

  #check({ text, slot, hart: expected, writes }: Expectation, hart: Hart, memory: GuestMemory): void {
    this.#reservation = expected.reservation;
    if (this.#found.has(slot)) return;
    const actual = this.#modelOf(hart);
    const pairs: (readonly [name: string, ours: bigint, reference: bigint])[] = [
      ["pc", actual.pc, expected.pc],
      ["fcsr", BigInt((actual.frm << 5) | actual.fflags), BigInt((expected.frm << 5) | expected.fflags)],
      ...REGISTERS.map((n) => [`x${n}`, actual.x[n] ?? 0n, expected.x[n] ?? 0n] as const),
      ...REGISTERS.map((n) => [`f${n}`, actual.f[n] ?? 0n, expected.f[n] ?? 0n] as const),
      ...writes.map(
        ([address, width, value]) => [`0x${address.toString(16)}`, load(memory, address, width), value] as const,
      ),
    ];
    const wrong = pairs.find(([, ours, reference]) => ours !== reference);
    if (wrong === undefined) return;
    const [name, ours, reference] = wrong;
    this.#found.set(slot, { where: `${name} after ${text}`, ours, reference, by: "evaluator" });
  }
}
