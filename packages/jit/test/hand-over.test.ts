/** What translated code leaves to the interpreter is executed as the machine is by then. */
import { expect, it } from "vitest";
import { createGuest, DATA, PROGRAM, TABLES } from "../../core/test/machine/guest.js";
import { AddressSpace, OPEN, SCHEMES } from "../../core/test/machine/page-tables.js";
import { CODE } from "../../core/test/machine/paged-guest.js";
import { translator } from "../src/index.js";

const SPACES = 40; // more than a hart keeps translations of: every access misses
const SUM = BigInt((SPACES * (SPACES - 1)) / 2);

it("a load, given back where a region begins, reads the address space that the region before chose", async () => {
  const guest = await createGuest({
    translator: translator({ threshold: 1, sampleInterval: 1, eager: true, missThreshold: 1_000_000 }),
  });
  const satps = Array.from({ length: SPACES }, (_, n) => {
    const space = new AddressSpace(guest, SCHEMES[0], TABLES + n * 0x3000);
    space.map(CODE, PROGRAM, OPEN);
    space.map(CODE + 0x1000n, DATA + n * 0x1000, OPEN);
    guest.write64(DATA + n * 0x1000, BigInt(n));
    return space.satp(n);
  });
  const [first = 0n, second = 0n] = satps;
  guest.load(
    PROGRAM,
    `li t1, 3
    again: li t2, ${SPACES}
    mv t0, s1
    loop: csrrw zero, satp, t0
    ld t3, 0(a1)
    add s0, s0, t3
    add t0, t0, s2
    addi t2, t2, -1
    bne t2, zero, loop
    addi t1, t1, -1
    bne t1, zero, again
    j .+0`,
  );
  guest.set({ s0: 0n, a1: CODE + 0x1000n, s1: first, s2: second - first });
  guest.setCsrs({ satp: first });
  guest.enter("supervisor", CODE);
  guest.run();
  expect(guest.get("s0")).toBe(3n * SUM);
});
