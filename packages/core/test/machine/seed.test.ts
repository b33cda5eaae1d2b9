/** The entropy source (Scalar Cryptography 1.0, ch. 4: Zkr). */
import { describe, expect, it } from "vitest";
import { Cause, createGuest, type Guest, type GuestOptions, PROGRAM, type Privilege } from "./guest.js";

const ES16 = 0x80000000n;
const USEED = 1n << 8n;
const SSEED = 1n << 9n;

/** What some reads give, one after another. */
async function reads(options: GuestOptions = {}, count = 8): Promise<bigint[]> {
  const guest = await createGuest(options);
  guest.load(PROGRAM, "csrrw a0, seed, zero\n".repeat(count));
  return Array.from({ length: count }, () => {
    guest.machine.step();
    return guest.get("a0");
  });
}

describe("seed", () => {
  it.each(["virtual", "real"] as const)("gives sixteen bits a read, clock %s", async (clock) => {
    const values = await reads({ clock });
    for (const value of values) expect(value & ~0xffffn).toBe(ES16);
    expect(new Set(values).size).toBeGreaterThan(4);
  });

  it("repeats with the virtual clock, by the machine's seed", async () => {
    const seed = new Uint8Array([1, 2, 3]);
    expect(await reads({ seed })).toEqual(await reads({ seed }));
    expect(await reads({ seed })).not.toEqual(await reads());
  });

  it("does not repeat with the host's clock", async () => {
    expect(await reads({ clock: "real" })).not.toEqual(await reads({ clock: "real" }));
  });

  it("gives each hart bits of its own", async () => {
    const guest = await createGuest({ harts: 2 });
    const [first, second] = guest.machine.harts.map((hart) => hart.getCsr("seed"));
    expect(first).not.toBe(second);
  });

  it.each(["csrrs a0, seed, zero", "csrrc a0, seed, zero", "csrrsi a0, seed, 0", "csrrci a0, seed, 0"])(
    "refuses `%s`, which does not write",
    async (source) => {
      const guest = await createGuest();
      expect(guest.trapOf(source).cause).toBe(Cause.IllegalInstruction);
    },
  );

  it.each([
    "csrrs a0, seed, a1",
    "csrrc a0, seed, a1",
    "csrrsi a0, seed, 1",
    "csrrci a0, seed, 1",
    "csrrwi a0, seed, 0",
  ])("allows `%s`, whatever it writes", async (source) => {
    const guest = await createGuest();
    guest.load(PROGRAM, source);
    guest.machine.step();
    expect([guest.hart.pc, guest.get("a0") & ~0xffffn]).toEqual([BigInt(PROGRAM + 4), ES16]);
  });

  const isOpen = (guest: Guest, mode: Privilege): boolean => {
    guest.load(PROGRAM, "csrrw a0, seed, zero\nj .+0");
    guest.enter(mode);
    guest.run();
    return guest.hart.pc === BigInt(PROGRAM + 4);
  };

  it.each([
    [0n, false, false],
    [USEED, false, true],
    [SSEED, true, false],
    [USEED | SSEED, true, true],
  ])("with mseccfg %s is open to S-mode: %s, to U-mode: %s", async (mseccfg, supervisor, user) => {
    const guest = await createGuest();
    guest.setCsrs({ mseccfg });
    expect([isOpen(guest, "machine"), isOpen(guest, "supervisor"), isOpen(guest, "user")]).toEqual([
      true,
      supervisor,
      user,
    ]);
  });

  it("is illegal without Zkr", async () => {
    const guest = await createGuest({ isa: "rv64gc" });
    expect(guest.trapOf("csrrw a0, seed, zero").cause).toBe(Cause.IllegalInstruction);
  });
});
