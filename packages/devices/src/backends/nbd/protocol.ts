/** Numbers of the NBD protocol (github.com/NetworkBlockDevice/nbd, doc/proto.md), and what is sent in it. */

export const Magic = {
  Server: 0x4e42_444d_4147_4943n,
  Option: 0x4948_4156_454f_5054n,
  OptionReply: 0x0003_e889_0455_65a9n,
  Request: 0x2560_9513,
  Reply: 0x6744_6698,
} as const;

/** Flags of the handshake, the same from either side. */
export const HandshakeFlag = { FixedNewstyle: 1, NoZeroes: 2 } as const;

export const Option = { ExportName: 1, Go: 7 } as const;
export const OptionReply = { Acknowledge: 1, Info: 3, Error: 0x8000_0000, Unsupported: 0x8000_0001 } as const;
export const Info = { Export: 0, BlockSize: 3 } as const;

/** What an export can do. */
export const TransmissionFlag = { ReadOnly: 2, Flush: 4, Fua: 8, Trim: 0x20, WriteZeroes: 0x40 } as const;

export const Command = { Read: 0, Write: 1, Disconnect: 2, Flush: 3, Trim: 4, WriteZeroes: 6 } as const;
export type CommandNumber = (typeof Command)[keyof typeof Command];

/** What a request may move where the server says nothing else (block size constraints). */
export const MAX_REQUEST_BYTES = 32 * 2 ** 20;
/** The answer to an option holds a name or a message at most. */
export const MAX_OPTION_REPLY = 64 * 1024;

export const REPLY_SIZE = 16;

const ERRORS: ReadonlyMap<number, string> = new Map([
  [1, "operation not permitted"],
  [5, "input/output error"],
  [12, "the server has no memory"],
  [22, "the server takes the request for invalid"],
  [28, "no space left on the server"],
  [75, "value too large"],
  [95, "not supported"],
  [108, "the server is shutting down"],
]);

/** What an error number of a reply means. */
export function errorMessage(error: number): string {
  return ERRORS.get(error) ?? `error ${error}`;
}

/** An option of the handshake. */
export function optionRequest(option: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16 + body.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, Magic.Option);
  view.setUint32(8, option);
  view.setUint32(12, body.length);
  bytes.set(body, 16);
  return bytes;
}

/** The body of NBD_OPT_GO: an export's name, and that its block sizes are of interest. */
export function goBody(name: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + name.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, name.length);
  bytes.set(name, 4);
  view.setUint16(4 + name.length, 1);
  view.setUint16(6 + name.length, Info.BlockSize);
  return bytes;
}

/** The header of a request; what is written stands behind it. */
export function requestHeader(command: CommandNumber, cookie: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(28);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Magic.Request);
  view.setUint16(6, command);
  view.setUint32(12, cookie);
  view.setUint32(16, Math.floor(offset / 2 ** 32));
  view.setUint32(20, offset >>> 0);
  view.setUint32(24, length);
  return bytes;
}
