/** The other end of the measuring kernel's wire. */
import type { NetworkBackend, NetworkCard } from "@hartvisor/core";

/** For local experiments (IEEE 802, 9.2.4); the kernel sends no others. */
const ETHER_TYPE = 0x88b5;
const TYPE_OFFSET = 12;
const PAYLOAD_OFFSET = 14;
/** A full frame, without its checksum. */
const FRAME_BYTES = 1514;
/** Of one frame: as many as the kernel has buffers for. */
const MOST_ANSWERS = 64;

/**
 * A network that answers: a frame whose payload begins with a number (u32, little-endian, at most 64) gets so many full
 * frames back, as soon as there is room for them.
 */
export function answeringNetwork(): NetworkBackend {
  const answer = new Uint8Array(FRAME_BYTES);
  new DataView(answer.buffer).setUint16(TYPE_OFFSET, ETHER_TYPE);
  const parts = [answer];
  let card: NetworkCard | undefined;
  let owed = 0;
  const pay = () => {
    while (owed > 0 && card?.deliver(parts)) owed--;
  };
  return {
    connect: (next) => {
      card = next;
      owed = 0;
    },
    receive: (frame) => {
      if (frame.length < PAYLOAD_OFFSET + 4) return;
      const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
      if (view.getUint16(TYPE_OFFSET) !== ETHER_TYPE) return;
      owed += Math.min(view.getUint32(PAYLOAD_OFFSET, true), MOST_ANSWERS);
    },
    flush: pay,
    ready: pay,
    close: async () => {},
  };
}
