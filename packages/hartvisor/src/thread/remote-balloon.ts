/** A balloon in a worker, and the owner's hand on it. */
import type { HartvisorError } from "@hartvisor/core";
import type { BalloonStatistics, VirtioBalloon } from "@hartvisor/devices";
import type { Channel } from "./channel.js";
import { fromPortableError, type PortableError, toPortableError } from "./protocol.js";

type FromOwner =
  | { readonly kind: "target"; readonly bytes: number }
  | { readonly kind: "statistics"; readonly id: number }
  /** The size was heard; the next may come. */
  | { readonly kind: "heard" };

type FromBalloon =
  | { readonly kind: "actual"; readonly bytes: number }
  | { readonly kind: "statistics"; readonly id: number; readonly statistics: BalloonStatistics }
  | { readonly kind: "error"; readonly id: number; readonly error: PortableError };

/** In the worker: has the owner drive a balloon; call the result whenever the guest says another size. */
export function serveBalloon(balloon: VirtioBalloon, channel: Channel): () => void {
  const post = (message: FromBalloon) => channel.post(message);
  let told = balloon.actualBytes;
  let isHeard = true;
  // A guest that changes its mind all the time must not pile up messages: one is on its way at most.
  const tell = () => {
    if (!isHeard || told === balloon.actualBytes) return;
    told = balloon.actualBytes;
    isHeard = false;
    post({ kind: "actual", bytes: told });
  };
  channel.listen((data) => {
    const message = data as FromOwner;
    switch (message.kind) {
      case "target":
        balloon.targetBytes = message.bytes;
        break;
      case "heard":
        isHeard = true;
        tell();
        break;
      case "statistics": {
        const { id } = message;
        balloon.statistics().then(
          (statistics) => post({ kind: "statistics", id, statistics }),
          (error) => post({ kind: "error", id, error: toPortableError(error) }),
        );
        break;
      }
    }
  });
  return tell;
}

/** In the owner's thread: a balloon at the other end. */
export class RemoteBalloon {
  readonly #channel: Channel;
  readonly #asked = new Map<number, { resolve(value: BalloonStatistics): void; reject(error: unknown): void }>();
  #nextId = 1;
  #actualBytes = 0;
  #closed: HartvisorError | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.listen((data) => this.#hear(data as FromBalloon));
  }

  /** As far as this thread has heard. */
  get actualBytes(): number {
    return this.#actualBytes;
  }

  setTarget(bytes: number): void {
    this.#post({ kind: "target", bytes });
  }

  statistics(): Promise<BalloonStatistics> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) {
        reject(this.#closed);
        return;
      }
      const id = this.#nextId++;
      this.#asked.set(id, { resolve, reject });
      this.#post({ kind: "statistics", id });
    });
  }

  /** The worker is gone. */
  close(reason: HartvisorError): void {
    this.#closed = reason;
    for (const { reject } of this.#asked.values()) reject(reason);
    this.#asked.clear();
  }

  #hear(message: FromBalloon): void {
    if (message.kind === "actual") {
      this.#actualBytes = message.bytes;
      this.#post({ kind: "heard" });
      return;
    }
    const asked = this.#asked.get(message.id);
    this.#asked.delete(message.id);
    if (message.kind === "statistics") asked?.resolve(message.statistics);
    else asked?.reject(fromPortableError(message.error));
  }

  #post(message: FromOwner): void {
    this.#channel.post(message);
  }
}
