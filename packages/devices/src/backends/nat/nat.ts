/**
 * User-mode network address translation: a small network with the guest at
 * 10.0.2.15, or, behind a switch, several from there on, whose router (10.0.2.2)
 * turns their connections into sockets of the host's, and whose name server
 * (10.0.2.3) asks the host. It needs no rights, and what leaves is what the
 * policy allows. IPv4 only.
 */
import { HartvisorError, type NetworkBackend, type NetworkCard } from "@hartvisor/core";
import { pcapngHeader, pcapngPacket } from "../pcapng.js";
import { answerDhcp } from "./dhcp.js";
import { answerDns } from "./dns.js";
import { Fragments } from "./fragments.js";
import type { HostListener, HostNetwork, HostTcpEvents, HostTcpSocket } from "./host-network.js";
import {
  checksum,
  ETHERNET_HEADER,
  EtherType,
  formatIpv4,
  IPV4_HEADER,
  type Ipv4,
  type Ipv4Packet,
  MAX_IPV4,
  Protocol,
  parseIpv4,
  pseudoHeaderSum,
  readIpv4,
  readTcp,
  readUdp,
  TCP_HEADER,
  TcpFlag,
  type TcpSegment,
  UDP_HEADER,
  viewOf,
  writeIpv4,
} from "./packet.js";
import { type NetworkPolicy, networkPolicy } from "./policy.js";
import { type OutgoingSegment, TcpConnection, type TcpEnds, type TcpLink } from "./tcp.js";
import { UdpFlows } from "./udp.js";

const address = (text: string): Ipv4 => parseIpv4(text) ?? 0;
/** The first guest, and how many get addresses; then the one that asked first loses its own. */
const FIRST_GUEST = address("10.0.2.15");
const LEASES = 100;
const ROUTER = address("10.0.2.2");
const NAME_SERVER = address("10.0.2.3");
const NETWORK = address("10.0.2.0");
const BROADCAST = address("10.0.2.255");
const SUBNET_MASK = address("255.255.255.0");
const LOOPBACK = address("127.0.0.1");

/** Connections at once of a guest, and of all: each may hold a TCP window in both directions. More are refused. */
export const MAX_CONNECTIONS = 256;
const MAX_CONNECTIONS_OF_ALL = 1024;
/** Questions to the name server at once; more get no answer, and are asked again. */
const MAX_QUESTIONS = 64;
const DNS_PORT = 53;
const DHCP_SERVER_PORT = 67;
const DHCP_CLIENT_PORT = 68;
const MTU = 1500;
const EVERY_CARD = new Uint8Array(6).fill(0xff);
/** Ports of the router from which connections to the guest seem to come. */
const FIRST_FORWARD_PORT = 49152;

/** A port of the host's that leads to one of the guest's. */
export interface PortForward {
  /** 0: any that is free. */
  readonly host: number;
  readonly guest: number;
  /** Which guest, where there are several. Default: 10.0.2.15. */
  readonly guestAddress?: string;
  /** Default: tcp. */
  readonly protocol?: "tcp" | "udp";
  /** The host's address to listen on. Default: 127.0.0.1, which is this host alone. */
  readonly address?: string;
}

/** What a {@link natNetwork} is made of. */
export interface NatOptions {
  readonly host: HostNetwork;
  /** Default: nothing. */
  readonly forward?: readonly PortForward[];
  /** Where the guest may connect to. Default: public addresses only. Its router's address is this host's loopback. */
  readonly policy?: NetworkPolicy;
  /** Takes what passes the card, as the bytes of a pcapng file. Default: nothing is captured. */
  readonly capture?: (bytes: Uint8Array) => void;
}

/** A network behind NAT. */
export interface NatNetwork extends NetworkBackend {
  /** The host's ports that lead to the guest, in the order of the option. */
  readonly forwarded: readonly number[];
}

/**
 * Makes a network. The host's ports are open when this resolves.
 *
 * @throws HartvisorError `invalid-argument` for a rule that is none, or a port that cannot be listened on
 */
export async function natNetwork(options: NatOptions): Promise<NatNetwork> {
  const nat = new Nat(options);
  try {
    for (const forward of options.forward ?? []) await nat.listen(forward);
  } catch (error) {
    await nat.close();
    throw error;
  }
  return nat;
}

class Nat implements NatNetwork, TcpLink {
  readonly forwarded: number[] = [];
  readonly #host: HostNetwork;
  readonly #isAllowed: (address: Ipv4, port: number) => boolean;
  readonly #capture: ((bytes: Uint8Array) => void) | undefined;
  readonly #listeners: HostListener[] = [];
  readonly #connections = new Map<string, TcpConnection>();
  /** Connections that a segment of the guest's has reached since the last flush. */
  readonly #touched = new Set<TcpConnection>();
  /** Connections whose segments found no room in the guest. */
  readonly #blocked = new Set<TcpConnection>();
  /** Connections that owe an acknowledgement which can wait a moment. */
  readonly #owing = new Set<TcpConnection>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #fragments = new Fragments();
  readonly #udp: UdpFlows;
  #card: NetworkCard | undefined;
  /** Where guests were last heard of, by address. */
  readonly #macs = new Map<Ipv4, Uint8Array>();
  /** Addresses of guests by those of their cards, in the order in which they first asked. */
  readonly #leases = new Map<string, Ipv4>();
  readonly #mac = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2);
  #identification = 0;
  #forwardPort = FIRST_FORWARD_PORT;
  #questions = 0;

  constructor({ host, policy = {}, capture }: NatOptions) {
    this.#host = host;
    this.#isAllowed = networkPolicy(policy);
    this.#capture = capture;
    this.#udp = new UdpFlows(host, (source, sourcePort, guest, guestPort, payload) =>
      this.#sendUdp(source, sourcePort, guest, guestPort, payload),
    );
    capture?.(pcapngHeader());
  }

  async listen(forward: PortForward): Promise<void> {
    const { host: port, guest, guestAddress = formatIpv4(FIRST_GUEST), protocol = "tcp" } = forward;
    const { address: on = "127.0.0.1" } = forward;
    const to = parseIpv4(guestAddress) ?? 0;
    if (!isGuest(to)) throw new HartvisorError("invalid-argument", `${guestAddress} is no address of a guest's`);
    for (const [name, value] of Object.entries({ host: port, guest })) {
      if (!Number.isInteger(value) || value < (name === "host" ? 0 : 1) || value > 65535) {
        throw new HartvisorError("invalid-argument", `${value} is no port of the ${name}`);
      }
    }
    try {
      const listener =
        protocol === "tcp"
          ? await this.#host.listenTcp(on, port, (socket) => this.#accept(socket, to, guest))
          : await this.#udp.listen(on, port, {
              router: ROUTER,
              guest: to,
              guestPort: guest,
              nextPort: () => this.#nextPort(),
            });
      this.#listeners.push(listener);
      this.forwarded.push(listener.port);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new HartvisorError("invalid-argument", `cannot listen on ${on}:${port}: ${reason}`, { cause });
    }
  }

  connect(card: NetworkCard | undefined): void {
    this.#card = card;
    this.#macs.clear();
    this.#leases.clear();
    for (const connection of [...this.#connections.values()]) connection.drop();
    this.#udp.close();
    this.#touched.clear();
    this.#blocked.clear();
  }

  receive(frame: Uint8Array): void {
    this.#capture?.(pcapngPacket([frame], Date.now()));
    if (frame.length < ETHERNET_HEADER) return;
    const type = viewOf(frame).getUint16(12);
    if (type === EtherType.Arp) this.#answerArp(frame);
    if (type !== EtherType.Ipv4) return;
    const part = readIpv4(frame);
    const packet = part && this.#fragments.push(part);
    if (packet === undefined) return;
    if (isGuest(packet.source)) this.#macs.set(packet.source, frame.slice(6, 12));
    if (packet.protocol === Protocol.Tcp) this.#receiveTcp(packet);
    else if (packet.protocol === Protocol.Udp) this.#receiveUdp(packet);
    else if (packet.protocol === Protocol.Icmp) this.#answerPing(packet);
  }

  flush(): void {
    for (const connection of this.#touched) connection.output();
    this.#touched.clear();
  }

  ready(): void {
    const waiting = [...this.#blocked];
    this.#blocked.clear();
    for (const connection of waiting) connection.output();
  }

  async close(): Promise<void> {
    this.connect(undefined);
    for (const listener of this.#listeners.splice(0)) await listener.close();
  }

  get largestSegment(): number {
    return this.#card?.largestSegment ?? 0;
  }

  send(connection: TcpConnection, segment: OutgoingSegment): boolean {
    const isSent = this.#sendTcp(connection.ends, segment);
    if (!isSent) this.#blocked.add(connection);
    return isSent;
  }

  #sendTcp({ guest, guestPort, remote, remotePort }: TcpEnds, segment: OutgoingSegment): boolean {
    const options = segment.options?.length ?? 0;
    const length = TCP_HEADER + options + segment.length;
    const header = new Uint8Array(ETHERNET_HEADER + IPV4_HEADER + TCP_HEADER + options);
    writeIpv4(header, this.#macOf(guest), this.#mac, {
      source: remote,
      destination: guest,
      protocol: Protocol.Tcp,
      length,
      identification: this.#nextIdentification(),
    });
    const at = ETHERNET_HEADER + IPV4_HEADER;
    const view = viewOf(header);
    view.setUint16(at, remotePort);
    view.setUint16(at + 2, guestPort);
    view.setUint32(at + 4, segment.sequence);
    view.setUint32(at + 8, segment.acknowledgement);
    view.setUint8(at + 12, ((TCP_HEADER + options) / 4) << 4);
    view.setUint8(at + 13, segment.flags);
    view.setUint16(at + 14, segment.window);
    view.setUint16(at + 16, pseudoHeaderSum(remote, guest, Protocol.Tcp, length));
    if (segment.options !== undefined) header.set(segment.options, at + TCP_HEADER);
    const isCut = segment.length > segment.segmentSize && segment.segmentSize > 0;
    return this.#deliver([header, ...segment.payload], {
      checksumStart: at,
      checksumOffset: 16,
      segmentSize: isCut ? segment.segmentSize : 0,
    });
  }

  later(connection: TcpConnection): void {
    this.#owing.add(connection);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const each of this.#owing) each.acknowledge();
      this.#owing.clear();
    });
  }

  remove(connection: TcpConnection): void {
    const key = keyOf(connection.ends);
    if (this.#connections.get(key) === connection) this.#connections.delete(key);
    this.#touched.delete(connection);
    this.#blocked.delete(connection);
    this.#owing.delete(connection);
  }

  #receiveTcp(packet: Ipv4Packet): void {
    const segment = readTcp(packet.payload);
    if (segment === undefined || !isGuest(packet.source)) return;
    const ends = endsOf(packet, segment);
    const connection = this.#connections.get(keyOf(ends));
    if (connection !== undefined) {
      connection.receive(segment);
      this.#touched.add(connection);
      return;
    }
    if (segment.flags & TcpFlag.Reset) return;
    const isOpening = (segment.flags & (TcpFlag.Syn | TcpFlag.Acknowledge)) === TcpFlag.Syn;
    const target = outside(ends.remote);
    if (!isOpening || !this.#hasRoomFor(ends.guest) || !this.#isAllowed(target, ends.remotePort)) {
      this.#refuse(ends, segment);
      return;
    }
    const opened = new TcpConnection(ends, this, initialSequence());
    this.#connections.set(keyOf(ends), opened);
    opened.open(segment, this.#host.connectTcp(target, ends.remotePort, opened));
  }

  /** Nobody is there: a reset that the guest takes for an answer to its segment (RFC 9293, 3.10.7.1). */
  #refuse(ends: TcpEnds, { flags, acknowledgement, sequence, payload }: TcpSegment): void {
    const hasAcknowledgement = (flags & TcpFlag.Acknowledge) !== 0;
    const length = payload.length + (flags & TcpFlag.Syn ? 1 : 0) + (flags & TcpFlag.Fin ? 1 : 0);
    this.#sendTcp(ends, {
      sequence: hasAcknowledgement ? acknowledgement : 0,
      acknowledgement: hasAcknowledgement ? 0 : (sequence + length) >>> 0,
      flags: hasAcknowledgement ? TcpFlag.Reset : TcpFlag.Reset | TcpFlag.Acknowledge,
      window: 0,
      payload: [],
      length: 0,
      segmentSize: 0,
    });
  }

  /** Somebody has connected to a port of the host's that leads to the guest. */
  #accept(socket: HostTcpSocket, guest: Ipv4, guestPort: number): HostTcpEvents {
    const ends = { guest, guestPort, remote: ROUTER, remotePort: this.#nextPort() };
    const connection = new TcpConnection(ends, this, initialSequence());
    if (this.#card === undefined || !this.#hasRoomFor(guest)) {
      socket.destroy();
      return connection;
    }
    this.#connections.set(keyOf(ends), connection);
    connection.openToGuest(socket);
    return connection;
  }

  #hasRoomFor(guest: Ipv4): boolean {
    if (this.#connections.size >= MAX_CONNECTIONS_OF_ALL) return false;
    let own = 0;
    for (const { ends } of this.#connections.values()) if (ends.guest === guest) own++;
    return own < MAX_CONNECTIONS;
  }

  /** The address of the guest with a card. */
  #leaseOf(card: Uint8Array): Ipv4 {
    const key = card.join(":");
    const known = this.#leases.get(key);
    if (known !== undefined) return known;
    const [oldest] = this.#leases;
    const isFull = oldest !== undefined && this.#leases.size >= LEASES;
    if (isFull) this.#leases.delete(oldest[0]);
    const lease = isFull ? oldest[1] : FIRST_GUEST + this.#leases.size;
    this.#leases.set(key, lease);
    return lease;
  }

  /** Where a guest was last heard of; everywhere, if it was not yet. */
  #macOf(guest: Ipv4): Uint8Array {
    return this.#macs.get(guest) ?? EVERY_CARD;
  }

  #receiveUdp(packet: Ipv4Packet): void {
    const datagram = readUdp(packet.payload);
    if (datagram === undefined) return;
    const { sourcePort, destinationPort, payload } = datagram;
    const { source: guest, destination } = packet;
    if (destinationPort === DHCP_SERVER_PORT && sourcePort === DHCP_CLIENT_PORT) {
      const addresses = { router: ROUTER, nameServer: NAME_SERVER, subnetMask: SUBNET_MASK };
      const answer = answerDhcp(payload, { ...addresses, guest: (card) => this.#leaseOf(card) });
      if (answer !== undefined) this.#sendUdp(ROUTER, DHCP_SERVER_PORT, 0xffff_ffff, DHCP_CLIENT_PORT, answer);
      return;
    }
    if (!isGuest(guest)) return;
    if (destination === NAME_SERVER && destinationPort === DNS_PORT) {
      this.#answerQuestion(guest, sourcePort, payload.slice());
      return;
    }
    if (this.#udp.isForwarded(guest, destination, destinationPort, payload)) return;
    const target = outside(destination);
    if (this.#isAllowed(target, destinationPort)) {
      const ends = { guest, guestPort: sourcePort, remote: destination, remotePort: destinationPort, target };
      this.#udp.send(ends, payload);
    }
  }

  #answerQuestion(guest: Ipv4, guestPort: number, query: Uint8Array): void {
    if (this.#questions >= MAX_QUESTIONS) return;
    this.#questions++;
    answerDns(query, (name) => this.#host.resolve(name))
      .then((answer) => {
        if (answer !== undefined) this.#sendUdp(NAME_SERVER, DNS_PORT, guest, guestPort, answer);
      })
      .catch(() => {})
      .finally(() => {
        this.#questions--;
      });
  }

  /** Sends a datagram to a guest, or to all, in fragments where it is longer than a frame; one that finds no room is lost. */
  #sendUdp(source: Ipv4, sourcePort: number, destination: Ipv4, guestPort: number, payload: Uint8Array): void {
    const datagram = new Uint8Array(UDP_HEADER + payload.length);
    if (datagram.length > MAX_IPV4 - IPV4_HEADER) return;
    const view = viewOf(datagram);
    view.setUint16(0, sourcePort);
    view.setUint16(2, guestPort);
    view.setUint16(4, datagram.length);
    datagram.set(payload, UDP_HEADER);
    const pseudo = pseudoHeaderSum(source, destination, Protocol.Udp, datagram.length);
    view.setUint16(6, checksum(datagram, pseudo) || 0xffff);
    const to = this.#macOf(destination);
    const identification = this.#nextIdentification();
    const most = (MTU - IPV4_HEADER) & ~7;
    for (let at = 0; at < datagram.length; at += most) {
      const part = datagram.subarray(at, at + most);
      const header = new Uint8Array(ETHERNET_HEADER + IPV4_HEADER);
      const isLast = at + most >= datagram.length;
      writeIpv4(header, to, this.#mac, {
        source,
        destination,
        protocol: Protocol.Udp,
        length: part.length,
        identification,
        fragment: (isLast ? 0 : 0x2000) | (at / 8),
      });
      if (!this.#deliver([header, part])) return;
    }
  }

  /** The router and the name server have one card; guests are asked themselves. */
  #answerArp(frame: Uint8Array): void {
    const view = viewOf(frame);
    const isRequest =
      frame.length >= 42 &&
      view.getUint32(14) === 0x00010800 &&
      view.getUint16(18) === 0x0604 &&
      view.getUint16(20) === 1;
    if (!isRequest) return;
    const wanted = view.getUint32(38);
    if (wanted !== ROUTER && wanted !== NAME_SERVER) return;
    const answer = frame.slice(0, 42);
    const out = viewOf(answer);
    answer.set(frame.subarray(6, 12), 0);
    answer.set(this.#mac, 6);
    out.setUint16(20, 2);
    answer.set(this.#mac, 22);
    out.setUint32(28, wanted);
    answer.set(frame.subarray(22, 32), 32);
    this.#deliver([answer]);
  }

  /** The router and the name server answer pings; the host cannot send any without rights. */
  #answerPing({ source, destination, payload }: Ipv4Packet): void {
    const isAsked = destination === ROUTER || destination === NAME_SERVER;
    if (!isAsked || !isGuest(source) || payload.length < 8 || payload[0] !== 8 || payload.length > MTU - IPV4_HEADER)
      return;
    const answer = payload.slice();
    answer[0] = 0;
    viewOf(answer).setUint16(2, 0);
    viewOf(answer).setUint16(2, checksum(answer));
    const header = new Uint8Array(ETHERNET_HEADER + IPV4_HEADER);
    const { length } = answer;
    const identification = this.#nextIdentification();
    const ends = { source: destination, destination: source };
    writeIpv4(header, this.#macOf(source), this.#mac, { ...ends, protocol: Protocol.Icmp, length, identification });
    this.#deliver([header, answer]);
  }

  #deliver(parts: readonly Uint8Array[], offload?: Parameters<NetworkCard["deliver"]>[1]): boolean {
    if (this.#card?.deliver(parts, offload) !== true) return false;
    this.#capture?.(pcapngPacket(parts, Date.now()));
    return true;
  }

  #nextIdentification(): number {
    this.#identification = (this.#identification + 1) & 0xffff;
    return this.#identification;
  }

  #nextPort(): number {
    const port = this.#forwardPort;
    this.#forwardPort = port === 65535 ? FIRST_FORWARD_PORT : port + 1;
    return port;
  }
}

function endsOf({ source, destination }: Ipv4Packet, { sourcePort, destinationPort }: TcpSegment): TcpEnds {
  return { guest: source, guestPort: sourcePort, remote: destination, remotePort: destinationPort };
}

function keyOf({ guest, guestPort, remote, remotePort }: TcpEnds): string {
  return `${guest}:${guestPort} ${formatIpv4(remote)}:${remotePort}`;
}

/** Whether an address can be a guest's. */
function isGuest(where: Ipv4): boolean {
  if (where === ROUTER || where === NAME_SERVER || where === NETWORK || where === BROADCAST) return false;
  return (where & SUBNET_MASK) >>> 0 === NETWORK;
}

/** An address of the guest's network as the host knows it: its router is the host. */
function outside(where: Ipv4): Ipv4 {
  return where === ROUTER ? LOOPBACK : where;
}

function initialSequence(): number {
  return Math.floor(Math.random() * 2 ** 32);
}
