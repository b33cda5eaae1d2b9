/**
 * A program as the generator leaves it: encoded instructions in units that stay
 * together, the state it starts from, and its memory. What the reducer takes
 * out becomes no-operations, so that nothing moves.
 */
import { disassemble } from "../isa/disassemble.js";
import { INITIAL_CSRS, type InitialCsr } from "./csr-policy.js";
import type { ProfileName } from "./profiles.js";
import { Record as At, SLOT_BYTES, Slot } from "./slot.js";

/** An encoded instruction. */
export interface Code {
  readonly bits: number;
  readonly length: 2 | 4;
}

/** Instructions that only make sense together; `offset` is that of the first in the slot. */
export interface Unit {
  readonly offset: number;
  readonly code: readonly Code[];
}

export interface Program {
  readonly seed: number;
  readonly profile: ProfileName;
  /** Guest-physical address of its slot. */
  readonly base: number;
  readonly units: readonly Unit[];
  /** The units that the reducer left; default: all. */
  readonly kept?: ReadonlySet<number>;
  readonly x: readonly bigint[];
  readonly f: readonly bigint[];
  readonly csrs: Readonly<Record<InitialCsr, bigint>>;
  /** Contents of the slot beside code and record, by offset. */
  readonly memory: ReadonlyMap<number, Uint8Array>;
}

const C_NOP = 0x0001;
const NOP = 0x00000013;
const ECALL = 0x00000073;

/** Offset in the slot of the ecall that ends a program. */
export function endOffset({ units }: Program): number {
  const last = units[units.length - 1];
  return last === undefined ? 0 : last.offset + last.code.reduce((sum, { length }) => sum + length, 0);
}

/** The slot's 64 KiB as they are before the program runs. */
export function slotBytes(program: Program): Uint8Array {
  const bytes = new Uint8Array(SLOT_BYTES);
  const view = new DataView(bytes.buffer);
  const put = (at: number, { bits, length }: Code) =>
    length === 2 ? view.setUint16(at, bits, true) : view.setUint32(at, bits, true);
  for (const { offset, code } of program.units) {
    let at = offset;
    for (const instruction of code) {
      put(at, instruction);
      at += instruction.length;
    }
  }
  const end = endOffset(program);
  put(end, { bits: ECALL, length: 4 });
  for (const [offset, content] of program.memory) bytes.set(content, offset);
  const record = (offset: number, value: bigint) => view.setBigUint64(Slot.record + offset, value, true);
  for (const [n, value] of program.x.entries()) record(At.initialX + 8 * n, value);
  for (const [n, value] of program.f.entries()) record(At.initialF + 8 * n, value);
  for (const [n, name] of INITIAL_CSRS.entries()) record(At.initialCsrs + 8 * n, program.csrs[name]);
  record(At.codeStart, BigInt(program.base));
  record(At.codeEnd, BigInt(program.base + end));
  return bytes;
}

/** The program with only these units; the others are no-operations of the same length. */
export function withUnits(program: Program, kept: ReadonlySet<number>): Program {
  const units = program.units.map((unit, n) => {
    if (kept.has(n)) return unit;
    return { ...unit, code: unit.code.map(({ length }) => ({ bits: length === 2 ? C_NOP : NOP, length })) };
  });
  return { ...program, units, kept };
}

const isNop = ({ bits, length }: Code) => bits === (length === 2 ? C_NOP : NOP);

/** The program as assembly, without its no-operations. */
export function listing(program: Program): string {
  const lines: string[] = [];
  for (const { offset, code } of program.units) {
    let at = offset;
    for (const instruction of code) {
      const address = BigInt(program.base + at);
      const digits = instruction.length * 2;
      const bits = instruction.bits.toString(16).padStart(digits, "0").padEnd(8);
      if (!isNop(instruction))
        lines.push(`  ${address.toString(16)}: ${bits}  ${disassemble(instruction.bits, address).text}`);
      at += instruction.length;
    }
  }
  return lines.join("\n");
}

/** Instructions of a program, each once. */
export const instructionCount = ({ units }: Program): number => units.reduce((sum, { code }) => sum + code.length, 0);
