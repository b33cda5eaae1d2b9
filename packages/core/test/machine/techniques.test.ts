/** What a guest may not be able to tell: by which technique its kernel runs. */
import { describe, expect, it } from "vitest";
import type { TechniqueName } from "../../src/index.js";
import { code } from "./guest.js";
import { leaf, OPEN, Pte, SCHEMES } from "./page-tables.js";
import {
  DATA,
  DEPRIVILEGED,
  HANDLER,
  identitySpace,
  lastTable,
  PROGRAM,
  RAM,
  type SupervisedGuest,
  type SupervisedOptions,
  supervised,
  TABLES,
  USER,
} from "./supervised.js";

/** Begins translation by satp in s0, with the handler in s1, and goes on behind. */
const BEGIN = "csrrw zero, satp, s0\ncsrrw zero, stvec, s1\n";
/** A handler that counts in s11 and goes on behind what trapped. */
const SKIP = "addi s11, s11, 1\ncsrrs t6, sepc, zero\naddi t6, t6, 4\ncsrrw zero, sepc, t6\nsret";

interface Scenario {
  readonly name: string;
  readonly program: string;
  readonly handler?: string;
  readonly user?: string;
  readonly prepare?: (guest: SupervisedGuest) => void;
  /** What the scenario is about happened: checked under direct. */
  readonly happened: (guest: SupervisedGuest) => boolean;
}

const toUser = "csrrw zero, sepc, s2\ncsrrc zero, sstatus, s3\nsret\n";

const SCENARIOS: readonly Scenario[] = [
  {
    name: "a system call of a user program and its return",
    program: `${BEGIN}${toUser}`,
    user: "addi a7, zero, 3\necall\naddi a5, a5, 9\necall\nj .+0",
    handler: `csrrs a6, scause, zero\n${SKIP}`,
    happened: ({ hart }) => hart.getRegister(27) === 2n && hart.getRegister(15) === 9n && hart.privilege === "user",
  },
  {
    name: "a hypercall",
    program: `${BEGIN}lui a7, 0x8000\naddi a7, a7, 1\naddi a0, zero, 41\necall\nj .+0`,
    happened: ({ hart }) => hart.getRegister(11) === 42n,
  },
  {
    name: "a privileged instruction of a user program",
    program: `${BEGIN}${toUser}`,
    user: "csrrs a0, sstatus, zero\nsret\nsfence.vma zero, zero\nwfi\ncsrrw zero, satp, zero\nj .+0",
    handler: `csrrs a6, scause, zero\ncsrrs a5, stval, zero\n${SKIP}`,
    happened: ({ hart }) => hart.getRegister(27) === 5n && hart.getRegister(16) === 2n,
  },
  {
    name: "an access of a user program to the kernel's pages",
    program: `${BEGIN}${toUser}`,
    user: "ld a0, 0(s4)\nsd a0, 0(s4)\nj .+0",
    handler: `csrrs a6, scause, zero\ncsrrs a5, stval, zero\n${SKIP}`,
    prepare: ({ hart }) => hart.setRegister(20, BigInt(HANDLER)),
    happened: ({ hart }) => hart.getRegister(27) === 2n && hart.getRegister(16) === 15n,
  },
  {
    name: "the kernel's access to user pages, by SUM",
    program: `${BEGIN}ld a0, 0(s5)\ncsrrs zero, sstatus, s6\nld a1, 0(s5)\ncsrrc zero, sstatus, s6\nld a2, 0(s5)\nj .+0`,
    handler: SKIP,
    prepare: (guest) => {
      guest.write64(DATA, 77n);
      guest.hart.setRegister(22, 1n << 18n);
    },
    happened: ({ hart }) => hart.getRegister(27) === 2n && hart.getRegister(11) === 77n && hart.getRegister(12) === 0n,
  },
  {
    name: "loads of executable pages, by MXR",
    program: `${BEGIN}ld a0, 0(s5)\ncsrrs zero, sstatus, s6\nld a1, 0(s5)\nj .+0`,
    handler: SKIP,
    prepare: (guest) => {
      guest.write64(DATA, 77n);
      guest.write64(lastTable() + 8 * 8, leaf(DATA, Pte.V | Pte.X | Pte.A));
      guest.hart.setRegister(22, 1n << 19n);
    },
    happened: ({ hart }) => hart.getRegister(27) === 1n && hart.getRegister(11) === 77n,
  },
  {
    name: "accessed and dirty bits",
    program: `${BEGIN}ld a0, 0(s5)\nld a1, 64(s7)\nsd a0, 0(s5)\nld a2, 64(s7)\nj .+0`,
    prepare: (guest) => guest.write64(lastTable() + 8 * 8, leaf(DATA, Pte.V | Pte.R | Pte.W)),
    happened: ({ hart }) => (hart.getRegister(11) & 0xc0n) === 0x40n && (hart.getRegister(12) & 0xc0n) === 0xc0n,
  },
  {
    name: "a page that is mapped elsewhere, by a store and a fence",
    program: `${BEGIN}ld a0, 0(s5)\nld t0, 72(s7)\nsd t0, 64(s7)\nsfence.vma s5, zero\nld a1, 0(s5)\nj .+0`,
    prepare: (guest) => {
      for (const page of [8, 9]) guest.write64(lastTable() + page * 8, leaf(RAM + page * 4096, OPEN));
      guest.write64(DATA, 1n);
      guest.write64(DATA + 0x1000, 2n);
    },
    happened: ({ hart }) => hart.getRegister(10) === 1n && hart.getRegister(11) === 2n,
  },
  {
    name: "a page that is taken away by an atomic instruction",
    program: `${BEGIN}ld a0, 0(s5)\naddi t0, s7, 64\namoswap.d a1, zero, (t0)\nsfence.vma zero, zero\nld a2, 0(s5)\nj .+0`,
    handler: `csrrs a6, scause, zero\n${SKIP}`,
    prepare: (guest) => guest.write64(lastTable() + 8 * 8, leaf(DATA, OPEN)),
    happened: ({ hart }) => hart.getRegister(27) === 1n && hart.getRegister(16) === 13n && hart.getRegister(11) !== 0n,
  },
  {
    name: "a store to tables of the kind that goes across two entries, and one that zeros a block of them",
    program: `${BEGIN}ld a0, 0(s5)\nsd zero, 60(s7)\naddi t0, s7, 64\ncbo.zero (t0)\nsfence.vma zero, zero\nld a2, 0(s5)\nj .+0`,
    handler: `csrrs a6, scause, zero\n${SKIP}`,
    prepare: (guest) => guest.write64(lastTable() + 8 * 8, leaf(DATA, OPEN)),
    happened: ({ hart }) => hart.getRegister(27) === 1n && hart.getRegister(16) === 13n,
  },
  {
    name: "tables that are no memory",
    program: `${BEGIN}ld a0, 0(s5)\ncsrrw zero, satp, s8\nnop\nnop`,
    handler: `csrrs a6, scause, zero\n${SKIP}`,
    prepare: (guest) => {
      guest.write64(TABLES + 8, leaf(0x4000_0000, Pte.V));
      guest.hart.setRegister(21, 0x4000_0000n);
      guest.hart.setRegister(24, (8n << 60n) | 0xfff_ffff_ffffn);
    },
    happened: ({ hart }) => hart.getCsr("scause") === 1n,
  },
  {
    name: "a table that is an entry of itself",
    program: `${BEGIN}ld a0, 0(s5)\nsd a0, 0(s5)\nj .+0`,
    handler: `csrrs a6, scause, zero\n${SKIP}`,
    prepare: (guest) => {
      guest.write64(TABLES + 8, leaf(TABLES, Pte.V));
      guest.hart.setRegister(21, 0x4000_0000n + (1n << 21n) * 2n + 2n * 4096n);
    },
    happened: () => true,
  },
  {
    name: "superpages that are misaligned",
    program: `${BEGIN}ld a0, 0(s5)\nj .+0`,
    handler: `csrrs a6, scause, zero\n${SKIP}`,
    prepare: (guest) => {
      guest.write64(TABLES + 8, leaf(RAM + 0x1000, OPEN));
      guest.hart.setRegister(21, 0x4000_0000n);
    },
    happened: ({ hart }) => hart.getRegister(16) === 13n,
  },
  {
    name: "a timer interrupt in a loop of the kernel's",
    program: `${BEGIN}csrrw zero, stimecmp, s6\ncsrrw zero, sie, s9\ncsrrs zero, sstatus, s10\naddi a0, a0, 1\nj .-4`,
    handler: "addi s11, s11, 1\ncsrrs a6, scause, zero\ncsrrs a5, time, zero\ncsrrw zero, stimecmp, s8\nsret",
    prepare: ({ hart }) => {
      hart.setRegister(22, 9n);
      hart.setRegister(24, (1n << 64n) - 1n);
      hart.setRegister(25, 1n << 5n);
      hart.setRegister(26, 2n);
    },
    happened: ({ hart }) => hart.getRegister(27) === 1n && hart.getRegister(16) === (1n << 63n) + 5n,
  },
  {
    name: "floating point that is off, then on, then dirty",
    program: `${BEGIN}fadd.d fa0, fa1, fa2\ncsrrs zero, sstatus, s6\nfcvt.d.l fa0, s5\nfsqrt.d fa1, fa0\ncsrrs a1, sstatus, zero\ncsrrs a2, fcsr, zero\nj .+0`,
    handler: `csrrs a6, scause, zero\ncsrrs a5, stval, zero\n${SKIP}`,
    prepare: ({ hart }) => hart.setRegister(22, 1n << 13n),
    happened: ({ hart }) => hart.getRegister(27) === 1n && hart.getRegister(11) >> 63n === 1n,
  },
  {
    name: "counters that the kernel opens and closes to user programs",
    program: `${BEGIN}csrrw zero, scounteren, zero\n${toUser}`,
    user: "csrrs a0, time, zero\ncsrrs a1, instret, zero\necall\ncsrrs a2, time, zero\ncsrrs a3, instret, zero\nj .+0",
    handler: `csrrs a6, scause, zero\naddi t5, zero, 7\ncsrrw zero, scounteren, t5\n${SKIP}`,
    happened: ({ hart }) => hart.getRegister(10) === 0n && hart.getRegister(13) !== 0n,
  },
  {
    name: "a breakpoint, a misaligned jump and an unknown instruction",
    program: `${BEGIN}ebreak\n.word 0x00000000\n.word 0xffffffff\ncsrrs a0, 0x5c0, zero\nj .+0`,
    handler: `csrrs a6, scause, zero\ncsrrs a5, stval, zero\n${SKIP}`,
    happened: ({ hart }) => hart.getRegister(27) >= 3n,
  },
];

async function prepared({ program, handler, user, prepare }: Scenario, options: SupervisedOptions) {
  const guest = await supervised(program, options);
  const satp = identitySpace(guest);
  if (handler !== undefined) guest.load(HANDLER, handler);
  if (user !== undefined) guest.load(USER, user);
  const registers: Readonly<Record<number, bigint>> = {
    8: satp,
    9: BigInt(HANDLER),
    18: BigInt(USER),
    19: 1n << 8n, // SPP
    21: BigInt(DATA),
    23: BigInt(lastTable()),
  };
  for (const [register, value] of Object.entries(registers)) guest.hart.setRegister(Number(register), value);
  prepare?.(guest);
  return guest;
}

const STEPS = 400;

describe.each(SCENARIOS)("$name", (scenario) => {
  it("happens under direct", async () => {
    const guest = await prepared(scenario, {});
    guest.machine.step(STEPS);
    expect(scenario.happened(guest)).toBe(true);
  });

  it.each(DEPRIVILEGED)("is the same under %s, at every step", async (technique) => {
    const [direct, other] = [await prepared(scenario, {}), await prepared(scenario, { technique })];
    for (let step = 0; step < STEPS; step++) {
      expect(other.machine.step()).toBe(direct.machine.step());
      expect(other.state()).toBe(direct.state());
    }
    expect(other.memoryDigest()).toBe(direct.memoryDigest());
  });

  it.each(DEPRIVILEGED)("is the same under %s, in one go", async (technique) => {
    const [direct, other] = [await prepared(scenario, {}), await prepared(scenario, { technique })];
    for (const { machine } of [direct, other]) machine.step(STEPS);
    expect(other.state()).toBe(direct.state());
    expect(other.memoryDigest()).toBe(direct.memoryDigest());
  });
});

describe("the choice of a technique", () => {
  const make = (technique: string, options: SupervisedOptions = {}) =>
    supervised("j .+0", { ...options, technique: technique as TechniqueName });

  it("refuses unknown names", async () => {
    await expect(make("magic")).rejects.toEqual(code("invalid-argument"));
  });

  it("refuses hardware assistance, which needs harts with the hypervisor extension", async () => {
    await expect(make("hardware-assisted")).rejects.toEqual(code("unsupported"));
  });

  it.each(DEPRIVILEGED)("refuses to run guests with an M-mode of their own under %s", async (technique) => {
    await expect(make(technique, { hypercalls: [] })).rejects.toEqual(code("invalid-argument"));
    const { machine } = await make(technique);
    expect(() => machine.enterMachine(0, { address: BigInt(PROGRAM), opaque: 0n })).toThrow(
      expect.objectContaining({ code: "invalid-state" }),
    );
  });
});

describe("exits under trap-and-emulate", () => {
  /** What exits a scenario takes, those of entering translation left out. */
  async function exitsOf(name: string): Promise<Readonly<Record<string, number>>> {
    const scenario = SCENARIOS.find((candidate) => candidate.name === name);
    if (scenario === undefined) throw new RangeError(name);
    const { machine } = await prepared(scenario, { technique: "trap-and-emulate" });
    machine.step(STEPS);
    return machine.stats.exits;
  }

  it("are one for each system call, and one for each privileged instruction", async () => {
    const { syscall, privileged, hypercall } = await exitsOf("a system call of a user program and its return");
    // satp, stvec, sepc, sstatus and sret at first; scause, sepc twice and sret for each call.
    expect({ syscall, privileged, hypercall }).toEqual({ syscall: 2, privileged: 5 + 2 * 4, hypercall: 0 });
  });

  it("tell what is reflected from what the guest never hears of", async () => {
    const exits = await exitsOf("an access of a user program to the kernel's pages");
    expect(exits["guest-page-fault"]).toBe(2);
    // The kernel's code and handler, and the user's code.
    expect(exits["shadow-fill"]).toBe(3);
  });

  it("are one for each store to a page table", async () => {
    const exits = await exitsOf("a page that is mapped elsewhere, by a store and a fence");
    expect(exits["page-table-write"]).toBe(1);
  });
});

it.each(SCHEMES)("a guest may use $scheme under trap-and-emulate", async (scheme) => {
  const guest = await supervised("csrrw zero, satp, s0\nld a0, 0(s1)\nj .+0", { technique: "trap-and-emulate" });
  const satp = identitySpace(guest, scheme);
  guest.write64(lastTable(scheme) + 8 * 8, leaf(DATA, OPEN));
  guest.write64(DATA, 77n);
  guest.hart.setRegister(8, satp);
  guest.hart.setRegister(9, BigInt(DATA));
  guest.machine.step(3);
  expect(guest.hart.getRegister(10)).toBe(77n);
});

describe.each(DEPRIVILEGED)("pages that are given up under %s", (technique) => {
  /** A guest that has translated by a table and loaded from {@link DATA}, about to load again. */
  async function loaded() {
    const guest = await supervised("csrrw zero, satp, s0\nld a0, 0(s1)\nld a1, 0(s1)\nj .+0", { technique });
    guest.write64(DATA, 77n);
    const satp = identitySpace(guest);
    guest.write64(lastTable() + 8 * 8, leaf(DATA, OPEN));
    guest.hart.setRegister(8, satp);
    guest.hart.setRegister(9, BigInt(DATA));
    guest.machine.step(2);
    expect(guest.hart.getRegister(10)).toBe(77n);
    return guest;
  }

  it("leave the shadows of tables that map them", async () => {
    const { machine, hart } = await loaded();
    const fills = machine.stats.exits["shadow-fill"];
    machine.memory.discard([DATA / 4096]);
    machine.step(1);
    expect([hart.getRegister(11), machine.stats.exits["shadow-fill"]]).toEqual([0n, fills]);
  });

  it("take the shadows of tables that lay in them", async () => {
    const { machine, hart } = await loaded();
    machine.memory.discard([lastTable() / 4096]);
    // Not where it loaded from before: that translation may stay until it is fenced.
    hart.setRegister(9, BigInt(PROGRAM + 0x1000));
    machine.step(1);
    expect(hart.getCsr("scause")).toBe(13n);
  });
});
