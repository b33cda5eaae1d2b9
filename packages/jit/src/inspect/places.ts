import { DISPATCH } from "../region/block.js";

/** Offsets of a region, which count from the page of its entry, as addresses. */
export class Places {
  /** Offset of the entry. */
  readonly entry: number;
  readonly #page: bigint;

  constructor(address: bigint) {
    this.entry = Number(address & 0xfffn);
    this.#page = address - BigInt(this.entry);
  }

  address(offset: number): bigint {
    return BigInt.asUintN(64, this.#page + BigInt(offset));
  }

  hex(offset: number): string {
    if (offset === DISPATCH) return "dispatch";
    return `0x${this.address(offset).toString(16)}`;
  }

  /** A name for what begins at the entry. */
  name(prefix: string): string {
    return `${prefix}_${this.address(this.entry).toString(16)}`;
  }
}
