/**
 * The guest code around the programs: it runs them one after another, each from
 * the state that its record describes, and logs and skips what traps. It is the
 * same on both machines; `slot.ts` says where it finds and leaves things.
 */
import { assemble } from "../isa/assemble.js";
import { FINAL_CSRS, INITIAL_CSRS } from "./csr-policy.js";
import {
  RAM_BASE,
  RAM_BYTES,
  Record,
  Reserved,
  SLOT_BYTES,
  SLOTS_BASE,
  Slot,
  TRAP_BYTES,
  TRAP_LIMIT,
  TRAP_LOG_LENGTH,
} from "./slot.js";

/** Fixed addresses at the driver's beginning: what the labels in its text cannot tell. */
const AGAIN = RAM_BASE + 4;
const MACHINE_VECTOR = RAM_BASE + 8;
const SUPERVISOR_VECTOR = RAM_BASE + 12;
const HALT = RAM_BASE + 16;
/** What semihosting's SYS_EXIT reads: ADP_Stopped_ApplicationExit, status 0. */
const EXIT_BLOCK = RAM_BASE + 24;
const APPLICATION_EXIT = 0x20026;
const SYS_EXIT = 0x18;

/** Whether an address is the first of a trap handler. */
export const isVector = (address: number): boolean => address === MACHINE_VECTOR || address === SUPERVISOR_VECTOR;

/** mtimecmp of hart 0 on the board: pending from the beginning on QEMU, so the driver puts it off. */
export const MACHINE_TIMER = 0x2004000;

/** The PMP address of a naturally aligned region (Privileged ISA 3.7.1). */
export const napot = (base: number, bytes: number): bigint => (BigInt(base) >> 2n) | ((BigInt(bytes) >> 3n) - 1n);
const EVERYWHERE = (1n << 54n) - 1n;
/** Locked NAPOT entries: 14 opens RAM, 15 closes the rest, so that no stray access meets a device. */
const PMP_CONFIGURATION = (0x9fn << 48n) | (0x98n << 56n);
const SUM_MXR = 0xc0000;
const FS_DIRTY = 0x6000;

/** The wfi on which the driver waits when every program has run. */
export const HALT_ADDRESS = HALT;

/** Ends the run: through semihosting where there is one, else by a trap to the wfi. Labels are the caller's. */
export const LEAVE = `
leave:
  csrrw zero, mie, zero  # nothing ends the last wfi
  li t0, ${HALT}; csrrw zero, mtvec, t0
  li a0, ${SYS_EXIT}
  li a1, ${EXIT_BLOCK}
  slli zero, zero, 0x1f  # semihosting, where there is one: else a trap to HALT
  ebreak
  srai zero, zero, 7
`;

/** What stands at HALT, and what semihosting reads behind it. */
export const HALT_CODE = `
  wfi             # HALT
  j .-4
  .dword ${APPLICATION_EXIT}, 0
`;

const registers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const each = (numbers: readonly number[], line: (n: number) => string) => numbers.map(line).join("\n");

/**
 * Logs a trap and goes on behind the instruction; x31 has the record then. A
 * trap at the program's end leads to `finish`; one that cannot be skipped, such
 * as a fetch fault, leads to where the program wants to recover.
 */
function handler(level: "m" | "s"): string {
  const saved = level === "m" ? Record.machineX : Record.supervisorX;
  return `
trap_${level}:
  csrrw x31, ${level}scratch, x31
  ${each(registers(1, 30), (n) => `sd x${n}, ${saved + 8 * n}(x31)`)}
  csrrs t0, ${level}scratch, zero
  sd t0, ${saved + 8 * 31}(x31)
  csrrw zero, ${level}scratch, x31
  csrrs s0, ${level}cause, zero
  csrrs s1, ${level}epc, zero
  csrrs s2, ${level}tval, zero
  csrrs s3, ${level}status, zero
  ${level === "s" ? `li t0, ${SUM_MXR}; csrrs zero, sstatus, t0` : `li t0, ${AGAIN}; beq s1, t0, finish_m`}
  ld a2, ${Record.codeEnd}(x31)
  beq s1, a2, finish_${level}
  ld a0, ${Record.trapCount}(x31)
  addi a1, a0, 1
  sd a1, ${Record.trapCount}(x31)
  li a3, ${TRAP_LOG_LENGTH}
  bgeu a0, a3, logged_${level}
  li a3, ${TRAP_BYTES}
  mul a0, a0, a3
  li a3, ${Slot.trapLog - Slot.record}
  add a0, a0, a3
  add a0, a0, x31
  sd s0, 0(a0)
  sd s1, 8(a0)
  sd s2, 16(a0)
  sd s3, 24(a0)
  li a3, ${level === "m" ? 3 : 1}
  sd a3, 32(a0)
logged_${level}:
  ld a4, ${Record.codeStart}(x31)
  li a3, ${TRAP_LIMIT}
  bgeu a1, a3, abandon_${level}
  blt s0, zero, interrupt_${level}
  bltu s1, a4, recover_${level}
  bgeu s1, a2, recover_${level}
  li a5, 1; beq s0, a5, recover_${level}
  li a5, 12; beq s0, a5, recover_${level}
  lhu a5, 0(s1)
  andi a5, a5, 3
  li a3, 3
  addi s1, s1, 2
  bne a5, a3, resume_${level}
  addi s1, s1, 2
  j resume_${level}
interrupt_${level}:
  csrrw zero, ${level}ie, zero
  j resume_${level}
recover_${level}:
  ld s1, ${saved + 8 * Reserved.recovery}(x31)
  bltu s1, a4, abandon_${level}
  bgeu a2, s1, resume_${level}
abandon_${level}:
  addi s1, a2, 0
resume_${level}:
  csrrw zero, ${level}epc, s1
  ${level === "s" ? "csrrw zero, sstatus, s3" : ""}
  ${each(registers(1, 31), (n) => `ld x${n}, ${saved + 8 * n}(x31)`)}
  ${level}ret
`;
}

const SOURCE = `
  j boot
again: ecall     # AGAIN: a program ended in the handler of S-mode
  j trap_m        # MACHINE_VECTOR
  j trap_s        # SUPERVISOR_VECTOR
${HALT_CODE}
boot:
  li t0, ${MACHINE_TIMER}; addi t1, zero, -1; sd t1, 0(t0)
  li t0, ${napot(RAM_BASE, RAM_BYTES)}; csrrw zero, pmpaddr14, t0
  li t0, ${EVERYWHERE}; csrrw zero, pmpaddr15, t0
  li t0, ${PMP_CONFIGURATION}; csrrw zero, pmpcfg2, t0
  li x31, ${SLOTS_BASE + Slot.record}
start:
  ld t0, ${Record.codeStart}(x31)
  beq t0, zero, leave
  li t0, ${MACHINE_VECTOR}; csrrw zero, mtvec, t0
  li t0, ${SUPERVISOR_VECTOR}; csrrw zero, stvec, t0
  li t0, 5; csrrw zero, mcountinhibit, t0
  csrrw zero, mscratch, x31
  csrrw zero, sscratch, x31
  li t0, ${FS_DIRTY}; csrrs zero, mstatus, t0
  ${each(registers(0, 31), (n) => `fld f${n}, ${Record.initialF + 8 * n}(x31)`)}
  ${INITIAL_CSRS.map((name, n) => `ld t0, ${Record.initialCsrs + 8 * n}(x31); csrrw zero, ${name}, t0`).join("\n")}
  sfence.vma zero, zero
  fence.i
  ${each(registers(1, 31), (n) => `ld x${n}, ${Record.initialX + 8 * n}(x31)`)}
  mret
${handler("m")}
${handler("s")}
finish_s:
  csrrw zero, sstatus, s3
  ${each(registers(1, 31), (n) => `ld x${n}, ${Record.supervisorX + 8 * n}(x31)`)}
  j again
finish_m:
  li t0, 1
  sd t0, ${Record.finished}(x31)
  ${FINAL_CSRS.map((name, n) => `csrrs t0, ${name}, zero; sd t0, ${Record.finalCsrs + 8 * n}(x31)`).join("\n")}
  li t0, ${FS_DIRTY}; csrrs zero, mstatus, t0
  csrrs t0, fcsr, zero; sd t0, ${Record.finalFcsr}(x31)
  ${each(registers(0, 31), (n) => `fsd f${n}, ${Record.finalF + 8 * n}(x31)`)}
  li t0, ${SLOT_BYTES}
  add x31, x31, t0
  j start
${LEAVE}`;

/** The driver's code, for the beginning of RAM. */
export function driverCode(): Uint8Array {
  return assemble(SOURCE.replace("j again", "j again").replace("  ecall  ", "again: ecall  "));
}
