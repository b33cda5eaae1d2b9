/**
 * What the host and the guest's agent say to each other over a console port: frames of twelve bytes and a payload,
 * all numbers little-endian. `agent/protocol.h` is the other side. Nothing that the guest sends is trusted.
 */

/** What both sides have to agree on. */
export const PROTOCOL_VERSION = 1;
/** Bytes of a frame's payload. */
export const MAX_PAYLOAD = 32768;
/** Bytes of input that the agent keeps for a job whose program does not read. */
export const INPUT_WINDOW = 32768;
const HEADER = 12;

/** Frames of the host, then of the agent. */
export const Frame = {
  /** Starts a program: counts of arguments and variables, the folder, the arguments, the variables. */
  Spawn: 1,
  Input: 2,
  InputEnd: 3,
  /** Sends a signal to a job's processes; ends one that is a file. */
  Kill: 4,
  /** So many more bytes of a stream may come. */
  OutputCredit: 5,
  /** Reads a file as a job's output: a word that means nothing, the path. */
  ReadFile: 6,
  /** Writes a job's input to a file: permission bits, the path. */
  WriteFile: 7,
  /** Writes the guest's caches to its disks. */
  Sync: 8,
  /** The host is here: say hello, and end whatever an earlier host had started. */
  Greet: 9,
  Hello: 16,
  /** A job is over: how, and its status, signal or error number. */
  Exit: 17,
  Output: 18,
  OutputEnd: 19,
  /** So many bytes of input were passed on. */
  InputCredit: 20,
} as const;

/** How a job ended: the first word of {@link Frame.Exit}. */
export const Ending = { Exited: 0, Signalled: 1, Failed: 2 } as const;

/** A frame that arrived. */
export interface ReceivedFrame {
  readonly type: number;
  /** 1: stdout, 2: stderr. */
  readonly stream: number;
  readonly job: number;
  readonly payload: Uint8Array;
}

/** Encodes a frame. */
export function encodeFrame(
  type: number,
  job: number,
  payload: Uint8Array = new Uint8Array(0),
  stream = 0,
): Uint8Array {
  const bytes = new Uint8Array(HEADER + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = type;
  bytes[1] = stream;
  view.setUint32(4, job, true);
  view.setUint32(8, payload.length, true);
  bytes.set(payload, HEADER);
  return bytes;
}

/** The payload that is one 32-bit word. */
export function word(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** Cuts a byte stream into frames. */
export class FrameReader {
  #pending = new Uint8Array(0);

  /** Takes bytes, and gives the frames that are whole now; undefined when they are no frames. */
  push(bytes: Uint8Array): ReceivedFrame[] | undefined {
    let rest = bytes;
    if (this.#pending.length > 0) {
      rest = new Uint8Array(this.#pending.length + bytes.length);
      rest.set(this.#pending);
      rest.set(bytes, this.#pending.length);
    }
    const frames: ReceivedFrame[] = [];
    while (rest.length >= HEADER) {
      const view = new DataView(rest.buffer, rest.byteOffset);
      const length = view.getUint32(8, true);
      if (length > MAX_PAYLOAD) return undefined;
      if (rest.length < HEADER + length) break;
      const payload = rest.subarray(HEADER, HEADER + length);
      frames.push({ type: view.getUint8(0), stream: view.getUint8(1), job: view.getUint32(4, true), payload });
      rest = rest.subarray(HEADER + length);
    }
    this.#pending = rest.slice();
    return frames;
  }
}
