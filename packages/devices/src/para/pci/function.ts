/** A PCI function as its bus sees it: configuration space, memory behind BARs, and a wire. */
import type { AccessWidth, DeviceState, DmaMemory, InterruptLine } from "@hartvisor/core";

/** Part of an address space of the bus. */
export interface PciRange {
  readonly base: number;
  readonly size: number;
}

/** A function of the one bus. No access of a guest makes it throw. */
export interface PciFunction {
  /** Unique on its machine. */
  readonly name: string;
  /** Reads its configuration space; the access is aligned and within 4 KiB. */
  readConfiguration(offset: number, width: AccessWidth): number;
  writeConfiguration(offset: number, width: AccessWidth, value: number): void;
  /** Where in PCI memory space it answers now; undefined while memory decoding is off. */
  readonly memoryWindow: PciRange | undefined;
  readMemory(offset: number, width: AccessWidth): number;
  writeMemory(offset: number, width: AccessWidth, value: number): void;
  /** Where in PCI I/O space it answers now, and how, if it has registers there. */
  readonly ioWindow?: PciRange | undefined;
  readIo?(offset: number, width: AccessWidth): number;
  writeIo?(offset: number, width: AccessWidth, value: number): void;
  reset(): void;
  save(): DeviceState;
  restore(state: DeviceState): void;
}

/** An alarm by the guest's clock. */
export interface GuestTimer {
  /** Nanoseconds since power-on. */
  now(): number;
  /** Rings at that time, and not at the one that was set before; undefined: not at all. */
  set(deadline: number | undefined): void;
}

/** What a board gives a function of its bus. */
export interface PciBoard {
  readonly memory: DmaMemory;
  /** Pin INTA. */
  readonly interrupt: InterruptLine;
  /** Makes a timer, one for each device. */
  timer(callback: () => void): GuestTimer;
  /** Hears of a driver that broke the rules. Default: nobody. */
  readonly onFailure?: ((device: string, reason: string) => void) | undefined;
}

/** A device that is no virtio device, before it is in a slot. */
export interface PciDevice {
  /** Unique on its machine. */
  readonly name: string;
  /** Makes its function, for the board that calls. */
  plug(board: PciBoard): PciFunction;
}
