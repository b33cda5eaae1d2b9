/**
 * Where in guest memory a command's data are: the pages that its PRP entries
 * name (NVM Express 1.4, 4.3). Addresses are the guest's word: each page is
 * checked to be RAM. Every list page but the first holds at least as many
 * pages of data as fit, so that the transfer's length bounds the walk whatever
 * the lists say.
 */
import type { DmaMemory } from "@hartvisor/core";
import { Outcome } from "./registers.js";

const ENTRY_SIZE = 8;

/** It is the guest that tries again. */
const nothing = (): void => {};

/** The memory of one transfer. */
export class DataPages {
  readonly #memory: DmaMemory;
  readonly #addresses: number[] = [];
  readonly #lengths: number[] = [];
  #count = 0;
  #left = 0;
  /** Empty but while bytes are copied. */
  readonly #parts: Uint8Array[] = [];

  constructor(memory: DmaMemory) {
    this.#memory = memory;
  }

  /** Finds the memory of a transfer; gives the status of the command if there is not enough. Hot. */
  find(prp1: number, prp2: number, length: number, pageSize: number): number {
    this.#count = 0;
    this.#left = length;
    if (prp1 % 4 !== 0) return Outcome.InvalidPrpOffset;
    if (!this.#add(prp1, pageSize - (prp1 % pageSize))) return Outcome.DataTransferError;
    if (this.#left === 0) return Outcome.Success;
    if (this.#left <= pageSize) return this.#addPage(prp2, pageSize);
    let entry = prp2;
    if (entry % ENTRY_SIZE !== 0) return Outcome.InvalidPrpOffset;
    while (this.#left > 0) {
      if (!this.#memory.contains(entry, ENTRY_SIZE)) return Outcome.DataTransferError;
      const page = this.#memory.load64(entry);
      // The last entry of a list page leads to the next one, unless it is the last of all.
      if (entry % pageSize === pageSize - ENTRY_SIZE && this.#left > pageSize) {
        if (page % pageSize !== 0) return Outcome.InvalidPrpOffset;
        entry = page;
        continue;
      }
      const outcome = this.#addPage(page, pageSize);
      if (outcome !== Outcome.Success) return outcome;
      entry += ENTRY_SIZE;
    }
    return Outcome.Success;
  }

  /** Makes sure that there are frames to write to; see {@link DmaMemory.populate}. */
  populate(): boolean {
    for (let n = 0; n < this.#count; n++) {
      if (!this.#memory.populate(this.#addresses[n] ?? 0, this.#lengths[n] ?? 0, nothing)) return false;
    }
    return true;
  }

  /** Appends views of it all; see {@link DmaMemory.readableViews}. */
  readableViews(into: Uint8Array[]): void {
    for (let n = 0; n < this.#count; n++)
      this.#memory.readableViews(this.#addresses[n] ?? 0, this.#lengths[n] ?? 0, into);
  }

  /** Appends views of it all, ready to be written at once. */
  writableViews(into: Uint8Array[]): void {
    for (let n = 0; n < this.#count; n++)
      this.#memory.writableViews(this.#addresses[n] ?? 0, this.#lengths[n] ?? 0, into);
  }

  /** Copies what the guest has there. */
  read(target: Uint8Array): void {
    this.readableViews(this.#parts);
    let at = 0;
    for (const part of this.#parts) {
      target.set(part, at);
      at += part.length;
    }
    this.#parts.length = 0;
  }

  /** Copies to where the guest wants it. */
  write(source: Uint8Array): void {
    this.writableViews(this.#parts);
    let at = 0;
    for (const part of this.#parts) {
      part.set(source.subarray(at, at + part.length));
      at += part.length;
    }
    this.#parts.length = 0;
  }

  #addPage(address: number, pageSize: number): number {
    if (address % pageSize !== 0) return Outcome.InvalidPrpOffset;
    return this.#add(address, pageSize) ? Outcome.Success : Outcome.DataTransferError;
  }

  /** Adds as much of a range as is needed; neighbours become one. */
  #add(address: number, room: number): boolean {
    const length = Math.min(room, this.#left);
    if (!this.#memory.contains(address, length)) return false;
    this.#left -= length;
    const last = this.#count - 1;
    const lastLength = this.#lengths[last] ?? 0;
    if (last >= 0 && (this.#addresses[last] ?? 0) + lastLength === address) {
      this.#lengths[last] = lastLength + length;
      return true;
    }
    this.#addresses[this.#count] = address;
    this.#lengths[this.#count] = length;
    this.#count++;
    return true;
  }
}
