/**
 * The card's receiver (82540EM manual, 3.2): which frames are for this card,
 * and the way of one into the guest's buffers. A frame that finds no room is
 * not lost: its network keeps it until there is some.
 */
import type { DmaMemory, FrameOffload } from "@hartvisor/core";
import { checksum } from "../../backends/nat/packet.js";
import { CRC_SIZE, checkSequence, checkSums, ETHERNET_HEADER, load16, MIN_FRAME, store16, VLAN_TAG } from "./frame.js";
import { DescriptorRing, type RegisterFile } from "./register-file.js";
import { Control, RECEIVE_ADDRESSES, ReceiveChecksum, ReceiveControl, Register } from "./registers.js";
import { Counter, type Statistics } from "./statistics.js";

/** Status and errors of a descriptor that is written back (3.2.3). */
const Status = { Done: 0x1, EndOfPacket: 0x2, IgnoreChecksum: 0x4, Vlan: 0x8, Tcp: 0x20, Ip: 0x40, Inexact: 0x80 };
const Fault = { Tcp: 0x2000, Ip: 0x4000, Data: 0x8000 };

/** With check sequence, and one with a VLAN tag has four bytes more. */
const LONGEST = 1518;
const LONGEST_LONG = 16384;

/** How a frame is for this card. */
type Match = "exact" | "inexact" | undefined;

export class Receiver {
  readonly #memory: DmaMemory;
  readonly #retry: () => void;
  readonly #file: RegisterFile;
  readonly #statistics: Statistics;
  readonly ring: DescriptorRing;
  readonly #frame = new Uint8Array(LONGEST_LONG + VLAN_TAG);
  readonly #views: Uint8Array[] = [];

  /** `retry` is called when the machine has memory again that was missing. */
  constructor(memory: DmaMemory, file: RegisterFile, statistics: Statistics, retry: () => void) {
    this.#memory = memory;
    this.#retry = retry;
    this.#file = file;
    this.#statistics = statistics;
    this.ring = new DescriptorRing(file, memory, Register.RDBAL);
  }

  get isEnabled(): boolean {
    return (this.#file.get(Register.RCTL) & ReceiveControl.Enable) !== 0;
  }

  /** Bytes of a buffer of the guest's (13.4.22, BSIZE and BSEX). */
  get bufferSize(): number {
    const control = this.#file.get(Register.RCTL);
    const size = 2048 >>> ((control >>> 16) & 3);
    return control & ReceiveControl.SizeExtension && size < 2048 ? size * 16 : size;
  }

  /** Gives the guest a frame, if it is for it; gives the length that arrived, or -1 if there is no room. Hot. */
  receive(parts: readonly Uint8Array[], offload: FrameOffload | undefined): number {
    const frame = this.#gather(parts, offload);
    const match = frame && this.#match(frame);
    if (frame === undefined || match === undefined) return 0;
    const isTagged = this.#isTagged(frame);
    const isLong = (this.#file.get(Register.RCTL) & ReceiveControl.LongPackets) !== 0;
    if (frame.length + CRC_SIZE > (isLong ? LONGEST_LONG : isTagged ? LONGEST + VLAN_TAG : LONGEST)) {
      this.#statistics.count(Counter.ReceiveOversize);
      return 0;
    }
    const tag = isTagged && this.#file.get(Register.CTRL) & Control.VlanMode ? load16(frame, 14) : undefined;
    const stored = this.#withCheckSequence(tag === undefined ? frame : this.#untagged(frame));
    const buffers = Math.ceil(stored.length / this.bufferSize);
    if (this.ring.problem !== undefined || buffers > this.ring.available || !this.#populate(buffers)) return -1;
    const isSumDone = offload !== undefined && offload.checksumStart > 0;
    const status = this.#status(frame, match, isSumDone) | (tag === undefined ? 0 : Status.Vlan | (tag << 16));
    const start = this.#file.get(Register.RXCSUM) & ReceiveChecksum.Start;
    this.#store(stored, buffers, status, checksum(frame.subarray(start)));
    this.#count(frame);
    return frame.length;
  }

  /** Whether there are frames behind the next buffers; what is no RAM needs none. */
  #populate(buffers: number): boolean {
    for (let n = 0; n < buffers; n++) {
      const address = this.#memory.load64(this.ring.at(n));
      if (!this.#memory.contains(address, this.bufferSize)) continue;
      if (!this.#memory.populate(address, this.bufferSize, this.#retry)) return false;
    }
    return true;
  }

  /** Makes one frame of the parts, padded to the shortest that a wire has, with its checksum done. */
  #gather(parts: readonly Uint8Array[], offload: FrameOffload | undefined): Uint8Array | undefined {
    let length = 0;
    for (const part of parts) {
      if (length + part.length > LONGEST_LONG - CRC_SIZE) return undefined;
      this.#frame.set(part, length);
      length += part.length;
    }
    if (length < ETHERNET_HEADER) return undefined;
    if (offload !== undefined && offload.checksumStart > 0) {
      const { checksumStart, checksumOffset } = offload;
      // A UDP checksum of 0 would mean that there is none (RFC 768).
      const sum = checksum(this.#frame.subarray(checksumStart, length)) || 0xffff;
      store16(this.#frame, checksumStart + checksumOffset, sum);
    }
    if (length < MIN_FRAME) this.#frame.fill(0, length, MIN_FRAME);
    return this.#frame.subarray(0, Math.max(length, MIN_FRAME));
  }

  /** The filters (3.2.1, 13.5): addresses, then VLANs. */
  #match(frame: Uint8Array): Match {
    const control = this.#file.get(Register.RCTL);
    if (control & ReceiveControl.VlanFilter && this.#isTagged(frame)) {
      const vlan = load16(frame, 14) & 0xfff;
      if (((this.#file.get(Register.VFTA + 4 * (vlan >>> 5)) >>> (vlan & 31)) & 1) === 0) return undefined;
    }
    if (this.#isOurs(frame)) return "exact";
    if (((frame[0] ?? 0) & 1) === 0) return control & ReceiveControl.Unicast ? "exact" : undefined;
    if (control & ReceiveControl.Multicast) return "exact";
    if (isBroadcast(frame) && control & ReceiveControl.Broadcast) return "exact";
    const shift = [4, 3, 2, 0][(control >>> 12) & 3] ?? 0;
    const hash = ((((frame[5] ?? 0) << 8) | (frame[4] ?? 0)) >>> shift) & 0xfff;
    return (this.#file.get(Register.MTA + 4 * (hash >>> 5)) >>> (hash & 31)) & 1 ? "inexact" : undefined;
  }

  /** Whether the frame's destination is one of the receive addresses; they may say that they are sources. */
  #isOurs(frame: Uint8Array): boolean {
    for (let n = 0; n < RECEIVE_ADDRESSES; n++) {
      const high = this.#file.get(Register.RAL + 8 * n + 4);
      if (high >>> 31 === 0) continue;
      const at = ((high >>> 16) & 3) === 1 ? 6 : 0;
      const low = this.#file.get(Register.RAL + 8 * n);
      const isLow = low === (load16Little(frame, at) | (load16Little(frame, at + 2) << 16)) >>> 0;
      if (isLow && (high & 0xffff) === load16Little(frame, at + 4)) return true;
    }
    return false;
  }

  #isTagged(frame: Uint8Array): boolean {
    const type = this.#file.get(Register.VET);
    return type !== 0 && load16(frame, 12) === type;
  }

  #untagged(frame: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(frame.length - VLAN_TAG);
    bytes.set(frame.subarray(0, 12));
    bytes.set(frame.subarray(12 + VLAN_TAG), 12);
    return bytes;
  }

  /** The guest gets the check sequence, too, unless it wants it stripped. */
  #withCheckSequence(frame: Uint8Array): Uint8Array {
    if (this.#file.get(Register.RCTL) & ReceiveControl.StripCrc) return frame;
    const { length } = frame;
    const crc = checkSequence(frame, length);
    const bytes = frame.buffer === this.#frame.buffer ? this.#frame : new Uint8Array(length + CRC_SIZE);
    if (bytes !== this.#frame) bytes.set(frame);
    for (let n = 0; n < CRC_SIZE; n++) bytes[length + n] = crc >>> (8 * n);
    return bytes.subarray(0, length + CRC_SIZE);
  }

  #status(frame: Uint8Array, match: Match, isSumDone: boolean): number {
    const wanted = this.#file.get(Register.RXCSUM);
    const inexact = match === "inexact" ? Status.Inexact : 0;
    if ((wanted & (ReceiveChecksum.Ip | ReceiveChecksum.TcpUdp)) === 0) return inexact | Status.IgnoreChecksum;
    const { ip, tcpUdp } = checkSums(frame, isSumDone);
    let status = inexact;
    if (wanted & ReceiveChecksum.Ip && ip !== undefined) status |= ip ? Status.Ip : Status.Ip | Fault.Ip;
    if (wanted & ReceiveChecksum.TcpUdp && tcpUdp !== undefined) {
      status |= tcpUdp ? Status.Tcp : Status.Tcp | Fault.Tcp;
    }
    return status;
  }

  /** Writes a frame into the next buffers, and their descriptors. One whose buffer is no RAM says that its data are bad. */
  #store(frame: Uint8Array, buffers: number, status: number, sum: number): void {
    const memory = this.#memory;
    const size = this.bufferSize;
    for (let n = 0; n < buffers; n++) {
      const part = frame.subarray(n * size, (n + 1) * size);
      const at = this.ring.at(n);
      const address = memory.load64(at);
      const isRam = memory.contains(address, part.length);
      if (isRam) {
        memory.writableViews(address, part.length, this.#views);
        let done = 0;
        for (const view of this.#views) {
          view.set(part.subarray(done, done + view.length));
          done += view.length;
        }
        this.#views.length = 0;
      }
      const isLast = n === buffers - 1;
      const flags = Status.Done | (isLast ? Status.EndOfPacket | status : 0) | (isRam ? 0 : Fault.Data);
      memory.store32(at + 8, (part.length | (sum << 16)) >>> 0);
      memory.store32(at + 12, flags >>> 0);
    }
    this.ring.advance(buffers);
  }

  #count(frame: Uint8Array): void {
    const statistics = this.#statistics;
    const bytes = frame.length + CRC_SIZE;
    statistics.count(Counter.Received);
    statistics.count(Counter.GoodReceived);
    statistics.countBytes(Counter.BytesReceived, bytes);
    statistics.countBytes(Counter.GoodBytesReceived, bytes);
    statistics.countSize(Counter.ReceivedBySize, bytes);
    if (((frame[0] ?? 0) & 1) === 0) return;
    statistics.count(isBroadcast(frame) ? Counter.BroadcastReceived : Counter.MulticastReceived);
  }
}

function isBroadcast(frame: Uint8Array): boolean {
  for (let n = 0; n < 6; n++) if (frame[n] !== 0xff) return false;
  return true;
}

function load16Little(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}
