/**
 * Puts together the IPv4 packets that a guest sends in fragments (RFC 791,
 * 3.2). The link to the guest keeps their order, so that a fragment is the next
 * one of its packet or of no use.
 */
import { type Ipv4Packet, type Ipv4Part, MAX_IPV4 } from "./packet.js";

/** Packets that are not whole yet; the oldest is given up for a new one. */
const MAX_UNFINISHED = 16;

interface Unfinished {
  readonly parts: Uint8Array[];
  length: number;
}

/** A guest's packets that are not whole yet. */
export class Fragments {
  readonly #unfinished = new Map<string, Unfinished>();

  /** Takes a part of a packet; the packet, once all of it is here. */
  push(part: Ipv4Part): Ipv4Packet | undefined {
    const { fragmentOffset, hasMore, payload } = part;
    if (fragmentOffset === 0 && !hasMore) return part;
    const key = `${part.source} ${part.destination} ${part.protocol} ${part.identification}`;
    let packet = this.#unfinished.get(key);
    if (fragmentOffset === 0) {
      this.#unfinished.delete(key);
      const [oldest] = this.#unfinished.keys();
      if (this.#unfinished.size >= MAX_UNFINISHED && oldest !== undefined) this.#unfinished.delete(oldest);
      packet = { parts: [], length: 0 };
      this.#unfinished.set(key, packet);
    }
    if (packet === undefined || packet.length !== fragmentOffset || packet.length + payload.length > MAX_IPV4) {
      this.#unfinished.delete(key);
      return undefined;
    }
    packet.parts.push(payload);
    packet.length += payload.length;
    if (hasMore) return undefined;
    this.#unfinished.delete(key);
    const whole = new Uint8Array(packet.length);
    let at = 0;
    for (const each of packet.parts) {
      whole.set(each, at);
      at += each.length;
    }
    return { ...part, payload: whole };
  }
}
