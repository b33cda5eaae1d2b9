/**
 * A link between a switch and what is elsewhere, over a stream of bytes: a
 * socket, a pipe, a WebSocket. Each frame stands behind its length in four bytes,
 * big-endian, as QEMU's `-netdev stream` has it. Peers are hostile: a length that no frame
 * has ends the link, as what follows cannot be told apart any more.
 */
import { HartvisorError } from "@hartvisor/core";
import { MAX_UNCUT_FRAME } from "./frame.js";
import type { PortVlans } from "./port.js";
import type { NetworkSwitch, SwitchPort } from "./switch.js";

const LENGTH = 4;
/** Bytes that wait for the stream; further frames wait at the port of the switch, and are dropped beyond its bounds. */
const MAX_BACKLOG = 256 << 10;

/** Bytes both ways, as sockets and WebSockets give them. */
export interface ByteStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

/** A link that is up. */
export interface StreamLink {
  /** Resolves when it is down: with the reason if that is not that both sides were done. */
  readonly closed: Promise<Error | undefined>;
  /** Takes it down. */
  close(): Promise<void>;
}

/** Links a switch by a stream. Default: as a trunk of all VLANs, of which 1 goes without tags. */
export function streamLink(
  hub: NetworkSwitch,
  { readable, writable }: ByteStream,
  vlans: PortVlans = { trunk: "all", native: 1 },
): StreamLink {
  const writer = writable.getWriter();
  const reader = readable.getReader();
  let backlog = 0;
  let isOpen = true;
  const port = hub.wire((frame) => {
    if (!isOpen) return true;
    if (backlog >= MAX_BACKLOG) return false;
    const bytes = framed(frame);
    backlog += bytes.length;
    writer.write(bytes).then(
      () => {
        backlog -= bytes.length;
        if (backlog < MAX_BACKLOG) port.drain();
      },
      () => {}, // the reader hears of it, too
    );
    return true;
  }, vlans);
  const end = async (reason?: unknown) => {
    if (!isOpen) return;
    isOpen = false;
    port.remove();
    await Promise.allSettled([reader.cancel(reason), writer.abort(reason)]);
  };
  void writer.closed.catch(end);
  return { closed: receive(reader, hub, port).finally(end), close: () => end() };
}

/** Gives the switch what comes in; resolves with the reason for the end. */
async function receive(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  hub: NetworkSwitch,
  port: SwitchPort,
): Promise<Error | undefined> {
  const frames = new FrameReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      for (const frame of frames.push(value)) port.receive(frame);
      port.flush();
    }
  } catch (error) {
    if (error instanceof HartvisorError) hub.refuse("malformed");
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Puts frames together from the pieces of a stream. */
export class FrameReader {
  #rest = new Uint8Array(0);

  /** The frames that these bytes complete. Throws `invalid-state` where a length is none of a frame, when those before were taken. */
  *push(bytes: Uint8Array): Generator<Uint8Array> {
    let all = bytes;
    if (this.#rest.length > 0) {
      all = new Uint8Array(this.#rest.length + bytes.length);
      all.set(this.#rest);
      all.set(bytes, this.#rest.length);
    }
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    let at = 0;
    while (all.length - at >= LENGTH) {
      const length = view.getUint32(at);
      if (length === 0 || length > MAX_UNCUT_FRAME) {
        throw new HartvisorError(
          "invalid-state",
          `a peer announced a frame of ${length} bytes, which none has: its link is down`,
        );
      }
      if (all.length - at < LENGTH + length) break;
      yield all.slice(at + LENGTH, at + LENGTH + length);
      at += LENGTH + length;
    }
    this.#rest = all.slice(at);
  }
}

function framed(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(LENGTH + frame.length);
  new DataView(bytes.buffer).setUint32(0, frame.length);
  bytes.set(frame, LENGTH);
  return bytes;
}

/**
 * A WebSocket as bytes both ways, once it is open; frames need not be messages. `bufferedAmount` holds back what the peer does not
 * take. Rejects with `invalid-state` if it does not open.
 */
export async function webSocketStream(socket: WebSocket): Promise<ByteStream> {
  socket.binaryType = "arraybuffer";
  if (socket.readyState === socket.CONNECTING) {
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve(), { once: true });
      const fail = () => reject(new HartvisorError("invalid-state", `the WebSocket ${socket.url} did not open`));
      socket.addEventListener("error", fail, { once: true });
      socket.addEventListener("close", fail, { once: true });
    });
  }
  const readable = new ReadableStream<Uint8Array>({
    start(controller) {
      socket.addEventListener("message", ({ data }) => {
        // Text is nothing that a peer of this kind sends.
        if (data instanceof ArrayBuffer) controller.enqueue(new Uint8Array(data));
        else socket.close(1003);
      });
      socket.addEventListener("close", () => controller.close(), { once: true });
    },
    cancel: () => socket.close(),
  });
  const writable = new WritableStream<Uint8Array>({
    async write(bytes) {
      if (socket.readyState !== socket.OPEN) throw new HartvisorError("invalid-state", "the WebSocket is closed");
      socket.send(bytes as Uint8Array<ArrayBuffer>);
      while (socket.bufferedAmount > MAX_BACKLOG && socket.readyState === socket.OPEN) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    },
    close: () => socket.close(),
    abort: () => socket.close(),
  });
  return { readable, writable };
}

/** WebSockets do not say when they have sent: one looks. */
const POLL_MS = 5;
