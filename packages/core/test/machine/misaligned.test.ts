/** Accesses at addresses that are no multiple of their width (Privileged ISA 1.13, 3.6.4; Unprivileged ISA 2.6, 14). */
import { describe, expect, it } from "vitest";
import { Cause, code, createGuest, DATA, type Guest, PACES, PROGRAM, type Trap } from "./guest.js";
import { AddressSpace, OPEN } from "./page-tables.js";

const LOADS = ["lh a0, 1(a1)", "lhu a0, 1(a1)", "lw a0, 2(a1)", "lwu a0, 1(a1)", "ld a0, 4(a1)", "fld fa0, 4(a1)"];
const STORES = ["sh a2, 1(a1)", "sw a2, 2(a1)", "sd a2, 4(a1)", "sd a2, 1(a1)", "fsw fa0, 2(a1)"];
const offsetOf = (source: string): number => Number(/(\d+)\(/.exec(source)?.[1]);

describe.each(PACES)("misaligned accesses, %s", (pace) => {
  const trapping = () => createGuest({ pace, misaligned: "trap" });
  function trapOf(guest: Guest, source: string, base = DATA): Trap | undefined {
    guest.setBits("mstatus", 3n << 13n);
    guest.set({ a0: 1, a1: base, a2: 2 });
    guest.load(PROGRAM, `${source}\nj .+0`);
    guest.enter("machine");
    guest.run();
    return guest.hart.pc === BigInt(PROGRAM + 4) ? undefined : guest.machineTrap();
  }

  it.each([...LOADS, ...STORES])("`%s` is done in hardware by default", async (source) => {
    expect(trapOf(await createGuest({ pace }), source)).toBeUndefined();
  });

  it.each(LOADS)("`%s` traps where the machine was told so", async (source) => {
    const guest = await trapping();
    const value = BigInt(DATA + offsetOf(source));
    expect(trapOf(guest, source)).toEqual({ cause: Cause.LoadMisaligned, pc: BigInt(PROGRAM), value });
    expect(guest.get("a0")).toBe(1n);
  });

  it.each(STORES)("`%s` traps where the machine was told so, and stores nothing", async (source) => {
    const guest = await trapping();
    const value = BigInt(DATA + offsetOf(source));
    expect(trapOf(guest, source)).toEqual({ cause: Cause.StoreMisaligned, pc: BigInt(PROGRAM), value });
    expect(guest.read64(DATA)).toBe(0n);
  });

  it.each(["lb a0, 1(a1)", "sb a2, 3(a1)", "lh a0, 2(a1)", "sw a2, 4(a1)", "ld a0, 8(a1)"])(
    "`%s` does not trap: it is aligned",
    async (source) => {
      expect(trapOf(await trapping(), source)).toBeUndefined();
    },
  );

  it("trap again and again at an address that aligned accesses have cached", async () => {
    const guest = await trapping();
    expect(trapOf(guest, "ld a0, 0(a1)")).toBeUndefined();
    expect(trapOf(guest, "ld a0, 1(a1)")?.cause).toBe(Cause.LoadMisaligned);
    expect(trapOf(guest, "sd a2, 0(a1)")).toBeUndefined();
    expect(trapOf(guest, "sd a2, 1(a1)")?.cause).toBe(Cause.StoreMisaligned);
  });

  it("come before the faults of their pages", async () => {
    const guest = await trapping();
    const space = new AddressSpace(guest);
    space.map(PROGRAM, PROGRAM, OPEN);
    guest.setCsrs({ satp: space.satp() });
    guest.set({ a1: 0x40000000 });
    guest.load(PROGRAM, "ld a0, 1(a1)");
    guest.enter("supervisor");
    guest.run();
    expect(guest.machineTrap()).toMatchObject({ cause: Cause.LoadMisaligned, value: 0x40000001n });
  });

  describe.each(["hardware", "trap"] as const)("of atomics always trap (%s)", (misaligned) => {
    it.each([
      ["amoadd.w a0, a2, (a1)", 2, Cause.StoreMisaligned],
      ["amoadd.d a0, a2, (a1)", 4, Cause.StoreMisaligned],
      ["amoadd.h a0, a2, (a1)", 1, Cause.StoreMisaligned],
      ["amocas.d a0, a2, (a1)", 4, Cause.StoreMisaligned],
      ["amocas.q a0, a2, (a1)", 8, Cause.StoreMisaligned],
      ["lr.w a0, (a1)", 1, Cause.LoadMisaligned],
      ["lr.d a0, (a1)", 4, Cause.LoadMisaligned],
      ["sc.w a0, a2, (a1)", 2, Cause.StoreMisaligned],
      ["sc.d a0, a2, (a1)", 4, Cause.StoreMisaligned],
    ] as const)("`%s` at %i", async (source, offset, cause) => {
      const guest = await createGuest({ pace, misaligned });
      const value = BigInt(DATA + offset);
      expect(trapOf(guest, source, DATA + offset)).toEqual({ cause, pc: BigInt(PROGRAM), value });
    });
  });
});

describe("Zicclsm", () => {
  it("is reported where misaligned accesses are done in hardware", async () => {
    expect((await createGuest()).machine.isa.has("Zicclsm")).toBe(true);
    expect((await createGuest({ misaligned: "trap" })).machine.isa.has("Zicclsm")).toBe(false);
  });

  it("cannot be asked for together with the trap", async () => {
    await expect(createGuest({ isa: "rva22s64", misaligned: "trap" })).rejects.toEqual(code("invalid-argument"));
  });
});
