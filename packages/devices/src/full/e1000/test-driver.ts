/** For tests: an 82540EM with a network that remembers what it hears, and a driver that gives it descriptors. */
import type { NetworkCard } from "@hartvisor/core";
import { checksum, Protocol, pseudoHeaderSum, writeIpv4 } from "../../backends/nat/packet.js";
import { TestMemory } from "../../para/virtio/test-memory.js";
import { TestTimer } from "../test-timer.js";
import { E1000, type E1000Options } from "./controller.js";
import { Register } from "./registers.js";

export const TRANSMIT_RING = 0x8000_0000;
export const RECEIVE_RING = 0x8000_8000;
/** Where buffers are. */
export const DATA = 0x8010_0000;
export const RING_SIZE = 8;
export const MAC = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

/** Commands of descriptors, as the highest byte of their third word. */
export const Command = { End: 1, Fcs: 2, Checksum: 4, Segment: 4, Report: 8, Extended: 0x20, Vlan: 0x40, Delay: 0x80 };

export class E1000TestDriver {
  readonly memory: TestMemory;
  readonly timer = new TestTimer();
  readonly card: E1000;
  readonly failures: string[] = [];
  /** What the network has heard. */
  readonly frames: Uint8Array[] = [];
  readonly log: string[] = [];
  interrupt = false;
  /** The card as its network sees it. */
  seen: NetworkCard | undefined;
  #transmitTail = 0;
  #receiveTail = 0;

  constructor(options: Partial<E1000Options> = {}, memory = new TestMemory(2 ** 22)) {
    this.memory = memory;
    const backend = {
      connect: (card: NetworkCard | undefined) => {
        this.seen = card;
      },
      receive: (frame: Uint8Array) => void this.frames.push(frame),
      flush: () => void this.log.push("flush"),
      ready: () => void this.log.push("ready"),
      close: async () => {},
    };
    this.card = new E1000(
      { backend, ...options },
      {
        memory,
        interrupt: {
          set: (level) => {
            this.interrupt = level;
          },
        },
        timer: (callback) => this.timer.make(callback),
        onFailure: (_, reason) => this.failures.push(reason),
      },
    );
  }

  read(register: number): number {
    return this.card.readMemory(register, 4);
  }

  write(register: number, value: number): void {
    this.card.writeMemory(register, 4, value);
  }

  /** Resets the card, sets both rings up, and enables both directions, with receive control bits beside. */
  start({ receive = 0x0400_8000, causes = 0, descriptors = RING_SIZE } = {}): this {
    this.write(Register.CTRL, 0x0400_0000);
    for (const [first, ring] of [
      [Register.TDBAL, TRANSMIT_RING],
      [Register.RDBAL, RECEIVE_RING],
    ] as const) {
      this.write(first, ring);
      this.write(first + 8, 16 * descriptors);
    }
    this.#transmitTail = 0;
    this.#receiveTail = 0;
    this.write(Register.IMS, causes);
    this.write(Register.RCTL, receive | 2);
    this.write(Register.TCTL, 0xa);
    return this;
  }

  /** Writes a transmit descriptor without telling the card; gives where it is. */
  descriptor(address: number, third: number, fourth = 0): number {
    const at = TRANSMIT_RING + 16 * this.#transmitTail;
    this.memory.store64(at, address);
    this.memory.store32(at + 8, third >>> 0);
    this.memory.store32(at + 12, fourth);
    this.#transmitTail = (this.#transmitTail + 1) % RING_SIZE;
    return at;
  }

  /** A legacy descriptor for bytes that are put at an address. */
  legacy(bytes: Uint8Array, command = Command.End | Command.Fcs | Command.Report, address = DATA, third = 0): number {
    this.memory.bytes.set(bytes, address - this.memory.base);
    return this.descriptor(address, ((command << 24) | third | bytes.length) >>> 0);
  }

  /** A context descriptor. */
  context(ip: number, tcp: number, flags: number, header = 0, segment = 0): number {
    const at = this.descriptor(
      0,
      (((flags | Command.Extended) << 24) | 0) >>> 0,
      ((segment << 16) | (header << 8)) >>> 0,
    );
    this.memory.store32(at, ip);
    this.memory.store32(at + 4, tcp);
    return at;
  }

  /** A data descriptor for bytes that are put at an address. */
  data(bytes: Uint8Array, command: number, options = 0, address = DATA): number {
    this.memory.bytes.set(bytes, address - this.memory.base);
    const third = (((command | Command.Extended) << 24) | 0x0010_0000 | bytes.length) >>> 0;
    return this.descriptor(address, third, options << 8);
  }

  /** Tells the card of the descriptors. */
  send(): void {
    this.write(Register.TDT, this.#transmitTail);
  }

  /** Gives the card buffers, of which the nth lies at a page of its own. */
  give(count: number, address = DATA): void {
    for (let n = 0; n < count; n++) {
      const at = RECEIVE_RING + 16 * this.#receiveTail;
      this.memory.store64(at, address + 0x4000 * this.#receiveTail);
      this.memory.store32(at + 8, 0);
      this.memory.store32(at + 12, 0);
      this.#receiveTail = (this.#receiveTail + 1) % RING_SIZE;
    }
    this.write(Register.RDT, this.#receiveTail);
  }

  /** What is written back in a receive descriptor, and its buffer. */
  received(
    n: number,
    address = DATA,
  ): { length: number; sum: number; status: number; special: number; bytes: Uint8Array } {
    const at = RECEIVE_RING + 16 * n;
    const length = this.memory.load16(at + 8);
    const start = address + 0x4000 * n - this.memory.base;
    return {
      length,
      sum: this.memory.load16(at + 10),
      status: this.memory.load16(at + 12),
      special: this.memory.load16(at + 14),
      bytes: this.memory.bytes.slice(start, start + length),
    };
  }
}

/** A frame of ones to a card, with a payload that counts. */
export function frameOf(length: number, to: readonly number[] = MAC, type = 0x88b5): Uint8Array {
  const frame = Uint8Array.from({ length }, (_, n) => n);
  frame.set(to);
  frame.set([2, 0, 0, 0, 0, 1, type >>> 8, type & 0xff], 6);
  return frame;
}

/** Where the headers of {@link tcpFrame} begin, and how long they are together. */
export const IP = 14;
export const TCP = 34;
export const HEADERS = 54;

/** An IPv4 and TCP packet as a guest hands it over, or with its checksums done. */
export function tcpFrame(payload: number, { flags = 0x19, whole = false } = {}): Uint8Array {
  const frame = new Uint8Array(HEADERS + payload).map((_, n) => n * 7);
  const [source, destination] = [0x0a00020f, 0x0a000202];
  writeIpv4(frame, Uint8Array.from(MAC), new Uint8Array(6), {
    ...{ source, destination, protocol: Protocol.Tcp, length: 20 + payload, identification: 0x1234 },
  });
  const view = new DataView(frame.buffer);
  view.setUint32(TCP + 4, 0xffff_fff0);
  view.setUint8(TCP + 12, 0x50);
  view.setUint8(TCP + 13, flags);
  view.setUint16(TCP + 16, pseudoHeaderSum(source, destination, Protocol.Tcp, 20 + payload));
  if (whole) view.setUint16(TCP + 16, checksum(frame.subarray(TCP)));
  return frame;
}

/** Whether both checksums of a packet are right. */
export function areSumsRight(frame: Uint8Array): boolean {
  const view = new DataView(frame.buffer, frame.byteOffset);
  const pseudo = pseudoHeaderSum(view.getUint32(26), view.getUint32(30), Protocol.Tcp, frame.length - TCP);
  return checksum(frame.subarray(IP, TCP)) === 0 && checksum(frame.subarray(TCP), pseudo) === 0;
}
