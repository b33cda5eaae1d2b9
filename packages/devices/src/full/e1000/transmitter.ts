/**
 * The card's transmitter (82540EM manual, 3.3 to 3.5): legacy, context and data
 * descriptors, checksums, TCP and UDP segmentation, VLAN tags. A packet of
 * segments leaves in as few frames as IP allows, as networks here take them.
 */
import type { DmaMemory } from "@hartvisor/core";
import { addFolded, CRC_SIZE, insertChecksum, load16, MIN_FRAME, store16, VLAN_TAG } from "./frame.js";
import { DescriptorRing, type RegisterFile } from "./register-file.js";
import { Control, Register, TransmitControl } from "./registers.js";
import { Counter, type Statistics } from "./statistics.js";

/** Bits of the second half of a descriptor (its third word); commands are in the highest byte. */
const Command = {
  EndOfPacket: 0x0100_0000,
  InsertFcs: 0x0200_0000,
  InsertChecksum: 0x0400_0000,
  Segmentation: 0x0400_0000,
  Tcp: 0x0100_0000,
  Ipv4: 0x0200_0000,
  ReportStatus: 0x0800_0000,
  Extended: 0x2000_0000,
  Vlan: 0x4000_0000,
  DelayInterrupt: 0x8000_0000,
} as const;
const TYPE = 0x00f0_0000;
const DATA = 0x0010_0000;
const DATA_LENGTH = 0xf_ffff;
/** Options of the first data descriptor of a packet, in its fourth word. */
const Option = { IpChecksum: 0x100, TcpChecksum: 0x200 } as const;
const DESCRIPTOR_DONE = 1;

/** The longest packet that is not segmented (3.3.3). */
const MAX_PACKET = 16288;
/** The longest IPv4 packet, in a frame. */
const MAX_FRAME = 14 + 65535;
/** For one doorbell before the host gets its turn. */
const BYTES_PER_TURN = 16 * 2 ** 20;
const DESCRIPTORS_PER_TURN = 4096;
const FIN_AND_PUSH = 0x09;
const NO_VLAN = -1;

/** What a turn brought, as interrupt causes are made of it. */
export interface TurnResult {
  /** Descriptors were written back, some of which want to wait for more. */
  reported: boolean;
  delayed: boolean;
  /** There is more to do, but it is the host's turn. */
  isPaused: boolean;
}

/** What a transmitter needs of its card. */
export interface TransmitterHost {
  /** Whether frames may pass now. */
  readonly isOpen: boolean;
  /** The bytes are the callee's to keep. */
  send(frame: Uint8Array): void;
}

/** Words of a context descriptor: one for packets of segments, one for others (3.3.6). */
type Context = Uint32Array;
const CONTEXT_WORDS = 4;

/** As saved; a packet may be half there. */
export interface TransmitterState {
  readonly contexts: Uint32Array;
  readonly packet: Uint8Array;
  readonly options: number;
  readonly isSegmented: boolean;
  readonly isDropped: boolean;
  readonly sentBytes: number;
  readonly vlan: number;
}

export class Transmitter {
  readonly #memory: DmaMemory;
  readonly #file: RegisterFile;
  readonly #statistics: Statistics;
  readonly #host: TransmitterHost;
  readonly ring: DescriptorRing;
  readonly #contexts = { segments: new Uint32Array(CONTEXT_WORDS), others: new Uint32Array(CONTEXT_WORDS) };
  /** The packet, as far as it is there; of one of segments, its header and what has not been sent. */
  readonly #packet = new Uint8Array(MAX_FRAME);
  readonly #views: Uint8Array[] = [];
  readonly #turn: TurnResult = { reported: false, delayed: false, isPaused: false };
  #length = 0;
  #isBegun = false;
  #options = 0;
  #isSegmented = false;
  #isDropped = false;
  /** Payload of the packet's segments that were sent. */
  #sentBytes = 0;
  /** The VLAN tag of a packet of segments, or {@link NO_VLAN}: its first frames leave before its last descriptor is seen. */
  #vlan = NO_VLAN;

  constructor(memory: DmaMemory, file: RegisterFile, statistics: Statistics, host: TransmitterHost) {
    this.#memory = memory;
    this.#file = file;
    this.#statistics = statistics;
    this.#host = host;
    this.ring = new DescriptorRing(file, memory, Register.TDBAL);
  }

  get isEnabled(): boolean {
    return (this.#file.get(Register.TCTL) & TransmitControl.Enable) !== 0;
  }

  reset(): void {
    this.#contexts.segments.fill(0);
    this.#contexts.others.fill(0);
    this.#begin();
  }

  /** Works on descriptors until there are no more, or it is the host's turn. The ring is usable. Hot. */
  run(): TurnResult {
    const turn = this.#turn;
    turn.reported = false;
    turn.delayed = false;
    turn.isPaused = false;
    let bytes = 0;
    for (let n = 0; !this.ring.isEmpty && this.#host.isOpen; n++) {
      if (n === DESCRIPTORS_PER_TURN || bytes > BYTES_PER_TURN) {
        turn.isPaused = true;
        break;
      }
      const at = this.ring.at(0);
      const command = this.#memory.load32(at + 8);
      bytes += this.#work(at, command);
      if (command & Command.ReportStatus) {
        this.#memory.store32(at + 12, ((this.#memory.load32(at + 12) & ~0xf) | DESCRIPTOR_DONE) >>> 0);
        if (command & Command.DelayInterrupt) turn.delayed = true;
        else turn.reported = true;
      }
      this.ring.advance(1);
    }
    return turn;
  }

  save(): TransmitterState {
    const contexts = new Uint32Array(2 * CONTEXT_WORDS);
    contexts.set(this.#contexts.segments);
    contexts.set(this.#contexts.others, CONTEXT_WORDS);
    return {
      contexts,
      packet: this.#packet.slice(0, this.#length),
      options: this.#options,
      isSegmented: this.#isSegmented,
      isDropped: this.#isDropped,
      sentBytes: this.#sentBytes,
      vlan: this.#vlan,
    };
  }

  restore(state: TransmitterState): void {
    this.#contexts.segments.set(state.contexts.subarray(0, CONTEXT_WORDS));
    this.#contexts.others.set(state.contexts.subarray(CONTEXT_WORDS));
    this.#packet.set(state.packet);
    this.#length = state.packet.length;
    this.#options = state.options;
    this.#isSegmented = state.isSegmented;
    this.#isDropped = state.isDropped;
    this.#sentBytes = state.sentBytes;
    this.#vlan = state.vlan;
    this.#isBegun = state.packet.length > 0 || state.isDropped;
  }

  /** One descriptor; gives the bytes that were moved. */
  #work(at: number, command: number): number {
    const isExtended = (command & Command.Extended) !== 0;
    if (isExtended && (command & TYPE) === 0) {
      const context = command & Command.Segmentation ? this.#contexts.segments : this.#contexts.others;
      for (let n = 0; n < CONTEXT_WORDS; n++) context[n] = this.#memory.load32(at + 4 * n);
      if (command & Command.Segmentation) this.#statistics.count(Counter.SegmentationContexts);
      return 0;
    }
    if (isExtended && (command & TYPE) !== DATA) return 0; // no type that there is
    if (!this.#isBegun) {
      this.#isBegun = true;
      this.#options = isExtended ? this.#memory.load32(at + 12) & 0xff00 : 0;
      this.#isSegmented = isExtended && (command & Command.Segmentation) !== 0;
      this.#vlan = this.#vlanOf(at, command);
    }
    const length = isExtended ? command & DATA_LENGTH : command & 0xffff;
    this.#append(this.#memory.load64(at), length);
    if (command & Command.EndOfPacket) {
      if (!this.#isDropped) this.#finish(at, command, isExtended);
      this.#begin();
    }
    return length;
  }

  #begin(): void {
    this.#length = 0;
    this.#isBegun = false;
    this.#options = 0;
    this.#isSegmented = false;
    this.#isDropped = false;
    this.#sentBytes = 0;
    this.#vlan = NO_VLAN;
  }

  /** The tag that a descriptor asks for (3.3.3, VLE and Special). */
  #vlanOf(at: number, command: number): number {
    const isWanted = (command & Command.Vlan) !== 0 && (this.#file.get(Register.CTRL) & Control.VlanMode) !== 0;
    return isWanted ? this.#memory.load32(at + 12) >>> 16 : NO_VLAN;
  }

  /** Adds bytes to the packet; sends segments of one that becomes too long for a frame. */
  #append(address: number, length: number): void {
    if (length === 0 || address === 0 || this.#isDropped) return;
    // Nothing but RAM is read; and a packet that cannot be sent whole is not sent.
    if (!this.#memory.contains(address, length) || (!this.#isSegmented && this.#length + length > MAX_PACKET)) {
      this.#isDropped = true;
      return;
    }
    const most = this.#isSegmented ? this.#mostBytes : MAX_PACKET;
    this.#memory.readableViews(address, length, this.#views);
    for (const view of this.#views) {
      for (let at = 0; at < view.length; ) {
        if (this.#length === most) this.#sendSegments(false);
        const part = view.subarray(at, at + most - this.#length);
        this.#packet.set(part, this.#length);
        this.#length += part.length;
        at += part.length;
      }
    }
    this.#views.length = 0;
  }

  get #headerLength(): number {
    return ((this.#contexts.segments[3] ?? 0) >>> 8) & 0xff;
  }

  get #segmentSize(): number {
    return (this.#contexts.segments[3] ?? 0) >>> 16;
  }

  /** Header and as many whole segments as a frame may have. */
  get #mostBytes(): number {
    const room = MAX_FRAME - this.#headerLength;
    const size = this.#segmentSize;
    return this.#headerLength + (size === 0 || size > room ? room : room - (room % size));
  }

  #finish(at: number, command: number, isExtended: boolean): void {
    if (this.#length === 0) return;
    if (this.#isSegmented) {
      this.#sendSegments(true);
      return;
    }
    // The last four bytes are a check sequence of the guest's own.
    const length = command & Command.InsertFcs ? this.#length : Math.max(this.#length - CRC_SIZE, 0);
    const frame = this.#packet.slice(0, length);
    if (isExtended) this.#insertChecksums(frame, this.#contexts.others);
    else if (command & Command.InsertChecksum) {
      insertChecksum(frame, (this.#memory.load32(at + 12) >>> 8) & 0xff, (command >>> 16) & 0xff);
    }
    // Of other packets the last descriptor counts.
    this.#vlan = this.#vlanOf(at, command);
    this.#send(frame);
  }

  /** Sends the segments that are in the packet, and keeps its header. */
  #sendSegments(isLast: boolean): void {
    const context = this.#contexts.segments;
    const header = Math.min(this.#headerLength, this.#length);
    const frame = this.#packet.slice(0, this.#length);
    const payload = frame.length - header;
    const [ip = 0, tcp = 0, flags = 0] = context;
    const [ipStart, tcpStart] = [ip & 0xff, tcp & 0xff];
    const size = this.#segmentSize || payload || 1;
    if (flags & Command.Ipv4) {
      store16(frame, ipStart + 2, frame.length - ipStart);
      store16(frame, ipStart + 4, (load16(frame, ipStart + 4) + this.#sentBytes / size) & 0xffff);
    } else store16(frame, ipStart + 4, frame.length - ipStart - 40);
    if (flags & Command.Tcp) {
      const sequence = load16(frame, tcpStart + 4) * 0x1_0000 + load16(frame, tcpStart + 6) + this.#sentBytes;
      store16(frame, tcpStart + 4, Math.floor(sequence / 0x1_0000) & 0xffff);
      store16(frame, tcpStart + 6, sequence & 0xffff);
      const last = frame[tcpStart + 13];
      if (!isLast && last !== undefined) frame[tcpStart + 13] = last & ~FIN_AND_PUSH;
    } else store16(frame, tcpStart + 4, frame.length - tcpStart);
    // The guest's pseudo-header has no length yet (3.5.7).
    const field = (tcp >>> 8) & 0xff;
    if (this.#options & Option.TcpChecksum) {
      store16(frame, field, addFolded(load16(frame, field), frame.length - tcpStart));
    }
    this.#insertChecksums(frame, context);
    this.#send(frame, Math.max(Math.ceil(payload / size), 1));
    this.#sentBytes += payload;
    this.#length = header;
  }

  #insertChecksums(frame: Uint8Array, [ip = 0, tcp = 0]: Context): void {
    if (this.#options & Option.IpChecksum) {
      const field = (ip >>> 8) & 0xff;
      store16(frame, field, 0);
      insertChecksum(frame, ip & 0xff, field, ip >>> 16);
    }
    if (this.#options & Option.TcpChecksum) insertChecksum(frame, tcp & 0xff, (tcp >>> 8) & 0xff, tcp >>> 16);
  }

  /** Hands a frame over that stands for so many on a wire. */
  #send(packet: Uint8Array, packets = 1): void {
    let frame = packet;
    if (this.#vlan !== NO_VLAN) {
      frame = new Uint8Array(packet.length + VLAN_TAG);
      frame.set(packet.subarray(0, 12));
      store16(frame, 12, this.#file.get(Register.VET));
      store16(frame, 14, this.#vlan);
      frame.set(packet.subarray(12), 16);
    }
    if (frame.length < MIN_FRAME && this.#file.get(Register.TCTL) & TransmitControl.PadShort) {
      const padded = new Uint8Array(MIN_FRAME);
      padded.set(frame);
      frame = padded;
    }
    this.#count(frame, packets);
    this.#host.send(frame);
  }

  #count(frame: Uint8Array, packets: number): void {
    const statistics = this.#statistics;
    const bytes = frame.length + CRC_SIZE * packets;
    statistics.count(Counter.Transmitted, packets);
    statistics.count(Counter.GoodTransmitted, packets);
    statistics.countBytes(Counter.BytesTransmitted, bytes);
    statistics.countBytes(Counter.GoodBytesTransmitted, bytes);
    statistics.countSize(Counter.TransmittedBySize, Math.ceil(bytes / packets), packets);
    if (((frame[0] ?? 0) & 1) === 0) return;
    const isBroadcast = frame.subarray(0, 6).every((byte) => byte === 0xff);
    statistics.count(isBroadcast ? Counter.BroadcastTransmitted : Counter.MulticastTransmitted, packets);
  }
}
