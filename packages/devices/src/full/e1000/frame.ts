/** What the card computes over frames: Internet checksums and Ethernet's check sequence. */
import { checksum } from "../../backends/nat/packet.js";

export const ETHERNET_HEADER = 14;
export const CRC_SIZE = 4;
export const VLAN_TAG = 4;
/** The shortest frame, without check sequence. */
export const MIN_FRAME = 60;

/**
 * Puts the checksum of a part of a frame into a field of it; `last` is the part's last byte, 0 for the frame's. What
 * lies outside the frame is not done.
 */
export function insertChecksum(frame: Uint8Array, start: number, field: number, last = 0): void {
  const end = last === 0 ? frame.length : Math.min(last + 1, frame.length);
  if (start >= end || field + 2 > frame.length) return;
  store16(frame, field, checksum(frame.subarray(start, end)));
}

export function load16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

/** Stores a big-endian half, if its place is in the frame. */
export function store16(bytes: Uint8Array, at: number, value: number): void {
  if (at + 2 > bytes.length) return;
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Adds in one's complement. */
export function addFolded(sum: number, more: number): number {
  const total = sum + more;
  return (total & 0xffff) + Math.floor(total / 0x1_0000);
}

/** Ethernet's check sequence (IEEE 802.3, 3.2.9), least significant byte first on the wire. Hot. */
export function checkSequence(bytes: Uint8Array, length: number): number {
  let crc = 0xffff_ffff;
  const words = IS_LITTLE_ENDIAN && bytes.byteOffset % 4 === 0 ? length >>> 2 : 0;
  if (words > 0) {
    const view = new Int32Array(bytes.buffer, bytes.byteOffset, words);
    // Every index is within its array.
    for (let n = 0; n < words; n++) {
      const word = crc ^ (view[n] as number);
      crc =
        (CRC_TABLES[0x300 | (word & 0xff)] as number) ^
        (CRC_TABLES[0x200 | ((word >>> 8) & 0xff)] as number) ^
        (CRC_TABLES[0x100 | ((word >>> 16) & 0xff)] as number) ^
        (CRC_TABLES[word >>> 24] as number);
    }
  }
  for (let at = 4 * words; at < length; at++) {
    crc = (crc >>> 8) ^ (CRC_TABLES[(crc ^ (bytes[at] ?? 0)) & 0xff] ?? 0);
  }
  return ~crc >>> 0;
}

const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
/** What a byte does to the sequence, and in three more tables what it does with one to three bytes behind it. */
const CRC_TABLES = crcTables();

function crcTables(): Int32Array {
  const tables = new Int32Array(4 * 256);
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
    tables[n] = crc;
  }
  for (let n = 256; n < tables.length; n++) {
    const before = tables[n - 256] ?? 0;
    tables[n] = (before >>> 8) ^ (tables[before & 0xff] ?? 0);
  }
  return tables;
}

/** What a receiver finds out about the checksums of a frame. */
export interface CheckedSums {
  /** Undefined where there is no such header, or only part of it. */
  readonly ip: boolean | undefined;
  readonly tcpUdp: boolean | undefined;
}

const NOTHING: CheckedSums = { ip: undefined, tcpUdp: undefined };
const IPV4 = 0x0800;
const TCP = 6;
const UDP = 17;

/** Checks an IPv4 header, and TCP or UDP behind it where the packet is whole, unless that sum is known to be right. */
export function checkSums(frame: Uint8Array, isSumDone: boolean): CheckedSums {
  if (load16(frame, 12) !== IPV4 || frame.length < ETHERNET_HEADER + 20) return NOTHING;
  const header = ((frame[ETHERNET_HEADER] ?? 0) & 0xf) * 4;
  const length = load16(frame, ETHERNET_HEADER + 2);
  const data = ETHERNET_HEADER + header;
  if (header < 20 || length < header || ETHERNET_HEADER + length > frame.length) return NOTHING;
  const ip = checksum(frame.subarray(ETHERNET_HEADER, data)) === 0;
  const protocol = frame[ETHERNET_HEADER + 9];
  const isFragment = (load16(frame, ETHERNET_HEADER + 6) & 0x3fff) !== 0;
  if (isFragment || (protocol !== TCP && protocol !== UDP)) return { ip, tcpUdp: undefined };
  // A UDP checksum of 0 says that there is none.
  if (protocol === UDP && load16(frame, data + 6) === 0) return { ip, tcpUdp: undefined };
  if (isSumDone) return { ip, tcpUdp: true };
  let pseudo = protocol + length - header;
  for (let at = ETHERNET_HEADER + 12; at < ETHERNET_HEADER + 20; at += 2) pseudo += load16(frame, at);
  return { ip, tcpUdp: checksum(frame.subarray(data, ETHERNET_HEADER + length), pseudo) === 0 };
}
