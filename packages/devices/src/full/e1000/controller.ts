/**
 * Intel's 82540EM, which drivers know as e1000, as a PCI function on any
 * {@link NetworkBackend}: registers, and what their reads and writes do. Frames
 * of a write to the transmit tail are on their way before it returns.
 */
import type { AccessWidth, DeviceState, InterruptLine, NetworkBackend, NetworkCard } from "@hartvisor/core";
import { parseMac } from "../../backends/mac-address.js";
import { TokenBucket } from "../../backends/token-bucket.js";
import { ConfigurationSpace } from "../../para/pci/configuration-space.js";
import type { GuestTimer, PciBoard, PciFunction, PciRange } from "../../para/pci/function.js";
import { Eeprom } from "./eeprom.js";
import { DelayedCause, Interrupts } from "./interrupts.js";
import { type E1000State, parseE1000State } from "./persist.js";
import { PhyTransceiver } from "./phy.js";
import { Receiver } from "./receiver.js";
import { RegisterFile } from "./register-file.js";
import {
  Cause,
  Control,
  MTA_END,
  PACKET_BUFFER,
  RAL_END,
  REGISTERS_END,
  ReceiveControl,
  Register,
  STATISTICS_END,
  Status,
  VFTA_END,
} from "./registers.js";
import { Statistics } from "./statistics.js";
import { Transmitter } from "./transmitter.js";

const BAR_SIZE = 0x2_0000;
const IO_SIZE = 0x40;
/** Registers in I/O space: an offset, and the register there (13.2.2). */
const IO_ADDRESS = 0;
const IO_DATA = 4;

const IDENTITY = {
  vendor: 0x8086,
  device: 0x100e,
  revision: 2,
  classCode: 0x020000,
  subsystemVendor: 0x8086,
  subsystem: 0x001e,
};

const DEFAULT_MAC = "52:54:00:12:34:56";
/** What a TCP segment of a packet of 1,500 bytes holds. */
const LARGEST_SEGMENT = 1460;
/** A write of RDTR or TIDV that interrupts for what waits (13.4.30, 13.4.44). */
const FLUSH = 0x8000_0000;

/** What a card is made of. */
export interface E1000Options {
  readonly backend: NetworkBackend;
  /** Six bytes, such as `"52:54:00:12:34:56"`, which is the default. */
  readonly mac?: string;
  /** Bytes a second in either direction. Default: no limit. */
  readonly rateLimit?: { readonly toGuest?: number; readonly fromGuest?: number };
  /** Unique on its machine. Default: `net`. */
  readonly name?: string;
}

/** A network card. */
export class E1000 implements PciFunction {
  readonly name: string;
  readonly #backend: NetworkBackend;
  readonly #line: InterruptLine;
  readonly #onFailure: (device: string, reason: string) => void;
  readonly #space = new ConfigurationSpace(IDENTITY, { memorySize: BAR_SIZE, ioSize: IO_SIZE, hasInterrupt: true });
  readonly #mac: Uint8Array;
  readonly #file = new RegisterFile();
  readonly #statistics = new Statistics();
  readonly #eeprom: Eeprom;
  readonly #phy = new PhyTransceiver(() => this.#linkChanged());
  readonly #interrupts: Interrupts;
  readonly #received = new DelayedCause(Cause.ReceiveTimer);
  readonly #transmitted = new DelayedCause(Cause.TransmitWrittenBack);
  readonly #transmitter: Transmitter;
  readonly #receiver: Receiver;
  readonly #toGuest: TokenBucket;
  readonly #fromGuest: TokenBucket;
  readonly #nextTurn: GuestTimer;
  #memoryWindow: PciRange | undefined;
  #ioWindow: PciRange | undefined;
  #ioAddress = 0;
  #isAsserted = false;
  /** The backend knows of the card since its driver first enabled the receiver. */
  #card: NetworkCard | undefined;
  #isPaused = false;
  #isStarved = false;
  /** The host was told of a ring that the card cannot use. */
  #hasFailed = false;

  /** Throws `invalid-argument` for a MAC address that is none, or a group's. */
  constructor({ backend, mac = DEFAULT_MAC, rateLimit = {}, name = "net" }: E1000Options, board: PciBoard) {
    this.name = name;
    this.#backend = backend;
    this.#mac = parseMac(mac);
    this.#line = board.interrupt;
    this.#onFailure = board.onFailure ?? (() => {});
    this.#eeprom = new Eeprom(this.#mac);
    this.#toGuest = new TokenBucket(rateLimit.toGuest, () => this.#roomAgain());
    this.#fromGuest = new TokenBucket(rateLimit.fromGuest, () => this.#transmit());
    const bucket = this.#fromGuest;
    this.#transmitter = new Transmitter(board.memory, this.#file, this.#statistics, {
      get isOpen() {
        return bucket.isOpen;
      },
      send: (frame) => this.#send(frame),
    });
    this.#receiver = new Receiver(board.memory, this.#file, this.#statistics, () => this.#roomAgain());
    const drive = (level: boolean) => {
      this.#isAsserted = level;
      this.#driveInterrupt();
    };
    this.#interrupts = new Interrupts((callback) => board.timer(callback), drive, [this.#received, this.#transmitted]);
    this.#nextTurn = board.timer(() => this.#transmit());
    this.#resetCard();
  }

  /** Whether the cable is plugged in: the guest sees it come and go. */
  get link(): boolean {
    return this.#phy.hasCable;
  }

  set link(isUp: boolean) {
    if (isUp === this.link) return;
    this.#phy.hasCable = isUp;
    this.#linkChanged();
    if (isUp) this.#roomAgain();
  }

  readConfiguration(offset: number, width: AccessWidth): number {
    return this.#space.read(offset, width);
  }

  writeConfiguration(offset: number, width: AccessWidth, value: number): void {
    this.#space.write(offset, width, value);
    this.#configurationChanged();
  }

  get memoryWindow(): PciRange | undefined {
    return this.#memoryWindow;
  }

  get ioWindow(): PciRange | undefined {
    return this.#ioWindow;
  }

  readMemory(offset: number, width: AccessWidth): number {
    const word = this.#read(offset & ~3) >>> (8 * (offset & 3));
    return width === 4 ? word : word & (2 ** (8 * width) - 1);
  }

  writeMemory(offset: number, width: AccessWidth, value: number): void {
    // 13.2.1: registers take writes of 32 bits.
    if (width === 4 && offset % 4 === 0) this.#write(offset, value);
  }

  readIo(offset: number, width: AccessWidth): number {
    if (width !== 4) return 0;
    if (offset === IO_ADDRESS) return this.#ioAddress;
    return offset === IO_DATA ? this.readMemory(this.#ioAddress, 4) : 0;
  }

  writeIo(offset: number, width: AccessWidth, value: number): void {
    if (width !== 4) return;
    if (offset === IO_ADDRESS) this.#ioAddress = value & (BAR_SIZE - 1);
    else if (offset === IO_DATA) this.writeMemory(this.#ioAddress, 4, value);
  }

  reset(): void {
    this.#phy.reset();
    this.#resetCard();
    this.#ioAddress = 0;
    this.#space.reset();
    this.#configurationChanged();
  }

  /** Begins no packet until {@link resume}; there is none under way. */
  async quiesce(): Promise<void> {
    this.#isPaused = true;
  }

  /** Ends what {@link quiesce} began. */
  resume(): void {
    this.#isPaused = false;
    this.#transmit();
    this.#roomAgain();
  }

  save(): E1000State {
    return {
      version: 1,
      mac: this.#mac.slice(),
      space: this.#space.save(),
      registers: this.#file.words.slice(),
      statistics: this.#statistics.save(),
      interrupts: this.#interrupts.save(),
      eeprom: this.#eeprom.save(),
      phy: this.#phy.save(),
      transmitter: this.#transmitter.save(),
      ioAddress: this.#ioAddress,
      link: this.link,
      isConnected: this.#card !== undefined,
    };
  }

  /** The MAC address stays its own, as it is printed on the card: one with another address is refused. */
  restore(state: DeviceState): void {
    const saved = parseE1000State(this.name, state, this.#mac);
    this.reset();
    this.#phy.hasCable = saved.link;
    this.#space.restore(saved.space);
    this.#file.words.set(saved.registers);
    this.#statistics.restore(saved.statistics);
    this.#eeprom.restore(saved.eeprom);
    this.#phy.restore(saved.phy);
    this.#transmitter.restore(saved.transmitter);
    this.#ioAddress = saved.ioAddress;
    this.#configurationChanged();
    this.#interrupts.restore(saved.interrupts);
    if (saved.isConnected) this.#connect();
    this.#transmit();
  }

  #read(offset: number): number {
    switch (offset) {
      case Register.CTRL + 4:
        return this.#file.get(Register.CTRL);
      case Register.STATUS: {
        const up = this.#phy.isLinked ? Status.LinkUp | Status.Gigabit | Status.DetectedGigabit : 0;
        return Status.FullDuplex | up;
      }
      case Register.EECD:
        return this.#eeprom.control;
      case Register.EERD:
        return this.#eeprom.read;
      case Register.MDIC:
        return this.#phy.mdic;
      case Register.ICR: {
        const causes = this.#interrupts.causes;
        this.#interrupts.clear(causes);
        return causes;
      }
      case Register.ICS:
        return this.#interrupts.causes;
      case Register.ITR:
        return this.#interrupts.throttle;
      case Register.IMS:
        return this.#interrupts.mask;
      case Register.PBA:
        return this.#file.get(Register.PBA) | ((PACKET_BUFFER - (this.#file.get(Register.PBA) & 0x3f)) << 16);
    }
    if (offset >= REGISTERS_END) return 0;
    if (offset >= Register.Statistics && offset < STATISTICS_END) return this.#statistics.read(offset);
    return this.#file.get(offset);
  }

  #write(offset: number, value: number): void {
    switch (offset) {
      case Register.CTRL:
      case Register.CTRL + 4:
        this.#control(value);
        return;
      case Register.EECD:
        this.#eeprom.control = value;
        return;
      case Register.EERD:
        this.#eeprom.read = value;
        return;
      case Register.MDIC:
        if (this.#phy.transfer(value)) this.#interrupts.raise(Cause.MdiComplete);
        return;
      case Register.ICR:
        this.#interrupts.clear(value);
        return;
      case Register.ITR:
        this.#interrupts.throttle = value;
        return;
      case Register.ICS:
        this.#interrupts.raise(value);
        return;
      case Register.IMS:
        this.#interrupts.mask |= value;
        return;
      case Register.IMC:
        this.#interrupts.mask &= ~value;
        return;
    }
    if (isInTable(offset)) this.#file.set(offset, value);
    else this.#file.write(offset, value);
    this.#afterWrite(offset, value);
  }

  /** What a write of a register that keeps its value brings about. */
  #afterWrite(offset: number, value: number): void {
    switch (offset) {
      case Register.RCTL:
        if (value & ReceiveControl.Enable) this.#connect();
        this.#roomAgain();
        break;
      case Register.RDT:
        this.#roomAgain();
        break;
      case Register.TDT:
      case Register.TCTL:
        this.#transmit();
        break;
      case Register.RDTR:
        if (value & FLUSH) this.#flush(this.#received);
        break;
      case Register.TIDV:
        if (value & FLUSH) this.#flush(this.#transmitted);
        break;
    }
  }

  #flush(delayed: DelayedCause): void {
    if (delayed.deadline === Number.POSITIVE_INFINITY) return;
    delayed.stop();
    this.#interrupts.raise(delayed.cause);
  }

  #control(value: number): void {
    if (value & Control.Reset) {
      this.#resetCard();
      return;
    }
    this.#file.set(Register.CTRL, (value & ~Control.PhyReset) >>> 0);
    if ((value & Control.PhyReset) === 0) return;
    this.#phy.reset();
    this.#linkChanged();
  }

  /** CTRL.RST (14.3): all but the PHY and PCI configuration; the first receive address comes from the EEPROM again. */
  #resetCard(): void {
    this.#file.reset();
    this.#statistics.reset();
    this.#eeprom.reset();
    this.#transmitter.reset();
    this.#interrupts.reset();
    this.#nextTurn.set(undefined);
    const [first = 0, second = 0, third = 0] = this.#eeprom.words;
    this.#file.set(Register.RAL, (first | (second << 16)) >>> 0);
    this.#file.set(Register.RAL + 4, (third | 0x8000_0000) >>> 0);
    this.#isStarved = false;
    this.#hasFailed = false;
    if (this.#card === undefined) return;
    this.#card = undefined;
    this.#backend.connect(undefined);
  }

  #linkChanged(): void {
    this.#interrupts.raise(Cause.LinkChange);
  }

  #connect(): void {
    if (this.#card !== undefined) return;
    const card: NetworkCard = {
      largestSegment: LARGEST_SEGMENT,
      deliver: (parts, offload) => this.#card === card && this.#deliver(parts, offload),
    };
    this.#card = card;
    this.#backend.connect(card);
  }

  #transmit(): void {
    const transmitter = this.#transmitter;
    if (!transmitter.isEnabled || transmitter.ring.isEmpty || this.#isPaused) return;
    if (this.#isUnusable(transmitter.ring.problem)) return;
    const { reported, delayed, isPaused } = transmitter.run();
    this.#backend.flush();
    if (isPaused) this.#nextTurn.set(this.#nextTurn.now());
    if (transmitter.ring.isEmpty) this.#interrupts.raise(Cause.TransmitQueueEmpty);
    if (reported) this.#interrupts.raise(Cause.TransmitWrittenBack);
    if (!delayed) return;
    const [delay, most] = [this.#file.get(Register.TIDV), this.#file.get(Register.TADV)];
    this.#interrupts.raiseLater(this.#transmitted, delay, most);
  }

  #send(frame: Uint8Array): void {
    if (!this.#phy.isLinked) return; // the cable is out: lost on the way
    this.#fromGuest.take(frame.length);
    this.#backend.receive(frame);
  }

  #deliver(parts: readonly Uint8Array[], offload: Parameters<NetworkCard["deliver"]>[1]): boolean {
    const receiver = this.#receiver;
    // A card that does not listen, or whose cable is out, hears nothing: lost on the way.
    if (!receiver.isEnabled || !this.#phy.isLinked) return true;
    if (this.#isPaused || !this.#toGuest.isOpen) return this.#starve();
    if (!receiver.ring.isEmpty && this.#isUnusable(receiver.ring.problem)) return true;
    const length = receiver.receive(parts, offload);
    if (length < 0) return this.#starve();
    if (length === 0) return true;
    this.#toGuest.take(length);
    this.#tellReceived(length);
    return true;
  }

  #tellReceived(length: number): void {
    const { ring } = this.#receiver;
    // RDMTS (13.4.22): a half, a quarter or an eighth of the ring.
    const threshold = ring.count >>> (1 + ((this.#file.get(Register.RCTL) >>> 8) & 3));
    let causes = ring.available === threshold ? Cause.ReceiveMinimum : 0;
    if (length <= this.#file.get(Register.RSRPD)) causes |= Cause.SmallPacket;
    if (causes !== 0) this.#interrupts.raise(causes);
    const [delay, most] = [this.#file.get(Register.RDTR), this.#file.get(Register.RADV)];
    this.#interrupts.raiseLater(this.#received, delay, most);
  }

  #starve(): false {
    this.#isStarved = true;
    return false;
  }

  #roomAgain(): void {
    if (!this.#isStarved || this.#isPaused || this.#card === undefined) return;
    this.#isStarved = false;
    this.#backend.ready();
  }

  /** A ring that the card cannot use stands still; the host hears of it, once until the next reset. */
  #isUnusable(problem: string | undefined): boolean {
    if (problem === undefined) return false;
    if (!this.#hasFailed) this.#onFailure(this.name, problem);
    this.#hasFailed = true;
    return true;
  }

  #configurationChanged(): void {
    const { memoryBase, ioBase } = this.#space;
    this.#memoryWindow = memoryBase === undefined ? undefined : { base: memoryBase, size: BAR_SIZE };
    this.#ioWindow = ioBase === undefined ? undefined : { base: ioBase, size: IO_SIZE };
    this.#driveInterrupt();
  }

  #driveInterrupt(): void {
    this.#space.interruptPending = this.#isAsserted;
    this.#line.set(this.#isAsserted && !this.#space.interruptDisabled);
  }
}

function isInTable(offset: number): boolean {
  return (
    (offset >= Register.MTA && offset < MTA_END) ||
    (offset >= Register.RAL && offset < RAL_END) ||
    (offset >= Register.VFTA && offset < VFTA_END)
  );
}
