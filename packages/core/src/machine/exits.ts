/**
 * Answers exits. The record in the hart's block says what the guest wanted;
 * `complete` commits it. Device accesses that nobody answers become access
 * faults.
 */
import { CONSTANTS } from "../../isa/layout.js";
import type { Bus } from "../bus/bus.js";
import type { AccessWidth } from "../bus/device.js";
import type { InterpreterExports } from "../engine/interpreter.js";
import type { Interposition } from "../interpose/interposition.js";
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

  readonly #interposition: Interposition;

  constructor(interpreter: InterpreterExports, bus: Bus, memory: GuestMemory, interposition: Interposition) {
    this.#interpreter = interpreter;
    this.#bus = bus;
    this.#memory = memory;
    this.#interposition = interposition;
  }

  read(vcpu: Vcpu): void {
    const { state, address: hart } = vcpu;
    const address = state.getNumber("exitAddress");
    const width = state.get32("exitWidth");
    if (this.#interposition.hasDeviceReads) {
      this.#readByHooks(vcpu, address, width);
      return;
    }
    let answered: boolean;
    if (width === 8) {
      const value = this.#bus.read64(address);
      answered = value !== undefined;
      state.set64("exitValue", value ?? 0n);
    } else {
      const value = this.#bus.read(address, width as AccessWidth);
      answered = value !== undefined;
      state.set32("exitValue", value ?? 0);
    }
    if (answered) this.#interpreter.complete(hart, 1);
    else this.#fault(vcpu, LOAD_ACCESS_FAULT);
  }

  write(vcpu: Vcpu): void {
    const { state, address: hart } = vcpu;
    const address = state.getNumber("exitAddress");
    const width = state.get32("exitWidth");
    if (this.#writeWatched(vcpu, address, width)) return;
    const answered = this.#interposition.hasDeviceWrites
      ? this.#interposition.mmioWrite(vcpu, address, width, state.get64("exitValue"), (value) => {
          return this.#writeDevice(address, width, value);
        })
      : width === 8
        ? this.#bus.write64(address, state.get64("exitValue"))
        : this.#bus.write(address, width as AccessWidth, truncate(state.get32("exitValue"), width));
    if (answered) this.#interpreter.complete(hart, 0);
    else this.#fault(vcpu, STORE_ACCESS_FAULT);
  }

  #readByHooks(vcpu: Vcpu, address: number, width: number): void {
    const value = this.#interposition.mmioRead(vcpu, address, width, () => {
      if (width === 8) return this.#bus.read64(address);
      const read = this.#bus.read(address, width as AccessWidth);
      return read === undefined ? undefined : BigInt(read >>> 0);
    });
    if (value === undefined) {
      this.#fault(vcpu, LOAD_ACCESS_FAULT);
      return;
    }
    vcpu.state.set64("exitValue", value);
    this.#interpreter.complete(vcpu.address, 1);
  }

  #writeDevice(address: number, width: number, value: bigint): boolean {
    if (width === 8) return this.#bus.write64(address, value);
    return this.#bus.write(address, width as AccessWidth, Number(value));
  }

  /** A store to RAM that left because somebody watches it: done here, then reported. */
  #writeWatched({ state, address: hart }: Vcpu, address: number, width: number): boolean {
    if (address < this.#memory.base) return false;
    const value = new BigUint64Array([state.get64("exitValue")]);
    if (!this.#memory.write(address, new Uint8Array(value.buffer, 0, width))) return false;
    this.#interpreter.complete(hart, 0);
    this.onWatchedWrite?.(address, width);
    return true;
  }

  #fault({ state, address: hart }: Vcpu, cause: bigint): void {
    this.#interpreter.raiseException(hart, cause, state.get64("exitVirtual"));
  }
}

/** The low bytes of a register value. */
function truncate(value: number, width: number): number {
  return width === 4 ? value : value & (2 ** (width * 8) - 1);
}

/** A fresh count for every kind of exit. */
export const exitCounters = (): number[] => new Array<number>(CONSTANTS.EXIT_KINDS).fill(0);
