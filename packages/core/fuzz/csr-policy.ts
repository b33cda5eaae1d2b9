/**
 * What the fuzzer does with CSRs: which it sets before a program and compares
 * after it, which values programs may write, and which registers it leaves
 * alone because two right machines may differ. Every exception has its reason.
 */
import { csrs } from "../isa/csrs.js";
import type { Random } from "./random.js";
import { integerValue } from "./values.js";

/** Set before each program from its record, in this order: counters while inhibited, mstatus last. */
export const INITIAL_CSRS = [
  ...["mie", "mip", "satp", "menvcfg", "stimecmp", "senvcfg", "mcounteren", "scounteren", "medeleg", "mideleg"],
  ...["mcycle", "minstret", "sepc", "scause", "stval", "mcause", "mtval", "fcsr", "mepc", "mstatus"],
] as const;
export type InitialCsr = (typeof INITIAL_CSRS)[number];

/** Read after each program; fcsr, f and x registers are read besides. */
export const FINAL_CSRS = [
  ...["mstatus", "mie", "mip", "satp", "menvcfg", "senvcfg", "mcounteren", "scounteren", "medeleg", "mideleg"],
  ...["sepc", "scause", "stval", "mcycle", "minstret", "mtvec", "stvec", "mcountinhibit"],
] as const;

/** How programs may use a CSR. */
export type CsrUse =
  /** Any access with any value. */
  | "free"
  /** Written values come from `csrValue`. */
  | "chosen"
  /** A write is followed by the old value at once: the driver needs the register. */
  | "probe"
  /** Reads only, their result compared. */
  | "read"
  /** Accesses, but their result is thrown away: it differs from run to run. */
  | "access"
  | "never";

/** Uses other than `free`. */
const USES: Readonly<Record<string, CsrUse>> = {
  // The driver's handlers depend on them.
  mtvec: "probe",
  stvec: "probe",
  mscratch: "probe",
  sscratch: "probe",
  medeleg: "probe",
  satp: "probe",
  // Chosen, so that handlers are reached and left again.
  // QEMU also lets the VS-mode interrupts and the counter overflow be delegated, which nothing raises there: WARL.
  mideleg: "chosen",
  mstatus: "chosen",
  sstatus: "chosen",
  mie: "chosen",
  sie: "chosen",
  // Time differs from run to run, so only deadlines far in the past or the future are the same.
  stimecmp: "chosen",
  // Most values of frm are reserved, and then nothing computes any more.
  frm: "chosen",
  fcsr: "chosen",
  time: "access",
  // Frozen by the driver, so that they can be compared.
  mcountinhibit: "read",
  // Identity is each implementation's own.
  mvendorid: "access",
  marchid: "access",
  mimpid: "access",
  misa: "read",
  // The entries that keep programs off the devices are locked, the others are left to tests of their own.
  ...Object.fromEntries(csrs.filter(({ name }) => /^pmp/.test(name)).map(({ name }) => [name, "read" as const])),
  // QEMU has sixteen programmable counters, this machine none: events and counts are WARL.
  ...Object.fromEntries(csrs.filter(({ name }) => /^m?hpm/.test(name)).map(({ name }) => [name, "never" as const])),
};

export const csrUse = (name: string): CsrUse => USES[name] ?? "free";

/** SIE, MIE, SPIE, MPIE, SPP, MPP, FS, MPRV, SUM, MXR, TVM, TW, TSR; never UXL, which QEMU lets become 32. */
const STATUS_BITS = [1n, 3n, 5n, 7n, 8n, 11n, 12n, 13n, 14n, 17n, 18n, 19n, 20n, 21n, 22n, 63n];

/** A value for a CSR whose use is `chosen`. */
export function csrValue(random: Random, name: string): bigint {
  switch (name) {
    case "stimecmp":
      return random.pick([0n, 1n, 1n << 62n, (1n << 64n) - 1n, 1n << 63n]);
    case "frm":
      return BigInt(random.chance(0.04) ? random.between(5, 7) : random.below(5));
    case "fcsr":
      return (csrValue(random, "frm") << 5n) | BigInt(random.below(32));
    case "fflags":
      return BigInt(random.below(32));
    case "mideleg":
      return random.dword() & 0x222n;
    case "mie":
    case "sie":
      return random.dword() & 0xaaan;
    default:
      return STATUS_BITS.reduce((bits, bit) => (random.chance(0.3) ? bits | (1n << bit) : bits), 0n);
  }
}

/** What the driver sets before a program unless its profile says otherwise. */
export function initialCsrs(random: Random): Record<InitialCsr, bigint> {
  const values = Object.fromEntries(INITIAL_CSRS.map((name) => [name, 0n])) as Record<InitialCsr, bigint>;
  return {
    ...values,
    stimecmp: (1n << 64n) - 1n,
    mcycle: integerValue(random),
    minstret: integerValue(random),
    fcsr: BigInt(random.below(32) | (random.below(5) << 5)),
    mstatus: 0x6000n,
  };
}
