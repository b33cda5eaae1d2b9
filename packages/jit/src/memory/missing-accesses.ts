/** The accesses for which the TLB often has nothing, by their places in frames. */
import type { Misses } from "../region/block.js";

/** Beyond this all are forgotten: it bounds the memory that a guest can make this take. */
const MOST_PLACES = 65536;

/** A report of an access that missed some thousand times more. */
export interface MissReport {
  /** Its base register, the last time. */
  readonly base: number;
  /** Why it missed then, where that can be seen. */
  readonly reason: Exclude<Misses, "seldom" | "often"> | undefined;
}

interface Access {
  reports: number;
  base: number | undefined;
  misses: Misses;
}

export class MissingAccesses {
  readonly #reportsForOften: number;
  readonly #byFrame = new Map<number, Map<number, Access>>();
  #places = 0;

  constructor(reportsForOften: number) {
    this.#reportsForOften = reportsForOften;
  }

  /**
   * Takes a report; true if it makes a difference. That a group crosses a page does so only where the same base was reported
   * before: what goes through memory crosses pages, too, but seldom. That a prediction failed does not the first time.
   */
  report(frame: number, offset: number, { base, reason }: MissReport): boolean {
    const access = this.#access(frame, offset);
    const { misses: before, base: baseBefore, reports } = access;
    access.reports++;
    access.base = base;
    if (access.reports >= this.#reportsForOften) access.misses = "often";
    else if (reason === "misaligned") access.misses = reason;
    else if (reason === "scattered" && reports > 0) access.misses = reason;
    else if (reason === "in-groups" && before !== "misaligned" && base === baseBefore) access.misses = reason;
    return access.misses !== before;
  }

  at(frame: number, offset: number): Misses {
    return this.#byFrame.get(frame)?.get(offset)?.misses ?? "seldom";
  }

  #access(frame: number, offset: number): Access {
    const known = this.#byFrame.get(frame)?.get(offset);
    if (known !== undefined) return known;
    if (this.#places >= MOST_PLACES) {
      this.#byFrame.clear();
      this.#places = 0;
    }
    let accesses = this.#byFrame.get(frame);
    if (accesses === undefined) {
      accesses = new Map();
      this.#byFrame.set(frame, accesses);
    }
    const access: Access = { reports: 0, base: undefined, misses: "seldom" };
    accesses.set(offset, access);
    this.#places++;
    return access;
  }

  /** The frame holds other code now. */
  forget(frame: number): void {
    this.#places -= this.#byFrame.get(frame)?.size ?? 0;
    this.#byFrame.delete(frame);
  }
}
