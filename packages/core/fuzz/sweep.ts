/**
 * Which encodings are illegal here and on QEMU: all of 16 bits, and of 32 bits
 * every major opcode with every value of the bits that select within it.
 */

import type { Qemu } from "../../hartvisor/src/host/node/debian-qemu.js";
import { csrNumbered } from "../isa/csrs.js";
import { decodeInstruction } from "../isa/decode.js";
import { disassemble } from "../isa/disassemble.js";
import { COUNTERS } from "../isa/layout.js";
import { isOfRv32 } from "./csr-policy.js";
import { Random } from "./random.js";
import { runReference } from "./reference.js";
import { runSubject } from "./subject.js";
import { SWEEP_BATCH, sweepImage, sweepResults } from "./sweep-driver.js";

const [USER, SUPERVISOR, MACHINE] = [0, 1, 3] as const;
const [MISC_MEM, SYSTEM] = [0x0f, 0x73] as const;
/** Destination and source of walked encodings: neither x0 nor special. */
const [RD, RS1] = [5, 6] as const;

/** One encoding, in a mode. */
export interface Disagreement {
  readonly bits: number;
  readonly mode: number;
  /** Whether it is illegal here; on QEMU it is the other way round. */
  readonly illegal: boolean;
}

/** Encodings that would not come to an end: jumps to themselves, and waiting. */
function isEndless(bits: number): boolean {
  const { row, operands } = decodeInstruction(bits) ?? {};
  if (row === undefined || operands === undefined) return false;
  if (row.name === "jal" || row.semantics.kind === "branch") return operands.imm === 0;
  return row.name === "wfi";
}

/** QEMU 10 writes its constant zero, or crashes, where a compare-and-swap has x0 as its destination. */
const crashesQemu = (bits: number): boolean => {
  const { row, operands } = decodeInstruction(bits) ?? {};
  return row?.semantics.kind === "amo-compare-swap" && operands?.rd === 0;
};

const canBeTried = (bits: number): boolean => !isEndless(bits) && !crashesQemu(bits);

/** Every 16-bit encoding. */
function* compressedEncodings(): Generator<number> {
  for (let bits = 0; bits < 0x10000; bits++) if ((bits & 3) !== 3) yield bits;
}

/** Of an opcode: every funct3 with all of bits 31 to 20, which hold funct7 and rs2, or a CSR, or a fence's sets. */
function* walk(opcode: number, rd: number, rs1: number, stride = 1): Generator<number> {
  for (let n = 0; n < 0x8000; n += stride) {
    // Strides that hit each funct3 and each group of upper bits at changing places.
    const at = stride === 1 ? n : n + ((n / stride) % stride);
    yield (((at & 0xfff) << 20) | (rs1 << 15) | ((at >> 12) << 12) | (rd << 7) | opcode) >>> 0;
  }
}

const OPCODES = Array.from({ length: 32 }, (_, n) => (n << 2) | 3);

/** Any bits under an opcode, with registers that are often x0. */
function* randomEncodings(seed: number, count: number): Generator<number> {
  const random = new Random(seed);
  for (let n = 0; n < count; n++) {
    let bits = (random.word() & ~0x7f) | random.pick(OPCODES);
    if (random.chance(0.3)) bits &= ~(31 << 7);
    if (random.chance(0.3)) bits &= ~(31 << 15);
    yield bits >>> 0;
  }
}

/**
 * In M-mode, where nothing protects the driver: CSR accesses that write no bits,
 * all registers being zero, and what else SYSTEM has, less what leaves M-mode.
 */
function* machineEncodings(): Generator<number> {
  for (const rs1 of [0, RS1]) {
    for (const bits of walk(SYSTEM, RD, rs1)) {
      const funct3 = (bits >> 12) & 7;
      if ([2, 3, 4].includes(funct3) || (rs1 === 0 && [6, 7].includes(funct3))) yield bits;
    }
  }
  for (const rs1 of [0, RS1]) {
    for (const bits of walk(SYSTEM, 0, rs1)) {
      const leaves = ["mret", "sret"].includes(decodeInstruction(bits)?.row.name ?? "");
      if (((bits >> 12) & 7) === 0 && !leaves) yield bits;
    }
  }
}

/** What a sweep tries, by mode. `stride`: of the walks below M-mode, only each so many. */
function sweepEncodings(stride: number, random: number, seed: number): ReadonlyMap<number, readonly number[]> {
  const user = [
    ...compressedEncodings(),
    ...OPCODES.flatMap((opcode) => [...walk(opcode, RD, RS1, stride)]),
    ...[MISC_MEM, SYSTEM].flatMap((opcode) => [...walk(opcode, 0, 0, stride)]),
    ...randomEncodings(seed, random),
  ];
  const supervisor = [MISC_MEM, SYSTEM].flatMap((opcode) => [
    ...walk(opcode, RD, RS1, stride),
    ...walk(opcode, RD, 0, stride),
    ...walk(opcode, 0, 0, stride),
  ]);
  return new Map([
    [USER, user.filter(canBeTried)],
    [SUPERVISOR, supervisor.filter(canBeTried)],
    [MACHINE, [...machineEncodings()].filter(canBeTried)],
  ]);
}

/** Where two right machines may differ, or QEMU 10 is wrong, with the reason. */
const ALLOWED: readonly { readonly reason: string; readonly allows: (disagreement: Disagreement) => boolean }[] = [
  {
    reason: "QEMU 10 executes sfence.w.inval and sfence.inval.ir in U-mode, too (against Privileged ISA 1.13, ch. 13)",
    allows: ({ bits, mode, illegal }) => mode === USER && illegal && (bits === 0x18000073 || bits === 0x18100073),
  },
  {
    reason: "QEMU 10 has registers that are for RV32 only",
    allows: ({ bits, mode, illegal }) => {
      const { row, operands } = decodeInstruction(bits) ?? {};
      return mode === MACHINE && illegal && row?.semantics.kind === "csr" && isOfRv32(operands?.csr ?? 0);
    },
  },
  {
    reason: "QEMU 10 without triggers lacks their registers, which say here that there are none (Debug 1.0, 5.7)",
    allows: ({ bits, mode, illegal }) => {
      const { row, operands } = decodeInstruction(bits) ?? {};
      const { csr = 0 } = operands ?? {};
      return mode === MACHINE && !illegal && row?.semantics.kind === "csr" && csr >= 0x7a0 && csr <= 0x7a4;
    },
  },
  {
    reason: "QEMU 10 lacks the counters that it does not count with; here they are zero (Privileged ISA 1.13, 3.1.10)",
    allows: ({ bits, mode, illegal }) => {
      const { row, operands } = decodeInstruction(bits) ?? {};
      const [, number] = /^m?hpmcounter(\d+)$/.exec(csrNumbered(operands?.csr ?? 0)?.name ?? "") ?? [];
      return mode === MACHINE && !illegal && row?.semantics.kind === "csr" && Number(number) >= COUNTERS;
    },
  },
];

/** What a sweep is made of. */
export interface SweepOptions {
  /** What both machines have. Default: all there is. */
  readonly isa?: string;
  /** Of the walks below M-mode, only each so many; 1 for all. */
  readonly stride: number;
  /** Random encodings besides, and the seed that they come from. */
  readonly random: number;
  readonly seed: number;
}

async function sweepBatch(
  qemu: Qemu,
  encodings: readonly number[],
  mode: number,
  isa: string | undefined,
): Promise<Disagreement[]> {
  const image = sweepImage(encodings, mode);
  const [ours, theirs] = await Promise.all([
    runSubject(image, "interpreter", undefined, isa),
    runReference(qemu, image, undefined, isa),
  ]);
  if (ours.kind === "endless") throw new Error("the sweep does not end here");
  if (theirs === undefined) throw new Error("the sweep does not end on QEMU");
  const [here, there] = [sweepResults(ours.ram, encodings.length), sweepResults(theirs, encodings.length)];
  return encodings
    .map((bits, n) => ({ bits, mode, illegal: here[n] === true, differs: here[n] !== there[n] }))
    .filter((pair) => pair.differs && !ALLOWED.some(({ allows }) => allows(pair)))
    .map(({ bits, mode, illegal }) => ({ bits, mode, illegal }));
}

/** Tries encodings on both machines, and gives the differences that have no reason; calls back after each batch with how many it had. */
export async function sweep(
  qemu: Qemu,
  { isa, stride, random, seed }: SweepOptions,
  onBatch?: (count: number) => void,
): Promise<Disagreement[]> {
  const found: Disagreement[] = [];
  for (const [mode, encodings] of sweepEncodings(stride, random, seed)) {
    for (let first = 0; first < encodings.length; first += SWEEP_BATCH) {
      const batch = encodings.slice(first, first + SWEEP_BATCH);
      found.push(...(await sweepBatch(qemu, batch, mode, isa)));
      onBatch?.(batch.length);
    }
  }
  return found;
}

/** Disagreements as lines of text; the first so many. */
export function describeSweep(found: readonly Disagreement[], most = 32): string {
  const lines = found.slice(0, most).map(({ bits, mode, illegal }) => {
    const verdict = illegal ? "illegal here, legal on QEMU" : "legal here, illegal on QEMU";
    return `  ${"USxM"[mode]}-mode ${bits.toString(16).padStart(8)}  ${disassemble(bits).text}: ${verdict}`;
  });
  if (found.length > most) lines.push(`  ... and ${found.length - most} more`);
  return lines.join("\n");
}
