/**
 * A network of the owner's thread and a card in a worker: frames in batches, copied between the threads. What is on its
 * way is bounded in either direction, however busy a thread is. Towards the guest the network is told that there is no
 * room, and keeps frames or drops them as for any card; from the guest frames beyond the bound are dropped, and the
 * network hears how many.
 */
import type { FrameOffload, NetworkBackend, NetworkCard } from "@hartvisor/core";
import type { Channel } from "./channel.js";

/** Frames and bytes on their way in one direction: what has arrived counts until it has been taken. */
const MAX_FRAMES = 1024;
const MAX_BYTES = 2 << 20;

interface Frame {
  readonly bytes: Uint8Array;
  readonly offload: FrameOffload | undefined;
}

/** What the worker says. */
type FromCard =
  /** A driver is up, or gone: frames that were for the one before are for nobody. */
  | { readonly kind: "connect"; readonly life: number; readonly largestSegment: number | undefined }
  /** What the guest sent in one go; and how many frames were lost before. */
  | { readonly kind: "frames"; readonly frames: readonly Frame[]; readonly lost: number }
  /** Frames that the guest has got, or that were for a driver that is gone. */
  | { readonly kind: "taken"; readonly frames: number; readonly bytes: number };

/** What the owner says. */
type FromNetwork =
  /** That a driver is up or gone was heard; the next such news may come. */
  | { readonly kind: "heard" }
  | { readonly kind: "frames"; readonly frames: readonly Frame[]; readonly life: number }
  | { readonly kind: "taken"; readonly frames: number; readonly bytes: number };

/** What is on its way. */
class Passage {
  #frames = 0;
  #bytes = 0;

  get isFull(): boolean {
    return this.#frames >= MAX_FRAMES || this.#bytes >= MAX_BYTES;
  }

  add(bytes: number): void {
    this.#frames++;
    this.#bytes += bytes;
  }

  take(frames: number, bytes: number): void {
    this.#frames -= frames;
    this.#bytes -= bytes;
  }
}

/** In the owner's thread: serves a network to a card at the other end; call the result when the worker is gone. */
export function serveNetwork(network: NetworkBackend, channel: Channel): () => void {
  const passage = new Passage();
  let batch: Frame[] = [];
  let isStarved = false;
  let life = 0;

  const post = (message: FromNetwork) => channel.post(message);
  const sendBatch = () => {
    const frames = batch;
    batch = [];
    post({ kind: "frames", frames, life });
  };
  const cardOf = (largestSegment: number, ownLife: number): NetworkCard => ({
    largestSegment,
    deliver: (parts, offload) => {
      if (life !== ownLife) return false;
      if (passage.isFull) {
        isStarved = true;
        return false;
      }
      const bytes = copyOf(parts);
      passage.add(bytes.length);
      if (batch.push({ bytes, offload }) === 1) queueMicrotask(sendBatch);
      return true;
    },
  });

  channel.listen((data) => {
    const message = data as FromCard;
    switch (message.kind) {
      case "connect": {
        if (batch.length > 0) sendBatch();
        life = message.life;
        isStarved = false;
        const { largestSegment } = message;
        network.connect(largestSegment === undefined ? undefined : cardOf(largestSegment, life));
        post({ kind: "heard" });
        break;
      }
      case "frames": {
        let length = 0;
        for (const { bytes, offload } of message.frames) {
          length += bytes.length;
          network.receive(bytes, offload);
        }
        network.flush();
        if (message.lost > 0) network.lost?.(message.lost);
        post({ kind: "taken", frames: message.frames.length, bytes: length });
        break;
      }
      case "taken":
        passage.take(message.frames, message.bytes);
        if (!isStarved || passage.isFull) break;
        isStarved = false;
        network.ready();
        break;
    }
  });
  return () => {
    life = -1;
    network.connect(undefined);
  };
}

/** In the worker: the network at the other end, as a backend for a card here. */
export function remoteNetwork(channel: Channel): NetworkBackend {
  const passage = new Passage();
  let card: NetworkCard | undefined;
  /** Of drivers, one after the other: which one it is, and which one the owner was told of last. */
  let life = 0;
  let told = 0;
  let isHeard = true;
  let lost = 0;
  let batch: Frame[] = [];
  let waiting: Frame[] = [];

  const post = (message: FromCard) => channel.post(message);
  const took = (frames: readonly Frame[]) => {
    if (frames.length === 0) return;
    const bytes = frames.reduce((sum, frame) => sum + frame.bytes.length, 0);
    post({ kind: "taken", frames: frames.length, bytes });
  };
  const drain = () => {
    let taken = 0;
    for (const { bytes, offload } of waiting) {
      if (card?.deliver([bytes], offload) === false) break;
      taken++;
    }
    took(waiting.splice(0, taken));
  };

  // A guest that resets its card all the time must not pile up messages: one is on its way at most.
  const tell = () => {
    if (!isHeard || told === life) return;
    told = life;
    isHeard = false;
    post({ kind: "connect", life, largestSegment: card?.largestSegment });
  };
  const send = () => {
    if ((batch.length === 0 && lost === 0) || told !== life) return;
    post({ kind: "frames", frames: batch, lost });
    batch = [];
    lost = 0;
  };

  channel.listen((data) => {
    const message = data as FromNetwork;
    if (message.kind === "heard") {
      isHeard = true;
      tell();
      send();
    } else if (message.kind === "taken") {
      passage.take(message.frames, message.bytes);
      if (lost > 0) send();
    } else if (message.life !== life || card === undefined) took(message.frames);
    else {
      const wasEmpty = waiting.length === 0;
      waiting.push(...message.frames);
      // Where frames wait already, the card has no room, and says when it has.
      if (wasEmpty) drain();
    }
  });
  return {
    connect: (next) => {
      card = next;
      life++;
      took(waiting);
      waiting = [];
      for (const { bytes } of batch) passage.take(1, bytes.length);
      batch = [];
      tell();
    },
    receive: (frame, offload) => {
      if (passage.isFull) {
        lost++;
        return;
      }
      passage.add(frame.length);
      batch.push({ bytes: frame.byteLength === frame.buffer.byteLength ? frame : frame.slice(), offload });
    },
    // What was lost alone is told when the owner has taken something: it is busy.
    flush: () => {
      if (batch.length > 0) send();
    },
    ready: drain,
    close: async () => {},
  };
}

function copyOf(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
