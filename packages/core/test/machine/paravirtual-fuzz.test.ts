/**
 * Hostile paravirtual guests. Random calls must leave no table that a model of what tables may hold would not have let in,
 * and random kernels must end alike however their run is cut into slices.
 */
import { expect, it } from "vitest";
import { Random } from "../../fuzz/random.js";
import { leaf, Pte, SCHEMES } from "./page-tables.js";
import {
  AREA,
  Area,
  BATCH,
  Call,
  call,
  callable,
  calling,
  LEAF,
  pageOf,
  pinIdentity,
  setVcpu,
} from "./paravirtual-guest.js";
import { DATA, HANDLER, PROGRAM, RAM, RAM_BYTES, type SupervisedGuest, TABLES, USER } from "./supervised.js";

const SEEDS = Array.from({ length: 12 }, (_, n) => n + 1);
const CALLS = 600;
const FIRST_TABLE = TABLES + 0x8000;
const POOL = 12;

/** Tables as the specification of the extension has them: what is pinned, by address, at which level. */
class Model {
  readonly levels = new Map<number, number>();

  /** Whether a table of a level may hold an entry. */
  admits(entry: bigint, level: number): boolean {
    if ((entry & Pte.V) === 0n) return true;
    if (entry >> 54n !== 0n) return false;
    const target = Number((entry >> 10n) & ((1n << 44n) - 1n)) * 4096;
    if ((entry & (Pte.R | Pte.W | Pte.X)) === 0n) {
      return level > 0 && (entry & (Pte.U | Pte.A | Pte.D)) === 0n && this.levels.get(target) === level - 1;
    }
    const size = 4096 * 512 ** level;
    const isLegal = (entry & Pte.U) !== 0n && (entry & (Pte.R | Pte.W)) !== Pte.W;
    return isLegal && target % size === 0 && target >= RAM && target + size <= RAM + RAM_BYTES;
  }

  entries(guest: SupervisedGuest, table: number): bigint[] {
    return Array.from(new BigUint64Array((guest.machine.memory.read(table, 4096) as Uint8Array).buffer));
  }

  /** Whether a pinned table leads to a page. */
  isReferred(guest: SupervisedGuest, page: number): boolean {
    const pointer = BigInt(page / 4096) << 10n;
    return [...this.levels.keys()].some((table) =>
      this.entries(guest, table).some((entry) => (entry & 0xfn) === Pte.V && (entry & ~0x3ffn) === pointer),
    );
  }
}

/** Addresses that tests of bounds would think of, and pages that may be tables. */
function address(random: Random): number {
  const page = FIRST_TABLE + random.below(POOL) * 4096;
  const edge = random.pick([0, RAM - 4096, RAM + RAM_BYTES, RAM, AREA, DATA, 2 ** 40, 2 ** 52]);
  return random.chance(0.85) ? page : edge;
}

function entry(random: Random): bigint {
  const pointer = leaf(address(random), Pte.V);
  const good = leaf(RAM + random.below(RAM_BYTES / 4096) * 4096, LEAF);
  const odd = leaf(address(random), BigInt(random.below(1024))) | (random.chance(0.2) ? random.dword() : 0n);
  return random.pick([0n, pointer, pointer, pointer, good, good, odd, random.dword()]);
}

it.each(SEEDS)("random calls leave only such tables as may be, seed %i", async (seed) => {
  const random = new Random(seed);
  const guest = await callable();
  setVcpu(guest, HANDLER);
  const model = new Model();
  const { memory } = guest.machine;
  let [pinned, refused] = [0, 0];

  for (let n = 0; n < CALLS; n++) {
    const kind = random.weighted({ pin: 5, unpin: 3, update: 8, root: 1, host: 4, garbage: 2 });
    const table = address(random);
    const isTable = model.levels.has(table);
    if (kind === "host") {
      const value = entry(random);
      const written = memory.write(table + random.below(512) * 8, new Uint8Array(new BigUint64Array([value]).buffer));
      if (isTable) expect(written).toBe(false);
    } else if (kind === "pin") {
      const level = random.below(4);
      // Sometimes what lies there is cleared first, or few such pages would become tables.
      if (!isTable && random.chance(0.5)) memory.write(table, new Uint8Array(4096));
      const inRam = table >= RAM && table < RAM + RAM_BYTES;
      const isFit =
        inRam && !isTable && table !== AREA && model.entries(guest, table).every((e) => model.admits(e, level));
      const { error } = call(guest, Call.Pin, pageOf(table), level);
      expect(error === 0, `pin 0x${table.toString(16)}`).toBe(isFit);
      if (isFit) model.levels.set(table, level);
    } else if (kind === "unpin") {
      const isFree = isTable && !model.isReferred(guest, table);
      expect(call(guest, Call.Unpin, pageOf(table)).error === 0).toBe(isFree);
      if (isFree) model.levels.delete(table);
    } else if (kind === "update") {
      const updates = Array.from(
        { length: random.below(20) },
        () => [table + random.below(512) * 8, entry(random)] as const,
      );
      if (random.chance(0.1)) updates.push([table + 4, 0n]);
      guest.write64(BATCH, ...updates.flatMap(([at, value]) => [BigInt(at), value]));
      const level = model.levels.get(table);
      const firstWrong = updates.findIndex(
        ([at, value]) => level === undefined || at % 8 !== 0 || !model.admits(value, level),
      );
      const done = firstWrong < 0 ? updates.length : firstWrong;
      const { error, value } = call(guest, Call.Update, updates.length, BATCH, random.below(2));
      expect([error === 0, value]).toEqual([firstWrong < 0, BigInt(done)]);
      if (done > 0) {
        const [at, last] = updates[done - 1] as readonly [number, bigint];
        expect(guest.read64(at)).toBe(last);
      }
    } else if (kind === "root") {
      const mode = 8 + random.below(3);
      const { error } = call(guest, Call.SetRoot, (BigInt(mode) << 60n) | pageOf(table));
      expect(error === 0).toBe(model.levels.get(table) === mode - 6);
      // Nothing need be mapped there; a hart that starts has no roots.
      guest.machine.enterSupervisor(0, { address: BigInt(PROGRAM), opaque: 0n });
      setVcpu(guest, HANDLER);
    } else {
      const words = Array.from({ length: 3 }, () =>
        random.pick([random.dword(), BigInt(random.below(5000)), -1n, 1n << 63n]),
      );
      call(
        guest,
        random.pick([Call.Pin, Call.Unpin, Call.Update, Call.SetRoot, 10, random.word() | 16]),
        ...words.map((w) => BigInt.asUintN(64, w)),
      );
    }
    const stats = guest.machine.stats.paravirtual;
    pinned = Math.max(pinned, stats?.pinnedTables ?? 0);
    refused = stats?.refusedCalls ?? 0;
  }
  for (const [table, level] of model.levels) {
    const wrong = model.entries(guest, table).filter((value) => !model.admits(value, level));
    expect(wrong, `table 0x${table.toString(16)}`).toEqual([]);
  }
  expect(guest.machine.stats.paravirtual?.pinnedTables).toBe(model.levels.size);
  // The calls were of both kinds.
  expect(pinned).toBeGreaterThan(2);
  expect(refused).toBeGreaterThan(50);
});

const PROGRAM_LENGTH = 150;
const REGISTERS = ["a0", "a1", "a2", "t0", "t1", "t2"];

/** An instruction or a call of a kernel or its user code. s5 is the area, s7 the lowest table, s8 a device that is not there. */
function statement(random: Random): string {
  const [rd, rs] = [random.pick(REGISTERS), random.pick(REGISTERS)];
  switch (random.below(16)) {
    case 0:
    case 1:
      return calling(random.below(11));
    case 2:
      return `li a0, ${RAM + random.below(256) * 4096}\nli a1, ${random.below(9)}\n${calling(random.pick([Call.Flush, Call.SetTimer, Call.Deliver]))}`;
    case 3:
      return `csrrs a0, time, zero\naddi a0, a0, ${random.below(40)}\n${calling(Call.SetTimer)}`;
    case 4:
      return `mv a0, s0\nmv a1, ${random.pick(["s1", "zero", "a1"])}\n${calling(Call.SetRoot)}`;
    case 5:
      return `sd ${random.pick([rd, "s2", "s3", "s4", "s6"])}, ${8 * random.below(12)}(s5)`;
    case 6:
      return `${random.pick(["amoor.d", "amoand.d", "amoxor.d"])} ${rd}, ${random.pick(["s4", "s6"])}, (s9)`;
    case 7:
      return `${random.pick(["sd", "sw"])} ${rd}, ${8 * random.below(64)}(${random.pick(["s7", "s8", "s10"])})`;
    case 8:
      return `${random.pick(["ld", "lw"])} ${rd}, ${8 * random.below(64)}(${random.pick(["s5", "s7", "s8", "s10"])})`;
    case 9:
      return random.pick([
        "ebreak",
        "csrrs a0, sstatus, zero",
        "sret",
        "wfi",
        "sfence.vma zero, zero",
        "fadd.d fa0, fa1, fa2",
      ]);
    case 10:
      return "ecall";
    default:
      return `addi ${rd}, ${rs}, ${random.below(64) - 32}`;
  }
}

const program = (random: Random) => {
  const lines = Array.from({ length: PROGRAM_LENGTH }, () => statement(random)).join("\n");
  return `begin: ${lines}\nj begin`;
};

/** Sets the timer again, or goes on behind what trapped; every eighth time in user code, every sixteenth in the kernel. */
const RECOVER = `
  ld t5, 8(s5)
  bge t5, zero, exception
  csrrs a0, time, zero
  addi a0, a0, 20
  ${calling(Call.SetTimer)}
  ${calling(Call.Return)}
exception: ld t6, 0(s5)
  addi s11, s11, 1
  addi t6, t6, 4
  andi t5, s11, 7
  bne t5, zero, go
  mv t6, s3
  sd zero, 24(s5)
  andi t5, s11, 15
  bne t5, zero, go
  mv t6, s2
  sd s4, 24(s5)
go: sd t6, 0(s5)
  ${calling(Call.Return)}`;

async function kernel(seed: number): Promise<SupervisedGuest> {
  const random = new Random(seed);
  const guest = await callable();
  setVcpu(guest, HANDLER);
  const scheme = random.pick(SCHEMES);
  const kernelRoot = pinIdentity(guest, TABLES, scheme);
  const isUsers = (at: number) => at === USER || at === USER + 0x1000;
  const userRoot = pinIdentity(guest, TABLES + 0x8000, SCHEMES[0], isUsers);
  guest.load(HANDLER, RECOVER);
  guest.load(PROGRAM, program(random));
  guest.load(USER, program(random));
  guest.write64(AREA + Area.enabled, 0x222n);
  const registers: Readonly<Record<number, bigint>> = {
    8: kernelRoot,
    9: userRoot,
    18: BigInt(PROGRAM),
    19: BigInt(USER),
    20: random.pick([0x122n, 0x100n, 0x6122n]),
    21: BigInt(AREA),
    22: random.pick([0x2n, 0x22n, 0x222n, 0x2000n]),
    23: BigInt(TABLES),
    24: 0x1000_0000n,
    25: BigInt(AREA + random.pick([Area.status, Area.enabled])),
    26: BigInt(DATA),
  };
  for (const [register, value] of Object.entries(registers)) guest.hart.setRegister(Number(register), value);
  return guest;
}

it.each(SEEDS)("random kernel %i ends alike by single steps and in slices of all lengths", async (seed) => {
  const STEPS = 6000;
  const [steps, slices, whole] = [await kernel(seed), await kernel(seed), await kernel(seed)];
  const random = new Random(seed);
  for (let n = 0; n < STEPS; n++) steps.machine.step();
  for (let left = STEPS; left > 0; ) {
    const length = Math.min(left, random.between(1, 400));
    slices.machine.step(length);
    left -= length;
  }
  whole.machine.step(STEPS);
  expect(slices.state()).toBe(steps.state());
  expect(whole.state()).toBe(steps.state());
  expect([slices.memoryDigest(), whole.memoryDigest()]).toEqual([steps.memoryDigest(), steps.memoryDigest()]);
});
