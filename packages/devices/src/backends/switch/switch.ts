/**
 * A learning switch with VLANs (IEEE 802.1Q): joins machines, networks such as
 * NAT, and switches elsewhere, by {@link streamLink}. It has no spanning tree: links must not
 * make a loop. What is on its ports is hostile: tables and queues are bounded,
 * and what must not pass is dropped and counted.
 */
import { type FrameOffload, HartvisorError, type NetworkBackend, type NetworkCard } from "@hartvisor/core";
import { isGroup, SwitchedFrame } from "./frame.js";
import { type DropReason, Port, type PortVlans } from "./port.js";

/** Ports of a switch. */
export const MAX_PORTS = 1024;
/** Addresses that a port may have; the one learnt first makes room, so that a flood costs the others nothing. */
export const MAX_ADDRESSES_PER_PORT = 256;
/** An address that has not been seen for so long is forgotten (802.1Q, table 8-6). */
export const AGEING_MS = 300_000;
/** Group addresses 01-80-c2-00-00-00 to -0f are for the switch itself, which has no use for them (802.1Q, table 8-1). */
const RESERVED_GROUPS = 0x0180c2000000;
/** The longest TCP payload in a frame that a network is asked for: it is cut where a card cannot. */
const LARGEST_SEGMENT = 65495;

/** What passed a switch since it was made. */
export interface SwitchStats {
  /** Frames that went to the port of their address. */
  readonly forwarded: number;
  /** Frames that went to every port of their VLAN. */
  readonly flooded: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
  /** Addresses that are known now. */
  readonly addresses: number;
}

/** Something plugged into a switch. */
export interface Plug {
  /** Pulls it out; what was plugged in is not closed. */
  remove(): void;
}

interface Learnt {
  readonly vlan: number;
  readonly address: number;
  port: Port;
  seen: number;
}

/** The switch's end of a wire. */
export interface SwitchPort {
  /** Gives the switch a frame that came in; its bytes are the switch's to keep. */
  receive(frame: Uint8Array): void;
  /** All frames of one batch were handed over. */
  flush(): void;
  /** The end has room again. */
  drain(): void;
  remove(): void;
}

/**
 * A switch.
 *
 * @example
 * const lan = new NetworkSwitch();
 * const a = await Machine.create({ boot, devices: [virtioNet({ backend: lan.card(), mac: "52:54:00:00:00:01" })] });
 * const b = await Machine.create({ boot, devices: [virtioNet({ backend: lan.card(), mac: "52:54:00:00:00:02" })] });
 * lan.plug(await nat());
 */
export class NetworkSwitch {
  readonly #now: () => number;
  readonly #ports = new Set<Port>();
  /** What was learnt, by VLAN and address. */
  readonly #tables = new Map<number, Map<number, Learnt>>();
  /** The same by port, in the order in which it was. */
  readonly #ofPorts = new Map<Port, Set<Learnt>>();
  readonly #unflushed = new Set<Port>();
  readonly #dropped: Record<DropReason, number> = { malformed: 0, vlan: 0, address: 0, full: 0 };
  #forwarded = 0;
  #flooded = 0;

  /** `now`: milliseconds of a clock by which addresses age. Default: the host's. */
  constructor({ now = () => performance.now() }: { readonly now?: () => number } = {}) {
    this.#now = now;
  }

  get stats(): SwitchStats {
    let addresses = 0;
    for (const learnt of this.#ofPorts.values()) addresses += learnt.size;
    return { forwarded: this.#forwarded, flooded: this.#flooded, dropped: { ...this.#dropped }, addresses };
  }

  /** Counts what a link refused before it was a frame. */
  refuse(reason: DropReason, frames = 1): void {
    this.#dropped[reason] += frames;
  }

  /** A backend for one card. Throws `invalid-argument` for VLANs that are none, or too many ports. */
  card(vlans: PortVlans = {}): NetworkBackend {
    const port = this.#add(vlans);
    return {
      connect: (card) => {
        port.end = card;
        this.#forget(port);
        port.clear();
      },
      receive: (frame, offload) => this.#receive(port, frame, offload),
      flush: () => this.#flush(),
      lost: (frames) => this.refuse("full", frames),
      ready: () => port.drain(),
      close: async () => this.#remove(port),
    };
  }

  /** Plugs a network in, such as NAT. */
  plug(network: NetworkBackend, vlans: PortVlans = {}): Plug {
    const port = this.#add(vlans);
    const ready = () => network.ready();
    port.end = {
      largestSegment: Number.POSITIVE_INFINITY,
      deliver: ([bytes]) => {
        if (bytes !== undefined) network.receive(bytes);
        return true;
      },
    };
    port.flush = () => network.flush();
    const card: NetworkCard = {
      largestSegment: LARGEST_SEGMENT,
      deliver: (parts, offload) => {
        const bytes = joined(parts);
        const full = this.#fullPortOf(port, bytes);
        full?.waiters.add(ready);
        if (full === undefined) this.#receive(port, bytes, offload);
        return full === undefined;
      },
    };
    network.connect(card);
    return {
      remove: () => {
        for (const other of this.#ports) other.waiters.delete(ready);
        network.connect(undefined);
        this.#remove(port);
      },
    };
  }

  /**
   * Plugs in a wire: finished frames go out by `deliver`, which gives false while it has no room and has {@link SwitchPort.drain}
   * called then; what this gives takes those that come in.
   */
  wire(deliver: (frame: Uint8Array) => boolean, vlans: PortVlans): SwitchPort {
    const port = this.#add(vlans);
    port.isWire = true;
    port.end = { largestSegment: 0, deliver: (parts) => deliver(joined(parts)) };
    return {
      receive: (frame) => this.#receive(port, frame),
      flush: () => this.#flush(),
      drain: () => port.drain(),
      remove: () => this.#remove(port),
    };
  }

  #add(vlans: PortVlans): Port {
    if (this.#ports.size >= MAX_PORTS) {
      throw new HartvisorError("invalid-argument", `a switch has at most ${MAX_PORTS} ports`);
    }
    const port = new Port(vlans, (reason) => this.refuse(reason));
    this.#ports.add(port);
    this.#ofPorts.set(port, new Set());
    return port;
  }

  #remove(port: Port): void {
    port.end = undefined;
    port.clear();
    this.#forget(port);
    this.#ports.delete(port);
    this.#ofPorts.delete(port);
    this.#unflushed.delete(port);
  }

  #receive(port: Port, bytes: Uint8Array, offload?: FrameOffload): void {
    const frame = SwitchedFrame.read(bytes, offload);
    if (frame === undefined) {
      this.refuse("malformed");
      return;
    }
    const vlan = this.#ports.has(port) ? port.vlanOf(frame) : undefined;
    if (vlan === undefined) {
      this.refuse("vlan");
      return;
    }
    const { source, destination } = frame;
    const isReserved = destination >= RESERVED_GROUPS && destination <= RESERVED_GROUPS + 15;
    if (isGroup(source) || source === 0 || isReserved) {
      this.refuse("address");
      return;
    }
    this.#learn(port, vlan, source);
    const known = isGroup(destination) ? undefined : this.#find(vlan, destination);
    if (known !== undefined) {
      if (known === port) return; // it was there already
      this.#forwarded++;
      this.#send(known, frame, vlan);
      return;
    }
    this.#flooded++;
    for (const other of this.#ports) {
      if (other !== port && other.carries(vlan)) this.#send(other, frame, vlan);
    }
  }

  #send(port: Port, frame: SwitchedFrame, vlan: number): void {
    port.send(frame, vlan);
    if (port.flush !== undefined) this.#unflushed.add(port);
  }

  #flush(): void {
    for (const port of this.#unflushed) {
      this.#unflushed.delete(port);
      port.flush?.();
    }
  }

  #learn(port: Port, vlan: number, address: number): void {
    let table = this.#tables.get(vlan);
    if (table === undefined) {
      table = new Map();
      this.#tables.set(vlan, table);
    }
    const known = table.get(address);
    if (known !== undefined) {
      known.seen = this.#now();
      if (known.port === port) return;
      this.#ofPorts.get(known.port)?.delete(known);
      known.port = port;
    }
    const learnt = known ?? { vlan, address, port, seen: this.#now() };
    table.set(address, learnt);
    const own = this.#ofPorts.get(port);
    own?.add(learnt);
    if (own === undefined || own.size <= MAX_ADDRESSES_PER_PORT) return;
    const [oldest] = own;
    if (oldest !== undefined) this.#unlearn(oldest);
  }

  /** The port of an address; undefined if that is not known, or no longer. */
  #find(vlan: number, address: number): Port | undefined {
    const learnt = this.#tables.get(vlan)?.get(address);
    if (learnt === undefined || this.#now() - learnt.seen <= AGEING_MS) return learnt?.port;
    this.#unlearn(learnt);
    return undefined;
  }

  #unlearn(learnt: Learnt): void {
    this.#ofPorts.get(learnt.port)?.delete(learnt);
    const table = this.#tables.get(learnt.vlan);
    table?.delete(learnt.address);
    if (table?.size === 0) this.#tables.delete(learnt.vlan);
  }

  /** Forgets what was learnt at a port. */
  #forget(port: Port): void {
    for (const learnt of this.#ofPorts.get(port) ?? []) this.#unlearn(learnt);
  }

  /** The port that a frame is for, if it is full. */
  #fullPortOf(port: Port, bytes: Uint8Array): Port | undefined {
    const frame = SwitchedFrame.read(bytes);
    const vlan = frame && port.vlanOf(frame);
    if (frame === undefined || vlan === undefined) return undefined;
    const target = this.#find(vlan, frame.destination);
    return target?.isFull === true ? target : undefined;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
