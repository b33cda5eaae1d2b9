/** A machine's breakpoints, in the table where the decoder looks for them. */
import { MAX_BREAKPOINTS, vmOffset } from "../../isa/layout.js";
import { HartvisorError } from "../error.js";
import type { MachineTables } from "./layout-plan.js";

/** Virtual addresses before whose instructions the machine pauses. */
export class Breakpoints {
  readonly #memory: WebAssembly.Memory;
  readonly #tables: MachineTables;
  readonly #dropCode: () => void;
  readonly #addresses = new Set<bigint>();

  /** `dropCode` has everything decoded anew: a breakpoint is looked for when code is decoded. */
  constructor(memory: WebAssembly.Memory, tables: MachineTables, dropCode: () => void) {
    this.#memory = memory;
    this.#tables = tables;
    this.#dropCode = dropCode;
  }

  has(address: bigint): boolean {
    return this.#addresses.has(address);
  }

  /** Throws `invalid-argument` beyond 64 of them. */
  add(address: bigint): void {
    const breakpoint = BigInt.asUintN(64, address);
    if (this.#addresses.size >= MAX_BREAKPOINTS && !this.has(breakpoint)) {
      throw new HartvisorError("invalid-argument", `a machine has at most ${MAX_BREAKPOINTS} breakpoints`);
    }
    this.#addresses.add(breakpoint);
    this.#write();
  }

  remove(address: bigint): void {
    this.#addresses.delete(BigInt.asUintN(64, address));
    this.#write();
  }

  #write(): void {
    const { buffer } = this.#memory;
    new BigUint64Array(buffer, this.#tables.breakpointAddresses, MAX_BREAKPOINTS).set([...this.#addresses]);
    new DataView(buffer, this.#tables.vm).setUint32(vmOffset("breakpoints"), this.#addresses.size, true);
    this.#dropCode();
  }
}
