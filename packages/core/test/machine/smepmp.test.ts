/** Enhanced PMP for M-mode: mseccfg and what it changes (Privileged ISA 1.13, ch. 6: Smepmp). */
import { describe, expect, it } from "vitest";
import { type Access, PROGRAMS } from "./access.js";
import { Cause, createGuest, DATA, type Guest, PACES, PROGRAM, type Privilege, RAM, Status } from "./guest.js";
import { ACCESS_FAULTS, L, NAPOT, R, TOR, W, X } from "./protected-guest.js";

const MML = 1n;
const MMWP = 2n;
const RLB = 4n;

const napot = (at: number, size: number): bigint => (BigInt(at) >> 2n) | (BigInt(size) / 8n - 1n);
/** Program and handlers: code that every mode may execute, and M-mode read (LRWX = 1011). */
const PROGRAM_BYTES = 0x4000;

const ACCESSES = ["load", "store", "fetch"] as const;

function setEntry(guest: Guest, n: number, address: bigint, config: number): void {
  const register = n < 8 ? "pmpcfg0" : "pmpcfg2";
  const shift = BigInt(8 * (n & 7));
  guest.hart.setCsr(`pmpaddr${n}`, address);
  const others = guest.hart.getCsr(register) & ~(0xffn << shift);
  guest.hart.setCsr(register, others | (BigInt(config) << shift));
}

const configOf = (guest: Guest, n: number): number => Number((guest.hart.getCsr("pmpcfg0") >> BigInt(8 * n)) & 0xffn);

function allows(guest: Guest, mode: Privilege, access: Access, address = DATA): boolean {
  guest.load(PROGRAM, PROGRAMS[access]);
  guest.load(address, "ret");
  guest.set({ a1: address });
  guest.enter(mode);
  guest.run();
  if (guest.hart.pc === BigInt(PROGRAM + 4)) return true;
  expect(guest.machineTrap()).toMatchObject({ cause: ACCESS_FAULTS[access], value: BigInt(address) });
  return false;
}

const allowed = (guest: Guest, mode: Privilege): string =>
  ACCESSES.map((access, n) => (allows(guest, mode, access) ? "RWX".charAt(n) : "-")).join("");

describe.each(PACES)("Smepmp, %s", (pace) => {
  const closed = () => createGuest({ pace, closedMemory: true });
  /** A guest under these rules whose program may run; the data has no entry yet. */
  async function guestUnder(rules: bigint): Promise<Guest> {
    const guest = await closed();
    guest.setCsrs({ mseccfg: rules | RLB });
    setEntry(guest, 0, napot(RAM, PROGRAM_BYTES), NAPOT | L | (rules & MML ? W | X : R | X));
    return guest;
  }

  describe("under machine-mode lockdown", () => {
    const rows: [bits: string, machine: string, below: string][] = [
      ["----", "---", "---"],
      ["---X", "---", "--X"],
      ["--W-", "RW-", "R--"],
      ["--WX", "RW-", "RW-"],
      ["-R--", "---", "R--"],
      ["-R-X", "---", "R-X"],
      ["-RW-", "---", "RW-"],
      ["-RWX", "---", "RWX"],
      ["L---", "---", "---"],
      ["L--X", "--X", "---"],
      ["L-W-", "--X", "--X"],
      ["L-WX", "R-X", "--X"],
      ["LR--", "R--", "---"],
      ["LR-X", "R-X", "---"],
      ["LRW-", "RW-", "---"],
      ["LRWX", "R--", "R--"],
    ];
    it.each(rows)("an entry with %s gives M-mode %s and the modes below %s", async (bits, machine, below) => {
      const guest = await guestUnder(MML);
      const config = [L, R, W, X].reduce((sum, bit, n) => (bits.charAt(n) === "-" ? sum : sum | bit), NAPOT);
      setEntry(guest, 1, napot(DATA, 0x1000), config);
      expect(configOf(guest, 1)).toBe(config);
      expect([allowed(guest, "machine"), allowed(guest, "supervisor"), allowed(guest, "user")]).toEqual([
        machine,
        below,
        below,
      ]);
    });

    it("M-mode reads and writes where no entry matches, but executes nothing there", async () => {
      const guest = await guestUnder(MML);
      expect([allowed(guest, "machine"), allowed(guest, "supervisor")]).toEqual(["RW-", "---"]);
    });

    it("takes the code of M-mode away under its feet", async () => {
      const guest = await closed();
      guest.set({ a1: MML });
      guest.load(PROGRAM, "csrrs zero, mseccfg, a1\nnop");
      guest.run();
      expect(guest.hart.getCsr("mcause")).toBe(Cause.FetchAccessFault);
    });

    it("an AMO needs reading and writing", async () => {
      const guest = await guestUnder(MML);
      setEntry(guest, 1, napot(DATA, 0x1000), NAPOT | W); // M-mode: both, below: reading
      guest.set({ a1: DATA });
      guest.load(PROGRAM, "amoswap.d a0, a2, (a1)\nj .+0");
      guest.enter("machine");
      guest.run();
      expect(guest.hart.pc).toBe(BigInt(PROGRAM + 4));
      guest.enter("user");
      guest.run();
      expect(guest.machineTrap()).toMatchObject({ cause: Cause.StoreAccessFault, value: BigInt(DATA) });
    });

    it("under MPRV the rules for MPP hold for M-mode's data", async () => {
      const guest = await guestUnder(MML);
      setEntry(guest, 1, napot(DATA, 0x1000), NAPOT | R | W);
      guest.set({ a1: DATA, a2: Status.MPRV });
      guest.load(PROGRAM, "csrrs zero, mstatus, a2\nld a0, 0(a1)\nj .+0");
      guest.enter("machine");
      guest.setCsrs({ mstatus: 0 });
      guest.run();
      expect(guest.hart.pc).toBe(BigInt(PROGRAM + 8));
    });
  });

  it("the whitelist policy gives M-mode nothing where no entry matches", async () => {
    const guest = await guestUnder(MMWP);
    expect([allowed(guest, "machine"), allowed(guest, "user")]).toEqual(["---", "---"]);
  });

  it("the whitelist policy leaves M-mode what entries that are not locked match", async () => {
    const guest = await guestUnder(MMWP);
    setEntry(guest, 1, napot(DATA, 0x1000), NAPOT);
    expect([allowed(guest, "machine"), allowed(guest, "user")]).toEqual(["RWX", "---"]);
  });
});

describe("mseccfg", () => {
  const closed = () => createGuest({ closedMemory: true });

  it("keeps MML and MMWP once they are set", async () => {
    const guest = await closed();
    guest.setCsrs({ mseccfg: MML });
    guest.setCsrs({ mseccfg: MMWP });
    guest.setCsrs({ mseccfg: 0 });
    expect(guest.hart.getCsr("mseccfg")).toBe(MML | MMWP);
  });

  it("lets RLB come and go while nothing is locked", async () => {
    const guest = await closed();
    guest.setCsrs({ mseccfg: RLB });
    expect(guest.hart.getCsr("mseccfg")).toBe(RLB);
    guest.setCsrs({ mseccfg: 0 });
    expect(guest.hart.getCsr("mseccfg")).toBe(0n);
  });

  it("lets RLB go, but not come back, while an entry is locked, be it off", async () => {
    const guest = await closed();
    guest.setCsrs({ mseccfg: RLB });
    setEntry(guest, 11, 0n, L);
    guest.setCsrs({ mseccfg: RLB });
    expect(guest.hart.getCsr("mseccfg")).toBe(RLB);
    guest.setCsrs({ mseccfg: 0 });
    guest.setCsrs({ mseccfg: RLB });
    expect(guest.hart.getCsr("mseccfg")).toBe(0n);
  });

  it("opens locked entries, and the address below a locked range, with RLB", async () => {
    const guest = await closed();
    guest.setCsrs({ mseccfg: RLB });
    setEntry(guest, 1, 0x1000n, L | TOR | R);
    guest.setCsrs({ pmpaddr0: 0x800, pmpaddr1: 0x2000, pmpcfg0: 0 });
    expect(["pmpaddr0", "pmpaddr1", "pmpcfg0"].map((name) => guest.hart.getCsr(name))).toEqual([0x800n, 0x2000n, 0n]);
  });

  it.each([
    ["--X of M-mode", L | X],
    ["R-X of M-mode", L | R | X],
    ["shared code", L | W],
    ["shared code that M-mode reads", L | W | X],
  ])("under lockdown, lets no rule be added for %s", async (_, config) => {
    const guest = await closed();
    guest.setCsrs({ mseccfg: MML });
    setEntry(guest, 2, 0x1000n, NAPOT | R);
    setEntry(guest, 2, 0x1000n, NAPOT | config);
    expect(configOf(guest, 2)).toBe(NAPOT | R);
  });

  it.each([
    ["data of M-mode", L | R | W],
    ["shared data to read", L | R | W | X],
    ["shared data", W],
    ["code of the modes below", R | X],
  ])("under lockdown, lets rules be added for %s", async (_, config) => {
    const guest = await closed();
    guest.setCsrs({ mseccfg: MML });
    setEntry(guest, 2, 0x1000n, NAPOT | config);
    expect(configOf(guest, 2)).toBe(NAPOT | config);
  });

  it("is M-mode's alone", async () => {
    const guest = await createGuest();
    expect(guest.trapOf("csrrs a0, mseccfg, zero", "supervisor").cause).toBe(Cause.IllegalInstruction);
  });

  it("has only the fields of the extensions that are on", async () => {
    const bits = async (isa: string) => {
      const guest = await createGuest({ isa, closedMemory: true });
      guest.setCsrs({ mseccfg: (1n << 64n) - 1n });
      return guest.hart.getCsr("mseccfg");
    };
    expect(await bits("rv64gc_smepmp")).toBe(7n);
    expect(await bits("rv64gc_zkr")).toBe(0x300n);
  });

  it("is illegal without such an extension", async () => {
    const guest = await createGuest({ isa: "rv64gc" });
    expect(guest.trapOf("csrrs a0, mseccfg, zero").cause).toBe(Cause.IllegalInstruction);
  });
});
