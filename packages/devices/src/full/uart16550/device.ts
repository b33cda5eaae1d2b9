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
  divisorLatch,
  fifosEnabled,
  identifyInterrupt,
  loopback,
  modemInputs,
  powerOnState,
  receiveCapacity,
} from "./port-state.js";
import {
  FifoControl,
  InterruptEnable,
  InterruptIdentification,
  LineStatus,
  ModemStatus,
  Register,
} from "./registers.js";

/** So many reads of the line status with nothing transmitted in between are a guest that polls for input. */
const POLLING = 16;

/** What a {@link Uart16550} is made of. */
export interface Uart16550Options {
  /** Takes each byte the guest sends, at once. */
  readonly output: (byte: number) => void;
  /** The wire to the interrupt controller. */
  readonly interrupt: InterruptLine;
  /** Called when there is room again after {@link Uart16550.receive} could not take all, and when the guest begins to listen. Default: nothing. */
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

  #state = powerOnState();
  /** Reads of the line status since the guest last transmitted: one goes before every byte it sends, many mean that it waits. */
  #statusReads = 0;

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
    for (const byte of bytes.subarray(0, count)) this.#state.received.push(byte);
    this.#updateInterrupt();
    return count;
  }

  /**
   * Whether the guest waits for input: it has the interrupt for it enabled, or
   * polls. Bytes given before that may be lost, because drivers empty the
   * receiver while they set the port up; `onReceiveReady` tells when it begins.
   */
  get isListening(): boolean {
    return (this.#state.ier & InterruptEnable.ReceivedData) !== 0 || this.#statusReads >= POLLING;
  }

  read(offset: number, _width: AccessWidth): number {
    switch (offset) {
      case Register.Data:
        return divisorLatch(this.#state) ? this.#state.divisor & 0xff : this.#readReceiver();
      case Register.InterruptEnable:
        return divisorLatch(this.#state) ? this.#state.divisor >> 8 : this.#state.ier;
      case Register.InterruptIdentification:
        return this.#readInterruptIdentification();
      case Register.LineControl:
        return this.#state.lcr;
      case Register.ModemControl:
        return this.#state.mcr;
      case Register.LineStatus:
        return this.#readLineStatus();
      case Register.ModemStatus:
        return this.#readModemStatus();
      case Register.Scratch:
        return this.#state.scr;
      default:
        return 0;
    }
  }

  write(offset: number, _width: AccessWidth, value: number): void {
    const byte = value & 0xff;
    switch (offset) {
      case Register.Data:
        if (divisorLatch(this.#state)) this.#state.divisor = (this.#state.divisor & 0xff00) | byte;
        else this.#transmit(byte);
        break;
      case Register.InterruptEnable:
        if (divisorLatch(this.#state)) this.#state.divisor = (byte << 8) | (this.#state.divisor & 0xff);
        else this.#writeInterruptEnable(byte & 0x0f);
        break;
      case Register.InterruptIdentification:
        this.#writeFifoControl(byte);
        break;
      case Register.LineControl:
        this.#state.lcr = byte;
        break;
      case Register.ModemControl:
        this.#writeModemControl(byte & 0x1f);
        break;
      case Register.Scratch:
        this.#state.scr = byte;
        break;
      default:
        break;
    }
  }

  reset(): void {
    this.#changeRoom(() => {
      this.#state = powerOnState();
    });
  }

  save(): Uart16550State {
    return { version: 1, ...this.#state, received: Uint8Array.from(this.#state.received) };
  }

  restore(state: DeviceState): void {
    const { version: _, ...saved } = parseUart16550State(this.name, state);
    this.#changeRoom(() => {
      this.#state = { ...saved, received: [...saved.received] };
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

  /** How many bytes the host may give; in loopback the serial input is disconnected (data sheet, Modem Control Register). */
  #room(): number {
    return loopback(this.#state) ? 0 : receiveCapacity(this.#state) - this.#state.received.length;
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
      byte = this.#state.received.shift() ?? 0;
    });
    return byte;
  }

  #transmit(byte: number): void {
    this.#statusReads = 0;
    // The byte leaves at once, so that the transmitter is empty anew.
    this.#state.transmitInterrupt = true;
    if (!loopback(this.#state)) this.#output(byte);
    else if (this.#state.received.length < receiveCapacity(this.#state)) this.#state.received.push(byte);
    else {
      // Without a FIFO the new byte takes the old one's place; a full FIFO loses the new one (data sheet, Line Status Register).
      if (!fifosEnabled(this.#state)) this.#state.received[0] = byte;
      this.#state.overrun = true;
    }
    this.#updateInterrupt();
  }

  #writeInterruptEnable(ier: number): void {
    const changed = this.#state.ier ^ ier;
    this.#state.ier = ier;
    // Enabling the interrupt raises it although it was acknowledged before: the transmitter is empty. 8250 drivers test for this.
    if (changed & InterruptEnable.TransmitterEmpty) {
      this.#state.transmitInterrupt = (ier & InterruptEnable.TransmitterEmpty) !== 0;
    }
    this.#updateInterrupt();
    if (changed & ier & InterruptEnable.ReceivedData) this.#onReceiveReady();
  }

  #writeFifoControl(fcr: number): void {
    this.#changeRoom(() => {
      const toggled = ((fcr ^ this.#state.fcr) & FifoControl.Enable) !== 0;
      // Without the enable bit the other bits are not programmed (data sheet, FIFO Control Register).
      this.#state.fcr = fcr & FifoControl.Enable ? fcr & FifoControl.Kept : 0;
      if (toggled || (fifosEnabled(this.#state) && fcr & FifoControl.ClearReceiver)) this.#state.received = [];
    });
  }

  #writeModemControl(mcr: number): void {
    this.#changeRoom(() => {
      const before = modemInputs(this.#state);
      this.#state.mcr = mcr;
      const after = modemInputs(this.#state);
      this.#state.modemDeltas |= ((before ^ after) >> 4) & ModemStatus.DeltaMask;
      if (before & ~after & ModemStatus.RingIndicator) this.#state.modemDeltas |= ModemStatus.TrailingEdgeRing;
    });
  }

  #readLineStatus(): number {
    const status =
      (this.#state.received.length > 0 ? LineStatus.DataReady : 0) |
      (this.#state.overrun ? LineStatus.Overrun : 0) |
      LineStatus.HoldingEmpty |
      LineStatus.TransmitterEmpty;
    this.#state.overrun = false;
    this.#updateInterrupt();
    if (++this.#statusReads === POLLING) this.#onReceiveReady();
    return status;
  }

  #readModemStatus(): number {
    const status = modemInputs(this.#state) | this.#state.modemDeltas;
    this.#state.modemDeltas = 0;
    this.#updateInterrupt();
    return status;
  }

  #readInterruptIdentification(): number {
    const identification = identifyInterrupt(this.#state);
    if (identification === InterruptIdentification.TransmitterEmpty) {
      this.#state.transmitInterrupt = false;
      this.#updateInterrupt();
    }
    return identification | (fifosEnabled(this.#state) ? InterruptIdentification.FifosEnabled : 0);
  }

  #updateInterrupt(): void {
    this.#interrupt.set(identifyInterrupt(this.#state) !== InterruptIdentification.None);
  }
}
