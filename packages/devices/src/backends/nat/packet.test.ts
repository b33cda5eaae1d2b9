import { expect, it } from "vitest";
import { checksum } from "./packet.js";

const bytes = Uint8Array.from({ length: 3000 }, (_, n) => (n * 2654435761) >>> 13);

/** Half by half, as RFC 1071 says it. */
function plainly(part: Uint8Array, initial: number): number {
  let sum = initial;
  for (let n = 0; n < part.length; n += 2) sum += ((part[n] ?? 0) << 8) | (part[n + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  return ~sum & 0xffff;
}

it.each([0, 1, 63, 64, 65, 1460, 2001])("sums %i bytes wherever they lie", (length) => {
  for (const start of [0, 1, 2, 3, 14]) {
    const part = bytes.subarray(start, start + length);
    expect(checksum(part, 0x1_2345)).toBe(plainly(part, 0x1_2345));
  }
});
