/**
 * A port of a switch: which VLANs it carries, with a tag or without (IEEE
 * 802.1Q, 6.9 and 8.8), and the frames that wait until its other end has room.
 */
import { type FrameOffload, HartvisorError, type NetworkCard } from "@hartvisor/core";
import { FIRST_VLAN, LAST_VLAN, MAX_FRAME, type SwitchedFrame } from "./frame.js";

/** Frames and bytes that wait at a port; more are dropped, as full queues of switches do. */
const MAX_WAITING = 512;
const MAX_WAITING_BYTES = 1 << 20;

/** What a port carries. Default: the VLAN 1 untagged. */
export type PortVlans =
  /** An access port: frames of one VLAN, 1 to 4094, without tags. */
  | { readonly vlan?: number }
  /** A trunk: frames of these VLANs with tags, but for those of `native`, which have none. Default of `native`: none has. */
  | { readonly trunk: readonly number[] | "all"; readonly native?: number };

/** Why frames did not go on. */
export type DropReason =
  /** No frame: too short, too long, or with offloads that are not its own. */
  | "malformed"
  /** From a VLAN that the port does not carry, or a tag on an access port. */
  | "vlan"
  /** From a group's address, or to one that switches keep to themselves (802.1Q, 8.6.3). */
  | "address"
  /** The other end had no room for so many. */
  | "full";

interface Waiting {
  readonly bytes: Uint8Array;
  readonly offload: FrameOffload | undefined;
}

export class Port {
  /** What is plugged in: takes frames, or has no room, and has {@link drain} called later. Undefined: nothing, and frames are lost. */
  end: NetworkCard | undefined;
  /** Whether the end is a wire, which takes frames as they are: nothing can be left to whoever is there. */
  isWire = false;
  /** Hears that frames were sent, once those of one batch all were. */
  flush: (() => void) | undefined;
  /** Those that wait for room here. */
  readonly waiters = new Set<() => void>();
  readonly #native: number | undefined;
  readonly #tagged: ReadonlySet<number> | "all";
  readonly #dropped: (reason: DropReason) => void;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;

  /** Throws `invalid-argument` for a VLAN that is none. */
  constructor(vlans: PortVlans, dropped: (reason: DropReason) => void) {
    const isTrunk = "trunk" in vlans;
    this.#native = isTrunk ? vlans.native : (vlans.vlan ?? FIRST_VLAN);
    this.#tagged = !isTrunk ? new Set<number>() : vlans.trunk === "all" ? "all" : new Set(vlans.trunk);
    this.#dropped = dropped;
    const named = [
      ...(this.#native === undefined ? [] : [this.#native]),
      ...(this.#tagged === "all" ? [] : this.#tagged),
    ];
    for (const vlan of named) {
      if (Number.isInteger(vlan) && vlan >= FIRST_VLAN && vlan <= LAST_VLAN) continue;
      throw new HartvisorError("invalid-argument", `there is no VLAN ${vlan}: they are numbered 1 to 4094`);
    }
  }

  /** The VLAN of a frame that comes in here; undefined if it must not. */
  vlanOf({ taggedVlan }: SwitchedFrame): number | undefined {
    if (taggedVlan === 0) return this.#native;
    return this.#isTagged(taggedVlan) && taggedVlan !== this.#native ? taggedVlan : undefined;
  }

  carries(vlan: number): boolean {
    return vlan === this.#native || this.#isTagged(vlan);
  }

  /** Whether more would be dropped. */
  get isFull(): boolean {
    return this.#waiting.length >= MAX_WAITING || this.#waitingBytes >= MAX_WAITING_BYTES;
  }

  /** Sends a frame of a VLAN out. */
  send(frame: SwitchedFrame, vlan: number): void {
    const { end } = this;
    if (end === undefined) return;
    const { bytes: whole, offload, uncutBytes } = frame;
    const isFit = uncutBytes > 0 ? uncutBytes <= end.largestSegment : whole.length <= MAX_FRAME;
    if (offload !== undefined && vlan === this.#native && !this.isWire && isFit) {
      this.#put(whole, offload);
      return;
    }
    const frames = vlan === this.#native ? frame.finished : frame.tagged(vlan);
    if (frames.length === 0) this.#dropped("malformed");
    for (const bytes of frames) this.#put(bytes, undefined);
  }

  /** The other end has room again. */
  drain(): void {
    let taken = 0;
    for (const { bytes, offload } of this.#waiting) {
      if (this.end !== undefined && !this.end.deliver([bytes], offload)) break;
      this.#waitingBytes -= bytes.length;
      taken++;
    }
    this.#waiting.splice(0, taken);
    if (this.isFull) return;
    const waiters = [...this.waiters];
    this.waiters.clear();
    for (const ready of waiters) ready();
  }

  /** Forgets what waits: there is another end now, or none. */
  clear(): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.drain();
  }

  #put(bytes: Uint8Array, offload: FrameOffload | undefined): void {
    if (this.#waiting.length === 0 && this.end?.deliver([bytes], offload) === true) return;
    if (this.isFull) {
      this.#dropped("full");
      return;
    }
    this.#waiting.push({ bytes, offload });
    this.#waitingBytes += bytes.length;
  }

  #isTagged(vlan: number): boolean {
    return this.#tagged === "all" ? vlan >= FIRST_VLAN && vlan <= LAST_VLAN : this.#tagged.has(vlan);
  }
}
