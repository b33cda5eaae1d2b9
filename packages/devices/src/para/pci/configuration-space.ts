/**
 * The configuration space of a type 0 function (PCI Local Bus Specification
 * 3.0, 6.1 and 6.2): identity, command and status, BARs, a list of
 * capabilities, the interrupt pin. Bytes, and a mask of those bits that the
 * guest may write.
 */
import type { AccessWidth } from "@hartvisor/core";

const SIZE = 256;

const Register = {
  Vendor: 0x00,
  Device: 0x02,
  Command: 0x04,
  Status: 0x06,
  Revision: 0x08,
  ClassCode: 0x09,
  Bar0: 0x10,
  Bar1: 0x14,
  Bar2: 0x18,
  SubsystemVendor: 0x2c,
  Subsystem: 0x2e,
  Capabilities: 0x34,
  InterruptLine: 0x3c,
  InterruptPin: 0x3d,
  FirstFree: 0x40,
} as const;

/** Bits of the command register (6.2.2) that functions here have. */
const Command = { Io: 0x1, Memory: 0x2, Master: 0x4, InterruptDisable: 0x400 } as const;
/** Bits of the status register (6.2.3). */
const Status = { Interrupt: 0x8, Capabilities: 0x10 } as const;

/** By what a driver knows a function. */
export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** Base class, sub-class and programming interface: 24 bits. */
  readonly classCode: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
}

/** What a function has beside its identity. */
export interface PciResources {
  /** Length of BAR 0's memory, a power of two from 16. Default: no memory. */
  readonly memorySize?: number;
  /** Whether that BAR has 64 bits, and so is BAR 1, too. Default: false. */
  readonly isWide?: boolean;
  /** Length of BAR 2's part of I/O space, a power of two from 4. Default: none. */
  readonly ioSize?: number;
  /** Whether it drives pin INTA. Default: false. */
  readonly hasInterrupt?: boolean;
  readonly capabilities?: readonly Uint8Array[];
}

/** Types of BARs (6.2.5.1): memory of 64 bits, and I/O space. */
const WIDE = 0x4;
const IO = 0x1;

/** The registers of one function. */
export class ConfigurationSpace {
  readonly #bytes = new Uint8Array(SIZE);
  readonly #writable = new Uint8Array(SIZE);
  readonly #initial: Uint8Array;
  #lastCapability: number = Register.Capabilities;
  #nextFree: number = Register.FirstFree;

  constructor(
    identity: PciIdentity,
    { memorySize = 0, isWide = false, ioSize = 0, hasInterrupt = false, capabilities = [] }: PciResources,
  ) {
    const view = new DataView(this.#bytes.buffer);
    view.setUint16(Register.Vendor, identity.vendor, true);
    view.setUint16(Register.Device, identity.device, true);
    view.setUint32(Register.Revision, identity.classCode * 256 + identity.revision, true);
    view.setUint16(Register.SubsystemVendor, identity.subsystemVendor, true);
    view.setUint16(Register.Subsystem, identity.subsystem, true);
    this.#bytes[Register.InterruptPin] = hasInterrupt ? 1 : 0;
    const writable = new DataView(this.#writable.buffer);
    const interruptBit = hasInterrupt ? Command.InterruptDisable : 0;
    const decoding = (ioSize > 0 ? Command.Io : 0) | (memorySize > 0 ? Command.Memory : 0);
    writable.setUint16(Register.Command, decoding | Command.Master | interruptBit, true);
    if (memorySize > 0) writable.setUint32(Register.Bar0, -memorySize, true);
    if (isWide) {
      view.setUint32(Register.Bar0, WIDE, true);
      writable.setUint32(Register.Bar1, 0xffff_ffff, true);
    }
    if (ioSize > 0) {
      view.setUint32(Register.Bar2, IO, true);
      writable.setUint32(Register.Bar2, -ioSize, true);
    }
    this.#writable[Register.InterruptLine] = 0xff;
    for (const body of capabilities) this.#addCapability(body);
    if (capabilities.length > 0) view.setUint16(Register.Status, Status.Capabilities, true);
    this.#initial = this.#bytes.slice();
  }

  /** Offset of the capability that was given as the nth. */
  capabilityOffset(nth: number): number {
    let offset = this.#bytes[Register.Capabilities] ?? 0;
    for (let n = 0; n < nth; n++) offset = this.#bytes[offset + 1] ?? 0;
    return offset;
  }

  read(offset: number, width: AccessWidth): number {
    let value = 0;
    for (let n = width - 1; n >= 0; n--) value = value * 256 + (this.#bytes[offset + n] ?? 0);
    return value;
  }

  write(offset: number, width: AccessWidth, value: number): void {
    for (let n = 0; n < width && offset + n < SIZE; n++) {
      const mask = this.#writable[offset + n] ?? 0;
      const byte = (value >>> (8 * n)) & 0xff;
      this.#bytes[offset + n] = ((this.#bytes[offset + n] ?? 0) & ~mask) | (byte & mask);
    }
  }

  /** Lets the guest write bytes of a capability. */
  makeWritable(offset: number, length: number): void {
    this.#writable.fill(0xff, offset, offset + length);
  }

  /** Base of BAR 0's memory, or undefined while memory decoding is off. */
  get memoryBase(): number | undefined {
    if ((this.read(Register.Command, 2) & Command.Memory) === 0) return undefined;
    const low = this.read(Register.Bar0, 4);
    return low & WIDE ? low - WIDE + this.read(Register.Bar1, 4) * 2 ** 32 : low;
  }

  /** Base of BAR 2's I/O space, or undefined while its decoding is off. */
  get ioBase(): number | undefined {
    return this.read(Register.Command, 2) & Command.Io ? this.read(Register.Bar2, 4) - IO : undefined;
  }

  get interruptDisabled(): boolean {
    return (this.read(Register.Command, 2) & Command.InterruptDisable) !== 0;
  }

  /** The status register's interrupt bit. */
  set interruptPending(pending: boolean) {
    const status = this.#bytes[Register.Status] ?? 0;
    this.#bytes[Register.Status] = pending ? status | Status.Interrupt : status & ~Status.Interrupt;
  }

  reset(): void {
    this.#bytes.set(this.#initial);
  }

  save(): Uint8Array {
    return this.#bytes.slice();
  }

  /** Takes the writable bits of what {@link save} gave. */
  restore(bytes: Uint8Array): void {
    for (let at = 0; at < SIZE; at++) this.write(at, 1, bytes[at] ?? 0);
  }

  /** Appends a capability: its id, the link to the next, then the rest of it. */
  #addCapability(body: Uint8Array): void {
    const at = this.#nextFree;
    this.#bytes.set(body, at);
    this.#bytes[at + 1] = 0;
    // The head of the list is the pointer itself; every other link is a capability's second byte.
    this.#bytes[this.#lastCapability === Register.Capabilities ? Register.Capabilities : this.#lastCapability + 1] = at;
    this.#lastCapability = at;
    this.#nextFree = (at + body.length + 3) & ~3;
  }
}
