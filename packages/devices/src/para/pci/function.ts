/** A PCI function as its bus sees it: configuration space, memory behind BARs, and a wire. */
import type { AccessWidth, DeviceState } from "@hartvisor/core";

/** A function of the one bus. No access of a guest makes it throw. */
export interface PciFunction {
  /** Unique on its machine. */
  readonly name: string;
  /** Reads its configuration space; the access is aligned and within 4 KiB. */
  readConfiguration(offset: number, width: AccessWidth): number;
  writeConfiguration(offset: number, width: AccessWidth, value: number): void;
  /** Where in PCI memory space it answers now; undefined while memory decoding is off. */
  readonly memoryWindow: { readonly base: number; readonly size: number } | undefined;
  readMemory(offset: number, width: AccessWidth): number;
  writeMemory(offset: number, width: AccessWidth, value: number): void;
  reset(): void;
  save(): DeviceState;
  restore(state: DeviceState): void;
}
