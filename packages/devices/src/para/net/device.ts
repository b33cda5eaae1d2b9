/**
 * A virtio network card (virtio 1.2, 5.1) on any {@link NetworkBackend}, with
 * merged receive buffers, checksum and TCP segmentation offload both ways: the
 * guest hands over and takes up to 64 KiB at a time. The I/O benchmark guards
 * its hot paths.
 */
import type { DeviceState, FrameOffload, NetworkBackend, NetworkCard } from "@hartvisor/core";
import { parseMac } from "../../backends/mac-address.js";
import { TokenBucket } from "../../backends/token-bucket.js";
import { SavedFields } from "../../full/saved-fields.js";
import type { DescriptorChain } from "../virtio/descriptor-chain.js";
import { featureBits, type VirtioContext, type VirtioDevice } from "../virtio/device.js";

/** Feature bits (5.1.3). */
const Feature = {
  Checksum: 0,
  GuestChecksum: 1,
  Mtu: 3,
  Mac: 5,
  GuestTso4: 7,
  HostTso4: 11,
  MergedBuffers: 15,
  Status: 16,
} as const;

const RECEIVE = 0;
const TRANSMIT = 1;
const QUEUE_SIZE = 256;

/** `struct virtio_net_hdr` with its number of buffers (5.1.6). */
const HEADER = 12;
const NEEDS_CHECKSUM = 1;
const GSO_TCP4 = 1;
/** Without the bit for congestion marks. */
const GSO_MASK = 0x7f;

/** Ethernet, IPv4 and TCP headers without options: what stands before the payload of a segmented frame. */
const TCP_HEADERS = 54;
const ETHERNET_HEADER = 14;
const MTU = 1500;
/** The longest IPv4 packet, in a frame. Longer ones from the guest are dropped. */
const MAX_FRAME = ETHERNET_HEADER + 65535;
const LINK_UP = 1;

/** What a {@link VirtioNet} is made of. */
export interface VirtioNetOptions {
  readonly backend: NetworkBackend;
  /** Six bytes, such as `"52:54:00:12:34:56"`, which is the default. */
  readonly mac?: string;
  /** Bytes a second in either direction. Default: no limit. */
  readonly rateLimit?: { readonly toGuest?: number; readonly fromGuest?: number };
  /** Unique on its machine. Default: `net`. */
  readonly name?: string;
}

/** A network card. */
export class VirtioNet implements VirtioDevice {
  readonly name: string;
  readonly type = 1;
  readonly features = featureBits(...Object.values(Feature));
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  readonly configuration = new Uint8Array(12);
  readonly #backend: NetworkBackend;
  readonly #toGuest: TokenBucket;
  readonly #fromGuest: TokenBucket;
  readonly #header = new Uint8Array(HEADER);
  readonly #headerView = new DataView(this.#header.buffer);
  #context: VirtioContext | undefined;
  #has = { guestChecksum: false, guestTso: false, merged: false };
  #isPaused = false;
  /** A frame found no room, and the backend waits to hear that there is some. */
  #isStarved = false;

  /** Throws `invalid-argument` for a MAC address that is none, or a group's. */
  constructor({ backend, mac = "52:54:00:12:34:56", rateLimit = {}, name = "net" }: VirtioNetOptions) {
    this.name = name;
    this.#backend = backend;
    this.#toGuest = new TokenBucket(rateLimit.toGuest, () => this.#roomAgain());
    this.#fromGuest = new TokenBucket(rateLimit.fromGuest, () => this.#transmit());
    this.configuration.set(parseMac(mac));
    const view = new DataView(this.configuration.buffer);
    view.setUint16(6, LINK_UP, true);
    view.setUint16(8, 1, true); // one pair of queues
    view.setUint16(10, MTU, true);
  }

  /** Whether the cable is plugged in: the guest sees it come and go. */
  get link(): boolean {
    return ((this.configuration[6] ?? 0) & LINK_UP) !== 0;
  }

  set link(isUp: boolean) {
    if (isUp === this.link) return;
    this.configuration[6] = isUp ? LINK_UP : 0;
    this.#context?.configurationChanged();
    if (isUp) this.#roomAgain();
  }

  activate(context: VirtioContext): void {
    this.#context = context;
    const has = (feature: number) => (context.features & featureBits(feature)) !== 0n;
    const guestChecksum = has(Feature.GuestChecksum);
    this.#has = {
      guestChecksum,
      // 5.1.3.1: segmentation needs the checksum's feature.
      guestTso: guestChecksum && has(Feature.GuestTso4),
      merged: has(Feature.MergedBuffers),
    };
    context.queues[RECEIVE]?.declineNotifications();
    this.#backend.connect(this.#card());
  }

  notify(queue: number): void {
    if (this.#isPaused) return;
    if (queue === TRANSMIT) this.#transmit();
    else this.#roomAgain();
  }

  reset(): void {
    if (this.#context === undefined) return;
    this.#context = undefined;
    this.#isStarved = false;
    this.#backend.connect(undefined);
  }

  async quiesce(): Promise<void> {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#transmit();
    this.#roomAgain();
  }

  save(): DeviceState & { readonly mac: Uint8Array; readonly link: boolean } {
    return { version: 1, mac: this.configuration.slice(0, 6), link: this.link };
  }

  restore(state: DeviceState): void {
    const fields = new SavedFields(this.name, state, 1, ["mac", "link"]);
    const link = fields.boolean("link");
    this.configuration.set(fields.bytes("mac", { least: 6, most: 6 }));
    this.configuration[6] = link ? LINK_UP : 0;
  }

  #card(): NetworkCard {
    const context = this.#context;
    return {
      largestSegment: this.#has.guestTso ? MAX_FRAME - TCP_HEADERS : MTU - (TCP_HEADERS - ETHERNET_HEADER),
      deliver: (parts, offload) => this.#context === context && this.#deliver(parts, offload),
    };
  }

  #transmit(): void {
    const queue = this.#context?.queues[TRANSMIT];
    if (queue === undefined || this.#isPaused) return;
    while (this.#fromGuest.isOpen) {
      const chain = queue.pop();
      if (chain === undefined) break;
      const length = chain.readableBytes - HEADER;
      if (length >= ETHERNET_HEADER && length <= MAX_FRAME && this.link) {
        const frame = new Uint8Array(length);
        chain.read(HEADER, frame);
        chain.read(0, this.#header);
        this.#fromGuest.take(length);
        this.#backend.receive(frame, offloadIn(this.#headerView));
      }
      queue.complete(chain, 0);
    }
    this.#backend.flush();
    queue.askForNotification();
    queue.publish();
  }

  readonly #chains: DescriptorChain[] = [];

  #deliver(parts: readonly Uint8Array[], offload: FrameOffload | undefined): boolean {
    const queue = this.#context?.queues[RECEIVE];
    if (queue === undefined) return false;
    if (!this.link) return true; // the cable is out: lost on the way
    if (this.#isPaused || !this.#toGuest.isOpen) return this.#starve();
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const chains = this.#chains;
    let room = 0;
    while (room < HEADER + length && (this.#has.merged || chains.length === 0)) {
      const chain = queue.pop();
      if (chain === undefined) {
        for (let back = chains.pop(); back !== undefined; back = chains.pop()) queue.unpop(back);
        queue.askForNotification();
        return this.#starve();
      }
      room += chain.writableBytes;
      chains.push(chain);
    }
    const finished = offload === undefined || this.#has.guestChecksum ? parts : checksummed(parts, offload);
    this.#writeHeader(finished === parts ? offload : undefined, chains.length);
    let filling = 0;
    let at = 0;
    for (const part of [this.#header, ...finished]) {
      for (let done = 0; done < part.length; ) {
        const chain = chains[filling];
        if (chain === undefined) break; // a buffer that is too small, without merging: the frame is cut (5.1.6.3.1)
        const count = chain.write(at, part.subarray(done, done + chain.writableBytes - at));
        done += count;
        at += count;
        if (at < chain.writableBytes) continue;
        queue.complete(chain, at);
        filling++;
        at = 0;
      }
    }
    const last = chains[filling];
    if (last !== undefined) queue.complete(last, at);
    chains.length = 0;
    this.#toGuest.take(length);
    queue.publish();
    return true;
  }

  #writeHeader(offload: FrameOffload | undefined, buffers: number): void {
    const view = this.#headerView;
    this.#header.fill(0);
    view.setUint16(10, buffers, true);
    if (offload === undefined || offload.checksumStart === 0) return;
    view.setUint8(0, NEEDS_CHECKSUM);
    view.setUint16(6, offload.checksumStart, true);
    view.setUint16(8, offload.checksumOffset, true);
    if (offload.segmentSize === 0) return;
    view.setUint8(1, GSO_TCP4);
    view.setUint16(2, TCP_HEADERS, true);
    view.setUint16(4, offload.segmentSize, true);
  }

  #starve(): false {
    this.#isStarved = true;
    return false;
  }

  #roomAgain(): void {
    if (!this.#isStarved || this.#isPaused || this.#context === undefined) return;
    this.#isStarved = false;
    this.#context.queues[RECEIVE]?.declineNotifications();
    this.#backend.ready();
  }
}

/** What the header of a frame leaves to do (5.1.6.2). */
function offloadIn(header: DataView): FrameOffload | undefined {
  if ((header.getUint8(0) & NEEDS_CHECKSUM) === 0) return undefined;
  return {
    checksumStart: header.getUint16(6, true),
    checksumOffset: header.getUint16(8, true),
    segmentSize: (header.getUint8(1) & GSO_MASK) === GSO_TCP4 ? header.getUint16(4, true) : 0,
  };
}

/** A copy of a frame with its checksum done. */
function checksummed(parts: readonly Uint8Array[], { checksumStart, checksumOffset }: FrameOffload): Uint8Array[] {
  const frame = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  if (checksumStart === 0) return [frame];
  let sum = 0;
  for (let n = checksumStart; n < frame.length; n += 2) sum += ((frame[n] ?? 0) << 8) | (frame[n + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  // A UDP checksum of 0 would mean that there is none (RFC 768).
  new DataView(frame.buffer).setUint16(checksumStart + checksumOffset, ~sum & 0xffff || 0xffff);
  return [frame];
}
