/**
 * Where things lie: RAM begins with the driver, then comes one slot of 64 KiB
 * per program with its code, its record, its page tables and its arena. Both
 * machines run the same image, and everything that they write is compared.
 */

export const RAM_BASE = 0x80000000;
export const RAM_BYTES = 16 * 2 ** 20;
/** Slots begin behind the 2 MiB of the driver, which one superpage maps. */
export const SLOTS_BASE = RAM_BASE + 2 * 2 ** 20;
export const SLOT_BYTES = 0x10000;
/** Programs of one image; an empty slot behind the last one ends the run. */
export const MAX_PROGRAMS = (RAM_BASE + RAM_BYTES - SLOTS_BASE) / SLOT_BYTES - 1;

/** Offsets in a slot. */
export const Slot = {
  code: 0x0000,
  codeBytes: 0x2000,
  record: 0x2000,
  trapLog: 0x3000,
  /** Root tables of Sv57, Sv48 and Sv39, then the lower ones. */
  tables: 0x5000,
  tablesBytes: 0x6000,
  arena: 0xb000,
  arenaBytes: 0x4000,
  /** Edge values for loads. */
  pool: 0xf000,
} as const;

/** Offsets in a slot's record: the descriptor, which the driver reads, and the result. All are below 2,048. */
export const Record = {
  initialX: 0x000,
  initialF: 0x100,
  /** Values of `INITIAL_CSRS`, in their order. */
  initialCsrs: 0x200,
  codeStart: 0x300,
  /** Where the program's closing ecall lies. */
  codeEnd: 0x308,
  trapCount: 0x310,
  finished: 0x318,
  finalFcsr: 0x320,
  /** Registers at the last trap to M-mode: the final ones in the end. */
  machineX: 0x400,
  supervisorX: 0x500,
  finalF: 0x600,
  /** Values of `FINAL_CSRS`, in their order. */
  finalCsrs: 0x700, // at most 32
} as const;

/** A trap as the handlers log it: eight dwords. */
export const TRAP_BYTES = 64;
export const TRAP_FIELDS = ["cause", "epc", "tval", "status", "level"] as const;
/** Traps that the log holds; more are only counted. */
export const TRAP_LOG_LENGTH = 128;
/** A program that traps more often than this is ended. */
export const TRAP_LIMIT = 300;

/** Guest-physical address of a program's slot. */
export const slotAddress = (index: number): number => SLOTS_BASE + index * SLOT_BYTES;

/** Registers that the generator keeps for itself. */
export const Reserved = {
  /** Into the middle of the arena, on a page boundary. */
  stack: 2,
  /** Into the arena, just below a page boundary. */
  edge: 8,
  /** Into the middle of the pool. */
  pool: 9,
  /** Into the arena, in a window of virtual memory where there is one. */
  window: 27,
  /** An address or a value of the present instruction. */
  scratch: 28,
  loopCount: 29,
  /** Where a jump into nowhere is taken up again. */
  recovery: 30,
} as const;
