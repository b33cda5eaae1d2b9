/** Physical memory protection (Privileged ISA 1.13, 3.7). */
import { describe, expect, it } from "vitest";
import { type Access, PROGRAMS } from "./access.js";
import { Cause, createGuest, DATA, type Guest, PACES, PROGRAM, type Privilege, RAM, Status, TABLES } from "./guest.js";
import {
  allows,
  type Entry,
  EVERYWHERE,
  everywhere,
  L,
  NAPOT,
  na4,
  napot,
  off,
  PROGRAM_RUNS,
  protect,
  protectedGuests,
  R,
  tor,
  W,
  X,
} from "./protected-guest.js";

describe.each(PACES)("PMP, %s", (pace) => {
  const guestWith = protectedGuests(pace);

  /** Which of some addresses U-mode may load from. */
  const loadable = (guest: Guest, addresses: readonly number[]) =>
    addresses.filter((address) => allows(guest, "user", "load", address));

  describe("without a match", () => {
    it("M-mode may do everything, S-mode and U-mode nothing", async () => {
      const guest = await guestWith(PROGRAM_RUNS);
      for (const access of ["load", "store", "fetch"] as const) {
        expect(allows(guest, "machine", access, DATA)).toBe(true);
        expect(allows(guest, "supervisor", access, DATA)).toBe(false);
        expect(allows(guest, "user", access, DATA)).toBe(false);
      }
    });

    it("S-mode cannot even fetch while every entry is off", async () => {
      const guest = await guestWith();
      guest.enter("supervisor", DATA);
      guest.run();
      expect(guest.machineTrap()).toEqual({ cause: Cause.FetchAccessFault, pc: BigInt(DATA), value: BigInt(DATA) });
    });

    it("an entry that is off says nothing, whatever its permissions", async () => {
      const guest = await guestWith(PROGRAM_RUNS, { address: EVERYWHERE, config: R | W | X });
      expect(allows(guest, "user", "load", DATA)).toBe(false);
    });
  });

  describe("permissions", () => {
    const cases = [
      { name: "none", config: 0, allowed: [] },
      { name: "R", config: R, allowed: ["load", "load-reserved"] },
      { name: "RW", config: R | W, allowed: ["load", "store", "amo", "load-reserved"] },
      { name: "X", config: X, allowed: ["fetch"] },
      { name: "RX", config: R | X, allowed: ["load", "fetch", "load-reserved"] },
      { name: "RWX", config: R | W | X, allowed: ["load", "store", "fetch", "amo", "load-reserved"] },
    ] as const;

    it.each(cases)("$name let U-mode and S-mode do: $allowed", async ({ config, allowed }) => {
      const guest = await guestWith(PROGRAM_RUNS, napot(DATA, 0x1000, config));
      for (const mode of ["user", "supervisor"] as const) {
        for (const access of Object.keys(PROGRAMS) as Access[]) {
          expect([mode, access, allows(guest, mode, access, DATA)]).toEqual([
            mode,
            access,
            (allowed as readonly Access[]).includes(access),
          ]);
        }
      }
    });

    it("do not concern M-mode while the entry is not locked", async () => {
      const guest = await guestWith(everywhere(0));
      for (const access of ["load", "store", "fetch"] as const) {
        expect(allows(guest, "machine", access, DATA)).toBe(true);
      }
    });

    it("bind M-mode, too, where the entry is locked", async () => {
      for (const [config, allowed] of [
        [0, []],
        [R, ["load"]],
        [X, ["fetch"]],
        [R | W, ["load", "store"]],
      ] as const) {
        const guest = await guestWith(napot(DATA, 0x1000, L | config));
        for (const access of ["load", "store", "fetch"] as const) {
          expect(allows(guest, "machine", access, DATA)).toBe((allowed as readonly Access[]).includes(access));
        }
      }
    });

    it("are not widened by MXR", async () => {
      const guest = await guestWith(PROGRAM_RUNS, napot(DATA, 0x1000, X));
      guest.setBits("mstatus", Status.MXR);
      expect(allows(guest, "supervisor", "load", DATA)).toBe(false);
    });

    it("of MPP bind M-mode's data accesses under MPRV", async () => {
      const guest = await guestWith(napot(DATA, 0x1000, R));
      guest.setCsrs({ mstatus: Status.MPRV });
      guest.load(PROGRAM, "ld a0, 0(a1)\nsd a0, 0(a1)\nj .+0");
      guest.set({ a1: DATA });
      guest.run();
      expect(guest.machineTrap()).toEqual({
        cause: Cause.StoreAccessFault,
        pc: BigInt(PROGRAM + 4),
        value: BigInt(DATA),
      });
    });

    it("change for the very next access", async () => {
      const guest = await guestWith(PROGRAM_RUNS, napot(DATA, 0x1000, R | W));
      expect(allows(guest, "user", "store", DATA)).toBe(true);
      protect(guest, [PROGRAM_RUNS, napot(DATA, 0x1000, R)]);
      expect(allows(guest, "user", "store", DATA)).toBe(false);
      protect(guest, [PROGRAM_RUNS, napot(DATA + 0x1000, 0x1000, R)]);
      expect(allows(guest, "user", "load", DATA)).toBe(false);
    });

    it("take the code of M-mode away under its feet when it locks its own page", async () => {
      const guest = await guestWith();
      guest.setCsrs({ pmpaddr0: napot(PROGRAM, 0x1000, 0).address });
      guest.load(PROGRAM, "csrrw zero, pmpcfg0, a0\nnop");
      guest.set({ a0: L | NAPOT | R });
      guest.run();
      expect(guest.machineTrap()).toEqual({
        cause: Cause.FetchAccessFault,
        pc: BigInt(PROGRAM + 4),
        value: BigInt(PROGRAM + 4),
      });
    });
  });

  describe("ranges", () => {
    it("of TOR reach from the entry before to its own address, which is outside", async () => {
      const guest = await guestWith(PROGRAM_RUNS, off(DATA), tor(DATA + 0x40, R));
      const probes = [DATA - 8, DATA, DATA + 0x38, DATA + 0x40];
      expect(loadable(guest, probes)).toEqual([DATA, DATA + 0x38]);
    });

    it("of TOR in entry 0 begin at address zero", async () => {
      const guest = await guestWith(tor(DATA, R | W | X));
      expect(loadable(guest, [PROGRAM + 0x800, DATA - 8, DATA])).toEqual([PROGRAM + 0x800, DATA - 8]);
    });

    it("of TOR follow each other", async () => {
      const guest = await guestWith(
        PROGRAM_RUNS,
        off(DATA),
        tor(DATA + 0x40, R),
        tor(DATA + 0x80, 0),
        tor(DATA + 0xc0, R),
      );
      const probes = [DATA, DATA + 0x40, DATA + 0x78, DATA + 0x80, DATA + 0xb8, DATA + 0xc0];
      expect(loadable(guest, probes)).toEqual([DATA, DATA + 0x80, DATA + 0xb8]);
    });

    it("of TOR that end where they begin, or before, match nothing", async () => {
      for (const end of [DATA, DATA - 0x40, 0]) {
        const guest = await guestWith(PROGRAM_RUNS, off(DATA), tor(end, 0), everywhere(R));
        expect(loadable(guest, [DATA - 8, DATA, DATA + 8])).toHaveLength(3);
      }
    });

    it("of NA4 are four bytes", async () => {
      const guest = await guestWith(PROGRAM_RUNS, na4(DATA + 4, R));
      guest.load(PROGRAM, "lw a0, 0(a1)\nj .+0");
      const loads = [DATA, DATA + 4, DATA + 8].map((address) => {
        guest.set({ a1: address });
        guest.enter("user");
        guest.run();
        return guest.hart.pc === BigInt(PROGRAM + 4);
      });
      expect(loads).toEqual([false, true, false]);
    });

    it.each([8, 16, 64, 0x800, 0x1000, 0x4000])("of NAPOT are %i bytes, and aligned", async (size) => {
      const guest = await guestWith(PROGRAM_RUNS, napot(DATA, size, R));
      expect(loadable(guest, [DATA - 8, DATA, DATA + size])).toEqual([DATA]);
      expect(loadable(guest, [DATA + size - 8])).toHaveLength(1);
    });

    it("of NAPOT with all ones are the whole space", async () => {
      const guest = await guestWith(everywhere(R | W | X));
      expect(loadable(guest, [RAM + 0x800, DATA, TABLES])).toHaveLength(3);
    });
  });

  describe("several entries", () => {
    it("answer by the lowest number that matches", async () => {
      const guest = await guestWith(PROGRAM_RUNS, napot(DATA, 8, 0), napot(DATA, 0x1000, R));
      expect(loadable(guest, [DATA, DATA + 8])).toEqual([DATA + 8]);
      protect(guest, [PROGRAM_RUNS, napot(DATA, 8, R), napot(DATA, 0x1000, 0)]);
      expect(loadable(guest, [DATA, DATA + 8])).toEqual([DATA]);
    });

    it("work up to the sixteenth", async () => {
      const none = Array.from({ length: 14 }, () => off(0));
      const guest = await guestWith(PROGRAM_RUNS, ...none, napot(DATA, 0x1000, R));
      expect(loadable(guest, [DATA, DATA + 0x1000])).toEqual([DATA]);
    });

    it("refuse an access of which the first match covers a part only, though each allows it", async () => {
      const guest = await guestWith(PROGRAM_RUNS, na4(DATA, R), na4(DATA + 4, R), everywhere(R));
      expect(loadable(guest, [DATA, DATA + 8])).toEqual([DATA + 8]);
    });

    it("refuse it to M-mode, too, locked or not", async () => {
      const guest = await guestWith(na4(DATA + 4, R | W | X));
      expect(allows(guest, "machine", "load", DATA)).toBe(false);
      expect(allows(guest, "machine", "load", DATA + 8)).toBe(true);
    });

    it("may bind S-mode and M-mode in turn", async () => {
      const guest = await guestWith(PROGRAM_RUNS, napot(DATA, 0x1000, L | R), everywhere(R | W | X));
      expect(allows(guest, "supervisor", "store", DATA)).toBe(false);
      expect(allows(guest, "machine", "store", DATA)).toBe(false);
      expect(allows(guest, "machine", "store", DATA + 0x1000)).toBe(true);
    });
  });

  it("agree with a plain reading of the manual for random entries and accesses", async () => {
    const seed = 20261;
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    /** First byte and the one behind the last of an entry, or undefined if it matches nothing. */
    const range = (entries: readonly Entry[], n: number): readonly [bigint, bigint] | undefined => {
      const { address, config } = entries[n] ?? off(0);
      switch ((config >> 3) & 3) {
        case 1:
          return [n === 0 ? 0n : (entries[n - 1]?.address ?? 0n) << 2n, address << 2n];
        case 2:
          return [address << 2n, (address + 1n) << 2n];
        case 3:
          return [(address & (address + 1n)) << 2n, ((address | (address + 1n)) + 1n) << 2n];
        default:
          return undefined;
      }
    };
    const allowed = (entries: readonly Entry[], mode: Privilege, access: number, at: bigint): boolean => {
      for (let n = 0; n < 16; n++) {
        const [start, end] = range(entries, n) ?? [0n, 0n];
        if (at + 8n <= start || at >= end) continue;
        const { config = 0 } = entries[n] ?? {};
        if (at < start || at + 8n > end) return false;
        return (mode === "machine" && (config & L) === 0) || (config & access) === access;
      }
      return mode === "machine";
    };
    for (let round = 0; round < 40; round++) {
      const guest = await createGuest({ pace, closedMemory: true });
      const entries: Entry[] = [napot(PROGRAM, 0x8000, R | W | X)];
      for (let n = 1; n < 16; n++) {
        const permissions = [0, R, X, R | W, R | X, R | W | X][random(6)] ?? 0;
        const at = DATA + random(0x100) * 16 + random(4) * 4;
        const config = permissions | (random(4) === 0 ? L : 0);
        const size = 8 << random(9);
        const made = [off(at), tor(at, config), na4(at, config), napot(at - (at % size), size, config)];
        entries.push(made[random(4)] ?? off(at));
      }
      protect(guest, entries);
      for (let probe = 0; probe < 25; probe++) {
        const address = DATA + random(0x210) * 8;
        const mode = (["machine", "supervisor", "user"] as const)[random(3)] ?? "user";
        const [access, needed] = (
          [
            ["load", R],
            ["store", W],
          ] as const
        )[random(2)] ?? ["load", R];
        const expected = allowed(entries, mode, needed, BigInt(address));
        const which = `seed ${seed}, round ${round}, probe ${probe}`;
        expect([which, allows(guest, mode, access, address)]).toEqual([which, expected]);
      }
    }
  });

  describe("a lock", () => {
    it("keeps the entry's configuration and address, not its neighbours'", async () => {
      const guest = await guestWith(napot(DATA, 0x1000, R), napot(DATA, 0x1000, L | R), napot(DATA, 0x1000, R));
      const before = guest.hart.getCsr("pmpaddr1");
      guest.setCsrs({ pmpcfg0: 0, pmpaddr0: 1, pmpaddr1: 2, pmpaddr2: 3 });
      expect(guest.hart.getCsr("pmpcfg0")).toBe(BigInt(L | NAPOT | R) << 8n);
      expect(guest.hart.getCsr("pmpaddr0")).toBe(1n);
      expect(guest.hart.getCsr("pmpaddr1")).toBe(before);
      expect(guest.hart.getCsr("pmpaddr2")).toBe(3n);
    });

    it("of a TOR entry keeps the address before it", async () => {
      const guest = await guestWith(off(DATA), tor(DATA + 0x1000, L | R));
      guest.setCsrs({ pmpaddr0: 1 });
      expect(guest.hart.getCsr("pmpaddr0")).toBe(BigInt(DATA) >> 2n);
    });

    it("holds across the two configuration registers", async () => {
      const none = Array.from({ length: 7 }, () => off(0));
      const guest = await guestWith(...none, off(DATA), tor(DATA + 0x1000, L | R));
      guest.setCsrs({ pmpaddr7: 1 });
      expect(guest.hart.getCsr("pmpaddr7")).toBe(BigInt(DATA) >> 2n);
    });

    it("of an entry that is off keeps it off", async () => {
      const guest = await guestWith({ address: 5n, config: L });
      guest.setCsrs({ pmpcfg0: NAPOT | R, pmpaddr0: 6 });
      expect(guest.hart.getCsr("pmpcfg0")).toBe(BigInt(L));
      expect(guest.hart.getCsr("pmpaddr0")).toBe(5n);
    });
  });

  describe("the registers", () => {
    it("have no bits 5 and 6, and no write without read", async () => {
      const guest = await guestWith();
      guest.setCsrs({ pmpcfg2: 0x7f });
      expect(guest.hart.getCsr("pmpcfg2")).toBe(0x1fn);
      guest.setCsrs({ pmpcfg2: NAPOT | W });
      expect(guest.hart.getCsr("pmpcfg2") & 3n).not.toBe(BigInt(W));
    });

    it("hold 54 bits of address", async () => {
      const guest = await guestWith();
      guest.setCsrs({ pmpaddr3: (1n << 64n) - 1n });
      expect(guest.hart.getCsr("pmpaddr3")).toBe(EVERYWHERE);
    });
  });
});
