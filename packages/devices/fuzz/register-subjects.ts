/** What is fuzzed by registers: each device of real boards, with the commands and packets of its driver, and mistakes in them. */
import { memoryDisk } from "../src/backends/memory-disk.js";
import { Protocol, viewOf, writeIpv4 } from "../src/backends/nat/packet.js";
import { Register } from "../src/full/e1000/registers.js";
import { Command, E1000TestDriver, frameOf, MAC, DATA as PACKETS } from "../src/full/e1000/test-driver.js";
import { type CommandWords, DATA, NvmeTestDriver } from "../src/full/nvme/test-driver.js";
import type { Random } from "./random.js";

/** A device and its driver. */
export interface RegisterSubject {
  /** Commands answered, packets passed. */
  readonly served: number;
  readonly resets: number;
  step(): void;
  /** Sets the device up anew. */
  restart(): void;
  /** Saves the device, and gives it back what it has saved. */
  checkState(): Promise<void>;
  /** Whether it does what it is for. */
  works(): Promise<boolean>;
}

/** Devices by name. */
export const REGISTER_SUBJECTS: Readonly<Record<string, (random: Random) => RegisterSubject>> = {
  nvme: (random) => new NvmeSubject(random, false),
  "slow nvme": (random) => new NvmeSubject(random, true),
  e1000: (random) => new E1000Subject(random),
};

const BLOCKS = 64;
const RAM_SIZE = 2 ** 22;
const RAM = 0x8000_0000;
/** Addresses that mean trouble. */
const WRONG_ADDRESSES = [0, 0x1000, RAM - 8, RAM, RAM + RAM_SIZE - 8, RAM + RAM_SIZE, 2 ** 40, 2 ** 63, 2 ** 64 - 4096];
const WRONG_WORDS = [0, 1, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

class NvmeSubject implements RegisterSubject {
  served = 0;
  resets = 0;
  readonly #random: Random;
  readonly #driver: NvmeTestDriver;

  constructor(random: Random, isSlow: boolean) {
    this.#random = random;
    const disk = memoryDisk(new Uint8Array(BLOCKS * 512));
    const { readNow: _, writeNow: __, ...slow } = disk;
    const backend = {
      ...slow,
      read: async (offset: number, into: Uint8Array) => disk.read(offset, into),
      write: async (offset: number, bytes: Uint8Array) => disk.write(offset, bytes),
      flush: () => (random.once(2) ? Promise.reject(new Error("the host's disk is full")) : undefined),
      discard: async () => {},
    };
    this.#driver = new NvmeTestDriver({ backend: isSlow ? backend : disk });
    this.restart();
  }

  restart(): void {
    this.resets++;
    this.#driver.start();
    for (const id of [1, 2]) this.#driver.createQueues(id);
    this.#driver.failures.length = 0;
  }

  step(): void {
    const random = this.#random;
    const driver = this.#driver;
    if (random.once(400)) this.#scribble();
    const queue = random.pick([0, 1, 1, 2, 2]);
    const command = queue === 0 ? this.#adminCommand() : this.#ioCommand();
    driver.put(queue, command);
    if (random.below(10) < 4) this.#mutate(queue);
    if (random.once(30))
      driver.write(0x1000 + 4 * random.below(40), random.pick([0, 1, 15, 16, random.below(0x1_0000)]));
    driver.ring(queue);
    driver.timer.pass(100);
    for (const each of [0, 1, 2]) while (driver.take(each) !== undefined) this.served++;
    const isReady = (driver.read(0x1c) & 3) === 1;
    if (!isReady || random.once(200)) this.restart();
  }

  async checkState(): Promise<void> {
    const { controller } = this.#driver;
    await controller.quiesce();
    const saved = structuredClone(controller.save());
    controller.restore(saved);
    controller.resume();
  }

  async works(): Promise<boolean> {
    this.#driver.put(1, this.#driver.transfer(2, 0, 1));
    this.#driver.ring(1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    return this.#driver.take(1)?.status === 0;
  }

  #adminCommand(): CommandWords {
    const random = this.#random;
    const prp1 = DATA + 0x1000 * random.below(16);
    switch (random.below(10)) {
      case 0:
        return { opcode: 5, prp1, words: [(15 << 16) | (1 + random.below(20)), 3] };
      case 1: {
        const id = 1 + random.below(20);
        return { opcode: 1, prp1, words: [(15 << 16) | id, (id << 16) | 1] };
      }
      case 2:
        return { opcode: random.pick([0, 4]), words: [3 + random.below(18)] };
      case 3:
        return { opcode: 2, namespace: 0xffff_ffff, prp1, prp2: prp1 + 0x1000, words: [(127 << 16) | random.below(5)] };
      case 4:
        return { opcode: 6, namespace: random.below(3), prp1, words: [random.below(5)] };
      case 5:
        return { opcode: 8, words: [random.below(3) | (random.below(0x1_0000) << 16)] };
      case 6:
      case 7:
        return { opcode: 9 + random.below(2), words: [random.below(13), random.pick(WRONG_WORDS)] };
      case 8:
        return { opcode: 0x0c };
      default:
        return { opcode: random.below(256), namespace: random.below(3), prp1 };
    }
  }

  #ioCommand(): CommandWords {
    const random = this.#random;
    const driver = this.#driver;
    const prp1 = DATA + 4 * random.below(0x4000);
    const list = DATA + 0x2_0000 + 8 * random.below(0x1000);
    for (let n = 0; n < 8; n++) driver.memory.store64(list + 8 * n, DATA + 0x4_0000 + 0x1000 * random.below(32));
    const start = random.below(BLOCKS + 1);
    switch (random.below(8)) {
      case 0:
        return { opcode: 0, namespace: random.pick([1, 0xffff_ffff, 2]) };
      case 1:
        return { opcode: 8, namespace: 1, words: [start, 0, random.below(20)] };
      case 2: {
        driver.memory.store32(DATA + 4, random.below(BLOCKS));
        driver.memory.store64(DATA + 8, random.below(BLOCKS));
        return { opcode: 9, namespace: 1, prp1: DATA, words: [random.below(4), random.below(8)] };
      }
      default:
        return { ...driver.transfer(random.pick([1, 2]), start, 1 + random.below(40), prp1, list) };
    }
  }

  /** Changes words of the command that was written last, or of what lies in memory. */
  #mutate(queue: number): void {
    const random = this.#random;
    const { memory } = this.#driver;
    const base = this.#driver.submissionBase(queue);
    for (let n = 1 + random.below(3); n > 0; n--) {
      const at = base + 64 * random.below(16);
      switch (random.below(4)) {
        case 0:
          memory.store32(at + 4 * random.below(16), random.pick(WRONG_WORDS));
          break;
        case 1:
          memory.store64(at + random.pick([24, 32]), random.pick(WRONG_ADDRESSES) + 4 * random.below(2));
          break;
        case 2:
          memory.store64(DATA + 0x2_0000 + 8 * random.below(0x1008), random.pick(WRONG_ADDRESSES));
          break;
        default:
          memory.store8(at + random.below(64), random.below(256));
      }
    }
  }

  /** Writes to registers as no driver would. */
  #scribble(): void {
    const random = this.#random;
    for (let n = 0; n < 20; n++) {
      const offset = random.once(3) ? random.below(0x4000) : random.below(0x40);
      const width = random.pick([1, 2, 4, 4] as const);
      const value = random.once(2) ? random.pick(WRONG_WORDS) : random.below(2 ** 32);
      if (random.once(3)) this.#driver.controller.readMemory(offset - (offset % width), width);
      else this.#driver.controller.writeMemory(offset, width, value % 2 ** (8 * width));
    }
    this.restart();
  }
}

class E1000Subject implements RegisterSubject {
  served = 0;
  resets = 0;
  readonly #random: Random;
  readonly #driver = new E1000TestDriver();

  constructor(random: Random) {
    this.#random = random;
    this.restart();
  }

  restart(): void {
    this.resets++;
    const random = this.#random;
    const receive = random.once(2) ? 0x0000_8000 : random.below(2 ** 27) & ~0xc0;
    this.#driver.start({ receive, causes: random.pick([0, 0x95, 0xffff_ffff]) });
    this.#driver.give(4);
    this.#driver.failures.length = 0;
  }

  step(): void {
    const random = this.#random;
    const driver = this.#driver;
    if (random.once(3)) this.#receive();
    else this.#send();
    if (random.once(20)) this.#scribble();
    driver.timer.pass(random.below(20_000));
    if (driver.interrupt) driver.read(Register.ICR);
    this.served += driver.frames.splice(0).length;
    driver.log.length = 0;
    if (random.once(300)) driver.card.link = random.below(4) > 0;
    if (driver.failures.length > 0 || random.once(300)) this.restart();
  }

  async checkState(): Promise<void> {
    const { card } = this.#driver;
    const saved = structuredClone(card.save());
    card.restore(saved);
  }

  async works(): Promise<boolean> {
    const driver = this.#driver;
    driver.card.link = true;
    driver.frames.length = 0;
    driver.start();
    driver.legacy(frameOf(60));
    driver.send();
    driver.give(1);
    return (
      driver.frames.length === 1 && driver.seen?.deliver([frameOf(60)]) === true && driver.received(0).length === 60
    );
  }

  #receive(): void {
    const random = this.#random;
    const driver = this.#driver;
    if (random.once(2)) driver.give(1 + random.below(3), random.once(10) ? random.pick(WRONG_ADDRESSES) : PACKETS);
    const to = random.pick([MAC, [1, 0, 0x5e, 0, 0, 1], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]);
    const frame = random.once(2)
      ? packet(random)
      : frameOf(14 + random.below(1600), to, random.pick([0x800, 0x8100, 1]));
    const before = driver.read(Register.RDH);
    driver.seen?.deliver([frame.subarray(0, 14), frame.subarray(14)], {
      checksumStart: random.once(2) ? 34 : 0,
      checksumOffset: random.pick([6, 16]),
      segmentSize: 0,
    });
    if (driver.read(Register.RDH) !== before) this.served++;
  }

  #send(): void {
    const random = this.#random;
    const driver = this.#driver;
    const frame = packet(random);
    const command = random.pick([Command.End, Command.End, 0]) | Command.Fcs | (random.below(2) ? Command.Report : 0);
    const at: number[] = [];
    switch (random.below(4)) {
      case 0:
        at.push(
          driver.legacy(frame, command | (random.once(3) ? Command.Checksum : 0), PACKETS, random.below(256) << 16),
        );
        break;
      case 1:
        at.push(driver.data(frame, command, random.below(4)));
        break;
      default:
        at.push(
          driver.context((33 << 16) | (24 << 8) | 14, (50 << 8) | 34, random.below(8), 54, 1 + random.below(1460)),
        );
        at.push(driver.data(frame, Command.Fcs | Command.Segment, random.below(4)));
        at.push(driver.data(frame.subarray(20), command | Command.Segment, 0, PACKETS + 0x2000));
    }
    if (random.below(10) < 4) this.#mutate(at);
    driver.send();
    if (random.once(50)) driver.write(Register.TDT, random.pick([0, 7, 8, random.below(0x1_0000)]));
  }

  #mutate(descriptors: readonly number[]): void {
    const random = this.#random;
    const { memory } = this.#driver;
    for (let n = 1 + random.below(3); n > 0; n--) {
      const at = random.pick(descriptors);
      switch (random.below(4)) {
        case 0:
          memory.store64(at, random.pick(WRONG_ADDRESSES));
          break;
        case 1:
          memory.store32(at + 4 * random.below(4), random.pick(WRONG_WORDS));
          break;
        default:
          memory.store8(at + random.below(16), random.below(256));
      }
    }
  }

  /** Writes to registers as no driver would. */
  #scribble(): void {
    const random = this.#random;
    const known = Object.values(Register);
    for (let n = 0; n < 4; n++) {
      const offset = random.once(4) ? 4 * random.below(0x8000) : random.pick(known);
      const value = random.once(2) ? random.pick(WRONG_WORDS) : random.below(2 ** 32);
      const width = random.pick([1, 2, 4, 4, 4] as const);
      // A whole reset each time would leave nothing to test.
      const isReset = offset <= 4 && (value & 0x0400_0000) !== 0;
      if (random.once(3)) this.#driver.card.readMemory(offset, width);
      else if (!isReset || random.once(10)) this.#driver.card.writeMemory(offset, width, value % 2 ** (8 * width));
      if (random.once(8)) this.#driver.card.writeIo(random.pick([0, 4]), 4, value);
    }
    if (random.once(4)) this.restart();
  }
}

/** An IPv4 packet with TCP or UDP. */
function packet(random: Random): Uint8Array {
  const length = 20 + random.below(1400);
  const bytes = new Uint8Array(34 + length);
  const protocol = random.pick([Protocol.Tcp, Protocol.Udp]);
  const ends = { source: 0x0a00020f, destination: 0x0a000202, protocol, length };
  writeIpv4(bytes, Uint8Array.from(MAC), new Uint8Array(6), { ...ends, identification: random.below(0x1_0000) });
  viewOf(bytes.subarray(34)).setUint8(12, 0x50);
  return bytes;
}
