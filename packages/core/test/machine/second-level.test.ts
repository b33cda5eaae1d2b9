/** Translations that only the TLB's second level holds: what drops the others drops these (Privileged ISA 1.13, 10.2.1). */
import { describe, expect, it } from "vitest";
import { DATA, PACES, PROGRAM } from "./guest.js";
import { leaf, OPEN } from "./page-tables.js";
import { CODE, PAGE, pagedGuests, RETURN } from "./paged-guest.js";

/** A page of the same entry in the first level. */
const RIVAL = PAGE + 0x40_0000n;
const OTHER = DATA + 0x1000;
/** `addi a0, a0, 1` in front of `jalr zero, 0(ra)`. */
const COUNT_AND_RETURN = 0x0000_8067_0015_0513n;

describe.each(PACES)("the second level, %s", (pace) => {
  const { inSpace } = pagedGuests(pace);

  /** A guest that has read a page, and then its rival. */
  async function withBoth(level: number) {
    const { guest, space } = await inSpace("supervisor");
    const entry = level === 0 ? space.map(PAGE, DATA, OPEN) : space.map(PAGE, 0x8000_0000, OPEN, level);
    space.map(RIVAL, OTHER, OPEN);
    guest.write64(OTHER, 0x22n);
    const address = level === 0 ? PAGE : PAGE + BigInt(DATA - 0x8000_0000);
    guest.write64(DATA, 0x11n);
    guest.set({ a1: address, a2: RIVAL + (address & 0x3f_f000n), a3: 0n, a4: address + 0x1000n });
    if (level !== 0) space.map(RIVAL + (address & 0x3f_f000n), OTHER, OPEN);
    return { guest, entry };
  }

  it.each([
    ["all", "sfence.vma zero, zero"],
    ["an address", "sfence.vma a1, zero"],
    ["an address space", "sfence.vma zero, a3"],
    ["an address in a space", "sfence.vma a1, a3"],
  ])("forgets by a fence of %s", async (_, fence) => {
    const { guest, entry } = await withBoth(0);
    guest.load(PROGRAM, "ld a0, 0(a1)\nld t0, 0(a2)\nld a0, 0(a1)\nld t0, 0(a2)\nj .+0");
    guest.enter("supervisor", CODE);
    guest.run();
    expect(guest.get("a0")).toBe(0x11n);
    guest.write64(entry, leaf(OTHER, OPEN));
    guest.load(PROGRAM, `${fence}\nld a0, 0(a1)\nj .+0`);
    guest.enter("supervisor", CODE);
    guest.run();
    expect(guest.get("a0")).toBe(0x22n);
  });

  it("forgets the pieces of a superpage by a fence of any of its addresses", async () => {
    const { guest, entry } = await withBoth(1);
    guest.load(PROGRAM, "ld a0, 0(a1)\nld t0, 0(a2)\nj .+0");
    guest.enter("supervisor", CODE);
    guest.run();
    expect(guest.get("a0")).toBe(0x11n);
    guest.write64(entry, 0n);
    guest.load(PROGRAM, "sfence.vma a4, zero\nld a0, 0(a1)\nj .+0");
    guest.enter("supervisor", CODE);
    guest.run();
    expect(guest.machineTrap().value).toBe(PAGE + BigInt(DATA - 0x8000_0000));
  });

  it("forgets that a page may be written once it holds code", async () => {
    const { guest } = await withBoth(0);
    guest.set({ a0: 0n, a5: RETURN, a6: COUNT_AND_RETURN });
    guest.load(
      PROGRAM,
      "sd a5, 0(a1)\nsd a5, 0(a2)\njalr ra, 0(a1)\nsd a6, 0(a1)\nsd a5, 0(a2)\njalr ra, 0(a1)\nj .+0",
    );
    guest.enter("supervisor", CODE);
    guest.run();
    expect(guest.get("a0")).toBe(1n);
  });
});
