/** Packets of a virtio socket device (virtio 1.2, 5.10.6): a header of 44 bytes, and data. */

/** Bytes of a header. */
export const HEADER = 44;
/** The host's context id. */
export const HOST_CID = 2;

/** What a packet is for. */
export const Operation = {
  Request: 1,
  Response: 2,
  Reset: 3,
  Shutdown: 4,
  Data: 5,
  CreditUpdate: 6,
  CreditRequest: 7,
} as const;

/** Streams are the one kind of socket here. */
export const STREAM = 1;

/** Flags of a shutdown: who sends it will not receive, or not send, any more. */
export const ShutdownFlag = { Receive: 1, Send: 2 } as const;

/** The header of a packet. */
export interface VsockHeader {
  readonly sourceCid: number;
  readonly destinationCid: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly length: number;
  readonly type: number;
  readonly operation: number;
  readonly flags: number;
  /** How many bytes of the stream its sender can keep. */
  readonly bufferSize: number;
  /** How many bytes of the stream its sender's reader has taken so far, modulo 2^32. */
  readonly forwarded: number;
}

/** Reads a header. */
export function readHeader(bytes: Uint8Array): VsockHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER);
  const cid = (at: number) => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  return {
    sourceCid: cid(0),
    destinationCid: cid(8),
    sourcePort: view.getUint32(16, true),
    destinationPort: view.getUint32(20, true),
    length: view.getUint32(24, true),
    type: view.getUint16(28, true),
    operation: view.getUint16(30, true),
    flags: view.getUint32(32, true),
    bufferSize: view.getUint32(36, true),
    forwarded: view.getUint32(40, true),
  };
}

/** Writes a header. */
export function writeHeader(header: VsockHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, header.sourceCid, true);
  view.setUint32(8, header.destinationCid, true);
  view.setUint32(16, header.sourcePort, true);
  view.setUint32(20, header.destinationPort, true);
  view.setUint32(24, header.length, true);
  view.setUint16(28, header.type, true);
  view.setUint16(30, header.operation, true);
  view.setUint32(32, header.flags, true);
  view.setUint32(36, header.bufferSize, true);
  view.setUint32(40, header.forwarded, true);
  return bytes;
}
