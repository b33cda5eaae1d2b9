/**
 * What the fuzzer does with CSRs: which it sets before a program and compares
 * after it, which values programs may write, and which registers it leaves
 * alone because two right machines may differ. Every exception has its reason.
 */
import { type Csr, csrs } from "../isa/csrs.js";
import { COUNTERS } from "../isa/layout.js";
import type { Random } from "./random.js";
import { integerValue } from "./values.js";

/** Set before each program from its record, in this order: counters while inhibited, mstatus last. */
export const INITIAL_CSRS = [
  ...[
    "mie",
    "mip",
    "satp",
    "menvcfg",
    "stimecmp",
    "senvcfg",
    "mcounteren",
    "scounteren",
    "medeleg",
    "mideleg",
    "mseccfg",
    "mstateen0",
    "mstateen3",
  ],
  ...["mcycle", "minstret", "sepc", "scause", "stval", "mcause", "mtval", "fcsr", "mepc", "mstatus"],
] as const;
export type InitialCsr = (typeof INITIAL_CSRS)[number];

/** Read after each program; fcsr, f and x registers are read besides. */
export const FINAL_CSRS = [
  ...[
    "mstatus",
    "mie",
    "mip",
    "satp",
    "menvcfg",
    "senvcfg",
    "mcounteren",
    "scounteren",
    "medeleg",
    "mideleg",
    "mseccfg",
    "mstateen0",
  ],
  ...["sepc", "scause", "stval", "mcycle", "minstret", "mtvec", "stvec", "mcountinhibit"],
] as const;

/** How programs may use a CSR; what has no entry here they access freely, with any value. */
export type CsrUse =
  /** Written values come from `value`; immediates are theirs if `immediate` says so. */
  | { readonly kind: "chosen"; readonly value: (random: Random) => bigint; readonly immediate: boolean }
  /** A write of such a value, and the old one again at once: the driver needs the register. */
  | { readonly kind: "probe"; readonly value: (random: Random) => bigint }
  /** Writes of such a value as a whole, never of some of its bits. */
  | { readonly kind: "write"; readonly value: (random: Random) => bigint }
  /** Reads only, their result compared. */
  | { readonly kind: "read" }
  /** Reads whose result is thrown away: it differs from run to run. */
  | { readonly kind: "access" }
  /** The same, by accesses that write, too, more often than not. */
  | { readonly kind: "draw" }
  | { readonly kind: "never" };

const chosen = (value: (random: Random) => bigint, immediate = true): CsrUse => ({ kind: "chosen", value, immediate });
const probe = (value: (random: Random) => bigint): CsrUse => ({ kind: "probe", value });
const masked = (mask: bigint) => (random: Random) => integerValue(random) & mask;
const bits = (positions: readonly number[]) => (random: Random) =>
  positions.reduce((value, bit) => (random.chance(0.3) ? value | (1n << BigInt(bit)) : value), 0n);

const roundingMode = (random: Random) => BigInt(random.chance(0.04) ? random.between(5, 7) : random.below(5));
const even = masked((1n << 64n) - 2n);
const FS = 3n << 13n;
/** SIE, MIE, SPIE, MPIE, SPP, MPP, MPRV, SUM, MXR, TVM, TW, TSR, SD, and FS off or dirty: QEMU 10 does not see that flags alone make it dirty. */
const status = (random: Random) =>
  bits([1, 3, 5, 7, 8, 11, 12, 17, 18, 19, 20, 21, 22, 63])(random) | (random.chance(0.3) ? FS : 0n);
/** Without LCOFI: QEMU 10 lets it be delegated, but neither enabled nor pended. */
const interruptBits = bits([1, 5, 9]);
const delegatedBits = bits([1, 5, 9, 13]);
/** CBIE as 0 or 3, CBCFE, CBZE, FIOM, and what menvcfg has above. */
const environment = (high: readonly number[]) => (random: Random) =>
  bits([0, 6, 7, ...high])(random) | (random.chance(0.5) ? 0x30n : 0n);
const TOP = 1n << 63n;
const stateBits = bits([62, 63]);
const COUNTER_BITS = (1n << BigInt(COUNTERS)) - 1n;

const USES: Readonly<Record<string, CsrUse>> = {
  // The driver's handlers depend on these. Modes 2 and 3 are reserved: QEMU drops such a write, this machine its bit 1.
  mtvec: probe((random) => integerValue(random) & ~2n),
  stvec: probe((random) => integerValue(random) & ~2n),
  mscratch: probe(integerValue),
  sscratch: probe(integerValue),
  // QEMU delegates causes of extensions that it lacks here: WARL.
  medeleg: probe(masked(0xb3ffn)),
  // A mode that exists would translate; Bare with other fields set is unspecified (Privileged ISA 1.13, 12.1.11).
  satp: probe((random) => random.pick([0n, (random.dword() >> 4n) | (BigInt(random.pick([1, 7, 11, 15])) << 60n)])),

  // Handlers must be left again; UXL can become 32 on QEMU, and only 64 here.
  mstatus: chosen(status),
  sstatus: chosen(status),
  // Without H, QEMU still lets the VS-mode interrupts be enabled, pended and delegated: WARL.
  mie: chosen(bits([1, 3, 5, 7, 9, 11])),
  sie: chosen(interruptBits),
  mip: chosen((random) => interruptBits(random) & ~4n, false),
  sip: chosen(interruptBits, false),
  mideleg: chosen(delegatedBits, false),
  // QEMU 10 shows bit 0 of what was written; it reads as zero (Privileged ISA 1.13, 3.1.14).
  mepc: chosen(even, false),
  sepc: chosen(even, false),
  // CBIE = 2 is reserved; QEMU shows CDE (bit 60) without Smcdeleg: WARL. Nor does it let STCE (bit 63) clear mip.STIP.
  menvcfg: chosen(environment([61, 62]), false),
  senvcfg: chosen(environment([]), false),
  // Time differs from run to run, so deadlines are long past or far away.
  stimecmp: { kind: "write", value: (random) => random.pick([0n, 1n, TOP, TOP | (1n << 62n)]) },
  // Most values of frm are reserved, and then nothing computes any more.
  frm: chosen(roundingMode),
  fcsr: chosen((random) => (roundingMode(random) << 5n) | BigInt(random.below(32))),

  // MML and MMWP stay set, for the programs behind, too. RLB cannot be set: entries are locked.
  mseccfg: chosen(bits([2, 8, 9]), false),
  seed: { kind: "draw" },
  time: { kind: "access" },
  // QEMU hides from M-mode, too, what mcounteren does not open.
  scountovf: { kind: "access" },
  // It lets counters be opened that it lacks: WARL.
  mcounteren: chosen(masked(COUNTER_BITS), false),
  scounteren: chosen(masked(COUNTER_BITS), false),
  // QEMU has a bit for hedelegh (56) without H: WARL.
  mstateen0: chosen(stateBits, false),
  mstateen1: chosen(stateBits, false),
  mstateen2: chosen(stateBits, false),
  mstateen3: chosen(stateBits, false),
  // QEMU has bits 62 and 63 in the registers of S-mode, too, where they are not defined: WARL.
  sstateen0: chosen(masked((1n << 62n) - 1n)),
  sstateen1: chosen(masked((1n << 62n) - 1n)),
  sstateen2: chosen(masked((1n << 62n) - 1n)),
  sstateen3: chosen(masked((1n << 62n) - 1n)),
  mcyclecfg: chosen(bits([60, 61, 62]), false),
  minstretcfg: chosen(bits([60, 61, 62]), false),
  // Frozen by the driver, so that the counters can be compared.
  mcountinhibit: { kind: "read" },
  misa: { kind: "read" },
  // Identity is each implementation's own.
  mvendorid: { kind: "access" },
  marchid: { kind: "access" },
  mimpid: { kind: "access" },
};

export function csrUse(name: string): CsrUse | undefined {
  // Those above are read-only zeros here, and do not exist on QEMU.
  const counter = Number(/^m?hpm(?:counter|event)(\d+)$/.exec(name)?.[1] ?? 3);
  if (counter >= COUNTERS) return { kind: "never" };
  // No event: the filters and OF alone. What happened is each machine's own, but for cycles and instructions.
  if (name.startsWith("mhpmevent")) return chosen(bits([60, 61, 62, 63]), false);
  // Without triggers QEMU has no such registers; here they say that there are none.
  if (/^t(select|data|info)/.test(name)) return { kind: "never" };
  // The entries that keep programs off the devices are locked, the others would close their own slot.
  if (/^pmp/.test(name)) return { kind: "read" };
  return USES[name];
}

const usable = csrs.filter(({ name }) => csrUse(name)?.kind !== "never" && !/^pmp(addr|cfg)[2-9]/.test(name));
/** QEMU 10 lets stimecmp drive mip.STIP even while menvcfg.STCE is 0 (against Sstc 1.0, 2.1), which only M-mode can do. */
const usableInMachine = usable.filter(({ name }) => name !== "stimecmp");

/** QEMU 10 has mstateen0h to mstateen3h, which are for RV32 only (Smstateen 1.0), in 64 bits, too. */
export const isOfRv32 = (csr: number): boolean => csr >= 0x31c && csr <= 0x31f;

/** What programs that start in a mode pick from; the many PMP registers count once. */
export const usableCsrs = (mode: number): readonly Csr[] => (mode === 3 ? usableInMachine : usable);

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

/** What decides below M-mode what is allowed there: environments, counters. */
export function environmentCsrs(random: Random): Partial<Record<InitialCsr, bigint>> {
  return {
    menvcfg: environment([61, 62, 63])(random),
    senvcfg: environment([])(random),
    mcounteren: random.dword() & COUNTER_BITS,
    scounteren: random.dword() & COUNTER_BITS,
    mseccfg: bits([8, 9])(random),
    mstateen0: stateBits(random),
    mstateen3: stateBits(random),
  };
}

/** Exceptions and interrupts for S-mode; never ecall from S-mode, which leads out of the handler there. */
export function delegationCsrs(random: Random): Partial<Record<InitialCsr, bigint>> {
  return { medeleg: random.dword() & 0xb1ffn, mideleg: delegatedBits(random) };
}
