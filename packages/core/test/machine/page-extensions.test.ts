import { describe, expect, it } from "vitest";
import { Cause, createGuest, DATA, type Guest, PROGRAM, Status } from "./guest.js";
import { AddressSpace, OPEN } from "./page-tables.js";

const PAGE = 0x40000000n;
const N = 1n << 63n;
const PBMTE = 1n << 62n;
const NON_CACHEABLE = 1n << 61n;
const IO = 2n << 61n;
const SIXTEEN_PAGES = 0x80090000; // a naturally aligned 64 KiB of RAM
/** Page number bits 3 to 0 of an entry for 64 KiB. */
const NAPOT = 0x8000;

/** A guest in M-mode whose loads and stores go through S-mode's tables (MPRV). */
async function withTables(isa?: string): Promise<{ guest: Guest; space: AddressSpace }> {
  const guest = await createGuest(isa === undefined ? {} : { isa });
  const space = new AddressSpace(guest);
  guest.setCsrs({ satp: space.satp() });
  return { guest, space };
}

/** Loads from an address; gives the value, or the cause of the trap. */
function loadFrom(guest: Guest, address: bigint): { value: bigint } | { cause: bigint } {
  guest.load(PROGRAM, "ld a0, 0(a1)\nj .+0");
  guest.set({ a1: address });
  guest.setCsrs({ mstatus: Status.MPRV | (1n << 11n) }); // MPP = S
  guest.hart.pc = BigInt(PROGRAM);
  guest.machine.step();
  return guest.hart.pc === BigInt(PROGRAM + 4) ? { value: guest.get("a0") } : { cause: guest.hart.getCsr("mcause") };
}

const fault = { cause: Cause.LoadPageFault };

describe("Svnapot", () => {
  it("maps sixteen neighbouring pages with one entry each way in", async () => {
    const { guest, space } = await withTables();
    for (let page = 0n; page < 16n; page++) {
      space.map(PAGE + page * 0x1000n, SIXTEEN_PAGES + NAPOT, OPEN | N);
      guest.write64(SIXTEEN_PAGES + Number(page) * 0x1000 + 8, 100n + page);
    }
    for (let page = 0n; page < 16n; page++) {
      expect(loadFrom(guest, PAGE + page * 0x1000n + 8n)).toEqual({ value: 100n + page });
    }
  });

  it("is dropped whole by a fence of any of its addresses", async () => {
    const { guest, space } = await withTables();
    for (const page of [0n, 5n]) space.map(PAGE + page * 0x1000n, SIXTEEN_PAGES + NAPOT, OPEN | N);
    loadFrom(guest, PAGE);
    space.map(PAGE, DATA, OPEN);
    guest.write64(DATA, 7n);
    guest.load(PROGRAM, "sfence.vma a1, zero");
    guest.set({ a1: PAGE + 0x5000n });
    guest.hart.pc = BigInt(PROGRAM);
    guest.machine.step();
    expect(loadFrom(guest, PAGE)).toEqual({ value: 7n });
  });

  it.each([0x0, 0x1000, 0x4000, 0xc000])("faults with the reserved size 0x%x", async (bits) => {
    const { guest, space } = await withTables();
    space.map(PAGE, SIXTEEN_PAGES + bits, OPEN | N);
    expect(loadFrom(guest, PAGE)).toEqual(fault);
  });

  it("faults on a large page", async () => {
    const { guest, space } = await withTables();
    space.map(PAGE, 0x80000000, OPEN | N, 1);
    expect(loadFrom(guest, PAGE)).toEqual(fault);
  });

  it("faults where the machine has it not", async () => {
    const { guest, space } = await withTables("rv64gc");
    space.map(PAGE, SIXTEEN_PAGES + NAPOT, OPEN | N);
    expect(loadFrom(guest, PAGE)).toEqual(fault);
  });
});

describe("Svpbmt", () => {
  it.each([
    ["non-cacheable", NON_CACHEABLE],
    ["I/O", IO],
  ])("takes the memory type %s once menvcfg.PBMTE is set", async (_, type) => {
    const { guest, space } = await withTables();
    space.map(PAGE, DATA, OPEN | type);
    guest.write64(DATA, 9n);
    expect(loadFrom(guest, PAGE)).toEqual(fault);
    guest.setBits("menvcfg", PBMTE);
    expect(loadFrom(guest, PAGE)).toEqual({ value: 9n });
  });

  it("faults with the reserved type", async () => {
    const { guest, space } = await withTables();
    guest.setBits("menvcfg", PBMTE);
    space.map(PAGE, DATA, OPEN | NON_CACHEABLE | IO);
    expect(loadFrom(guest, PAGE)).toEqual(fault);
  });

  it("faults with a type on the way to a leaf", async () => {
    const { guest, space } = await withTables();
    guest.setBits("menvcfg", PBMTE);
    space.map(PAGE, DATA, OPEN);
    const pointer = space.entry(PAGE, 1);
    guest.write64(pointer, guest.read64(pointer) | NON_CACHEABLE);
    expect(loadFrom(guest, PAGE)).toEqual(fault);
  });

  it("cannot be enabled where the machine has it not", async () => {
    const { guest } = await withTables("rv64gc");
    guest.setBits("menvcfg", PBMTE);
    expect(guest.hart.getCsr("menvcfg") & PBMTE).toBe(0n);
  });
});
