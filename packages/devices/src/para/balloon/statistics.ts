/** Memory statistics as a balloon's driver gives them (virtio 1.2, 5.5.6.4): pairs of a tag (16 bits) and a value (64 bits). */

/** How a guest uses its memory; what its driver does not know is absent. */
export interface BalloonStatistics {
  /** Bytes swapped in and out since the boot. */
  readonly swappedInBytes?: number;
  readonly swappedOutBytes?: number;
  /** Page faults since the boot: those that needed a disk, and the others. */
  readonly majorFaults?: number;
  readonly minorFaults?: number;
  /** Bytes that are not used at all. */
  readonly freeBytes?: number;
  /** Bytes of memory that the guest has in all. */
  readonly totalBytes?: number;
  /** Bytes that programs can get without swapping. */
  readonly availableBytes?: number;
  /** Bytes of caches that can be given up quickly. */
  readonly cacheBytes?: number;
  /** Huge pages that were allocated, and that could not be, since the boot. */
  readonly hugePageAllocations?: number;
  readonly hugePageFailures?: number;
}

const NAMES: readonly (keyof BalloonStatistics)[] = [
  "swappedInBytes",
  "swappedOutBytes",
  "majorFaults",
  "minorFaults",
  "freeBytes",
  "totalBytes",
  "availableBytes",
  "cacheBytes",
  "hugePageAllocations",
  "hugePageFailures",
];
const ENTRY_SIZE = 10;

/** Reads statistics, without those whose tag means nothing here; a ragged end is ignored. */
export function parseStatistics(bytes: Uint8Array): BalloonStatistics {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const statistics: { -readonly [Name in keyof BalloonStatistics]: number } = {};
  for (let at = 0; at + ENTRY_SIZE <= bytes.length; at += ENTRY_SIZE) {
    const name = NAMES[view.getUint16(at, true)];
    if (name !== undefined) statistics[name] = Number(view.getBigUint64(at + 2, true));
  }
  return statistics;
}
