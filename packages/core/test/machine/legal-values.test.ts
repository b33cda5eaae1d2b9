/** CSR fields that take legal values only (Privileged ISA 1.13, 2.3). */
import { describe, expect, it } from "vitest";
import { createGuest, type Guest, Status } from "./guest.js";

describe("fields that take legal values only", () => {
  const cases: readonly (readonly [csr: string, written: bigint, read: bigint])[] = [
    ["mepc", (1n << 64n) - 1n, (1n << 64n) - 2n],
    ["sepc", (1n << 64n) - 1n, (1n << 64n) - 2n],
    ["mideleg", (1n << 64n) - 1n, 0x2222n],
    ["mie", (1n << 64n) - 1n, 0x2aaan],
    ["mcounteren", (1n << 64n) - 1n, 0x7ffn],
    ["scounteren", (1n << 64n) - 1n, 0x7ffn],
    ["mcountinhibit", (1n << 64n) - 1n, 0x7fdn],
    ["menvcfg", (1n << 64n) - 1n, (1n << 63n) | (1n << 62n) | (1n << 61n) | 0xf1n],
    ["senvcfg", (1n << 64n) - 1n, 0xf1n],
    ["mhpmevent3", 5n, 5n],
    ["mhpmevent10", 6n, 0n], // no such event
    ["mhpmevent3", (1n << 64n) - 1n, 0xfn << 60n],
    ["mhpmevent11", (1n << 64n) - 1n, 0n],
    ["mcyclecfg", (1n << 64n) - 1n, 7n << 60n],
    ["minstretcfg", (1n << 64n) - 1n, 7n << 60n],
    ["mhpmcounter31", 1n, 0n],
    ["tselect", (1n << 64n) - 1n, 0n],
    ["tdata1", (2n << 60n) | 0x44n, 0n], // no trigger of any type
    ["tdata2", 5n, 0n],
    ["tdata3", 5n, 0n],
    ["tinfo", 0n, 1n],
    ["pmpaddr15", (1n << 64n) - 1n, (1n << 54n) - 1n],
    ["mscratch", 0x123456789abcdefn, 0x123456789abcdefn],
    ["frm", 0xffn, 7n],
    ["fflags", 0xffn, 31n],
    ["fcsr", 0xffffn, 0xffn],
  ];

  it.each(cases)("%s", async (csr, written, read) => {
    const guest: Guest = await createGuest();
    guest.setBits("mstatus", Status.FS);
    guest.setCsrs({ [csr]: written });
    expect(guest.hart.getCsr(csr)).toBe(read);
  });

  it("CBIE of the envcfg registers never holds its reserved value", async () => {
    const guest = await createGuest();
    for (const csr of ["menvcfg", "senvcfg"]) {
      guest.setCsrs({ [csr]: 0x30 });
      guest.setCsrs({ [csr]: 0x20 });
      expect(guest.hart.getCsr(csr) & 0x30n).not.toBe(0x20n);
    }
  });

  it("ADUE is zero on a machine without hardware A and D bits", async () => {
    const guest = await createGuest({ isa: "rv64gc" });
    guest.setCsrs({ menvcfg: 1n << 61n });
    expect(guest.hart.getCsr("menvcfg")).toBe(0n);
  });
});
