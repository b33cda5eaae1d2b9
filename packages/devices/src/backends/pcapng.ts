/** Writes what passes a network card as pcapng (draft-ietf-opsawg-pcapng), which Wireshark and tcpdump read. */

const SECTION_HEADER = 0x0a0d0d0a;
const BYTE_ORDER = 0x1a2b3c4d;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const ETHERNET = 1;
/** Longer frames than any here: nothing is cut. */
const SNAP_LENGTH = 256 * 1024;

/** The beginning of a file: one section, one Ethernet interface, microseconds. */
export function pcapngHeader(): Uint8Array {
  const bytes = new Uint8Array(28 + 20);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, SECTION_HEADER, true);
  view.setUint32(4, 28, true);
  view.setUint32(8, BYTE_ORDER, true);
  view.setUint16(12, 1, true);
  view.setBigInt64(16, -1n, true); // the section's length is not known
  view.setUint32(24, 28, true);
  view.setUint32(28, INTERFACE_DESCRIPTION, true);
  view.setUint32(32, 20, true);
  view.setUint16(36, ETHERNET, true);
  view.setUint32(40, SNAP_LENGTH, true);
  view.setUint32(44, 20, true);
  return bytes;
}

/** One frame, in parts, at a time in milliseconds since 1970. */
export function pcapngPacket(parts: readonly Uint8Array[], timeMs: number): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const total = 32 + ((length + 3) & ~3);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  const time = BigInt(Math.round(timeMs * 1000));
  view.setUint32(0, ENHANCED_PACKET, true);
  view.setUint32(4, total, true);
  view.setUint32(12, Number(time >> 32n), true);
  view.setUint32(16, Number(time & 0xffff_ffffn), true);
  view.setUint32(20, length, true);
  view.setUint32(24, length, true);
  let at = 28;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  view.setUint32(total - 4, total, true);
  return bytes;
}
