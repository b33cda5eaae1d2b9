/** A disk in the host's memory. What is written is as durable as the process. */
import { type BlockBackend, HartvisorError } from "@hartvisor/core";

/**
 * A disk whose bytes are an array of the host's; the array is used, not copied. Throws `invalid-argument` for what is none.
 *
 * @example
 * ```ts
 * const disk = virtioBlock({ backend: memoryDisk(new Uint8Array(64 * 2 ** 20)) });
 * ```
 */
export function memoryDisk(
  bytes: Uint8Array,
  { readOnly = false }: { readonly readOnly?: boolean } = {},
): BlockBackend {
  if (!(bytes instanceof Uint8Array)) {
    throw new HartvisorError(
      "invalid-argument",
      "memoryDisk: give a Uint8Array, of which each byte is one of the disk",
    );
  }
  return {
    size: bytes.length,
    isReadOnly: readOnly,
    readNow: (offset, into) => {
      let at = offset;
      for (const part of into) {
        part.set(bytes.subarray(at, at + part.length));
        at += part.length;
      }
      return true;
    },
    writeNow: (offset, parts) => {
      let at = offset;
      for (const part of parts) {
        bytes.set(part, at);
        at += part.length;
      }
      return true;
    },
    read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
    write: (offset, source) => bytes.set(source, offset),
    flush: () => {},
    writeZeroes: (offset, length) => {
      bytes.fill(0, offset, offset + length);
    },
    close: async () => {},
  };
}
