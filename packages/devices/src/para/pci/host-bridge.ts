/**
 * A generic PCI Express host bridge (PCI Express Base Specification, 7.2.2:
 * ECAM; Linux binding `pci-host-ecam-generic`): one bus, memory-mapped
 * configuration space, windows of 32-bit memory space and of I/O space, and
 * INTx wires swizzled over four sources of the PLIC as on QEMU's `virt` board. There are
 * no message-signalled interrupts, as the board has no controller for them.
 */
import {
  type AccessWidth,
  type Device,
  type DeviceState,
  type DeviceTreeContext,
  type DeviceTreeNode,
  HartvisorError,
  type InterruptLine,
} from "@hartvisor/core";
import { ConfigurationSpace } from "./configuration-space.js";
import type { PciFunction } from "./function.js";

const SLOTS = 32;
const FUNCTION_SPACE = 0x1000;
const SLOT_SPACE = 8 * FUNCTION_SPACE;
const BUS_SPACE = SLOTS * SLOT_SPACE;
const BUSES = 256;
const PINS = 4;

/** The bridge's own function, as QEMU shows it. */
const BRIDGE = {
  vendor: 0x1b36,
  device: 0x0008,
  revision: 0,
  classCode: 0x060000,
  subsystemVendor: 0x1af4,
  subsystem: 0x1100,
};

/** What a {@link PciHost} is made of. */
export interface PciHostOptions {
  /** The four wires that pins are swizzled over. */
  readonly interrupts: readonly InterruptLine[];
  /** The number of the first of them on the PLIC, for the device tree. Default: 32. */
  readonly firstInterruptSource?: number;
  /** Default: 0x30000000. */
  readonly configurationBase?: number;
  /** Default: 0x40000000. */
  readonly memoryBase?: number;
  /** Default: 0x40000000. */
  readonly memorySize?: number;
  /** Default: 0x03000000. */
  readonly ioBase?: number;
}

/** All of I/O space that 16 bits of an address reach. */
const IO_SIZE = 0x1_0000;

/** The window of configuration space; {@link PciHost.memory} and {@link PciHost.io} are the other ones. */
export class PciHost implements Device {
  readonly name = "pcie";
  readonly base: number;
  readonly size = BUSES * BUS_SPACE;
  /** The window of PCI memory space, to be attached beside the bridge. */
  readonly memory: PciMemoryWindow;
  /** The window of I/O space, likewise. */
  readonly io: PciIoWindow;
  readonly #slots: (PciFunction | undefined)[] = new Array<undefined>(SLOTS).fill(undefined);
  readonly #bridge = new ConfigurationSpace(BRIDGE, {});
  readonly #wires: readonly SharedWire[];
  readonly #firstInterruptSource: number;

  constructor(options: PciHostOptions) {
    this.base = options.configurationBase ?? 0x3000_0000;
    this.#firstInterruptSource = options.firstInterruptSource ?? 32;
    this.#wires = options.interrupts.map((line) => new SharedWire(line));
    if (this.#wires.length !== PINS) {
      throw new HartvisorError("invalid-argument", `a PCI host has ${PINS} interrupt wires, not ${this.#wires.length}`);
    }
    this.memory = new PciMemoryWindow(
      options.memoryBase ?? 0x4000_0000,
      options.memorySize ?? 0x4000_0000,
      () => this.#slots,
    );
    this.io = new PciIoWindow(options.ioBase ?? 0x0300_0000, () => this.#slots);
  }

  /**
   * Puts a function into the next free slot. `make` gets the wire of its pin INTA.
   *
   * @throws HartvisorError `invalid-argument`: all 31 slots are taken.
   */
  plug(make: (interrupt: InterruptLine) => PciFunction): PciFunction {
    const slot = this.#slots.findIndex((pci, n) => n > 0 && pci === undefined);
    if (slot < 0) throw new HartvisorError("invalid-argument", `a PCI bus has room for ${SLOTS - 1} devices`);
    const wire = this.#wires[slot % PINS] as SharedWire;
    const plugged = make(wire.share());
    this.#slots[slot] = plugged;
    return plugged;
  }

  read(offset: number, width: AccessWidth): number {
    const at = offset % FUNCTION_SPACE;
    if (at % width !== 0) return allOnes(width);
    const slot = slotOf(offset);
    if (slot === 0) return this.#bridge.read(at, width);
    return this.#slots[slot]?.readConfiguration(at, width) ?? allOnes(width);
  }

  write(offset: number, width: AccessWidth, value: number): void {
    const at = offset % FUNCTION_SPACE;
    if (at % width !== 0) return;
    const slot = slotOf(offset);
    if (slot === 0) this.#bridge.write(at, width, value);
    else this.#slots[slot]?.writeConfiguration(at, width, value);
  }

  reset(): void {
    this.#bridge.reset();
    for (const pci of this.#slots) pci?.reset();
  }

  save(): DeviceState & { readonly functions: readonly (DeviceState | undefined)[]; readonly bridge: Uint8Array } {
    return { version: 1, bridge: this.#bridge.save(), functions: this.#slots.map((pci) => pci?.save()) };
  }

  restore(state: DeviceState): void {
    const { version, functions, bridge } = state as ReturnType<PciHost["save"]>;
    const fits =
      version === 1 &&
      bridge instanceof Uint8Array &&
      Array.isArray(functions) &&
      functions.length === SLOTS &&
      this.#slots.every((pci, n) => (pci === undefined) === (functions[n] === undefined));
    if (!fits) throw new HartvisorError("invalid-argument", "cannot restore pcie: the state is not of this bus");
    this.#bridge.restore(bridge);
    for (const [n, pci] of this.#slots.entries()) pci?.restore(functions[n] as DeviceState);
  }

  deviceTree(context: DeviceTreeContext): DeviceTreeNode[] {
    const { base: memoryBase, size: memorySize } = this.memory;
    const plic = context.phandle("plic");
    // Pin p of slot s is source (s + p - 1) mod 4; the mask leaves two bits of the slot, so four slots tell it all.
    const map = Array.from({ length: PINS * PINS }, (_, n) => {
      const [slot, pin] = [Math.floor(n / PINS), n % PINS];
      return [slot << 11, 0, 0, pin + 1, plic, this.#firstInterruptSource + ((slot + pin) % PINS)];
    });
    const [memoryHigh, memoryLow] = [Math.floor(memoryBase / 2 ** 32), memoryBase % 2 ** 32];
    return [
      {
        name: `pci@${this.base.toString(16)}`,
        properties: {
          compatible: "pci-host-ecam-generic",
          device_type: "pci",
          "#address-cells": 3,
          "#size-cells": 2,
          "#interrupt-cells": 1,
          reg: [BigInt(this.base), BigInt(this.size)],
          "bus-range": [0, BUSES - 1],
          "linux,pci-domain": 0,
          "dma-coherent": true,
          // I/O space from 0; 32-bit memory space, not prefetchable, at the same addresses for both sides.
          ranges: [
            ...[0x0100_0000, 0, 0, BigInt(this.io.base), BigInt(this.io.size)],
            ...[0x0200_0000, memoryHigh, memoryLow, BigInt(memoryBase), BigInt(memorySize)],
          ],
          "interrupt-map-mask": [0x1800, 0, 0, 7],
          "interrupt-map": map.flat(),
        },
      },
    ];
  }
}

/** PCI memory space: accesses go to the function whose BAR holds the address; nobody's read as ones. */
export class PciMemoryWindow implements Device {
  readonly name = "pci-memory";
  readonly base: number;
  readonly size: number;
  readonly #functions: () => readonly (PciFunction | undefined)[];

  constructor(base: number, size: number, functions: () => readonly (PciFunction | undefined)[]) {
    this.base = base;
    this.size = size;
    this.#functions = functions;
  }

  read(offset: number, width: AccessWidth): number {
    const address = this.base + offset;
    for (const pci of this.#functions()) {
      const window = pci?.memoryWindow;
      if (window === undefined || address < window.base || address + width > window.base + window.size) continue;
      return pci?.readMemory(address - window.base, width) ?? 0;
    }
    return allOnes(width);
  }

  write(offset: number, width: AccessWidth, value: number): void {
    const address = this.base + offset;
    for (const pci of this.#functions()) {
      const window = pci?.memoryWindow;
      if (window === undefined || address < window.base || address + width > window.base + window.size) continue;
      pci?.writeMemory(address - window.base, width, value);
      return;
    }
  }

  reset(): void {}

  save(): DeviceState {
    return { version: 1 };
  }

  restore(): void {}

  /** The bridge describes all windows. */
  deviceTree(): DeviceTreeNode[] {
    return [];
  }
}

/** PCI I/O space, as {@link PciMemoryWindow}. */
export class PciIoWindow implements Device {
  readonly name = "pci-io";
  readonly base: number;
  readonly size = IO_SIZE;
  readonly #functions: () => readonly (PciFunction | undefined)[];

  constructor(base: number, functions: () => readonly (PciFunction | undefined)[]) {
    this.base = base;
    this.#functions = functions;
  }

  read(offset: number, width: AccessWidth): number {
    const pci = this.#at(offset, width);
    return pci?.readIo?.(offset - (pci.ioWindow?.base ?? 0), width) ?? allOnes(width);
  }

  write(offset: number, width: AccessWidth, value: number): void {
    const pci = this.#at(offset, width);
    pci?.writeIo?.(offset - (pci.ioWindow?.base ?? 0), width, value);
  }

  reset(): void {}

  save(): DeviceState {
    return { version: 1 };
  }

  restore(): void {}

  deviceTree(): DeviceTreeNode[] {
    return [];
  }

  #at(offset: number, width: AccessWidth): PciFunction | undefined {
    return this.#functions().find((pci) => {
      const window = pci?.ioWindow;
      return window !== undefined && offset >= window.base && offset + width <= window.base + window.size;
    });
  }
}

/** Functions share a level-triggered wire: it is high while any of them drives it. */
class SharedWire {
  readonly #line: InterruptLine;
  #high = 0;

  constructor(line: InterruptLine) {
    this.#line = line;
  }

  share(): InterruptLine {
    let level = false;
    return {
      set: (next) => {
        if (next === level) return;
        level = next;
        this.#high += next ? 1 : -1;
        this.#line.set(this.#high > 0);
      },
    };
  }
}

/** The slot of bus 0 that an offset is in, or one that is always empty: other buses and functions do not exist. */
function slotOf(offset: number): number {
  if (offset >= BUS_SPACE || Math.floor(offset / FUNCTION_SPACE) % 8 !== 0) return SLOTS;
  return Math.floor(offset / SLOT_SPACE);
}

function allOnes(width: AccessWidth): number {
  return 2 ** (8 * width) - 1;
}
