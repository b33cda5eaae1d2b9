/**
 * A 16550A UART (National Semiconductor PC16550D data sheet), one byte apart
 * registers as on QEMU's `virt` board: the serial console of an unmodified
 * operating system. It keeps no baud rate: what is sent leaves at once, what
 * comes in waits in the FIFO only for the guest.
 */
import type {
  AccessWidth,
  Device,
  DeviceState,
  DeviceTreeContext,
  DeviceTreeNode,
  InterruptLine,
} from "@hartvisor/core";
import { parseUart16550State, type Uart16550State } from "./persist.js";
import {
  FifoControl,
  InterruptEnable,
  InterruptIdentification,
  LineControl,
  LineStatus,
  ModemControl,
  ModemStatus,
  RECEIVE_FIFO_BYTES,
  Register,
} from "./registers.js";

/** Received bytes that raise the interrupt, by FCR's two high bits (data sheet, 8.4). */
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;

/** The divisor that QEMU's board starts with: 9600 baud from 1.8432 MHz. */
const RESET_DIVISOR = 0x0c;

/** The modem inputs of a cable that is plugged in: a peer is there and ready. */
const CONNECTED = ModemStatus.CarrierDetect | ModemStatus.DataSetReady | ModemStatus.ClearToSend;

/** What a {@link Uart16550} is made of. */
export interface Uart16550Options {
  /** Takes each byte the guest sends, at once. */
  readonly output: (byte: number) => void;
  /** The wire to the interrupt controller. */
  readonly interrupt: InterruptLine;
  /** Called when there is room again after {@link Uart16550.receive} could not take all it was given. Default: nothing. */
  readonly onReceiveReady?: () => void;
  /** The interrupt's number on the PLIC, for the device tree. Default: 10. */
  readonly interruptSource?: number;
  /** Guest-physical address. Default: 0x10000000. */
  readonly base?: number;
  /** Name on the machine, for a second one. Default: `serial`. */
  readonly name?: string;
  /** Input clock that the device tree tells, in Hz. Default: 3686400. */
  readonly clockFrequencyHz?: number;
}

/**
 * A serial port. Accesses of any width reach the one register at their offset.
 *
 * @example
 * ```ts
 * const uart = new Uart16550({ output: (byte) => process.stdout.write(Uint8Array.of(byte)), interrupt: plic.line(10) });
 * uart.receive(new TextEncoder().encode("ls\n")); // 3
 * ```
 */
export class Uart16550 implements Device {
  readonly name: string;
  readonly base: number;
  readonly size = 0x100;
  readonly #output: (byte: number) => void;
  readonly #interrupt: InterruptLine;
  readonly #onReceiveReady: () => void;
  readonly #interruptSource: number;
  readonly #clockFrequencyHz: number;

  #ier = 0;
  #fcr = 0;
  #lcr = 0;
  #mcr: number = ModemControl.Out2;
  #scr = 0;
  #divisor = RESET_DIVISOR;
  #modemDeltas = 0;
  #overrun = false;
  #transmitInterrupt = false;
  #received: number[] = [];

  constructor(options: Uart16550Options) {
    this.#output = options.output;
    this.#interrupt = options.interrupt;
    this.#onReceiveReady = options.onReceiveReady ?? (() => {});
    this.#interruptSource = options.interruptSource ?? 10;
    this.#clockFrequencyHz = options.clockFrequencyHz ?? 3_686_400;
    this.base = options.base ?? 0x1000_0000;
    this.name = options.name ?? "serial";
  }

  /**
   * Gives the guest input. Takes as many bytes from the front as the FIFO has
   * room for (none while the guest has the port in loopback) and returns their
   * number; `onReceiveReady` tells when to come again with the rest.
   */
  receive(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.#room());
    for (const byte of bytes.subarray(0, count)) this.#received.push(byte);
    this.#updateInterrupt();
    return count;
  }

  read(offset: number, _width: AccessWidth): number {
    switch (offset) {
      case Register.Data:
        return this.#divisorLatch() ? this.#divisor & 0xff : this.#readReceiver();
      case Register.InterruptEnable:
        return this.#divisorLatch() ? this.#divisor >> 8 : this.#ier;
      case Register.InterruptIdentification:
        return this.#readInterruptIdentification();
      case Register.LineControl:
        return this.#lcr;
      case Register.ModemControl:
        return this.#mcr;
      case Register.LineStatus:
        return this.#readLineStatus();
      case Register.ModemStatus:
        return this.#readModemStatus();
      case Register.Scratch:
        return this.#scr;
      default:
        return 0;
    }
  }

  write(offset: number, _width: AccessWidth, value: number): void {
    const byte = value & 0xff;
    switch (offset) {
      case Register.Data:
        if (this.#divisorLatch()) this.#divisor = (this.#divisor & 0xff00) | byte;
        else this.#transmit(byte);
        break;
      case Register.InterruptEnable:
        if (this.#divisorLatch()) this.#divisor = (byte << 8) | (this.#divisor & 0xff);
        else this.#writeInterruptEnable(byte & 0x0f);
        break;
      case Register.InterruptIdentification:
        this.#writeFifoControl(byte);
        break;
      case Register.LineControl:
        this.#lcr = byte;
        break;
      case Register.ModemControl:
        this.#writeModemControl(byte & 0x1f);
        break;
      case Register.Scratch:
        this.#scr = byte;
        break;
      default:
        break;
    }
  }

  reset(): void {
    this.#changeRoom(() => {
      this.#ier = 0;
      this.#fcr = 0;
      this.#lcr = 0;
      this.#mcr = ModemControl.Out2;
      this.#scr = 0;
      this.#divisor = RESET_DIVISOR;
      this.#modemDeltas = 0;
      this.#overrun = false;
      this.#transmitInterrupt = false;
      this.#received = [];
    });
  }

  save(): Uart16550State {
    return {
      version: 1,
      ier: this.#ier,
      fcr: this.#fcr,
      lcr: this.#lcr,
      mcr: this.#mcr,
      scr: this.#scr,
      divisor: this.#divisor,
      modemDeltas: this.#modemDeltas,
      overrun: this.#overrun,
      transmitInterrupt: this.#transmitInterrupt,
      received: Uint8Array.from(this.#received),
    };
  }

  restore(state: DeviceState): void {
    const saved = parseUart16550State(this.name, state);
    this.#changeRoom(() => {
      this.#ier = saved.ier;
      this.#fcr = saved.fcr;
      this.#lcr = saved.lcr;
      this.#mcr = saved.mcr;
      this.#scr = saved.scr;
      this.#divisor = saved.divisor;
      this.#modemDeltas = saved.modemDeltas;
      this.#overrun = saved.overrun;
      this.#transmitInterrupt = saved.transmitInterrupt;
      this.#received = [...saved.received];
    });
  }

  deviceTree(context: DeviceTreeContext): DeviceTreeNode[] {
    return [
      {
        name: `serial@${this.base.toString(16)}`,
        properties: {
          compatible: "ns16550a",
          reg: [BigInt(this.base), BigInt(this.size)],
          "clock-frequency": this.#clockFrequencyHz,
          "interrupt-parent": context.phandle("plic"),
          interrupts: this.#interruptSource,
        },
      },
    ];
  }

  #divisorLatch(): boolean {
    return (this.#lcr & LineControl.DivisorLatch) !== 0;
  }

  #fifosEnabled(): boolean {
    return (this.#fcr & FifoControl.Enable) !== 0;
  }

  #loopback(): boolean {
    return (this.#mcr & ModemControl.Loopback) !== 0;
  }

  #capacity(): number {
    return this.#fifosEnabled() ? RECEIVE_FIFO_BYTES : 1;
  }

  /** How many bytes the host may give; in loopback the serial input is disconnected (data sheet, 8.6.4). */
  #room(): number {
    return this.#loopback() ? 0 : this.#capacity() - this.#received.length;
  }

  /** Makes a change, shows its interrupt, and tells the host if it made the first room. */
  #changeRoom(change: () => void): void {
    const wasFull = this.#room() === 0;
    change();
    this.#updateInterrupt();
    if (wasFull && this.#room() > 0) this.#onReceiveReady();
  }

  #readReceiver(): number {
    let byte = 0;
    this.#changeRoom(() => {
      byte = this.#received.shift() ?? 0;
    });
    return byte;
  }

  #transmit(byte: number): void {
    // The byte leaves at once, so that the transmitter is empty anew.
    this.#transmitInterrupt = true;
    if (!this.#loopback()) this.#output(byte);
    else if (this.#received.length < this.#capacity()) this.#received.push(byte);
    else {
      // Without a FIFO the new byte takes the old one's place; a full FIFO loses the new one (data sheet, 8.6.3).
      if (!this.#fifosEnabled()) this.#received[0] = byte;
      this.#overrun = true;
    }
    this.#updateInterrupt();
  }

  #writeInterruptEnable(ier: number): void {
    const changed = this.#ier ^ ier;
    this.#ier = ier;
    // Enabling the interrupt raises it although it was acknowledged before: the transmitter is empty. 8250 drivers test for this.
    if (changed & InterruptEnable.TransmitterEmpty) {
      this.#transmitInterrupt = (ier & InterruptEnable.TransmitterEmpty) !== 0;
    }
    this.#updateInterrupt();
  }

  #writeFifoControl(fcr: number): void {
    this.#changeRoom(() => {
      const toggled = ((fcr ^ this.#fcr) & FifoControl.Enable) !== 0;
      // Without the enable bit the other bits are not programmed (data sheet, 8.4).
      this.#fcr = fcr & FifoControl.Enable ? fcr & FifoControl.Kept : 0;
      if (toggled || (this.#fifosEnabled() && fcr & FifoControl.ClearReceiver)) this.#received = [];
    });
  }

  #writeModemControl(mcr: number): void {
    this.#changeRoom(() => {
      const before = this.#modemInputs();
      this.#mcr = mcr;
      const after = this.#modemInputs();
      this.#modemDeltas |= ((before ^ after) >> 4) & ModemStatus.DeltaMask;
      if (before & ~after & ModemStatus.RingIndicator) this.#modemDeltas |= ModemStatus.TrailingEdgeRing;
    });
  }

  /** In loopback the four modem outputs are the modem inputs (data sheet, 8.6.4). */
  #modemInputs(): number {
    if (!this.#loopback()) return CONNECTED;
    return (
      (this.#mcr & ModemControl.RequestToSend ? ModemStatus.ClearToSend : 0) |
      (this.#mcr & ModemControl.DataTerminalReady ? ModemStatus.DataSetReady : 0) |
      (this.#mcr & ModemControl.Out1 ? ModemStatus.RingIndicator : 0) |
      (this.#mcr & ModemControl.Out2 ? ModemStatus.CarrierDetect : 0)
    );
  }

  #readLineStatus(): number {
    const status =
      (this.#received.length > 0 ? LineStatus.DataReady : 0) |
      (this.#overrun ? LineStatus.Overrun : 0) |
      LineStatus.HoldingEmpty |
      LineStatus.TransmitterEmpty;
    this.#overrun = false;
    this.#updateInterrupt();
    return status;
  }

  #readModemStatus(): number {
    const status = this.#modemInputs() | this.#modemDeltas;
    this.#modemDeltas = 0;
    this.#updateInterrupt();
    return status;
  }

  #readInterruptIdentification(): number {
    const identification = this.#identifyInterrupt();
    if (identification === InterruptIdentification.TransmitterEmpty) {
      this.#transmitInterrupt = false;
      this.#updateInterrupt();
    }
    return identification | (this.#fifosEnabled() ? InterruptIdentification.FifosEnabled : 0);
  }

  /** The pending interrupt of the highest priority (data sheet, table IV). */
  #identifyInterrupt(): number {
    if (this.#ier & InterruptEnable.LineStatus && this.#overrun) return InterruptIdentification.LineStatus;
    if (this.#ier & InterruptEnable.ReceivedData && this.#received.length > 0) {
      const trigger = this.#fifosEnabled() ? (TRIGGER_LEVELS[this.#fcr >> 6] ?? 1) : 1;
      // Characters take no time here, so that the four of the timeout (data sheet, 8.8) have always passed.
      return this.#received.length >= trigger
        ? InterruptIdentification.ReceivedData
        : InterruptIdentification.CharacterTimeout;
    }
    if (this.#ier & InterruptEnable.TransmitterEmpty && this.#transmitInterrupt) {
      return InterruptIdentification.TransmitterEmpty;
    }
    if (this.#ier & InterruptEnable.ModemStatus && this.#modemDeltas !== 0) return InterruptIdentification.ModemStatus;
    return InterruptIdentification.None;
  }

  #updateInterrupt(): void {
    this.#interrupt.set(this.#identifyInterrupt() !== InterruptIdentification.None);
  }
}
