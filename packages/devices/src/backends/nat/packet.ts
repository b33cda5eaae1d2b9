/**
 * Reads and writes the headers of Ethernet, IPv4, UDP and TCP (RFC 894, 791,
 * 768, 9293), without any state. What is malformed reads as undefined.
 */

/** Kinds of frames (IEEE 802.3, EtherType). */
export const EtherType = { Ipv4: 0x0800, Arp: 0x0806 } as const;
/** Kinds of IPv4 packets (IANA, protocol numbers). */
export const Protocol = { Icmp: 1, Tcp: 6, Udp: 17 } as const;

/** Lengths of headers without options, in bytes. */
export const ETHERNET_HEADER = 14;
export const IPV4_HEADER = 20;
export const UDP_HEADER = 8;
export const TCP_HEADER = 20;
/** The longest IPv4 packet. */
export const MAX_IPV4 = 65535;

/** An IPv4 address as an unsigned number. */
export type Ipv4 = number;

/** Reads `a.b.c.d`; undefined where it is none. */
export function parseIpv4(text: string): Ipv4 | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part) || Number(part) > 255)) return undefined;
  return parts.reduce((address, part) => address * 256 + Number(part), 0);
}

/** Writes `a.b.c.d`. */
export function formatIpv4(address: Ipv4): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");
}

/** An IPv4 packet. */
export interface Ipv4Packet {
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly protocol: number;
  readonly payload: Uint8Array;
}

/** A packet or a fragment of one, as a frame holds it. */
export interface Ipv4Part extends Ipv4Packet {
  readonly identification: number;
  /** Where in the packet the payload belongs, in bytes. */
  readonly fragmentOffset: number;
  readonly hasMore: boolean;
}

/** A view of the same bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads the IPv4 packet of a frame, or the fragment; undefined for a malformed one. */
export function readIpv4(frame: Uint8Array): Ipv4Part | undefined {
  const packet = frame.subarray(ETHERNET_HEADER);
  if (packet.length < IPV4_HEADER) return undefined;
  const view = viewOf(packet);
  const headerLength = (view.getUint8(0) & 0xf) * 4;
  const length = view.getUint16(2);
  const fragment = view.getUint16(6);
  if (view.getUint8(0) >> 4 !== 4 || headerLength < IPV4_HEADER) return undefined;
  if (length < headerLength || length > packet.length) return undefined;
  return {
    source: view.getUint32(12),
    destination: view.getUint32(16),
    protocol: view.getUint8(9),
    payload: packet.subarray(headerLength, length),
    identification: view.getUint16(4),
    fragmentOffset: (fragment & 0x1fff) * 8,
    hasMore: (fragment & 0x2000) !== 0,
  };
}

/** A datagram within a packet. */
export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** Reads a datagram; undefined for a malformed one. */
export function readUdp(bytes: Uint8Array): UdpDatagram | undefined {
  if (bytes.length < UDP_HEADER) return undefined;
  const view = viewOf(bytes);
  const length = view.getUint16(4);
  if (length < UDP_HEADER || length > bytes.length) return undefined;
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    payload: bytes.subarray(UDP_HEADER, length),
  };
}

/** Flags of a TCP segment. */
export const TcpFlag = { Fin: 1, Syn: 2, Reset: 4, Push: 8, Acknowledge: 16 } as const;

/** A segment within a packet. */
export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  readonly window: number;
  /** Maximum segment size, if it says one. */
  readonly segmentSize: number | undefined;
  /** Window scale, if it says one. */
  readonly windowScale: number | undefined;
  readonly payload: Uint8Array;
}

/** Reads a segment and the options that matter here; undefined for a malformed one. */
export function readTcp(bytes: Uint8Array): TcpSegment | undefined {
  if (bytes.length < TCP_HEADER) return undefined;
  const view = viewOf(bytes);
  const headerLength = (view.getUint8(12) >> 4) * 4;
  if (headerLength < TCP_HEADER || headerLength > bytes.length) return undefined;
  let segmentSize: number | undefined;
  let windowScale: number | undefined;
  for (let at = TCP_HEADER; at < headerLength; ) {
    const kind = view.getUint8(at);
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    const length = at + 1 < headerLength ? view.getUint8(at + 1) : 0;
    if (length < 2 || at + length > headerLength) return undefined;
    if (kind === 2 && length === 4) segmentSize = view.getUint16(at + 2);
    if (kind === 3 && length === 3) windowScale = Math.min(view.getUint8(at + 2), 14);
    at += length;
  }
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgement: view.getUint32(8),
    flags: view.getUint8(13),
    window: view.getUint16(14),
    segmentSize,
    windowScale,
    payload: bytes.subarray(headerLength),
  };
}

const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
/** From so many bytes on it pays to look at them as halves. */
const MANY = 64;

/** The Internet checksum (RFC 1071) of bytes, on top of a sum. Hot. */
export function checksum(bytes: Uint8Array, initial = 0): number {
  const { length, byteOffset } = bytes;
  if (length >= MANY && byteOffset % 2 === 0) return checksumOfHalves(bytes, initial);
  let sum = initial;
  for (let n = 0; n < length; n += 2) sum += ((bytes[n] ?? 0) << 8) | (bytes[n + 1] ?? 0);
  return ~fold(sum) & 0xffff;
}

/** The sum is the same in either byte order, but for the order of its own bytes (RFC 1071, 2 (B)). */
function checksumOfHalves({ buffer, byteOffset, length }: Uint8Array, initial: number): number {
  const halves = new Uint16Array(buffer, byteOffset, length >>> 1);
  let sum = 0;
  for (let n = 0; n < halves.length; n++) sum += halves[n] ?? 0;
  sum = fold(sum);
  if (IS_LITTLE_ENDIAN) sum = ((sum & 0xff) << 8) | (sum >>> 8);
  const last = length % 2 === 0 ? 0 : (new Uint8Array(buffer, byteOffset + length - 1, 1)[0] ?? 0);
  return ~fold(sum + (last << 8) + initial) & 0xffff;
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return folded;
}

/** What a checksum's field holds while the checksum is left to somebody else: the sum of the pseudo-header. */
export function pseudoHeaderSum(source: Ipv4, destination: Ipv4, protocol: number, length: number): number {
  return fold((source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length);
}

/** What {@link writeIpv4} writes. */
export interface Ipv4Header {
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly protocol: number;
  /** Bytes behind the header. */
  readonly length: number;
  readonly identification?: number;
  /** Flags and offset, as the header has them. Default: do not fragment. */
  readonly fragment?: number;
}

/** Writes Ethernet and IPv4 headers to the front of a frame. */
export function writeIpv4(frame: Uint8Array, to: Uint8Array, from: Uint8Array, header: Ipv4Header): void {
  frame.set(to, 0);
  frame.set(from, 6);
  const view = viewOf(frame);
  view.setUint16(12, EtherType.Ipv4);
  view.setUint16(14, 0x4500);
  view.setUint16(16, IPV4_HEADER + header.length);
  view.setUint16(18, header.identification ?? 0);
  view.setUint16(20, header.fragment ?? 0x4000);
  view.setUint8(22, 64);
  view.setUint8(23, header.protocol);
  view.setUint16(24, 0);
  view.setUint32(26, header.source);
  view.setUint32(30, header.destination);
  view.setUint16(24, checksum(frame.subarray(ETHERNET_HEADER, ETHERNET_HEADER + IPV4_HEADER)));
}
