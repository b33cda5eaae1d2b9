/** A guest cannot keep the host from its clock by instructions that are much work; nor can it tell that the host looks. */
import { afterEach, describe, expect, it, vi } from "vitest";
import type { MachineOptions } from "../../src/index.js";
import { createGuest, type Guest, PROGRAM, TABLES } from "./guest.js";
import { leaf, OPEN, SCHEMES } from "./page-tables.js";

/** Looks at the clock that are waited for. */
const LOOKS = 40;

afterEach(() => vi.restoreAllMocks());

/** Maps the gigabyte of RAM to itself, and once more behind it, by gigapages; gives satp. */
function mapTwice(guest: Guest): bigint {
  for (const entry of [2, 3]) guest.write64(TABLES + entry * 8, leaf(2 * 2 ** 30, OPEN));
  return (SCHEMES[0].mode << 60n) | BigInt(TABLES >>> 12);
}

/** The most instructions that a guest executes from one look at the host's clock to the next. */
async function longestUnseen({ machine }: Guest): Promise<number> {
  const clock = performance.now.bind(performance);
  let looks = 0;
  let longest = 0;
  let before = 0;
  const seen = new Promise<void>((resolve) => {
    vi.spyOn(performance, "now").mockImplementation(() => {
      const { instructions } = machine.stats;
      longest = Math.max(longest, instructions - before);
      before = instructions;
      if (++looks === LOOKS) resolve();
      return clock();
    });
  });
  machine.start();
  await seen;
  await machine.pause();
  return longest;
}

/** What a guest does in S-mode for ever, once sixteen address spaces have banks, and how often of it between two looks at most. */
const LOOPS: readonly (readonly [string, string, number])[] = [
  ["fences everything", "sfence.vma zero, zero", 1000],
  ["fences a page of a superpage", "sfence.vma a1, zero\nld a2, 0(a1)", 1000],
  ["fences an address space", "sfence.vma zero, a5", 1000],
  ["switches between more address spaces than there are banks", "add a0, a0, a3\ncsrrw zero, satp, a0", 1000],
  ["misses in the TLB's first level", "ld a2, 0(a1)\nld a2, 0(a4)", 20_000],
  ["overwrites the code that it executes", "sw a6, 0(a7)\njalr ra, 0(a7)", 1000],
];
const SUBROUTINE = PROGRAM + 0x4000;
const DATA = PROGRAM + 0x10000;

describe.each<[string, Partial<MachineOptions>]>([
  ["the host's clock", { clock: "real" }],
  ["the virtual clock", {}],
  ["the virtual clock and two harts", { harts: 2 }],
])("with %s, a guest that", (_, options) => {
  async function begin(body: string): Promise<Guest> {
    const guest = await createGuest(options);
    const satp = mapTwice(guest);
    const spaces = Array.from({ length: 16 }, () => "add a0, a0, a3\ncsrrw zero, satp, a0\nld a2, 0(a1)\nsd a2, 0(a1)");
    guest.load(PROGRAM, `${spaces.join("\n")}\nagain: ${body}\nj again`);
    guest.load(SUBROUTINE, "jalr zero, 0(ra)");
    guest.set({ a0: satp, a1: DATA, a3: 1n << 44n, a4: DATA + 2 ** 30, a5: 16 });
    guest.set({ a6: 0x00008067, a7: SUBROUTINE });
    guest.enter("supervisor");
    return guest;
  }

  it.each(LOOPS)("%s leaves it often", async (_name, body, most) => {
    const guest = await begin(body);
    expect(await longestUnseen(guest)).toBeLessThan(most * (body.split("\n").length + 1));
    await guest.machine.destroy();
  });
});

it.each([
  ["PMP is rewritten", "pmpaddr1"],
  ["the host is asked for entropy", "seed"],
])("leaves in M-mode, too, where %s", async (_, csr) => {
  const guest = await createGuest({ clock: "real" });
  guest.load(PROGRAM, `again: csrrw a1, ${csr}, a0\nj again`);
  expect(await longestUnseen(guest)).toBeLessThan(3000);
  await guest.machine.destroy();
});

it("executes each instruction once, wherever it leaves", async () => {
  const guest = await createGuest({ clock: "real" });
  const satp = mapTwice(guest);
  // Adds to 16 words in turn, each of a page that has to be walked to.
  guest.load(
    PROGRAM,
    `again: sfence.vma zero, zero
     amoadd.d zero, a2, (a1)
     add a1, a1, a4
     and a1, a1, a5
     or a1, a1, a7
     addi a3, a3, -1
     bne a3, zero, again
     csrrs a6, instret, zero
     j .+0`,
  );
  guest.setCsrs({ satp, mcounteren: 4n });
  guest.set({ a1: DATA, a2: 1, a3: 16_000, a4: 0x1000, a5: DATA + 0xf000, a7: DATA });
  guest.enter("supervisor");
  const before = guest.hart.getCsr("minstret");
  guest.machine.start();
  await expect.poll(() => guest.machine.stats.instructions).toBeGreaterThan(120_000);
  await guest.machine.pause();
  const words = Array.from({ length: 16 }, (_, n) => guest.read64(DATA + n * 0x1000));
  expect(words).toEqual(new Array(16).fill(1000n));
  expect(guest.get("a6")).toBe(before + 112_000n);
  await guest.machine.destroy();
});
