/**
 * A store to page tables of a deprivileged guest's, seen by hooks: what the
 * instruction stores is known once it has been stepped over, so it is undone
 * where they say so.
 */
import type { Vcpu } from "../machine/vcpu.js";
import type { GuestMemory } from "../memory/guest-memory.js";
import { eventAt } from "./event.js";
import type { GuestEvent } from "./hooks.js";
import type { Interposition } from "./interposition.js";

const ENTRY = 8;

export class TableWrite {
  readonly #vcpu: Vcpu;
  readonly #memory: GuestMemory;
  readonly #interposition: Interposition;
  readonly #where: GuestEvent;
  readonly #registers: readonly bigint[];
  readonly #before = new Map<number, bigint>();

  /** Before the instruction. */
  constructor(vcpu: Vcpu, memory: GuestMemory, interposition: Interposition) {
    this.#vcpu = vcpu;
    this.#memory = memory;
    this.#interposition = interposition;
    const registers = Array.from({ length: 32 }, (_, register) => vcpu.state.getX(register));
    this.#registers = registers;
    this.#where = { ...eventAt(vcpu), getRegister: (register) => registers[register] ?? 0n };
  }

  /** Keeps the entries in bytes at a machine address. */
  keep(machine: number, width: number): void {
    const address = this.#memory.addressOf(machine);
    for (let entry = address - (address % ENTRY); entry < address + width; entry += ENTRY) {
      this.#before.set(entry, this.#load(entry));
    }
  }

  /** Asks the hooks once the instruction is over; false if they deny it, and it has had no effect. */
  isAllowed(): boolean {
    const { pc } = this.#vcpu.state;
    if (pc !== this.#where.pc + 2n && pc !== this.#where.pc + 4n) return true; // an interrupt came first
    for (const [address, before] of this.#before) {
      const stored = this.#load(address);
      if (stored === before) continue;
      const value = this.#interposition.pageTableUpdate(this.#where, address, before, stored);
      if (value === "deny") {
        this.#undo();
        return false;
      }
      if (value !== stored) this.#store(address, value);
    }
    return true;
  }

  #undo(): void {
    for (const [address, before] of this.#before) this.#store(address, before);
    const { state } = this.#vcpu;
    for (const [register, value] of this.#registers.entries()) state.setX(register, value);
    state.pc = this.#where.pc;
  }

  #load(address: number): bigint {
    return (BigInt(this.#memory.load32(address + 4)) << 32n) | BigInt(this.#memory.load32(address));
  }

  #store(address: number, value: bigint): void {
    this.#memory.write(address, new Uint8Array(BigUint64Array.of(value).buffer));
  }
}
