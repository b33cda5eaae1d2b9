/**
 * Datagrams between the guest and the host: a socket of the host's for each
 * pair of ends, which is closed when nothing has passed for a while, and ports of
 * the host's whose datagrams go to the guest.
 */
import type { HostListener, HostNetwork, HostUdpSocket } from "./host-network.js";
import { formatIpv4, type Ipv4 } from "./packet.js";

/** Pairs of ends at once; the one that was idle longest makes room. */
const MAX_FLOWS = 256;
const IDLE_MS = 60_000;

/** Both ends of a flow of datagrams. */
export interface UdpEnds {
  readonly guest: Ipv4;
  readonly guestPort: number;
  /** The peer as the guest knows it, and as the host does. */
  readonly remote: Ipv4;
  readonly remotePort: number;
  readonly target: Ipv4;
}

/** How datagrams of a port of the host's reach the guest. */
export interface UdpForward {
  readonly router: Ipv4;
  readonly guest: Ipv4;
  readonly guestPort: number;
  /** A port of the router's for a new peer. */
  nextPort(): number;
}

interface Flow {
  readonly socket: HostUdpSocket;
  timer: ReturnType<typeof setTimeout>;
}

/** Takes a datagram to a guest. */
export type UdpDelivery = (
  source: Ipv4,
  sourcePort: number,
  guest: Ipv4,
  guestPort: number,
  payload: Uint8Array,
) => void;

/** All flows of a network's guests. */
export class UdpFlows {
  readonly #host: HostNetwork;
  readonly #deliver: UdpDelivery;
  /** A Map keeps the order of use: the first is the one that was idle longest. */
  readonly #flows = new Map<string, Flow>();
  /** Peers of forwarded ports, by the router's address and port that stand for them. */
  readonly #peers = new Map<string, (payload: Uint8Array) => void>();

  constructor(host: HostNetwork, deliver: UdpDelivery) {
    this.#host = host;
    this.#deliver = deliver;
  }

  /** Sends what the guest sent to a peer. */
  send({ guest, guestPort, remote, remotePort, target }: UdpEnds, payload: Uint8Array): void {
    const key = `${guest}:${guestPort} ${formatIpv4(remote)}:${remotePort}`;
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      const [oldest] = this.#flows.keys();
      if (this.#flows.size >= MAX_FLOWS && oldest !== undefined) this.#close(oldest);
      const received = (bytes: Uint8Array) => {
        this.#use(key);
        this.#deliver(remote, remotePort, guest, guestPort, bytes);
      };
      flow = { socket: this.#host.connectUdp(target, remotePort, received), timer: this.#timer(key) };
      this.#flows.set(key, flow);
    }
    this.#use(key);
    flow.socket.send(payload);
  }

  /** Lets datagrams to a port of the host's through to the guest, each peer as a port of the router's. */
  async listen(address: string, port: number, forward: UdpForward): Promise<HostListener> {
    const ports = new Map<string, number>();
    const listener = await this.#host.listenUdp(address, port, (peer, payload) => {
      let from = ports.get(peer);
      if (from === undefined) {
        from = forward.nextPort();
        const [oldest] = ports;
        if (ports.size >= MAX_FLOWS && oldest !== undefined) {
          ports.delete(oldest[0]);
          this.#peers.delete(peerKey(forward.guest, forward.router, oldest[1]));
        }
        ports.set(peer, from);
        this.#peers.set(peerKey(forward.guest, forward.router, from), (answer) => listener.send(peer, answer));
      }
      this.#deliver(forward.router, from, forward.guest, forward.guestPort, payload);
    });
    return listener;
  }

  /** Whether a datagram of a guest's answers a peer of a forwarded port; then it is sent there. */
  isForwarded(guest: Ipv4, destination: Ipv4, port: number, payload: Uint8Array): boolean {
    const peer = this.#peers.get(peerKey(guest, destination, port));
    peer?.(payload);
    return peer !== undefined;
  }

  /** Closes every flow. */
  close(): void {
    for (const key of [...this.#flows.keys()]) this.#close(key);
  }

  #use(key: string): void {
    const flow = this.#flows.get(key);
    if (flow === undefined) return;
    clearTimeout(flow.timer);
    flow.timer = this.#timer(key);
    this.#flows.delete(key);
    this.#flows.set(key, flow);
  }

  #timer(key: string): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#close(key), IDLE_MS);
  }

  #close(key: string): void {
    const flow = this.#flows.get(key);
    this.#flows.delete(key);
    clearTimeout(flow?.timer);
    flow?.socket.close();
  }
}

const peerKey = (guest: Ipv4, router: Ipv4, port: number): string => `${guest} ${router}:${port}`;
