/**
 * The CSR table: every control and status register of this machine, where its
 * bits lie in the hart's state, and who may touch it (Privileged ISA 1.13,
 * ch. 2, 3, 10). A register whose bits act, or lie elsewhere, names functions
 * in `assembly/privileged/special-csrs.ts`.
 */
import type { Extension } from "./extensions.js";
import { COUNTERS } from "./layout.js";

/** Conditions beyond the privilege that the register's number encodes. */
export type CsrGuard =
  /** fcsr and its parts: mstatus.FS must not be off. */
  | "float"
  /** User counters: the level above must have opened this one. */
  | "counter"
  /** satp: mstatus.TVM. */
  | "satp"
  /** stimecmp: menvcfg.STCE and mcounteren.TM. */
  | "stimecmp"
  /** seed: by accesses that write only, and below M-mode where mseccfg opens it. */
  | "seed"
  /** senvcfg: mstateen0.ENVCFG. */
  | "senvcfg"
  /** sstateen registers: bit 63 of the mstateen register of the same number. */
  | "stateen";

export interface Csr {
  readonly name: string;
  readonly number: number;
  readonly guard?: CsrGuard;
  /** The register exists where any of these is on. Default: always. */
  readonly extensions?: readonly Extension[];
  /** Bits that lie in a field of the hart. */
  readonly storage?: { readonly field: string; readonly index: number; readonly writable: bigint };
  /** Bits that never change; with `storage` they are OR-ed in. */
  readonly constant?: bigint;
  /** Functions that replace plain storage; one for several registers is told which: `readCounter(3)`. */
  readonly read?: string;
  readonly write?: string;
}

const ALL = (1n << 64n) - 1n;
const table: Csr[] = [];

function stored(name: string, number: number, field: string, writable = ALL, options: Partial<Csr> = {}, index = 0) {
  table.push({ name, number, storage: { field, index, writable }, ...options });
}
function constant(name: string, number: number, value: bigint, options: Partial<Csr> = {}) {
  table.push({ name, number, constant: value, ...options });
}
function special(name: string, number: number, options: Partial<Csr>) {
  table.push({ name, number, ...options });
}

// Writable bits, and those that sstatus shows of mstatus (Privileged ISA 3.1.6, 10.1.1).
export const MSTATUS_WRITABLE = 0x7e79aan;
export const SSTATUS_WRITABLE = 0xc6122n;
const UXL_SXL = 0xan << 32n;
const UXL = 2n << 32n;
/** Counters that are more than read-only zeros: CY, TM, IR and the programmable ones. */
const COUNTER_BITS = (1n << BigInt(COUNTERS)) - 1n;

// Floating point
special("fflags", 0x001, { guard: "float", read: "readFflags", write: "writeFflags" });
special("frm", 0x002, { guard: "float", read: "readFrm", write: "writeFrm" });
special("fcsr", 0x003, { guard: "float", read: "readFcsr", write: "writeFcsr" });

// Entropy
special("seed", 0x015, { guard: "seed", extensions: ["Zkr"], read: "readSeed", write: "ignoreWrite" });

// Supervisor
special("sstatus", 0x100, { read: "readSstatus", write: "writeSstatus" });
special("sie", 0x104, { read: "readSie", write: "writeSie" });
stored("stvec", 0x105, "stvec", ALL & ~2n);
stored("scounteren", 0x106, "scounteren", COUNTER_BITS);
stored("senvcfg", 0x10a, "senvcfg", 0xf1n, { guard: "senvcfg", write: "writeSenvcfg" });
// What they could close to U-mode is not there: custom state, fcsr without F, jvt.
for (let n = 0; n < 4; n++) {
  constant(`sstateen${n}`, 0x10c + n, 0n, { guard: "stateen", extensions: ["Ssstateen"], write: "ignoreWrite" });
}
stored("sscratch", 0x140, "sscratch");
stored("sepc", 0x141, "sepc", ALL & ~1n, { write: "writeSepc" });
stored("scause", 0x142, "scause");
stored("stval", 0x143, "stval");
special("sip", 0x144, { read: "readSip", write: "writeSip" });
stored("stimecmp", 0x14d, "stimecmp", ALL, {
  guard: "stimecmp",
  extensions: ["Sstc"],
  write: "writeStimecmp",
});
stored("satp", 0x180, "satp", ALL, { guard: "satp", write: "writeSatp" });

// Machine
special("mstatus", 0x300, { read: "readMstatus", write: "writeMstatus" });
special("misa", 0x301, { read: "readMisa", write: "ignoreWrite" });
stored("medeleg", 0x302, "medeleg", 0xb3ffn);
stored("mideleg", 0x303, "mideleg", 0x2222n, { write: "writeMideleg" });
stored("mie", 0x304, "mie", 0x2aaan, { write: "writeMie" });
stored("mtvec", 0x305, "mtvec", ALL & ~2n);
stored("mcounteren", 0x306, "mcounteren", COUNTER_BITS);
stored("menvcfg", 0x30a, "menvcfg", ALL, { write: "writeMenvcfg" });
// Of the state that they could close to S-mode there are senvcfg and the sstateen registers.
for (let n = 0; n < 4; n++) {
  special(`mstateen${n}`, 0x30c + n, {
    storage: { field: "mstateen", index: n, writable: n === 0 ? 3n << 62n : 1n << 63n },
    extensions: ["Smstateen"],
  });
}
stored("mcountinhibit", 0x320, "mcountinhibit", COUNTER_BITS & ~2n, { write: "writeMcountinhibit" });
for (const [name, n] of [
  ["mcyclecfg", 0],
  ["minstretcfg", 2],
] as const) {
  special(name, 0x321 + n / 2, {
    storage: { field: "counterConfigs", index: n, writable: 7n << 60n },
    extensions: ["Smcntrpmf"],
    write: `writeCounterConfig(${n})`,
  });
}
for (let n = 3; n < COUNTERS; n++) {
  special(`mhpmevent${n}`, 0x320 + n, { read: `readEvent(${n})`, write: `writeEvent(${n})` });
}
for (let n = COUNTERS; n < 32; n++) constant(`mhpmevent${n}`, 0x320 + n, 0n, { write: "ignoreWrite" });
stored("mscratch", 0x340, "mscratch");
stored("mepc", 0x341, "mepc", ALL & ~1n, { write: "writeMepc" });
stored("mcause", 0x342, "mcause");
stored("mtval", 0x343, "mtval");
special("mip", 0x344, { read: "readMip", write: "writeMip" });
stored("mseccfg", 0x747, "mseccfg", ALL, { extensions: ["Smepmp", "Zkr"], write: "writeMseccfg" });
for (let n = 0; n < 2; n++) {
  stored(`pmpcfg${n * 2}`, 0x3a0 + n * 2, "pmpcfg", ALL, { write: `writePmpcfg${n * 2}` }, n);
}
for (let n = 0; n < 16; n++) {
  special(`pmpaddr${n}`, 0x3b0 + n, {
    storage: { field: "pmpaddr", index: n, writable: (1n << 54n) - 1n },
    write: `writePmpaddr(${n})`,
  });
}

// Counters
for (const [name, n] of [
  ["cycle", 0],
  ["instret", 2],
  ...Array.from({ length: COUNTERS - 3 }, (_, at) => [`hpmcounter${at + 3}`, at + 3] as const),
] as const) {
  special(`m${name}`, 0xb00 + n, { read: `readCounter(${n})`, write: `writeCounter(${n})` });
  special(name, 0xc00 + n, { guard: "counter", read: `readCounter(${n})` });
}
special("time", 0xc01, { guard: "counter", read: "timeNow" });
for (let n = COUNTERS; n < 32; n++) {
  constant(`mhpmcounter${n}`, 0xb00 + n, 0n, { write: "ignoreWrite" });
  constant(`hpmcounter${n}`, 0xc00 + n, 0n, { guard: "counter" });
}
special("scountovf", 0xda0, { extensions: ["Sscofpmf"], read: "readScountovf" });

// There are no triggers, and who looks for one finds that out without a trap: type 0 is none (Debug 1.0, 5.7.1-5.7.5).
constant("tselect", 0x7a0, 0n, { write: "ignoreWrite" });
for (let n = 1; n <= 3; n++) constant(`tdata${n}`, 0x7a0 + n, 0n, { write: "ignoreWrite" });
constant("tinfo", 0x7a4, 1n, { write: "ignoreWrite" });

// Identity
constant("mvendorid", 0xf11, 0n);
constant("marchid", 0xf12, 0n);
constant("mimpid", 0xf13, 0n);
stored("mhartid", 0xf14, "hartId", 0n);
constant("mconfigptr", 0xf15, 0n);

export const csrs: readonly Csr[] = table;

/** Bits of mstatus that are always set: UXL and SXL say 64. */
export const MSTATUS_CONSTANT = UXL_SXL;
export const SSTATUS_CONSTANT = UXL;

const byNumber = new Map(table.map((csr) => [csr.number, csr]));
const byName = new Map(table.map((csr) => [csr.name, csr]));

export const csrNumbered = (number: number): Csr | undefined => byNumber.get(number);
export const csrNamed = (name: string): Csr | undefined => byName.get(name);
