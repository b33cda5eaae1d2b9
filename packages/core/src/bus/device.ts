import type { DeviceTreeNode } from "../devicetree/node.js";

/** Width in bytes of one access to a device register. */
export type AccessWidth = 1 | 2 | 4;

/** What a device contributes to the device tree may refer to other nodes. */
export interface DeviceTreeContext {
  /** The phandle of the node with this label, e.g. `"plic"` or `"cpu0-intc"`; the same number at every call. */
  phandle(label: string): number;
  /** How many harts the machine has. */
  readonly hartCount: number;
}

/** State that a device can be rebuilt from: structured-cloneable, with a version of its own. */
export interface DeviceState {
  readonly version: number;
}

/**
 * A memory-mapped device. The bus calls it with an offset inside its window and
 * never with an access that leaves the window. A device answers every access
 * without throwing, whatever the guest does: unknown registers read as zero and
 * ignore writes unless its specification says otherwise.
 */
export interface Device {
  /** Unique on its machine; by convention the device tree's node name without the unit address. */
  readonly name: string;
  /** Guest-physical address of the first register. */
  readonly base: number;
  /** Length of the register window in bytes. */
  readonly size: number;
  /** Reads a register; the result is an unsigned number of `width` bytes. */
  read(offset: number, width: AccessWidth): number;
  /** Writes a register; `value` is an unsigned number of `width` bytes. */
  write(offset: number, width: AccessWidth, value: number): void;
  /** A naturally aligned 64-bit read; without it the bus reads two words, low half first. */
  read64?(offset: number): bigint;
  /** A naturally aligned 64-bit write; without it the bus writes two words, low half first. */
  write64?(offset: number, value: bigint): void;
  /** Returns to the state after power-on. */
  reset(): void;
  /** The device's state as plain data. */
  save(): DeviceState;
  /** Takes back what {@link save} gave; throws a {@link HartvisorError} (`invalid-argument`) if the state cannot be this device's. */
  restore(state: DeviceState): void;
  /** The nodes that tell the guest's operating system of this device. */
  deviceTree(context: DeviceTreeContext): DeviceTreeNode[];
}
