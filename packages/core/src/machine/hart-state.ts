/** A hart's block in linear memory, by the names of the layout. */
import { HART_ARCHITECTURAL_SIZE, HART_SIZE, hartOffset } from "../../isa/layout.js";

const OFFSETS = {
  pc: hartOffset("pc"),
  x: hartOffset("x"),
  f: hartOffset("f"),
};

export class HartState {
  /** Offset of the block: what the interpreter calls the hart. */
  readonly address: number;
  readonly #view: DataView;

  constructor(memory: WebAssembly.Memory, address: number) {
    this.address = address;
    this.#view = new DataView(memory.buffer, address, HART_SIZE);
  }

  get32(field: string, index = 0): number {
    return this.#view.getUint32(hartOffset(field) + index * 4, true);
  }

  set32(field: string, value: number, index = 0): void {
    this.#view.setUint32(hartOffset(field) + index * 4, value, true);
  }

  get64(field: string, index = 0): bigint {
    return this.#view.getBigUint64(hartOffset(field) + index * 8, true);
  }

  set64(field: string, value: bigint, index = 0): void {
    this.#view.setBigUint64(hartOffset(field) + index * 8, value, true);
  }

  /** A counter that stays below 2^53. */
  getNumber(field: string): number {
    const offset = hartOffset(field);
    return this.#view.getUint32(offset, true) + this.#view.getUint32(offset + 4, true) * 2 ** 32;
  }

  get pc(): bigint {
    return this.#view.getBigUint64(OFFSETS.pc, true);
  }

  set pc(value: bigint) {
    this.#view.setBigUint64(OFFSETS.pc, value, true);
  }

  getX(register: number): bigint {
    return this.#view.getBigUint64(OFFSETS.x + register * 8, true);
  }

  /** Writes to x0 are ignored. */
  setX(register: number, value: bigint): void {
    if (register !== 0) this.#view.setBigUint64(OFFSETS.x + register * 8, value, true);
  }

  getF(register: number): bigint {
    return this.#view.getBigUint64(OFFSETS.f + register * 8, true);
  }

  setF(register: number, value: bigint): void {
    this.#view.setBigUint64(OFFSETS.f + register * 8, value, true);
  }

  /** Zeroes the architectural block. */
  clearArchitectural(): void {
    new Uint8Array(this.#view.buffer, this.address, HART_ARCHITECTURAL_SIZE).fill(0);
  }
}
