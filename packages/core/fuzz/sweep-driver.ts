/**
 * Guest code that executes a list of encodings, each once and on its own, and
 * notes which are illegal. Below M-mode, PMP opens to each the eight bytes in
 * which it lies and a few pages to access, so whatever it does leads to a trap.
 */
import { assemble } from "../isa/assemble.js";
import { HALT_CODE, LEAVE, MACHINE_TIMER, napot } from "./driver.js";
import { RAM_BASE, RAM_BYTES, SLOTS_BASE } from "./slot.js";

const VECTOR = RAM_BASE + 8;
/** Where the driver keeps the address of the present encoding, that of its result, and the list's end. */
const STATE = RAM_BASE + 0x1ff000;
/** What encodings may access; every register but x0 points to its middle. */
const ZONE = RAM_BASE + 0x1f0000;
const ZONE_BYTES = 0x2000;

/** Each encoding has eight bytes, filled up with c.ebreak. */
const ENTRY_BYTES = 8;
const C_EBREAK = 0x9002;
/** A byte each: see `Legality`. */
const RESULTS = RAM_BASE + 0xe00000;
/** Encodings that one run takes. */
export const SWEEP_BATCH = 200_000;

/** How an encoding ended: untouched results mean that the driver did not come so far. */
const NOT_RUN = 0xff;

const registers = Array.from({ length: 31 }, (_, n) => n + 1);
/** Of U- and S-mode, opened as far as they go; time and again, because encodings write them, too. */
const RESET_CSRS = ["mie", "mip", "satp", "medeleg", "mideleg"];
const OPEN_CSRS = ["mcounteren", "scounteren"];
/** CBIE, CBCFE, CBZE. */
const ENVIRONMENT = 0xf0;
const FS_DIRTY = 0x6000;

const source = (mode: number): string => `
  j boot
  nop
  j trap      # VECTOR
  nop
${HALT_CODE}
boot:
  li t0, ${MACHINE_TIMER}; addi t1, zero, -1; sd t1, 0(t0)
  li t0, ${napot(ZONE, ZONE_BYTES)}; csrrw zero, pmpaddr1, t0
  li t0, ${0x1b1c}; csrrw zero, pmpcfg0, t0   # NAPOT, X; NAPOT, R and W
  li t0, ${VECTOR}; csrrw zero, mtvec, t0
  li x31, ${STATE}
  csrrw zero, mscratch, x31
next:
  ld s0, 0(x31)
  ld s2, 16(x31)
  beq s0, s2, leave
  srli t0, s0, 2; csrrw zero, pmpaddr0, t0
  csrrw zero, mepc, s0
${RESET_CSRS.map((name) => `  csrrw zero, ${name}, zero`).join("\n")}
  addi t0, zero, -1
${OPEN_CSRS.map((name) => `  csrrw zero, ${name}, t0`).join("\n")}
  li t0, ${ENVIRONMENT}; csrrw zero, menvcfg, t0; csrrw zero, senvcfg, t0
  li t0, ${FS_DIRTY | (mode << 11)}; csrrw zero, mstatus, t0; csrrw zero, fcsr, zero
${
  mode === 3
    ? registers.map((n) => `  addi x${n}, zero, 0`).join("\n")
    : `  li x1, ${ZONE + ZONE_BYTES / 2}\n${registers
        .slice(1)
        .map((n) => `  addi x${n}, x1, 0`)
        .join("\n")}`
}
  mret
trap:
  csrrs x31, mscratch, zero
  ld s0, 0(x31)
  ld s1, 8(x31)
  csrrs t0, mcause, zero
  csrrs t1, mepc, zero
  addi t2, zero, 0
  bne t1, s0, note
  addi t3, zero, 2
  bne t0, t3, note
  addi t2, zero, 1
note:
  sb t2, 0(s1)
  addi s0, s0, ${ENTRY_BYTES}
  addi s1, s1, 1
  sd s0, 0(x31)
  sd s1, 8(x31)
  j next
${LEAVE}`;

/** An image that tries these encodings in a mode, as mstatus.MPP has it. */
export function sweepImage(encodings: readonly number[], mode: number): Uint8Array {
  if (encodings.length > SWEEP_BATCH) throw new RangeError(`${encodings.length} encodings: ${SWEEP_BATCH} fit`);
  const image = new Uint8Array(RAM_BYTES);
  image.set(assemble(source(mode)));
  const view = new DataView(image.buffer);
  for (const [n, bits] of encodings.entries()) {
    const at = SLOTS_BASE - RAM_BASE + n * ENTRY_BYTES;
    for (let offset = 0; offset < ENTRY_BYTES; offset += 2) view.setUint16(at + offset, C_EBREAK, true);
    view.setUint16(at, bits & 0xffff, true);
    if ((bits & 3) === 3) view.setUint16(at + 2, bits >>> 16, true);
  }
  for (const [n, value] of [SLOTS_BASE, RESULTS, SLOTS_BASE + encodings.length * ENTRY_BYTES].entries()) {
    view.setBigUint64(STATE - RAM_BASE + 8 * n, BigInt(value), true);
  }
  image.fill(NOT_RUN, RESULTS - RAM_BASE, RESULTS - RAM_BASE + encodings.length);
  return image;
}

/** Which of so many encodings were illegal, from what RAM holds after a run; throws if it did not try them all. */
export function sweepResults(ram: Uint8Array, count: number): boolean[] {
  const results = [...ram.subarray(RESULTS - RAM_BASE, RESULTS - RAM_BASE + count)];
  const missing = results.indexOf(NOT_RUN);
  if (missing >= 0) throw new Error(`encoding ${missing} of ${count} was not tried`);
  return results.map((result) => result === 1);
}
