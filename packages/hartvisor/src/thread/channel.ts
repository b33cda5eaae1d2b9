/**
 * Ways for data between a machine's worker and its owner, beside the calls: each leads from an object of the owner's, such
 * as a network, to a device in the worker. All go over the one link, so that what is posted stays in order.
 */

/** One end of a way. */
export interface Channel {
  /** Sends plain data; views of bytes should have their buffers to themselves, as all of a buffer is cloned. */
  post(data: unknown): void;
  /** Hears what comes, and what came before anybody listened. */
  listen(hear: (data: unknown) => void): void;
}

/** The channels at one end of a link, by their numbers. */
export class Channels {
  readonly #send: (channel: number, data: unknown) => void;
  readonly #listeners = new Map<number, (data: unknown) => void>();
  readonly #early = new Map<number, unknown[]>();

  constructor(send: (channel: number, data: unknown) => void) {
    this.#send = send;
  }

  open(channel: number): Channel {
    return {
      post: (data) => this.#send(channel, data),
      listen: (hear) => {
        this.#listeners.set(channel, hear);
        const early = this.#early.get(channel) ?? [];
        this.#early.delete(channel);
        for (const data of early) hear(data);
      },
    };
  }

  /** Something came over the link. */
  receive(channel: number, data: unknown): void {
    const hear = this.#listeners.get(channel);
    if (hear !== undefined) {
      hear(data);
      return;
    }
    const early = this.#early.get(channel) ?? [];
    early.push(data);
    this.#early.set(channel, early);
  }
}
