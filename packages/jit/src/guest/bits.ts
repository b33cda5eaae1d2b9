/** The bits of guest instructions, from halfwords by offset in a region. */
import { isLong } from "@hartvisor/core/isa";

/** The 16 bits at an offset; undefined where they cannot be read. */
export type ReadHalfword = (offset: number) => number | undefined;

/** The 16 or 32 bits of the instruction at an offset; undefined where they cannot be read. */
export function instructionBits(read: ReadHalfword, offset: number): number | undefined {
  const low = read(offset);
  if (low === undefined || !isLong(low)) return low;
  const high = read(offset + 2);
  return high === undefined ? undefined : low | (high << 16);
}
