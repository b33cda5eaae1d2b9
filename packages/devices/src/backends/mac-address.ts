/** MAC addresses as people write them. */
import { HartvisorError } from "@hartvisor/core";

/** Reads six bytes such as `"52:54:00:12:34:56"`; throws `invalid-argument` for what is none, or a group's. */
export function parseMac(mac: string): Uint8Array {
  const bytes = mac.split(":").map((part) => (/^[0-9a-f]{2}$/i.test(part) ? Number.parseInt(part, 16) : Number.NaN));
  if (bytes.length !== 6 || bytes.some(Number.isNaN) || ((bytes[0] ?? 1) & 1) !== 0) {
    throw new HartvisorError("invalid-argument", `"${mac}" is no MAC address of one card, as 52:54:00:12:34:56 is`);
  }
  return Uint8Array.from(bytes);
}
