/**
 * Guest-physical memory as a device uses it: scalars for its rings, views for
 * the buffers that the guest names. Addresses come from the guest; a device
 * asks `contains` before anything else.
 */

/** What a bus-mastering device may do to guest memory. */
export interface DmaMemory {
  /** Whether every byte of a range is RAM; an empty range is if its address is RAM or RAM's end. */
  contains(address: number, length: number): boolean;
  /** Little-endian loads. The range is RAM. */
  load16(address: number): number;
  load32(address: number): number;
  /** The nearest number to 64 bits: exact for whatever can be an address, and too large stays too large. */
  load64(address: number): number;
  /** Little-endian stores. The range is RAM. */
  store8(address: number, value: number): void;
  store16(address: number, value: number): void;
  store32(address: number, value: number): void;
  /**
   * Appends views of a range of RAM, as many as it has runs of neighbouring frames. They are good until the device
   * next gives control away: afterwards another frame may stand behind the page.
   */
  readableViews(address: number, length: number, into: Uint8Array[]): void;
  /** As {@link readableViews}, and makes the range ready to be written through them at once. */
  writableViews(address: number, length: number, into: Uint8Array[]): void;
}
