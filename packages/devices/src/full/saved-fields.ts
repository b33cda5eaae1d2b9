/**
 * Strict reading of a device's saved state. A snapshot comes from a file or
 * from another machine, so that a device trusts it no more than a guest: every
 * field must be there, of the right type, within the range that the device
 * itself keeps, and nothing else may be there.
 */
import { type DeviceState, HartvisorError } from "@hartvisor/core";

/** The fields of one device's state; every method throws a HartvisorError (`invalid-argument`) on a value of the wrong kind. */
export class SavedFields {
  readonly #device: string;
  readonly #fields: ReadonlyMap<string, unknown>;

  /**
   * @param device - the name to blame in messages
   * @param state - what somebody says the device saved
   * @param version - the one version this code reads
   * @param names - the fields of that version, beside `version` itself
   */
  constructor(device: string, state: DeviceState, version: number, names: readonly string[]) {
    this.#device = device;
    const given: unknown = state;
    if (typeof given !== "object" || given === null)
      throw this.#invalid(`the state is ${String(given)}, not an object`);
    this.#fields = new Map<string, unknown>(Object.entries(given));
    if (this.#fields.get("version") !== version) {
      throw this.#invalid(`its version is ${String(this.#fields.get("version"))}, not ${version}`);
    }
    for (const name of names) {
      if (!this.#fields.has(name)) throw this.#invalid(`"${name}" is missing`);
    }
    for (const name of this.#fields.keys()) {
      if (name !== "version" && !names.includes(name)) throw this.#invalid(`"${name}" is not a field of it`);
    }
  }

  /** A number whose bits are all within `mask`. */
  bits(name: string, mask: number): number {
    const value = this.#fields.get(name);
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || (value & mask) >>> 0 !== value) {
      throw this.#invalid(`"${name}" is ${String(value)}, not a number within the bits 0x${mask.toString(16)}`);
    }
    return value;
  }

  /** An unsigned 64-bit number. */
  unsigned64(name: string): bigint {
    const value = this.#fields.get(name);
    if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) {
      throw this.#invalid(`"${name}" is ${String(value)}, not an unsigned 64-bit bigint`);
    }
    return value;
  }

  boolean(name: string): boolean {
    const value = this.#fields.get(name);
    if (typeof value !== "boolean") throw this.#invalid(`"${name}" is ${String(value)}, not a boolean`);
    return value;
  }

  /** A copy of an array of bytes between two lengths, none over `maximum`. */
  bytes(name: string, lengths: { readonly least: number; readonly most: number }, maximum = 0xff): Uint8Array {
    const value = this.#fields.get(name);
    if (!(value instanceof Uint8Array) || value.length < lengths.least || value.length > lengths.most) {
      throw this.#invalid(`"${name}" is not a Uint8Array of ${lengths.least} to ${lengths.most} bytes`);
    }
    if (value.some((byte) => byte > maximum)) throw this.#invalid(`"${name}" has a byte over ${maximum}`);
    return value.slice();
  }

  /** A copy of an array of 32-bit words. */
  words(name: string, length: number): Uint32Array {
    const value = this.#fields.get(name);
    if (!(value instanceof Uint32Array) || value.length !== length) {
      throw this.#invalid(`"${name}" is not a Uint32Array of ${length} words`);
    }
    return value.slice();
  }

  /** A copy of an array of 64-bit words. */
  doubleWords(name: string, length: number): BigUint64Array {
    const value = this.#fields.get(name);
    if (!(value instanceof BigUint64Array) || value.length !== length) {
      throw this.#invalid(`"${name}" is not a BigUint64Array of ${length} words`);
    }
    return value.slice();
  }

  /** Refuses a combination of fields that the device never has. */
  require(condition: boolean, rule: string): void {
    if (!condition) throw this.#invalid(rule);
  }

  #invalid(reason: string): HartvisorError {
    return new HartvisorError("invalid-argument", `cannot restore ${this.#device}: ${reason}`);
  }
}
