/** Random kernels, each executed under direct and under another technique: step by step, they must see the same. */
import { expect, it } from "vitest";
import type { TechniqueName } from "../../src/index.js";
import { leaf, Pte, SCHEMES } from "./page-tables.js";
import {
  DATA,
  DEPRIVILEGED,
  HANDLER,
  identitySpace,
  lastTable,
  PROGRAM,
  RAM,
  type SupervisedGuest,
  supervised,
  TABLES,
  USER,
} from "./supervised.js";

const SEEDS = 40;
const STEPS = 600;
const PROGRAM_LENGTH = 120;

/** A generator of pseudo-random numbers (xorshift, 32 bits). */
function generator(seed: number) {
  let state = seed * 2654435761 || 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const below = (n: number) => next() % n;
  const pick = <T>(of: readonly T[]): T => of[below(of.length)] as T;
  return { next, below, pick };
}

const CSRS = [
  ...["sstatus", "sstatus", "sie", "sip", "sscratch", "sepc", "scause", "stval", "scounteren", "senvcfg", "stimecmp"],
  ...["fcsr", "frm", "time", "instret", "cycle", "mstatus", "mhartid", "hpmcounter4", "seed"],
];
const REGISTERS = ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "t0", "t1", "t2"];

function instruction({ below, pick }: ReturnType<typeof generator>): string {
  const [rd, rs] = [pick(REGISTERS), pick(REGISTERS)];
  const offset = below(96) * 8;
  switch (below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return `${pick(["csrrw", "csrrs", "csrrc"])} ${pick([rd, "zero"])}, ${pick(CSRS)}, ${pick([rs, "zero", "s6", "s9"])}`;
    case 4:
      return `${pick(["csrrwi", "csrrsi", "csrrci"])} ${rd}, ${pick(CSRS)}, ${below(32)}`;
    case 5:
    case 6:
      return `${pick(["ld", "lw", "lbu", "fld"])} ${pick(["a0", "a1"])}, ${offset}(${pick(["s5", "s7", "s8", "s10"])})`.replace(
        /^fld \w+/,
        "fld fa0",
      );
    case 7:
    case 8:
      return `sd ${pick([rd, "zero", "s4"])}, ${offset}(${pick(["s5", "s5", "s7", "s10"])})`;
    case 9:
      return `${pick(["sw", "sh", "sb"])} ${rd}, ${offset + below(8)}(${pick(["s5", "s7", "s10"])})`;
    case 10:
      return `${pick(["amoswap.d", "amoor.d", "amoand.d", "amoadd.w"])} ${rd}, ${pick([rs, "zero"])}, (${pick(["s5", "s7", "s10"])})`;
    case 11:
      return `sfence.vma ${pick(["zero", "s5", "s10"])}, ${pick(["zero", "zero", "a0"])}`;
    case 12:
      return "ecall";
    case 13:
      return pick(["sret", "ebreak", "sfence.w.inval", "sinval.vma s5, zero", "mret"]);
    case 14:
      return pick(["cbo.zero (s5)", "cbo.clean (s7)", "cbo.inval (s10)", "lr.d a0, (s5)", "sc.d a1, a2, (s5)"]);
    case 15:
      return pick(["fadd.d fa0, fa1, fa2", "fcvt.d.l fa1, a0", "fsd fa0, 0(s5)"]);
    case 16:
      return `csrrw zero, satp, ${pick(["s0", "s0", "s0", "s1", "a0"])}`;
    case 17:
      return `csrrw zero, sepc, ${pick(["s2", "s3"])}`;
    default:
      return `addi ${rd}, ${rs}, ${below(64) - 32}`;
  }
}

function program(random: ReturnType<typeof generator>): string {
  const lines = Array.from({ length: PROGRAM_LENGTH }, () => instruction(random));
  return [...lines, `j .-${PROGRAM_LENGTH * 4}`].join("\n");
}

/** Goes on behind what trapped, or, where that fails, in the program or in the user's page. */
const RECOVER = `
  csrrs t6, scause, zero
  csrrs t5, sepc, zero
  addi s11, s11, 1
  addi t5, t5, 4
  csrrw zero, sepc, t5
  andi t4, s11, 7
  bne t4, zero, .+16
  csrrw zero, sepc, s2
  csrrw zero, satp, s0
  addi t4, zero, 0
  sret`;

async function guestOf(seed: number, technique: TechniqueName): Promise<SupervisedGuest> {
  const random = generator(seed);
  const guest = await supervised(`csrrw zero, stvec, s1\ncsrrw zero, satp, s0\n${program(random)}`, { technique });
  const scheme = random.pick(SCHEMES);
  const satp = identitySpace(guest, scheme);
  guest.load(HANDLER, RECOVER);
  guest.load(USER, program(random));
  // Pages of data with permissions of all kinds, some of them without A or D.
  for (let page = 8; page < 16; page++) {
    const flags = Pte.V | (BigInt(random.below(256)) & ~Pte.G) | random.pick([0n, Pte.R | Pte.W]);
    guest.write64(lastTable(scheme) + page * 8, leaf(RAM + page * 4096, flags));
  }
  const registers: Readonly<Record<number, bigint>> = {
    8: satp,
    9: BigInt(HANDLER),
    18: BigInt(PROGRAM + 8),
    19: BigInt(USER),
    20: leaf(DATA + random.below(16) * 4096, BigInt(random.below(256)) | Pte.V),
    21: BigInt(DATA + random.below(4) * 4096),
    22: random.pick([1n << 18n, 1n << 19n, 1n << 8n, (1n << 13n) | 2n]),
    23: BigInt(lastTable(scheme) + 64),
    24: BigInt(random.pick([TABLES, HANDLER, 0x1000_0000])),
    25: random.pick([0x22n, 0x100n, 0x2000n, 0xffff_ffff_ffffn]),
    26: BigInt(DATA + 4 * 4096 + random.below(4) * 4096),
  };
  for (const [register, value] of Object.entries(registers)) guest.hart.setRegister(Number(register), value);
  return guest;
}

const cases = DEPRIVILEGED.flatMap((technique) => Array.from({ length: SEEDS }, (_, n) => [technique, n + 1] as const));

it.each(cases)("%s is direct to random kernel %i, by single steps", async (technique, seed) => {
  const [direct, other] = [await guestOf(seed, "direct"), await guestOf(seed, technique)];
  let before = direct.state();
  for (let step = 0; step < STEPS; step++) {
    const at = `seed ${seed}, step ${step}, behind\n${before}`;
    expect(other.machine.step(), at).toBe(direct.machine.step());
    before = direct.state();
    expect(other.state(), at).toBe(before);
  }
  expect(other.memoryDigest()).toBe(direct.memoryDigest());
});

/** So long that most of it runs from decoded slots, where instructions that trap often are rewritten. */
const LONG_RUN = 25_000;

it.each(cases)("%s is direct to random kernel %i, in long runs", async (technique, seed) => {
  const [direct, other] = [await guestOf(seed, "direct"), await guestOf(seed, technique)];
  for (let run = 0; run < 3; run++) {
    expect(other.machine.step(LONG_RUN), `run ${run}`).toBe(direct.machine.step(LONG_RUN));
    expect(other.state(), `run ${run}`).toBe(direct.state());
    expect(other.memoryDigest()).toBe(direct.memoryDigest());
  }
});
