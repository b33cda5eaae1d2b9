/**
 * Ethernet frames within a switch: untagged, with their VLAN beside them, and
 * what a card left to do (checksum, segmentation) done only for those who cannot
 * do it themselves. IEEE 802.3 and 802.1Q.
 */
import type { FrameOffload } from "@hartvisor/core";
import { checksum, ETHERNET_HEADER, EtherType, IPV4_HEADER, Protocol, TCP_HEADER, viewOf } from "../nat/packet.js";

/** The longest frame without tag, but for those that are yet to be cut into segments. */
export const MAX_FRAME = 1514;
/** The longest frame that is yet to be cut: an IPv4 packet of the longest kind, tagged. */
export const MAX_UNCUT_FRAME = ETHERNET_HEADER + 4 + 65535;
/** Segments of one frame: beyond, their headers would be more than what they carry. */
const MAX_SEGMENTS = 1024;

const TAG = 4;
/** EtherType of a tag, IEEE 802.1Q, 9.4. */
const TAG_PROTOCOL = 0x8100;
const VLAN_MASK = 0xfff;
/** VLAN identifiers that frames may have: 0 says none, the last is reserved (802.1Q, table 9-2). */
export const FIRST_VLAN = 1;
export const LAST_VLAN = 4094;
/** The byte of a TCP header that has its flags, and those that are not every segment's. */
const TCP_FLAGS = 13;
const FIRST_ONLY = 0x80; // CWR
const LAST_ONLY = 0x09; // FIN, PSH

/** A frame on its way through a switch. */
export class SwitchedFrame {
  /** Without tag. */
  readonly bytes: Uint8Array;
  /** VLAN that the tag named; 0 if there was none, or it named none. */
  readonly taggedVlan: number;
  readonly offload: FrameOffload | undefined;
  /** The priority bits of the tag, which it keeps. */
  readonly #priority: number;
  #finished: readonly Uint8Array[] | undefined;

  private constructor(bytes: Uint8Array, taggedVlan: number, priority: number, offload: FrameOffload | undefined) {
    this.bytes = bytes;
    this.taggedVlan = taggedVlan;
    this.#priority = priority;
    this.offload = offload;
  }

  /** Reads a frame, whose bytes it keeps; undefined for one that is none. */
  static read(frame: Uint8Array, offload?: FrameOffload): SwitchedFrame | undefined {
    if (frame.length < ETHERNET_HEADER || frame.length > MAX_UNCUT_FRAME) return undefined;
    const left = offload !== undefined && offload.checksumStart > 0 ? offload : undefined;
    if (left !== undefined && left.checksumStart + left.checksumOffset + 2 > frame.length) return undefined;
    const view = viewOf(frame);
    if (view.getUint16(12) !== TAG_PROTOCOL) return new SwitchedFrame(frame, 0, 0, left);
    if (frame.length < ETHERNET_HEADER + TAG) return undefined;
    if (left !== undefined && left.checksumStart < ETHERNET_HEADER + TAG) return undefined;
    const tag = view.getUint16(14);
    const bytes = new Uint8Array(frame.length - TAG);
    bytes.set(frame.subarray(0, 12));
    bytes.set(frame.subarray(12 + TAG), 12);
    const moved = left && { ...left, checksumStart: left.checksumStart - TAG };
    return new SwitchedFrame(bytes, tag & VLAN_MASK, tag & ~VLAN_MASK, moved);
  }

  /** The address that it goes to, as a number. */
  get destination(): number {
    return addressAt(this.bytes, 0);
  }

  get source(): number {
    return addressAt(this.bytes, 6);
  }

  /** Bytes of TCP payload that are yet to be cut; 0 if none are. */
  get uncutBytes(): number {
    return (this.offload?.segmentSize ?? 0) > 0 ? this.bytes.length - ETHERNET_HEADER - IPV4_HEADER - TCP_HEADER : 0;
  }

  /** The frames that go on a wire: checksums done, none too long. None for what cannot be finished. */
  get finished(): readonly Uint8Array[] {
    this.#finished ??= finish(this.bytes, this.offload).filter(({ length }) => length <= MAX_FRAME);
    return this.#finished;
  }

  /** Those with a tag. */
  tagged(vlan: number): readonly Uint8Array[] {
    return this.finished.map((bytes) => {
      const frame = new Uint8Array(bytes.length + TAG);
      frame.set(bytes.subarray(0, 12));
      frame.set(bytes.subarray(12), 12 + TAG);
      const view = viewOf(frame);
      view.setUint16(12, TAG_PROTOCOL);
      view.setUint16(14, this.#priority | vlan);
      return frame;
    });
  }
}

/** Whether an address is a group's, broadcast among them. */
export const isGroup = (address: number): boolean => Math.floor(address / 2 ** 40) % 2 === 1;

function addressAt(bytes: Uint8Array, at: number): number {
  const view = viewOf(bytes);
  return view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);
}

/** Does what a card left to do. */
function finish(bytes: Uint8Array, offload: FrameOffload | undefined): readonly Uint8Array[] {
  if (offload === undefined) return [bytes];
  if (offload.segmentSize > 0) return cut(bytes, offload);
  const frame = bytes.slice();
  const { checksumStart: start, checksumOffset: offset } = offload;
  // A UDP checksum of 0 would mean that there is none (RFC 768).
  viewOf(frame).setUint16(start + offset, checksum(frame.subarray(start)) || 0xffff);
  return [frame];
}

/** Cuts a frame of TCP over IPv4 into segments; none for what is no such frame. */
function cut(bytes: Uint8Array, { segmentSize }: FrameOffload): readonly Uint8Array[] {
  const view = viewOf(bytes);
  const at = ETHERNET_HEADER;
  if (bytes.length < at + IPV4_HEADER || view.getUint16(12) !== EtherType.Ipv4 || view.getUint8(at) >> 4 !== 4)
    return [];
  const ipHeader = (view.getUint8(at) & 0xf) * 4;
  const tcpAt = at + ipHeader;
  const end = Math.min(bytes.length, at + view.getUint16(at + 2));
  const isWhole = (view.getUint16(at + 6) & 0x3fff) === 0;
  if (ipHeader < IPV4_HEADER || !isWhole || view.getUint8(at + 9) !== Protocol.Tcp || end < tcpAt + TCP_HEADER)
    return [];
  const payloadAt = tcpAt + (view.getUint8(tcpAt + 12) >> 4) * 4;
  if (payloadAt < tcpAt + TCP_HEADER || payloadAt > end) return [];
  const count = Math.max(1, Math.ceil((end - payloadAt) / segmentSize));
  if (count > MAX_SEGMENTS) return [];
  return Array.from({ length: count }, (_, n) => {
    const from = payloadAt + n * segmentSize;
    const payload = bytes.subarray(from, Math.min(end, from + segmentSize));
    const frame = new Uint8Array(payloadAt + payload.length);
    frame.set(bytes.subarray(0, payloadAt));
    frame.set(payload, payloadAt);
    const out = viewOf(frame);
    out.setUint16(at + 2, frame.length - at);
    out.setUint16(at + 4, (view.getUint16(at + 4) + n) & 0xffff);
    out.setUint16(at + 10, 0);
    out.setUint16(at + 10, checksum(frame.subarray(at, tcpAt)));
    out.setUint32(tcpAt + 4, (view.getUint32(tcpAt + 4) + n * segmentSize) >>> 0);
    const hidden = (n > 0 ? FIRST_ONLY : 0) | (n < count - 1 ? LAST_ONLY : 0);
    out.setUint8(tcpAt + TCP_FLAGS, view.getUint8(tcpAt + TCP_FLAGS) & ~hidden);
    out.setUint16(tcpAt + 16, 0);
    out.setUint16(tcpAt + 16, checksum(frame.subarray(tcpAt), pseudoHeader(out, at, frame.length - tcpAt)));
    return frame;
  });
}

/** The sum of the pseudo-header of TCP (RFC 9293, 3.1). */
function pseudoHeader(view: DataView, at: number, length: number): number {
  let sum = Protocol.Tcp + length;
  for (let n = at + 12; n < at + 20; n += 2) sum += view.getUint16(n);
  return sum;
}
