/** Compares what two machines left of a program, and names what differs. */
import { FINAL_CSRS } from "./csr-policy.js";
import type { Program } from "./program.js";
import { RAM_BASE, Record, SLOT_BYTES, Slot, TRAP_BYTES, TRAP_FIELDS, TRAP_LOG_LENGTH } from "./slot.js";

/** A dword on which the machines disagree. */
export interface Difference {
  readonly where: string;
  readonly ours: bigint;
  readonly reference: bigint;
  /** Default: QEMU. */
  readonly by?: "evaluator";
}

/** What the dword at an offset of a slot means. */
function nameOf(offset: number): string {
  const inRecord = offset - Slot.record;
  const within = (start: number, count: number) => inRecord >= start && inRecord < start + 8 * count;
  const index = (start: number) => (inRecord - start) / 8;
  if (offset >= Slot.trapLog && offset < Slot.trapLog + TRAP_LOG_LENGTH * TRAP_BYTES) {
    const at = offset - Slot.trapLog;
    return `trap ${Math.floor(at / TRAP_BYTES)} ${TRAP_FIELDS[(at % TRAP_BYTES) / 8] ?? "?"}`;
  }
  if (inRecord === Record.trapCount) return "traps";
  if (inRecord === Record.finished) return "finished";
  if (inRecord === Record.finalFcsr) return "fcsr";
  if (within(Record.machineX, 32)) return `x${index(Record.machineX)}`;
  if (within(Record.supervisorX, 32)) return `x${index(Record.supervisorX)} at the last trap to S-mode`;
  if (within(Record.finalF, 32)) return `f${index(Record.finalF)}`;
  if (within(Record.finalCsrs, FINAL_CSRS.length)) return FINAL_CSRS[index(Record.finalCsrs)] ?? "?";
  if (offset >= Slot.arena && offset < Slot.pool) return `arena + 0x${(offset - Slot.arena).toString(16)}`;
  return `slot + 0x${offset.toString(16)}`;
}

/** In the order in which a reader wants them: traps first, then registers, then memory. */
function rank({ where }: Difference): number {
  if (where.startsWith("trap ")) return 0;
  return /^[xf]\d+$/.test(where) ? 1 : 2;
}

/** From the highest priority to the lowest (Privileged ISA 1.13, 3.1.9). */
const INTERRUPT_PRIORITY = [11, 3, 7, 9, 1, 5];

/** Without Smaia, QEMU takes the interrupt of the lowest number first; ours is right where its priority is higher. */
function isOtherInterrupt({ where, ours, reference }: Difference): boolean {
  if (!/^trap \d+ cause$/.test(where) || ours >> 63n !== 1n || reference >> 63n !== 1n) return false;
  const [mine, theirs] = [ours, reference].map((cause) => INTERRUPT_PRIORITY.indexOf(Number(cause & 63n)));
  return mine !== undefined && theirs !== undefined && mine < theirs && ours > reference;
}

/** Differences in a program's slot; none if all 64 KiB agree, or all follows from a difference that is allowed. */
export function differences(program: Program, ours: Uint8Array, reference: Uint8Array): Difference[] {
  const start = program.base - RAM_BASE;
  const slot = (ram: Uint8Array) => Buffer.from(ram.buffer, ram.byteOffset + start, SLOT_BYTES);
  const [a, b] = [slot(ours), slot(reference)];
  if (a.equals(b)) return [];
  const found: Difference[] = [];
  for (let offset = 0; offset < SLOT_BYTES; offset += 8) {
    const pair = { ours: a.readBigUInt64LE(offset), reference: b.readBigUInt64LE(offset) };
    if (pair.ours !== pair.reference) found.push({ where: nameOf(offset), ...pair });
  }
  found.sort((one, other) => rank(one) - rank(other));
  return found[0] !== undefined && isOtherInterrupt(found[0]) ? [] : found;
}

/** Differences as lines of text; the first so many. */
export function describe(found: readonly Difference[], most = 16): string {
  const hex = (value: bigint) => `0x${value.toString(16)}`;
  const width = Math.max(...found.slice(0, most).map(({ where }) => where.length));
  const lines = found
    .slice(0, most)
    .map(
      ({ where, ours, reference, by = "QEMU" }) =>
        `  ${where.padEnd(width)}  ours ${hex(ours)}, ${by} ${hex(reference)}`,
    );
  if (found.length > most) lines.push(`  ... and ${found.length - most} more dwords`);
  return lines.join("\n");
}
