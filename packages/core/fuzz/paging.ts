/**
 * Virtual memory for programs: page tables that map the driver and the slot at
 * their physical addresses, and a window, a superpage and a gigapage of random,
 * often wrong entries onto the slot; and the units that use and change them.
 */
import { assembled, type Builder, constant, instruction, type Step, toUnit } from "./builder.js";
import { destination, operandsFor, temporary } from "./operands.js";
import type { Code } from "./program.js";
import type { Random } from "./random.js";
import { addressed, isBlockOperation } from "./rows.js";
import { RAM_BASE, Reserved, SLOT_BYTES, Slot } from "./slot.js";

const PAGE = 0x1000;
const MEGAPAGE = 2 ** 21;
const [V, R, W, X, U, G, A, D] = [1n, 2n, 4n, 8n, 16n, 32n, 64n, 128n];
const N = 1n << 63n;

/** Pages of the slot's table area: the roots of Sv57, Sv48 and Sv39, a table of megapages, and two of pages. */
const Table = { sv57: 0, sv48: 1, sv39: 2, megapages: 3, slot: 4, window: 5 } as const;
/** Roots by satp's mode. */
const ROOTS = { 8: Table.sv39, 9: Table.sv48, 10: Table.sv57 } as const;

/** Where the window lies, and how many of its pages have entries. */
export const WINDOW = 0x90000000;
const WINDOW_PAGES = 64;
/** Entries of the window that map the program's code, for jumps; a store there would need a fence.i. */
const CODE_ALIAS = 60;
/** Megapage behind the window, and the gigapage behind RAM. */
const SUPERPAGE = WINDOW + MEGAPAGE;
export const GIGAPAGE = 0xc0000000;

const tableAddress = (base: number, table: number): number => base + Slot.tables + table * PAGE;
const entry = (address: number, flags: bigint): bigint => ((BigInt(address) >> 12n) << 10n) | flags;

/** Flags of a leaf: mostly those that let the access happen. */
function leafFlags(random: Random, user: boolean): bigint {
  let flags = V | A | D | (user ? U : 0n) | random.pick([R, R | W, R | W, R | W, R | W | X, R | X, X]);
  // Several at once now and then.
  while (random.chance(0.3)) flags ^= random.pick([V, R, W, X, U, A, D, A, D]);
  if (random.chance(0.02)) flags |= 1n << BigInt(random.between(54, 60)); // reserved
  if (random.chance(0.1)) flags |= BigInt(random.below(4)) << 8n; // software's
  if (random.chance(0.05)) flags |= BigInt(random.below(4)) << 61n; // PBMT
  // QEMU 10 reads before it finds that an AMO may not write; A is set then, as it may be at any time.
  return (flags & W) === 0n ? flags | A : flags;
}

/** An entry of the window: a page of the arena or the pool, sometimes one that is not there. */
function windowEntry(random: Random, base: number, page: number, user: boolean): bigint {
  const flags = leafFlags(random, user);
  // As part of a 64 KiB page, which is the slot itself, where that shows the arena.
  const inSlot = (page * PAGE) % SLOT_BYTES;
  if (inSlot >= Slot.arena && inSlot < Slot.pool && random.chance(0.3)) {
    if (random.chance(0.9)) return entry(base + SLOT_BYTES / 2, flags | N);
    return entry(base + inSlot, flags | N | A | D); // reserved: QEMU 10 sets A and D before it sees that
  }
  // QEMU 10 reads first for an AMO, and so finds that nothing is there before it finds that the page is not writable.
  if (random.chance(0.03)) return (random.dword() & 0x3ffffffffffc00n) | flags | W | D;
  return entry(base + Slot.arena + random.below(5) * PAGE, flags);
}

/** A large leaf onto the memory around the slot, sometimes misaligned. */
function largeEntry(random: Random, address: number, user: boolean): bigint {
  return entry(address + (random.chance(0.1) ? PAGE * random.between(1, 511) : 0), leafFlags(random, user));
}

/** A value of satp for one of the modes, with a random address space. */
function satpValue(random: Random, base: number): bigint {
  const mode = random.pick([8, 9, 10] as const);
  const root = tableAddress(base, ROOTS[mode]);
  return (BigInt(mode) << 60n) | (BigInt(random.pick([0, 1, 2, 0xffff])) << 44n) | BigInt(root / PAGE);
}

/** Fills the slot's tables; gives the satp to start with. `user`: the program starts in U-mode. */
export function buildTables(builder: Builder, user: boolean): bigint {
  const { random, base } = builder;
  const words = new BigUint64Array(Slot.tablesBytes / 8);
  const set = (table: number, index: number, value: bigint) => {
    words[table * 512 + index] = value;
  };
  const down = (table: number) => entry(tableAddress(base, table), V);
  const mine = (user ? U : 0n) | (random.chance(0.3) ? G : 0n);

  set(Table.sv57, 0, down(Table.sv48));
  set(Table.sv48, 0, down(Table.sv39));
  set(Table.sv39, RAM_BASE / 2 ** 30, down(Table.megapages));
  set(Table.sv39, GIGAPAGE / 2 ** 30, largeEntry(random, RAM_BASE, user));
  set(Table.megapages, 0, entry(RAM_BASE, V | R | W | X | A | D)); // the driver
  set(Table.megapages, Math.floor((base - RAM_BASE) / MEGAPAGE), down(Table.slot));
  set(Table.megapages, (WINDOW - RAM_BASE) / MEGAPAGE, down(Table.window));
  const around = Math.floor(base / MEGAPAGE) * MEGAPAGE;
  set(Table.megapages, (SUPERPAGE - RAM_BASE) / MEGAPAGE, largeEntry(random, around, user));

  const first = (base % MEGAPAGE) / PAGE;
  for (let page = 0; page < SLOT_BYTES / PAGE; page++) {
    const offset = page * PAGE;
    const isCode = offset < Slot.codeBytes;
    const isDriver = offset >= Slot.record && offset < Slot.arena; // record, trap log and tables
    const flags = isDriver ? 0n : mine | (isCode ? X : 0n);
    set(Table.slot, first + page, entry(base + offset, V | R | W | A | D | flags));
  }
  for (let page = 0; page < WINDOW_PAGES; page++) set(Table.window, page, windowEntry(random, base, page, user));
  for (const page of [0, 1]) {
    set(
      Table.window,
      CODE_ALIAS + page,
      entry(base + page * PAGE, leafFlags(random, user) | (random.chance(0.8) ? X : 0n)),
    );
  }
  builder.memory(Slot.tables, new Uint8Array(words.buffer));
  return satpValue(random, base);
}

/** An address of the window, of a large page, or of nothing. */
function virtualAddress({ random, base }: Builder): bigint {
  const inPage = random.chance(0.25) ? PAGE - random.between(1, 8) : random.below(PAGE / 8) * 8;
  const place = base + Slot.arena + random.below(4) * PAGE + inPage;
  switch (random.below(8)) {
    case 0:
      return BigInt(SUPERPAGE + (place % MEGAPAGE));
    case 1:
      return BigInt(GIGAPAGE + (place - RAM_BASE));
    case 2: // not canonical in one mode or another
      return random.pick([1n << 38n, 1n << 39n, 1n << 47n, 1n << 56n, 1n << 63n, -1n << 38n]) | BigInt(place % PAGE);
    default:
      return BigInt(WINDOW + random.below(CODE_ALIAS) * PAGE + inPage);
  }
}

/** QEMU 10 reports the block's address when one faults, and not that in rs1 (against CMO 1.0, 2.5.3): make them the same. */
export const BLOCK_ALIGNMENT: readonly Code[] = assembled(`andi x${Reserved.scratch}, x${Reserved.scratch}, -64`);

/** An access to the virtual address in the scratch register. */
function access(builder: Builder): Step[] {
  const { random } = builder;
  const row = random.pick(addressed);
  const near = row.encoding.fields.has("imm") ? { imm: random.chance(0.7) ? 0 : random.between(-1, 1) * 32 } : {};
  const step = instruction(row.name, operandsFor(random, row, { rs1: Reserved.scratch, ...near }));
  return isBlockOperation(row) ? [...BLOCK_ALIGNMENT, step] : [step];
}

/** A jump to where the window shows the program's code; whatever traps there leads back. */
function aliasJump(builder: Builder): void {
  const { random, base } = builder;
  const rd = Reserved.recovery;
  const rs1 = Reserved.scratch;
  const far = temporary(random);
  builder.unit(
    instruction("auipc", { rd, imm: 0 }),
    toUnit("addi", 0, (distance) => ({ rd, rs1: rd, imm: distance + 4 })),
    ...constant(far, BigInt(WINDOW + CODE_ALIAS * PAGE - base)),
    instruction("auipc", { rd: rs1, imm: 0 }),
    instruction("add", { rd: rs1, rs1, rs2: far }),
    toUnit("jalr", 0, (distance) => ({ rd: destination(random), rs1, imm: distance + 8 })),
  );
}

/** Uses or changes the page tables; only S-mode can do the latter. */
export function pagingUnit(builder: Builder, mode: number): void {
  const { random, base } = builder;
  const rs1 = Reserved.scratch;
  if (random.chance(0.12)) aliasJump(builder);
  else if (mode === 0 || random.chance(0.7)) {
    builder.unit(
      ...constant(rs1, virtualAddress(builder)),
      ...access(builder),
      ...(random.chance(0.3) ? access(builder) : []),
    );
  } else if (random.chance(0.3)) {
    const steps = [...constant(rs1, satpValue(random, base)), ...assembled(`csrrw zero, satp, x${rs1}`)];
    builder.unit(...steps, ...(random.chance(0.5) ? assembled("sfence.vma zero, zero") : []));
  } else {
    const page = random.below(CODE_ALIAS);
    const changed = temporary(random);
    builder.unit(
      ...constant(changed, windowEntry(random, base, page, false)),
      ...constant(rs1, BigInt(tableAddress(base, Table.window) + 8 * page)),
      instruction("sd", { rs1, rs2: changed, imm: 0 }),
      ...constant(rs1, BigInt(WINDOW + page * PAGE + random.below(PAGE / 8) * 8)),
      ...assembled(`sfence.vma ${random.chance(0.6) ? `x${rs1}` : "zero"}, zero`),
      ...access(builder),
    );
  }
}
