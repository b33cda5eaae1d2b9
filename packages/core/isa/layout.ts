/**
 * Where everything lies in linear memory, defined once: the generator turns
 * this file into AssemblyScript constants, TypeScript imports it. A hart is an
 * *architectural* block (what a snapshot carries, versioned by
 * `ARCHITECTURAL_VERSION`) followed by a *derived* block (rebuilt on restore).
 */

export type FieldType = "u32" | "u64";

export interface StateField {
  readonly name: string;
  readonly type: FieldType;
  readonly count: number;
  readonly offset: number;
}

/** Changes whenever a field of the architectural block is added, moved or gets another meaning. */
export const ARCHITECTURAL_VERSION = 3;

/** mcycle, time, minstret and eight programmable counters; those above are read-only zeros. */
export const COUNTERS = 11;

const fields: StateField[] = [];
let end = 0;
function field(name: string, type: FieldType, count = 1): void {
  const size = type === "u64" ? 8 : 4;
  end = Math.ceil(end / size) * size;
  fields.push({ name, type, count, offset: end });
  end += size * count;
}

// Registers: what decoded slots address by pre-scaled offset.
field("x", "u64", 32);
field("sink", "u64"); // what instructions with rd = x0 write
field("f", "u64", 32);
const REGISTERS_SIZE = end;

field("pc", "u64");
field("privilege", "u32"); // 0 U, 1 S, 3 M
field("virtualization", "u32"); // V: below M-mode, a guest of the hypervisor extension's; always 0 without it
field("hartId", "u64");
field("fflags", "u32");
field("frm", "u32");
field("mstatus", "u64");
field("medeleg", "u64");
field("mideleg", "u64");
field("mie", "u64");
field("mip", "u64"); // bits that software writes
field("interruptLines", "u64"); // bits that wires and timers drive
field("mtvec", "u64");
field("mcounteren", "u64");
field("mcountinhibit", "u64");
field("mscratch", "u64");
field("mepc", "u64");
field("mcause", "u64");
field("mtval", "u64");
field("menvcfg", "u64");
field("mseccfg", "u64");
field("mstateen", "u64", 4);
field("stvec", "u64");
field("scounteren", "u64");
field("sscratch", "u64");
field("sepc", "u64");
field("scause", "u64");
field("stval", "u64");
field("satp", "u64");
field("hgatp", "u64"); // second stage of translation while V is 1; always 0 (Bare) without the hypervisor extension
field("senvcfg", "u64");
field("stimecmp", "u64");
field("mtimecmp", "u64");
field("pmpcfg", "u64", 2);
field("pmpaddr", "u64", 16);
field("executed", "u64"); // steps: retired instructions and those that trapped
// By number: mcycle, time (unused here), minstret, mhpmcounter3 and so on.
field("counters", "u64", COUNTERS); // values when they were last added up
field("counterBases", "u64", COUNTERS); // what the source of each had counted then
field("counterConfigs", "u64", COUNTERS); // mcyclecfg, nothing, minstretcfg, mhpmevent3 and so on
field("countersRunning", "u32"); // a bit for each that counts in the present mode
field("countersProgrammed", "u32"); // 1 where some depend on the mode or count events: they are added up when the mode changes
// What events are counted in, beside executed.
field("exceptions", "u64");
field("interrupts", "u64");
field("tlbFills", "u64");
field("rareExceptions", "u64", 8); // by cause: those below 8, neither ecalls nor page faults
field("timeOffset", "u64"); // the hart's time is the clock's plus this
field("entropy", "u64"); // state of the seeded generator behind `seed`, with the virtual clock
// Of a paravirtual guest's hart: what it has told its monitor.
field("vcpuArea", "u64"); // guest-physical address of its area; 0: none yet
field("kernelRoot", "u64"); // in the form of satp
field("userRoot", "u64"); // the same; 0: user code runs on the kernel root
const architecturalEnd = end;

// Options fixed when the machine is made.
field("vm", "u32"); // the VM block
field("options", "u32"); // OPTION bits
field("misalignedTarget", "u32"); // bits that no jump target may have: 2 without compressed instructions, else 0
field("clockMode", "u32"); // 0: host clock, 1: executed instructions
field("virtualIdle", "u64"); // with the virtual clock: instructions not executed because the hart waited

// Deprivileged guests: a virtual hart keeps what the guest believes of its S-mode, an executor runs its code in U-mode.
field("executor", "u32"); // of a virtual hart: the hart that runs its code; 0: this hart runs its own
field("virtualHart", "u32"); // of an executor: the virtual hart whose code it runs; 0: none
field("rewrites", "u32"); // of an executor: privileged instructions that trap often are rewritten, and done in place
field("paravirtual", "u32"); // of both: the guest knows that it is deprivileged, and calls its monitor
field("shownInterrupts", "u64"); // of a paravirtual guest's hart: the pending interrupts for which it was last decided whether they are taken
field("shadowMissing", "u32"); // of an executor: the virtual hart went on to an address space without shadow table
field("tablesOpen", "u32", 2); // machine addresses of page tables that stores may reach while the monitor steps over one
field("shadowSatps", "u64", 16); // satp of the guest that each known shadow table stands for
field("shadowRoots", "u64", 16); // satp of the executor for it; 0: none
field("shadowRoles", "u32", 16); // regime of the guest that it is for

// The running interpreter's side tables.
field("reservation", "u32"); // machine address that load-reserved read; 0: none
field("status", "u32"); // STATUS: why a helper wants the interpreter's attention
field("left", "u32"); // budget not yet used, while a helper runs
field("sliceBudget", "u32"); // what `left` began with
field("slot", "u32"); // where execution resumes: slot address
field("slotDelta", "u64"); // pc = slotDelta + slot / 8
field("dataBank", "u32"); // TLB bank for loads and stores
field("fetchBank", "u32"); // TLB bank for instruction fetch
field("floatFast", "u32"); // 1: FS dirty, frm nearest-even, NX set
field("singleStep", "u32"); // decode each instruction into the scratch slots
field("deadlineMoved", "u32"); // a register was written that says when the slice must end
field("skipBreakpoint", "u32"); // the next instruction runs even if it is a breakpoint

// Interposition: accesses to pages of which the host wants to hear.
field("accessOpen", "u32", 4); // those that may be done now: page of RAM + 1, times 8, and the kinds of access
field("fetchLeaves", "u32"); // kind of exit of what was to be fetched; 0: none

// Trap being raised (STATUS_TRAP) and exit being reported (STATUS_EXIT).
field("trapWaits", "u32"); // the raised exception is taken when the slice is over
field("trapCause", "u64");
field("trapValue", "u64");
field("trapAccess", "u32"); // of a page fault or an access fault by translation: what was to be done
field("exitKind", "u32"); // EXIT
field("exitWidth", "u32"); // bytes
field("exitRegister", "u32"); // offset of the destination among the registers
field("exitExtension", "u32"); // EXTENSION
field("exitAddress", "u64"); // guest-physical
field("exitVirtual", "u64"); // what a fault on this access reports in tval
field("exitValue", "u64");
field("exitNextPc", "u64");

field("crossing", "u64", 6); // three scratch slots: an instruction that crosses a page, or a single step
field("bankClock", "u32");
field("bankCount", "u32");
field("regimeBank", "u32", 32); // bank of each regime under the present satp; 0: look it up
field("bankKeys", "u64", 48); // per bank: regime, satp, hgatp
field("bankUsed", "u32", 16); // per bank: when last chosen
field("bankHuge", "u32", 16); // per bank: 1 if it holds pieces of superpages above 2 MiB
field("bankStamps", "u32", 16); // per bank: what its entries of the second level are stamped with
field("banks", "u32"); // address of the first bank; one more lies behind the last, whose fetch table stays empty, and then the second level
field("sampleCountdown", "u32"); // interpreted instructions to the next sample of where time goes
field("regionBudget", "u32"); // instructions that translated code may execute in this slice
field("translated", "u64"); // how many of `executed` translated code did
field("staging", "u64", 2); // where an access that crosses pages is put together
field("walkAddress", "u64"); // result of a translation: guest-physical address
field("walkLevel", "u32"); // result of a translation: log2 of the page size
field("assists", "u64", 16); // ASSIST counters

export const HART_FIELDS: readonly StateField[] = fields;
export const HART_ARCHITECTURAL_SIZE = architecturalEnd;
export const HART_SIZE = Math.ceil(end / 4096) * 4096;

/** The VM block: what the harts of one machine share. */
const vmFields = {
  ramBase: ["u64", 0],
  ramPages: ["u32", 8],
  physicalToFrame: ["u32", 12], // u32 per guest page: frame number, or from ABSENT_UNCHANGED on that it has none
  framesBase: ["u32", 16], // where frame 0 starts
  frameMetadata: ["u32", 20], // FRAME_METADATA_SIZE bytes per frame
  codeArena: ["u32", 24],
  codePages: ["u32", 28], // capacity of the code arena
  codeNext: ["u32", 32], // next arena page to use
  codeOwner: ["u32", 36], // u32 per arena page: frame number + 1
  harts: ["u32", 40], // address of hart 0; hart n lies HART_SIZE further each
  hartCount: ["u32", 44],
  breakpoints: ["u32", 48], // count
  breakpointAddresses: ["u32", 52], // u64 each
  watch: ["u32", 56], // machine address of watched bytes; 0: none
  watchLength: ["u32", 60],
  misa: ["u64", 64],
  extensions: ["u64", 72, 4], // a bit for each extension that is on; read byte by byte
  // The translator's; all zero without one.
  sampleInterval: ["u32", 104], // instructions between samples; 0: none are taken
  sampleThreshold: ["u32", 108], // samples that make a block hot
  sampleCounts: ["u32", 112], // SAMPLE_COUNTS of {slot u32, count u32, burst u32, its part of the count u32}, a sample being SAMPLE_WEIGHT
  hotBlocks: ["u32", 116], // HOT_BLOCKS of {pc u64, slot u32, code pages before and after its own u32, 0 if unknown, for a miss its rs1 u32}
  hotCount: ["u32", 120], // how many of them are filled
  regions: ["u32", 124], // REGION_SIZE bytes per region, by its index in the table of functions
  codeEpoch: ["u32", 128], // counts the times that translated code was overwritten
  hotBatch: ["u32", 132], // with so many hot blocks on the list a slice ends for their sake
  interposed: ["u32", 136], // whether the host wants to hear of accesses to pages of RAM
  interposedPages: ["u32", 140], // u8 per page of RAM: the kinds of access of which it does
  work: ["u32", 144], // done in the present slice beyond its instructions, in nanoseconds of a slow host
  missThreshold: ["u32", 148], // an access of translated code is on the list each time that it missed the TLB so often
} as const;
export const VM_FIELDS: readonly StateField[] = Object.entries(vmFields).map(([name, [type, offset, count = 1]]) => ({
  name,
  type,
  count,
  offset,
}));
export const VM_SIZE = 152;

/** Offset of a field of the VM block; throws for a name that is none. */
export function vmOffset(name: string): number {
  const field = VM_FIELDS.find((candidate) => candidate.name === name);
  if (field === undefined) throw new RangeError(`the VM block has no field ${name}`);
  return field.offset;
}
export const MAX_BREAKPOINTS = 64;

const TLB_ENTRIES = 1024;
const TLB_TABLE_SIZE = TLB_ENTRIES * 16;
const JUMP_ENTRIES = 4096;
const BITMAP_SIZE = 1024;
const TLB_BANKS = 16;
const TLB_BANK_SIZE = 3 * TLB_TABLE_SIZE + JUMP_ENTRIES * 16 + 2 * BITMAP_SIZE;
const SECOND_ENTRIES = 16384;
const CRYPTO_TABLES = 5120;
const ADDENDS = 8192;

/** Constants that both languages know by the same name. */
export const CONSTANTS = {
  // While a hart executes, its registers lie here: a constant address saves an addition per operand, 8 % in all.
  REGISTER_WINDOW: 4096,
  REGISTERS_SIZE,

  // Behind the registers in the window: what translated code needs to know of the hart that executes.
  WINDOW_HART: 4096 + REGISTERS_SIZE,
  WINDOW_LEFT: 4096 + REGISTERS_SIZE + 4, // budget

  // Behind that: what assembly/crypto looks up in vectors, in rows of 16 bytes. Written once, by src/engine/crypto-tables.ts.
  CRYPTO_LOW_NIBBLES: CRYPTO_TABLES,
  CRYPTO_REDUCTION: CRYPTO_TABLES + 16,
  CRYPTO_INVERSES: CRYPTO_TABLES + 32,
  CRYPTO_QUOTIENTS: CRYPTO_TABLES + 48,
  CRYPTO_COLUMNS: CRYPTO_TABLES + 64,
  CRYPTO_SHIFT_ROWS: CRYPTO_TABLES + 80,
  CRYPTO_SHIFT_ROWS_INVERSE: CRYPTO_TABLES + 96,
  CRYPTO_AES: CRYPTO_TABLES + 112, // five rows, as those that follow
  CRYPTO_AES_INVERSE: CRYPTO_TABLES + 192,
  CRYPTO_SM4: CRYPTO_TABLES + 272,
  CRYPTO_FOUR_TIMES: CRYPTO_TABLES + 352, // two rows

  // And behind that: the addends u32 that accesses of translated code met last, by their places in a page of code.
  ADDENDS,

  // Decoded slot: op u16, rd u16, rs1 u16, rs2 u16, imm i32, rs3 u16, length u8, rm u8.
  SLOT_SIZE: 16,
  SLOT_RD: 2,
  SLOT_RS1: 4,
  SLOT_RS2: 6,
  SLOT_IMM: 8,
  SLOT_RS3: 12,
  SLOT_LENGTH: 14,
  SLOT_RM: 15,
  SLOTS_PER_PAGE: 2048,
  CODE_PAGE_SIZE: 2049 * 16, // with a sentinel

  // Frame metadata: guards u32, code page u32 (0: none), code lines u64.
  FRAME_METADATA_SIZE: 16,
  GUARD_CODE: 1, // some of its lines are decoded
  GUARD_DIRTY_LOG: 2, // not written since dirty tracking was last armed
  GUARD_TRANSLATED: 8, // some of its lines lie in translated regions; only with GUARD_CODE
  GUARD_WATCH: 4, // stores to the watched bytes leave as EXIT_WRITE
  GUARD_RELEASED: 64, // about to go back to the pool: every translation that leads there is dropped
  GUARD_SHADOW: 16, // a page table of the guest's that is shadowed: stores leave as EXIT_TABLE_WRITE
  GUARD_PINNED: 32, // a page table of a paravirtual guest's: stores fault
  PIN_LEVEL_SHIFT: 8, // where the guards of a pinned table hold its level, in three bits

  // In place of the frame of a page that has none: it reads as zeros until it is written.
  ABSENT_UNCHANGED: 0xffff_fffe, // and dirty tracking has taken note of that
  ABSENT: 0xffff_ffff,
  // In place of a machine address: the page has no frame, and the pool none to give.
  NO_FRAME: 1,

  // TLB bank: three tables of entries {tag u64, addend u32, level u32}; the jump cache with entries {pc u64, region u32,
  // unused u32}; a bit per page number (modulo their count) on which a region in the jump cache relies; and a bit per
  // 2 MiB (modulo) of which the tables hold pieces of a superpage.
  TLB_ENTRIES,
  TLB_ENTRY_SIZE: 16,
  TLB_READ: 0,
  TLB_WRITE: TLB_TABLE_SIZE,
  TLB_FETCH: 2 * TLB_TABLE_SIZE,
  JUMP_CACHE: 3 * TLB_TABLE_SIZE,
  JUMP_ENTRIES,
  JUMP_PAGES: 3 * TLB_TABLE_SIZE + JUMP_ENTRIES * 16,
  LARGE_REGIONS: 3 * TLB_TABLE_SIZE + JUMP_ENTRIES * 16 + BITMAP_SIZE,
  BITMAP_SIZE,
  TLB_BANK_SIZE,
  TLB_BANKS,
  // The second level, behind all banks: entries {tag u64, addend u32, level u8 and 24 bits of stamp} of their tables for reads and writes.
  SECOND_LEVEL: (TLB_BANKS + 1) * TLB_BANK_SIZE,
  SECOND_ENTRIES,
  TLB_GUARDED: 0x800, // in the tag of a store entry whose frame is guarded: the interpreter's probe never matches it

  // Translated code. A region: number of pages beside the one where it begins u32, and for each its distance in pages i32
  // and its code page u32.
  OP_REGION: 0xffff, // operation of the slots where regions begin; their immediate is the region's index
  REGION_SIZE: 32,
  REGION_EXTRA_PAGES: 3,
  MAX_REGIONS: 4096,
  REGION_STACK: 262_144, // bytes of the host's stack that nested regions may use, as they estimate it
  SAMPLE_COUNTS: 16384,
  SAMPLE_COUNT_SIZE: 16,
  SAMPLE_WEIGHT: 64, // of a sample in them, where an arrival from translated code counts 1: the two take about as long
  BURST_SHIFT: 25, // log2 of the instructions of a burst
  BURST_SHARE: 4, // a block is hot that was met so many times less than else, but in one burst
  HOT_BLOCKS: 64,
  SLOT_MISSES: 1, // beside a slot's address, in counters and the list of hot blocks: an access there misses the TLB
  HOT_BLOCK_SIZE: 24,

  // What a helper leaves in `status`.
  STATUS_NONE: 0,
  STATUS_TRAP: 1,
  STATUS_EXIT: 2,
  STATUS_RESUME: 3, // pc is already set: look it up again
  STATUS_LOCATED: 4, // slot and slotDelta are already set, too
  STATUS_YIELD: 5, // pc is already set: leave the slice, which may have to end elsewhere now

  // Kinds of exits.
  EXIT_BUDGET: 0,
  EXIT_READ: 1,
  EXIT_WRITE: 2,
  EXIT_HYPERCALL: 3,
  EXIT_WAIT: 4,
  EXIT_BREAKPOINT: 5,
  EXIT_STUCK: 6, // the M-mode trap vector itself cannot be fetched
  EXIT_TABLE_WRITE: 7, // of a deprivileged guest: a store to a page table that is shadowed
  EXIT_INTERRUPT: 8, // of a deprivileged guest: its timer is due
  // What the monitor makes of the traps of deprivileged guests.
  EXIT_PRIVILEGED: 9, // a privileged instruction, emulated
  EXIT_SYSCALL: 10, // an ecall of its user code, reflected
  EXIT_EXCEPTION: 11, // another exception of its own, reflected
  EXIT_GUEST_FAULT: 12, // a page fault by its own tables, reflected
  EXIT_SHADOW_FILL: 13, // a page fault that only the shadow tables have
  EXIT_ACCESS: 14, // an access to a page of which the host wants to hear
  EXIT_NO_FRAME: 15, // the instruction needs a frame that the pool does not have: it is executed again when there is one
  EXIT_KINDS: 16,
  // Of a deprivileged guest, not counted: a trap that the monitor has yet to look at, and an entry without shadow table.
  EXIT_TRAP: 64,
  EXIT_NO_SHADOW: 65,
  // Not counted: the slice has done much work beyond its instructions; the present one is yet to be executed.
  EXIT_OVERWORKED: 66,
  SHADOW_ROOTS: 16,

  // How a loaded value becomes a register value.
  EXTENSION_SIGN: 0,
  EXTENSION_ZERO: 1,
  EXTENSION_FLOAT: 2,

  // Work that stays in Wasm on the guest's behalf.
  ASSIST_TLB_FILL: 0,
  ASSIST_TLB_SLOW: 1,
  ASSIST_EXCEPTION: 2,
  ASSIST_INTERRUPT: 3,
  ASSIST_CSR: 4,
  ASSIST_FENCE: 5,
  ASSIST_DECODE_PAGE: 6,
  ASSIST_CODE_WRITE: 7,
  ASSIST_BANK_FILL: 8,
  ASSIST_REWRITTEN: 9, // a privileged instruction of a deprivileged guest's, done in place
  ASSIST_REFLECTED: 10, // a system call or fault of a deprivileged guest's, brought to its kernel
  ASSIST_HYPERCALL: 11, // a hypercall of a paravirtual guest's that needed no exit

  COUNTERS,
  // Events that mhpmevent can select; the first two are numbered as in the SBI.
  EVENT_NONE: 0,
  EVENT_CYCLES: 1,
  EVENT_INSTRUCTIONS: 2,
  EVENT_EXCEPTIONS: 3,
  EVENT_INTERRUPTS: 4,
  EVENT_TLB_FILLS: 5,
  EVENT_LAST: 5,

  VIRTUAL_INSTRUCTIONS_PER_TICK: 10, // with the virtual clock
  POLL_INTERVAL: 10_000, // instructions between looks at the host's clock where a timer is close
  PATIENCE: 1_000_000, // nanoseconds of work, as a slow host needs them, after which a slice ends
  INSTRUCTION_WORK: 10, // nanoseconds of that for an instruction

  OPTION_HYPERCALLS: 1, // ecall from S-mode leaves as EXIT_HYPERCALL
  OPTION_HOST_TRANSLATION: 2, // below M-mode, a module of the host's translates
  OPTION_SYSCALLS: 8, // ecall from U-mode leaves as EXIT_SYSCALL, or, of a deprivileged guest, traps to its monitor
  OPTION_TRAP_MISALIGNED: 4, // loads and stores at addresses that are no multiple of their width
} as const;

/** Names of the exit kinds, by number. */
export const EXIT_NAMES = [
  ...["budget", "mmio-read", "mmio-write", "hypercall", "wait", "breakpoint", "stuck"],
  ...["page-table-write", "interrupt", "privileged", "syscall", "exception", "guest-page-fault", "shadow-fill"],
  ...["memory-access", "no-frame"],
] as const;

/** Names of the assists, by number. */
export const ASSIST_NAMES = [
  "tlb-fill",
  "tlb-slow",
  "exception",
  "interrupt",
  "csr",
  "fence",
  "decode-page",
  "code-write",
  "bank-fill",
  "rewritten",
  "reflected",
  "hypercall",
] as const;

const offsets = new Map(fields.map(({ name, offset }) => [name, offset]));

/** Offset of a hart field; throws for a name that is none. */
export function hartOffset(name: string): number {
  const offset = offsets.get(name);
  if (offset === undefined) throw new RangeError(`the hart has no field ${name}`);
  return offset;
}
