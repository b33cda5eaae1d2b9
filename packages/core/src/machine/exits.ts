/**
 * Answers exits. The record in the hart's block says what the guest wanted;
 * `complete` commits it. Device accesses that nobody answers become access
 * faults.
 */
import { CONSTANTS } from "../../isa/layout.js";
import type { AccessWidth } from "../bus/device.js";
import type { Bus } from "../bus/bus.js";
import type { InterpreterExports } from "../engine/interpreter.js";
import type { GuestMemory } from "../memory/guest-memory.js";
import type { Vcpu } from "./vcpu.js";

const LOAD_ACCESS_FAULT = 5n;
const STORE_ACCESS_FAULT = 7n;

/** Called after the guest wrote to watched bytes of memory. */
export type WatchCallback = (address: number, width: number) => void;

export class DeviceExits {
  readonly #interpreter: InterpreterExports;
  readonly #bus: Bus;
  readonly #memory: GuestMemory;
  onWatchedWrite: WatchCallback | undefined;

  constructor(interpreter: InterpreterExports, bus: Bus, memory: GuestMemory) {
    this.#interpreter = interpreter;
    this.#bus = bus;
    this.#memory = memory;
  }

  read({ state, address: hart }: Vcpu): void {
    const address = state.getNumber("exitAddress");
    const width = state.get32("exitWidth");
    if (width === 8) {
      const value = this.#bus.read64(address);
      if (value === undefined) return this.#fault(hart, LOAD_ACCESS_FAULT, state.get64("exitVirtual"));
      state.set64("exitValue", value);
    } else {
      const value = this.#bus.read(address, width as AccessWidth);
      if (value === undefined) return this.#fault(hart, LOAD_ACCESS_FAULT, state.get64("exitVirtual"));
      state.set32("exitValue", value);
    }
    this.#interpreter.complete(hart, 1);
  }

  write({ state, address: hart }: Vcpu): void {
    const address = state.getNumber("exitAddress");
    const width = state.get32("exitWidth");
    if (address >= this.#memory.base) {
      const bytes = new Uint8Array(new BigUint64Array([state.get64("exitValue")]).buffer, 0, width);
      if (this.#memory.write(address, bytes)) {
        this.#interpreter.complete(hart, 0);
        this.onWatchedWrite?.(address, width);
        return;
      }
    }
    const answered =
      width === 8
        ? this.#bus.write64(address, state.get64("exitValue"))
        : this.#bus.write(address, width as AccessWidth, truncate(state.get32("exitValue"), width));
    if (!answered) return this.#fault(hart, STORE_ACCESS_FAULT, state.get64("exitVirtual"));
    this.#interpreter.complete(hart, 0);
  }

  #fault(hart: number, cause: bigint, address: bigint): void {
    this.#interpreter.raiseException(hart, cause, address);
  }
}

/** The low bytes of a register value. */
function truncate(value: number, width: number): number {
  return width === 4 ? value : value & (2 ** (width * 8) - 1);
}

/** A fresh count for every kind of exit. */
export const exitCounters = (): number[] => new Array<number>(CONSTANTS.EXIT_KINDS).fill(0);
