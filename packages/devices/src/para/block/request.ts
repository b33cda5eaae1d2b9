/**
 * Reads a block request out of its descriptor chain (virtio 1.2, 5.2.6): pure
 * parsing and checking, without any effect. What it lets through names
 * sectors that the disk has.
 */
import type { DescriptorChain } from "../virtio/descriptor-chain.js";

/** The unit of positions and lengths, in bytes. */
export const SECTOR_SIZE = 512;
/** What a write's data stand behind. */
export const HEADER_SIZE = 16;
const SEGMENT_SIZE = 16;
const ID_SIZE = 20;

/** Request types. */
const Type = { In: 0, Out: 1, Flush: 4, GetId: 8, Discard: 11, WriteZeroes: 13 } as const;
/** Flag of a write-zeroes segment: the device may deallocate the sectors. */
const UNMAP = 1;

/** What the guest reads in the last byte of a request. */
export const RequestStatus = { Ok: 0, IoError: 1, Unsupported: 2 } as const;

/**
 * Bytes of one request. Linux asks for 1.25 MiB at most; a chain can name 4 GiB, by naming the same page over and
 * over, and would keep the host busy for a second.
 */
export const MAX_REQUEST_BYTES = 64 * 2 ** 20;

/** Segments of one discard or write-zeroes request, and sectors of a segment, as the configuration space says. */
export const MAX_SEGMENTS = 16;
export const MAX_SEGMENT_SECTORS = 2 ** 15;

/** A range of the disk, in bytes. */
export interface DiskRange {
  readonly offset: number;
  readonly length: number;
}

/** A request that was read and checked. */
export type BlockRequest =
  | ({ readonly kind: "read" | "write" } & DiskRange)
  | { readonly kind: "flush" | "identify" }
  | { readonly kind: "discard" | "write-zeroes"; readonly ranges: readonly DiskRange[] }
  | { readonly kind: "refused"; readonly status: number }
  /** No place for a header or a status: the driver is broken. */
  | { readonly kind: "malformed" };

/** What a request is checked against. */
export interface DiskShape {
  readonly size: number;
  readonly isReadOnly: boolean;
}

const REFUSED: BlockRequest = { kind: "refused", status: RequestStatus.IoError };
const UNSUPPORTED: BlockRequest = { kind: "refused", status: RequestStatus.Unsupported };
const MALFORMED: BlockRequest = { kind: "malformed" };

/** Reads a request. The status byte is the last of what the device may write. */
export function parseRequest(chain: DescriptorChain, disk: DiskShape): BlockRequest {
  if (chain.writableBytes < 1 || chain.readableBytes < HEADER_SIZE) return MALFORMED;
  const sector = chain.load32(8) + chain.load32(12) * 2 ** 32;
  const readable = chain.readableBytes - HEADER_SIZE;
  const writable = chain.writableBytes - 1;
  switch (chain.load32(0)) {
    case Type.In:
      return transfer("read", sector, writable, disk);
    case Type.Out:
      return disk.isReadOnly ? REFUSED : transfer("write", sector, readable, disk);
    case Type.Flush:
      return { kind: "flush" };
    case Type.GetId:
      return writable >= ID_SIZE ? { kind: "identify" } : REFUSED;
    case Type.Discard:
      return segments("discard", chain, readable, disk);
    case Type.WriteZeroes:
      return segments("write-zeroes", chain, readable, disk);
    default:
      return UNSUPPORTED;
  }
}

function transfer(kind: "read" | "write", sector: number, length: number, disk: DiskShape): BlockRequest {
  const offset = sector * SECTOR_SIZE;
  if (length === 0 || length % SECTOR_SIZE !== 0 || length > MAX_REQUEST_BYTES) return REFUSED;
  return offset + length <= disk.size ? { kind, offset, length } : REFUSED;
}

function segments(
  kind: "discard" | "write-zeroes",
  chain: DescriptorChain,
  length: number,
  disk: DiskShape,
): BlockRequest {
  if (disk.isReadOnly) return REFUSED;
  if (length === 0 || length % SEGMENT_SIZE !== 0 || length > MAX_SEGMENTS * SEGMENT_SIZE) return REFUSED;
  const bytes = new DataView(new ArrayBuffer(HEADER_SIZE + length));
  chain.read(0, new Uint8Array(bytes.buffer));
  const ranges: DiskRange[] = [];
  for (let at = HEADER_SIZE; at < bytes.byteLength; at += SEGMENT_SIZE) {
    const sector = bytes.getUint32(at, true) + bytes.getUint32(at + 4, true) * 2 ** 32;
    const sectors = bytes.getUint32(at + 8, true);
    const flags = bytes.getUint32(at + 12, true);
    // 5.2.6.2: flags that are unknown, or not meant for a discard, are not supported.
    if ((flags & ~(kind === "discard" ? 0 : UNMAP)) !== 0) return UNSUPPORTED;
    if (sectors > MAX_SEGMENT_SECTORS || (sector + sectors) * SECTOR_SIZE > disk.size) return REFUSED;
    ranges.push({ offset: sector * SECTOR_SIZE, length: sectors * SECTOR_SIZE });
  }
  return { kind, ranges };
}
