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
   * Makes sure that writes to a range of RAM find frames. False if the pool has none left: the machine pauses then, and
   * `retry` is called once there are some. A device asks before it takes a request that it will write to.
   */
  populate(address: number, length: number, retry: () => void): boolean;
  /**
   * Gives back the frames of pages whose content the guest has given up, by their numbers (addresses divided by 4,096).
   * Such a page reads as zeros until it is written. Each lies in RAM; one that has no frame, is named twice, or
   * is a page table that a paravirtual guest has pinned stays as it is.
   */
  discard(pages: readonly number[]): void;
  /**
   * Appends views of a range of RAM, as many as it has runs of neighbouring frames. They are good until the device
   * next gives control away: afterwards another frame may stand behind the page.
   */
  readableViews(address: number, length: number, into: Uint8Array[]): void;
  /** As {@link readableViews}, and makes the range ready to be written through them at once. */
  writableViews(address: number, length: number, into: Uint8Array[]): void;
}
