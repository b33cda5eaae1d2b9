/** State enables: what M-mode opens to the modes below (Privileged ISA 1.13, ch. 8: Smstateen and Ssstateen). */
import { describe, expect, it } from "vitest";
import { Cause, createGuest, type Guest, PROGRAM, type Privilege } from "./guest.js";

const ENVCFG = 1n << 62n;
const SE = 1n << 63n;
const ALL = (1n << 64n) - 1n;

function isOpen(guest: Guest, mode: Privilege, source: string): boolean {
  guest.load(PROGRAM, `${source}\nj .+0`);
  guest.enter(mode);
  guest.run();
  if (guest.hart.pc === BigInt(PROGRAM + 4)) return true;
  expect(guest.machineTrap()).toMatchObject({ cause: Cause.IllegalInstruction, pc: BigInt(PROGRAM) });
  return false;
}

const with0 = async (value: bigint) => {
  const guest = await createGuest();
  guest.setCsrs({ mstateen0: value });
  return guest;
};

describe("mstateen", () => {
  it.each([0, 1, 2, 3])("%i begins with everything closed", async (n) => {
    const guest = await createGuest();
    expect(guest.hart.getCsr(`mstateen${n}`)).toBe(0n);
  });

  it("has a bit for each state that there is", async () => {
    const guest = await createGuest();
    const names = [0, 1, 2, 3].map((n) => `mstateen${n}`);
    guest.setCsrs(Object.fromEntries(names.map((name) => [name, ALL])));
    expect(names.map((name) => guest.hart.getCsr(name))).toEqual([SE | ENVCFG, SE, SE, SE]);
  });

  it.each(["csrrs a0, senvcfg, zero", "csrrw zero, senvcfg, a0"])("ENVCFG opens `%s` to S-mode", async (source) => {
    expect(isOpen(await with0(SE), "supervisor", source)).toBe(false);
    expect(isOpen(await with0(ENVCFG), "supervisor", source)).toBe(true);
  });

  it.each([0, 1, 2, 3])("SE%i opens the sstateen register of that number to S-mode", async (n) => {
    for (const value of [0n, SE]) {
      const guest = await createGuest();
      guest.setCsrs({ mstateen0: ENVCFG, [`mstateen${n}`]: value });
      expect(isOpen(guest, "supervisor", `csrrw a0, sstateen${n}, a1`)).toBe(value !== 0n);
    }
  });

  it("closes nothing to M-mode", async () => {
    for (const csr of ["senvcfg", "sstateen0", "sstateen3"]) {
      expect(isOpen(await with0(0n), "machine", `csrrs a0, ${csr}, zero`)).toBe(true);
    }
  });

  it("opens nothing to U-mode", async () => {
    const guest = await with0(ALL);
    expect(isOpen(guest, "user", "csrrs a0, sstateen0, zero")).toBe(false);
    expect(isOpen(guest, "supervisor", "csrrs a0, mstateen0, zero")).toBe(false);
  });

  it("says nothing of what senvcfg enables", async () => {
    const guest = await with0(0n);
    guest.setCsrs({ menvcfg: 0x80n, senvcfg: 0x80n });
    guest.set({ a1: PROGRAM + 0x8000 });
    expect(isOpen(guest, "user", "cbo.zero (a1)")).toBe(true);
  });
});

describe("sstateen", () => {
  it("has no bits: none of the state that it could close is there", async () => {
    const guest = await with0(ALL);
    guest.setCsrs({ sstateen0: ALL, sstateen1: ALL });
    expect([guest.hart.getCsr("sstateen0"), guest.hart.getCsr("sstateen1")]).toEqual([0n, 0n]);
  });

  it("is open to S-mode where there is no mstateen", async () => {
    const guest = await createGuest({ isa: "rv64gc_ssstateen" });
    expect(isOpen(guest, "supervisor", "csrrs a0, sstateen2, zero")).toBe(true);
    expect(isOpen(guest, "machine", "csrrs a0, mstateen2, zero")).toBe(false);
  });

  it("does not exist without the extension, nor closes senvcfg then", async () => {
    const guest = await createGuest({ isa: "rv64gc" });
    expect(isOpen(guest, "machine", "csrrs a0, sstateen0, zero")).toBe(false);
    expect(isOpen(guest, "supervisor", "csrrs a0, senvcfg, zero")).toBe(true);
  });
});
