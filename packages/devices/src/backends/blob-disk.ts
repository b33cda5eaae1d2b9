/** A read-only disk over a Blob: what a browser has of a file that its user chose. */
import { type BlockBackend, HartvisorError } from "@hartvisor/core";

const SECTOR = 512;

/**
 * A disk whose bytes are a Blob's or a File's; the last sector is filled up with zeroes. An {@link overlayDisk} over it
 * can be written.
 *
 * @throws HartvisorError `invalid-argument`: the blob is empty
 */
export function blobDisk(blob: Blob): BlockBackend {
  if (blob.size === 0) throw new HartvisorError("invalid-argument", "an empty blob cannot be a disk");
  return {
    size: Math.ceil(blob.size / SECTOR) * SECTOR,
    isReadOnly: true,
    read: async (offset, into) => {
      const bytes = new Uint8Array(await blob.slice(offset, offset + into.length).arrayBuffer());
      into.set(bytes);
      into.fill(0, bytes.length);
    },
    write: () => {
      throw new HartvisorError("unsupported", "a blob cannot be written");
    },
    flush: () => {},
    close: async () => {},
  };
}
