/** Builds page tables in a guest's RAM (Privileged ISA 1.13, 10.4-10.6). */
import { type Guest, TABLES } from "./guest.js";

export const Pte = {
  V: 1n << 0n,
  R: 1n << 1n,
  W: 1n << 2n,
  X: 1n << 3n,
  U: 1n << 4n,
  G: 1n << 5n,
  A: 1n << 6n,
  D: 1n << 7n,
} as const;

/** A leaf that S-mode may use in every way, and that needs no update. */
export const OPEN = Pte.V | Pte.R | Pte.W | Pte.X | Pte.A | Pte.D;
/** The same for U-mode. */
export const OPEN_TO_USER = OPEN | Pte.U;

export const SCHEMES = [
  { scheme: "Sv39", mode: 8n, levels: 3 },
  { scheme: "Sv48", mode: 9n, levels: 4 },
  { scheme: "Sv57", mode: 10n, levels: 5 },
] as const;
export type Scheme = Pick<(typeof SCHEMES)[number], "mode" | "levels">;

/** Bytes of a page of a level: 0 is 4 KiB. */
export const pageSize = (level: number): bigint => 1n << BigInt(12 + 9 * level);

export class AddressSpace {
  readonly root: number;
  readonly #guest: Guest;
  readonly #scheme: Scheme;
  #next: number;

  /** Tables take the pages from `root` on, which are still zero. */
  constructor(guest: Guest, scheme: Scheme = SCHEMES[0], root = TABLES) {
    this.#guest = guest;
    this.#scheme = scheme;
    this.root = root;
    this.#next = root + 0x1000;
  }

  satp(asid = 0): bigint {
    return (this.#scheme.mode << 60n) | (BigInt(asid) << 44n) | (BigInt(this.root) >> 12n);
  }

  /** Maps a page of a level; gives the address of its entry. */
  map(virtual: bigint | number, physical: bigint | number, flags: bigint, level = 0): number {
    const entry = this.entry(virtual, level);
    this.#guest.write64(entry, leaf(physical, flags));
    return entry;
  }

  /** Address of the entry for a page of a level; makes the tables that lead to it. */
  entry(virtual: bigint | number, level = 0): number {
    let table = this.root;
    for (let at = this.#scheme.levels - 1; ; at--) {
      const index = (BigInt(virtual) >> BigInt(12 + 9 * at)) & 0x1ffn;
      const entry = table + Number(index) * 8;
      if (at === level) return entry;
      let next = this.#guest.read64(entry);
      if (next === 0n) {
        next = leaf(this.#next, Pte.V);
        this.#next += 0x1000;
        this.#guest.write64(entry, next);
      }
      table = Number(next >> 10n) * 0x1000;
    }
  }
}

/** An entry that holds a page number and flags. */
export const leaf = (physical: bigint | number, flags: bigint): bigint => ((BigInt(physical) >> 12n) << 10n) | flags;
