/** Page tables of a paravirtual guest: what may become one, what may stand in it, and who may write to it. */
import { describe, expect, it } from "vitest";
import { Cause } from "./guest.js";
import { leaf, Pte } from "./page-tables.js";
import {
  AREA,
  Area,
  BATCH,
  Call,
  type CallResult,
  call,
  callable,
  entryFor,
  LEAF,
  pageOf,
  pinIdentity,
  setVcpu,
} from "./paravirtual-guest.js";
import { DATA, HANDLER, PROGRAM, RAM, RAM_BYTES, type SupervisedGuest, TABLES } from "./supervised.js";

const INVALID_PARAM = -3;
const DENIED = -4;
const INVALID_ADDRESS = -5;
const ALREADY = -6;
const PIN = Call.Pin;
/** A page for tables of a test's own. */
const TABLE = TABLES + 0x8000;

const pin = (guest: SupervisedGuest, address: number, level: number) => call(guest, PIN, pageOf(address), level);
const unpin = (guest: SupervisedGuest, address: number) => call(guest, Call.Unpin, pageOf(address));

/** Changes entries: pairs of their address and value. */
function update(guest: SupervisedGuest, pairs: readonly (readonly [number | bigint, bigint])[], flags = 0): CallResult {
  guest.write64(BATCH, ...pairs.flatMap(([address, value]) => [BigInt(address), value]));
  return call(guest, Call.Update, pairs.length, BATCH, flags);
}

/** Entries that no table may hold, by the level of the table that is to, and the error that names why. */
const FORGED: readonly (readonly [string, number, bigint, number])[] = [
  ["a leaf outside RAM and devices", 0, leaf(0x1000, LEAF), INVALID_ADDRESS],
  ["a leaf behind the end of RAM", 0, leaf(RAM + RAM_BYTES, LEAF), INVALID_ADDRESS],
  ["a leaf at the end of all addresses", 0, leaf((1n << 56n) - 4096n, LEAF), INVALID_ADDRESS],
  ["a large leaf that reaches beyond RAM", 1, leaf(RAM, LEAF), INVALID_ADDRESS],
  ["a large leaf that begins within RAM's page number", 1, leaf(RAM + 0x1000, LEAF), INVALID_PARAM],
  ["a leaf that is not for U-mode", 0, leaf(DATA, LEAF & ~Pte.U), INVALID_PARAM],
  ["a leaf that can be written and not read", 0, leaf(DATA, LEAF & ~Pte.R), INVALID_PARAM],
  ["a leaf with a reserved bit", 0, leaf(DATA, LEAF) | (1n << 54n), INVALID_PARAM],
  ["a leaf with a memory type", 0, leaf(DATA, LEAF) | (1n << 61n), INVALID_PARAM],
  ["a leaf of sixteen pages", 0, leaf(DATA, LEAF) | (1n << 63n), INVALID_PARAM],
  ["a pointer at the lowest level", 0, leaf(TABLES, Pte.V), INVALID_PARAM],
  ["a pointer with U", 1, leaf(TABLES + 0x2000, Pte.V | Pte.U), INVALID_PARAM],
  ["a pointer with A and D", 1, leaf(TABLES + 0x2000, Pte.V | Pte.A | Pte.D), INVALID_PARAM],
  ["a pointer outside RAM", 1, leaf(0x1000, Pte.V), INVALID_ADDRESS],
  ["a pointer to a page that is no table", 1, leaf(DATA, Pte.V), DENIED],
  ["a pointer to itself", 1, leaf(TABLE, Pte.V), DENIED],
  ["a pointer to a table of its own level", 1, leaf(TABLES + 0x1000, Pte.V), DENIED],
  ["a pointer to a table two levels below", 2, leaf(TABLES + 0x2000, Pte.V), DENIED],
];

describe("a page that is to become a table", () => {
  it.each(FORGED)("is refused for %s, and its place is told", async (_, level, entry, error) => {
    const guest = await callable();
    pinIdentity(guest);
    guest.write64(TABLE + 8 * 77, entry);
    expect(pin(guest, TABLE, level)).toEqual({ error, value: 77n });
    guest.write64(TABLE + 8 * 77, 0n);
    expect(pin(guest, TABLE, level).error).toBe(0);
  });

  it("may hold anything in entries that are not valid", async () => {
    const guest = await callable();
    guest.write64(TABLE, -2n & ((1n << 64n) - 1n));
    expect(pin(guest, TABLE, 0).error).toBe(0);
  });

  it("may lead to a device", async () => {
    const guest = await callable();
    const device = { name: "window", base: 0x1000_0000, size: 0x100, read: () => 0, write: () => {} };
    const rest = { reset: () => {}, save: () => ({ version: 1 }), restore: () => {}, deviceTree: () => [] };
    guest.machine.attach({ ...device, ...rest });
    guest.write64(TABLE, leaf(0x1000_0000, LEAF));
    expect(pin(guest, TABLE, 0).error).toBe(0);
    guest.write64(TABLE + 0x1000, leaf(0x1000_0000, LEAF));
    expect(pin(guest, TABLE + 0x1000, 1).error).toBe(0);
  });

  it.each([
    ["outside RAM", 1n, 0, INVALID_ADDRESS],
    ["behind the end of RAM", pageOf(RAM + RAM_BYTES), 0, INVALID_ADDRESS],
    ["of a number that is no page's", (1n << 64n) - 1n, 0, INVALID_ADDRESS],
    ["of a level that there is not", pageOf(TABLE), 5, INVALID_PARAM],
  ])("%s is refused", async (_, page, level, error) => {
    expect(call(await callable(), PIN, page, level).error).toBe(error);
  });

  it("is refused if it is one", async () => {
    const guest = await callable();
    pin(guest, TABLE, 0);
    expect(pin(guest, TABLE, 0).error).toBe(ALREADY);
    expect(pin(guest, TABLE, 1).error).toBe(ALREADY);
  });

  it("is refused if it holds a hart's area, in which traps write what the guest chooses", async () => {
    const guest = await callable();
    setVcpu(guest, HANDLER);
    expect(pin(guest, AREA, 0).error).toBe(DENIED);
  });
});

describe("a table", () => {
  it("becomes a page again", async () => {
    const guest = await callable();
    pin(guest, TABLE, 0);
    expect(guest.machine.stats.paravirtual?.pinnedTables).toBe(1);
    expect(unpin(guest, TABLE).error).toBe(0);
    expect(guest.machine.stats.paravirtual?.pinnedTables).toBe(0);
    guest.write64(TABLE, 5n);
    expect(guest.read64(TABLE)).toBe(5n);
  });

  it("stays one while another leads to it", async () => {
    const guest = await callable();
    pin(guest, TABLE, 0);
    pin(guest, TABLE + 0x1000, 1);
    update(guest, [[TABLE + 0x1000, leaf(TABLE, Pte.V)]]);
    update(guest, [[TABLE + 0x1008, leaf(TABLE, Pte.V)]]);
    update(guest, [[TABLE + 0x1000, 0n]]);
    expect(unpin(guest, TABLE).error).toBe(DENIED);
    update(guest, [[TABLE + 0x1008, 0n]]);
    expect(unpin(guest, TABLE).error).toBe(0);
  });

  it("is no longer led to when the one above ceases to be one", async () => {
    const guest = await callable();
    pinIdentity(guest);
    for (const address of [TABLES, TABLES + 0x1000, TABLES + 0x2000]) expect(unpin(guest, address).error).toBe(0);
  });

  it("stays one while it is a root", async () => {
    const guest = await callable();
    const root = pinIdentity(guest);
    const user = pinIdentity(guest, TABLES + 0x4000);
    call(guest, Call.SetRoot, root, user);
    for (const address of [TABLES, TABLES + 0x4000]) expect(unpin(guest, address).error).toBe(DENIED);
    call(guest, Call.SetRoot, 0, 0);
    for (const address of [TABLES, TABLES + 0x4000]) expect(unpin(guest, address).error).toBe(0);
  });

  it.each([
    ["a page that is none", pageOf(DATA), DENIED],
    ["a page outside RAM", 3n, INVALID_ADDRESS],
  ])("is not what %s can cease to be", async (_, page, error) => {
    expect(call(await callable(), Call.Unpin, page).error).toBe(error);
  });
});

describe("updates", () => {
  it("change what the guest sees once it has flushed", async () => {
    const guest = await callable();
    const root = pinIdentity(guest);
    guest.write64(DATA, 1n);
    guest.write64(DATA + 0x4000, 2n);
    guest.load(PROGRAM, `li s0, ${DATA}\nld s1, 0(s0)\nj .-4`);
    call(guest, Call.SetRoot, root);
    guest.machine.step(10);
    update(guest, [[entryFor(DATA), leaf(DATA + 0x4000, LEAF)]], 1);
    guest.machine.step(10);
    expect(guest.hart.getRegister(9)).toBe(2n);
  });

  it.each<[string, bigint, bigint]>([
    ["its page", BigInt(DATA), 4096n],
    ["a byte of it", BigInt(DATA + 5), 1n],
    ["eight pages with it", BigInt(DATA - 0x7000), 0x8000n],
    ["many pages with it", BigInt(DATA - 0x10000), 0x20000n],
    ["all, by zeros", 0n, 0n],
    ["all, by the largest size", 0n, (1n << 64n) - 1n],
  ])("are seen behind a flush of %s, and not before", async (_, start, size) => {
    const guest = await callable();
    const root = pinIdentity(guest);
    guest.write64(DATA, 1n);
    guest.write64(DATA + 0x4000, 2n);
    guest.load(PROGRAM, "ld s1, 0(s0)\nj .-4");
    guest.hart.setRegister(8, BigInt(DATA));
    call(guest, Call.SetRoot, root);
    guest.machine.step(4);
    update(guest, [[entryFor(DATA), leaf(DATA + 0x4000, LEAF)]]);
    guest.machine.step(4);
    expect(guest.hart.getRegister(9)).toBe(1n);
    call(guest, Call.Flush, DATA + 0x1000, 0x1000);
    guest.machine.step(4);
    expect(guest.hart.getRegister(9)).toBe(1n);
    call(guest, Call.Flush, start, size);
    guest.machine.step(4);
    expect(guest.hart.getRegister(9)).toBe(2n);
  });

  it("of many entries are one exit", async () => {
    const guest = await callable();
    pin(guest, TABLE, 0);
    const pairs = Array.from({ length: 200 }, (_, n) => [TABLE + n * 8, leaf(DATA, LEAF)] as const);
    const { hypercall = 0 } = guest.machine.stats.exits;
    expect(update(guest, pairs)).toEqual({ error: 0, value: 200n });
    expect(guest.machine.stats.exits.hypercall).toBe(hypercall + 1);
    expect(guest.read64(TABLE + 199 * 8)).toBe(leaf(DATA, LEAF));
    expect(guest.machine.stats.paravirtual?.updatedEntries).toBe(200);
  });

  it.each(FORGED)("refuse %s, and end there", async (_, level, entry, error) => {
    const guest = await callable();
    pinIdentity(guest);
    pin(guest, TABLE, level);
    const good = 0n;
    const pairs = [0, 1, 2, 3].map((n) => [TABLE + n * 8, n === 2 ? entry : good] as const);
    expect(update(guest, pairs)).toEqual({ error, value: 2n });
    expect(guest.read64(TABLE + 16)).toBe(0n);
    expect(guest.machine.stats.paravirtual?.refusedCalls).toBe(1);
  });

  it.each([
    ["outside RAM", 0x1000n, INVALID_ADDRESS],
    ["at the end of all addresses", (1n << 64n) - 8n, INVALID_ADDRESS],
    ["in a page that is no table", BigInt(DATA), DENIED],
    ["in the midst of two", BigInt(TABLE + 4), INVALID_PARAM],
  ])("of entries %s are refused", async (_, address, error) => {
    const guest = await callable();
    pin(guest, TABLE, 0);
    expect(update(guest, [[address, 0n]])).toEqual({ error, value: 0n });
  });

  it.each([
    ["more than 4,096", 4097n, BATCH, 0, INVALID_PARAM],
    ["an absurd number", (1n << 64n) - 1n, BATCH, 0, INVALID_PARAM],
    ["more than RAM holds behind their address", 4096n, RAM + RAM_BYTES - 16, 0, INVALID_ADDRESS],
    ["an array outside RAM", 1n, 0x1000, 0, INVALID_ADDRESS],
    ["an array at the end of all addresses", 1n, (1n << 64n) - 8n, 0, INVALID_ADDRESS],
    ["an array that is not aligned", 1n, BATCH + 4, 0, INVALID_PARAM],
    ["unknown flags", 1n, BATCH, 2, INVALID_PARAM],
  ])("by %s are refused", async (_, count, array, flags, error) => {
    const guest = await callable();
    expect(call(guest, Call.Update, count, array, flags)).toEqual({ error, value: 0n });
    expect(guest.machine.stats.paravirtual?.refusedCalls).toBe(1);
  });

  it("of none change nothing", async () => {
    expect(call(await callable(), Call.Update, 0, BATCH)).toEqual({ error: 0, value: 0n });
  });

  it("of a table that code was run from are seen by the next fetch", async () => {
    const guest = await callable();
    const root = pinIdentity(guest);
    guest.load(TABLE, "j .+0");
    guest.write64(TABLE, 0x6fn << 32n); // an entry that is not valid; behind it, `j .+0`
    guest.hart.pc = BigInt(TABLE + 4);
    guest.machine.step(5);
    pin(guest, TABLE, 0);
    call(guest, Call.SetRoot, root);
    update(guest, [[TABLE, 0x00150513n << 32n]]); // addi a0, a0, 1
    guest.hart.setRegister(10, 0n);
    guest.machine.step(1);
    expect(guest.hart.getRegister(10)).toBe(1n);
  });
});

describe("a pinned table cannot be written by", () => {
  const STORES = {
    "a store": "sd s1, 0(s0)",
    "a byte's store": "sb s1, 3(s0)",
    "a store across pages": "sd s1, -4(s0)",
    "an atomic": "amoadd.d s2, s1, (s0)",
    "a compare-and-swap": "amocas.d s2, s1, (s0)",
    "a store-conditional": "lr.d s2, (s0)\nsc.d s3, s1, (s0)",
    "cbo.zero": "cbo.zero 0(s0)",
    "a store of a float": "fsd fa0, 0(s0)",
  } as const;

  async function storing(store: string, translation: boolean): Promise<SupervisedGuest> {
    const guest = await callable();
    guest.write64(AREA + Area.status, 3n << 13n);
    setVcpu(guest, HANDLER);
    guest.load(HANDLER, "j .+0");
    const root = pinIdentity(guest);
    guest.load(PROGRAM, `${store}\nj .+0`);
    pin(guest, TABLE, 0);
    guest.hart.setRegister(8, BigInt(TABLE));
    guest.hart.setRegister(9, leaf(0x1000, LEAF));
    if (translation) call(guest, Call.SetRoot, root);
    return guest;
  }

  it.each(Object.entries(STORES))("%s, which faults", async (name, store) => {
    for (const translation of [false, true]) {
      const guest = await storing(store, translation);
      const before = guest.machine.memory.read(TABLE - 8, 0x1008);
      guest.machine.step(5);
      expect(guest.hart.pc).toBe(BigInt(HANDLER));
      const at = name === "a byte's store" ? 3 : 0;
      const words = [guest.read64(AREA + Area.cause), guest.read64(AREA + Area.value)];
      expect(words).toEqual([Cause.StorePageFault, BigInt(TABLE + at)]);
      expect(guest.machine.memory.read(TABLE - 8, 0x1008)).toEqual(before);
    }
  });

  it("a store that the TLB let through a moment before", async () => {
    const guest = await storing("sd zero, 0(s0)\nj .-4", false);
    unpin(guest, TABLE);
    guest.machine.step(20);
    expect(guest.hart.pc).not.toBe(BigInt(HANDLER));
    pin(guest, TABLE, 0);
    guest.machine.step(2);
    expect(guest.read64(AREA + Area.cause)).toBe(Cause.StorePageFault);
  });

  it("the host", async () => {
    const guest = await storing("nop", false);
    const { memory } = guest.machine;
    const before = memory.read(TABLES, 0x3000);
    expect(memory.write(TABLES + 0x2ff0, new Uint8Array(64).fill(255))).toBe(false);
    memory.store8(TABLES, 1);
    memory.store16(TABLES, 0x101);
    memory.store32(TABLES + 0xffe, 0x1010101);
    expect(memory.read(TABLES, 0x3000)).toEqual(before);
  });

  it("a device, whose write to the pages around it happens", async () => {
    const guest = await storing("nop", false);
    const { memory } = guest.machine;
    const before = memory.read(TABLES, 0x3000);
    const views: Uint8Array[] = [];
    memory.writableViews(TABLES - 16, 0x3000 + 32, views);
    expect(views.reduce((sum, { length }) => sum + length, 0)).toBe(0x3000 + 32);
    for (const view of views) view.fill(7);
    expect(memory.read(TABLES, 0x3000)).toEqual(before);
    expect([guest.read64(TABLES - 8), guest.read64(TABLES + 0x3000)]).toEqual([7n, 7n].map(() => 0x0707070707070707n));
  });
});

describe("a page that the guest gives back", () => {
  it("is kept if it is a table", async () => {
    const guest = await callable();
    const root = pinIdentity(guest);
    const before = guest.machine.memory.read(TABLES, 0x3000);
    guest.machine.memory.discard([0, 1, 2].map((n) => TABLES / 4096 + n));
    expect(guest.machine.memory.read(TABLES, 0x3000)).toEqual(before);
    expect(call(guest, Call.SetRoot, root).error).toBe(0);
  });

  it("is full of zeros if it was an area, which traps go on to use", async () => {
    const guest = await callable();
    guest.load(HANDLER, "j .+0");
    guest.load(PROGRAM, "ebreak");
    setVcpu(guest, HANDLER);
    guest.write64(AREA + Area.enabled, 0x222n);
    guest.machine.memory.discard([AREA / 4096]);
    guest.machine.step(2);
    expect([guest.read64(AREA + Area.cause), guest.read64(AREA + Area.enabled)]).toEqual([Cause.Breakpoint, 0n]);
  });

  it("may be no root", async () => {
    const guest = await callable();
    guest.machine.memory.discard([DATA / 4096]);
    expect(call(guest, Call.SetRoot, (8n << 60n) | pageOf(DATA)).error).toBe(DENIED);
    expect(pin(guest, DATA, 2).error).toBe(0);
    expect(call(guest, Call.SetRoot, (8n << 60n) | pageOf(DATA)).error).toBe(0);
  });
});

describe("a page behind which another frame is put", () => {
  it("stays a table that is not written", async () => {
    const guest = await callable();
    guest.load(HANDLER, "j .+0");
    setVcpu(guest, HANDLER);
    const { memory } = guest.machine;
    const [table, other] = [TABLE, DATA + 0x5000].map((address) => (address - RAM) / 4096) as [number, number];
    pin(guest, TABLE, 0);
    const [was, is] = [memory.frameOf(table), memory.frameOf(other)];
    memory.remap(table, is);
    memory.remap(other, was);
    guest.load(PROGRAM, "sd s0, 0(s2)\nsd s0, 0(s1)");
    guest.hart.setRegister(8, 9n);
    guest.hart.setRegister(9, BigInt(TABLE));
    guest.hart.setRegister(18, BigInt(DATA + 0x5000));
    guest.machine.step(3);
    expect(guest.read64(DATA + 0x5000)).toBe(9n);
    const words = [guest.read64(AREA + Area.cause), guest.read64(AREA + Area.value)];
    expect(words).toEqual([Cause.StorePageFault, BigInt(TABLE)]);
    expect(update(guest, [[TABLE, leaf(DATA, LEAF)]])).toEqual({ error: 0, value: 1n });
  });
});

it("accessed and dirty bits are set in a pinned table by the walk", async () => {
  const guest = await callable();
  const root = pinIdentity(guest);
  update(guest, [[entryFor(DATA), leaf(DATA, LEAF & ~(Pte.A | Pte.D))]]);
  guest.load(PROGRAM, `li s0, ${DATA}\nsd s0, 0(s0)\nj .+0`);
  call(guest, Call.SetRoot, root);
  guest.machine.step(10);
  expect(guest.read64(entryFor(DATA))).toBe(leaf(DATA, LEAF));
});
