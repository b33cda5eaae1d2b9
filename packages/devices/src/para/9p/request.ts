/** A 9P message as the device has read it, and what it is answered with. */
import type { RequestData } from "../files/request-data.js";
import { type MessageWriter, READ_HEAD } from "./message.js";

/** A message whose header was read. */
export interface Request {
  readonly type: number;
  readonly tag: number;
  /** The message from its header on; of a Twrite up to its data. Good until the first thing that waits. */
  readonly view: DataView;
  readonly length: number;
  /** Room for the answer behind its header. */
  readonly room: number;
  readonly data: RequestData;
}

/** What to answer with: the body; and a count of bytes that are behind it already, in the views of a read. */
export interface AnswerBody {
  readonly bytes: Uint8Array;
  readonly inPlace: number;
}

/** A body that was written. */
export function body({ bytes }: MessageWriter): AnswerBody {
  return { bytes, inPlace: 0 };
}

/** The body of an Rread. */
export function counted(bytes: Uint8Array): AnswerBody {
  const answer = new Uint8Array(READ_HEAD + bytes.length);
  new DataView(answer.buffer).setUint32(0, bytes.length, true);
  answer.set(bytes, READ_HEAD);
  return { bytes: answer, inPlace: 0 };
}
