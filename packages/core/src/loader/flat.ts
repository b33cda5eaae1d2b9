/**
 * A flat image: bytes that go to one address as they are, and start at their first.
 * Firmware such as OpenSBI's `fw_jump.bin` comes this way.
 */
import { HartvisorError } from "../error.js";
import { formatByteSize } from "../quantity.js";
import type { RamRange } from "./elf.js";

/** A flat image and where it goes. */
export interface FlatImage {
  /** Where the first byte goes, and where execution starts. */
  readonly physicalAddress: number;
  readonly bytes: Uint8Array;
}

/** How to take a flat image. */
export interface FlatOptions {
  /** The file's name, as error messages should give it. */
  readonly name: string;
  /** Where it has to fit. */
  readonly ram: RamRange;
  /** Where it goes; the base of RAM when absent. */
  readonly physicalAddress?: number;
}

/**
 * Checks that a flat image fits RAM.
 *
 * @throws HartvisorError `invalid-image` when it is empty or lies outside RAM
 */
export function flat(bytes: Uint8Array, { name, ram, physicalAddress = ram.ramBase }: FlatOptions): FlatImage {
  if (bytes.length === 0) throw new HartvisorError("invalid-image", `${name}: the file is empty`);
  const end = ram.ramBase + ram.ramSize;
  if (physicalAddress < ram.ramBase || physicalAddress + bytes.length > end) {
    const place = `${formatByteSize(bytes.length)} at 0x${physicalAddress.toString(16)}`;
    const room = `0x${ram.ramBase.toString(16)}..0x${end.toString(16)} (${formatByteSize(ram.ramSize)})`;
    throw new HartvisorError("invalid-image", `${name}: ${place} lie outside RAM, ${room}`);
  }
  return { physicalAddress, bytes };
}
