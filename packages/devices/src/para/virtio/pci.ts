/**
 * The PCI transport (virtio 1.2, 4.1): a modern device whose structures all
 * lie in one memory BAR, found by vendor capabilities, with INTx as its
 * interrupt. There is no legacy interface.
 */
import {
  type AccessWidth,
  type DeviceState,
  type DmaMemory,
  HartvisorError,
  type InterruptLine,
} from "@hartvisor/core";
import { ConfigurationSpace } from "../pci/configuration-space.js";
import type { PciFunction, PciRange } from "../pci/function.js";
import { VirtioControl } from "./control.js";
import type { VirtioDevice } from "./device.js";
import type { QueueArea } from "./split-queue.js";

const VENDOR = 0x1af4;
/** Device IDs of modern devices begin here (4.1.2.1). */
const FIRST_DEVICE = 0x1040;
const REVISION = 1;

/** Kinds of structures that a capability points at (4.1.4). */
const Structure = { Common: 1, Notify: 2, Isr: 3, Device: 4, ConfigurationAccess: 5 } as const;

/** Where the structures lie in BAR 0, a page each. */
const COMMON = 0x0000;
const ISR = 0x1000;
const DEVICE = 0x2000;
const NOTIFY = 0x3000;
const BAR_SIZE = 0x4000;
/** Each queue has a doorbell of its own. */
const NOTIFY_MULTIPLIER = 4;

/** The common configuration structure (4.1.4.3). */
const Common = {
  DeviceFeatureSelect: 0x00,
  DeviceFeature: 0x04,
  DriverFeatureSelect: 0x08,
  DriverFeature: 0x0c,
  MsixConfiguration: 0x10,
  QueueCount: 0x12,
  Status: 0x14,
  Generation: 0x15,
  QueueSelect: 0x16,
  QueueSize: 0x18,
  QueueMsix: 0x1a,
  QueueEnable: 0x1c,
  QueueNotifyOffset: 0x1e,
  QueueDescriptors: 0x20,
  QueueDriver: 0x28,
  QueueDevice: 0x30,
} as const;
const COMMON_LENGTH = 0x38;
const NO_VECTOR = 0xffff;

/** Fields of the capability that reaches the BAR through configuration space (4.1.4.9). */
const ACCESS_BAR = 4;
const ACCESS_OFFSET = 8;
const ACCESS_LENGTH = 12;
const ACCESS_DATA = 16;

/** PCI class codes by virtio device type; "other" for the rest. */
const CLASS_CODES: ReadonlyMap<number, number> = new Map([
  [1, 0x020000],
  [2, 0x018000],
  [3, 0x078000],
]);
const OTHER_CLASS = 0x00ff00;

/** What a {@link VirtioPci} is made of. */
export interface VirtioPciOptions {
  readonly device: VirtioDevice;
  readonly memory: DmaMemory;
  readonly interrupt: InterruptLine;
  /** Hears of a driver that broke the rules. Default: nobody. */
  readonly onFailure?: ((device: string, reason: string) => void) | undefined;
}

/** What a virtio function on PCI saves. */
interface VirtioPciState extends DeviceState {
  readonly version: 1;
  readonly configuration: Uint8Array;
  readonly control: DeviceState;
}

/** A virtio device in a slot of a {@link PciHost}. */
export class VirtioPci implements PciFunction {
  readonly name: string;
  readonly #control: VirtioControl;
  readonly #space: ConfigurationSpace;
  readonly #access: number;
  readonly #line: InterruptLine;
  #asserted = false;

  constructor({ device, memory, interrupt, onFailure }: VirtioPciOptions) {
    this.name = device.name;
    this.#line = interrupt;
    this.#control = new VirtioControl(device, {
      memory,
      interrupt: {
        set: (level) => {
          this.#asserted = level;
          this.#driveInterrupt();
        },
      },
      onFailure,
    });
    const capabilities = [
      capability(Structure.Common, COMMON, COMMON_LENGTH),
      capability(Structure.Notify, NOTIFY, NOTIFY_MULTIPLIER * device.queueSizes.length, [NOTIFY_MULTIPLIER]),
      capability(Structure.Isr, ISR, 1),
      ...(device.configuration.length > 0 ? [capability(Structure.Device, DEVICE, device.configuration.length)] : []),
      capability(Structure.ConfigurationAccess, 0, 0, [0]),
    ];
    this.#space = new ConfigurationSpace(
      {
        vendor: VENDOR,
        device: FIRST_DEVICE + device.type,
        revision: REVISION,
        classCode: CLASS_CODES.get(device.type) ?? OTHER_CLASS,
        subsystemVendor: VENDOR,
        subsystem: FIRST_DEVICE + device.type,
      },
      { memorySize: BAR_SIZE, hasInterrupt: true, capabilities },
    );
    this.#access = this.#space.capabilityOffset(capabilities.length - 1);
    this.#space.makeWritable(this.#access + ACCESS_BAR, 1);
    this.#space.makeWritable(this.#access + ACCESS_OFFSET, 8);
  }

  readConfiguration(offset: number, width: AccessWidth): number {
    if (offset === this.#access + ACCESS_DATA) {
      const target = this.#accessTarget();
      return target === undefined ? 0 : this.readMemory(target.offset, target.width);
    }
    return this.#space.read(offset, width);
  }

  writeConfiguration(offset: number, width: AccessWidth, value: number): void {
    if (offset === this.#access + ACCESS_DATA) {
      const target = this.#accessTarget();
      if (target !== undefined) this.writeMemory(target.offset, target.width, value);
      return;
    }
    this.#space.write(offset, width, value);
    this.#driveInterrupt();
  }

  get memoryWindow(): PciRange | undefined {
    const base = this.#space.memoryBase;
    return base === undefined ? undefined : { base, size: BAR_SIZE };
  }

  readMemory(offset: number, width: AccessWidth): number {
    if (offset >= NOTIFY) return 0;
    if (offset >= DEVICE) return this.#control.readConfiguration(offset - DEVICE, width);
    if (offset >= ISR) return offset === ISR ? this.#readIsr() : 0;
    return truncate(this.#readCommon(offset), width);
  }

  writeMemory(offset: number, width: AccessWidth, value: number): void {
    if (offset >= NOTIFY) this.#control.notify(Math.floor((offset - NOTIFY) / NOTIFY_MULTIPLIER));
    else if (offset >= DEVICE) this.#control.writeConfiguration(offset - DEVICE, width, value);
    else if (offset < ISR) this.#writeCommon(offset, value);
  }

  reset(): void {
    this.#control.reset();
    this.#space.reset();
    this.#driveInterrupt();
  }

  save(): VirtioPciState {
    return { version: 1, configuration: this.#space.save(), control: this.#control.save() };
  }

  restore(state: DeviceState): void {
    const { version, configuration, control } = state as VirtioPciState;
    if (version !== 1 || !(configuration instanceof Uint8Array) || configuration.length !== 256) {
      throw new HartvisorError("invalid-argument", `cannot restore ${this.name}: it is no state of a virtio function`);
    }
    this.#control.restore(control);
    this.#space.restore(configuration);
    this.#driveInterrupt();
  }

  #readCommon(offset: number): number {
    const control = this.#control;
    const setup = control.selectedQueue?.setup;
    switch (offset) {
      case Common.DeviceFeatureSelect:
        return control.deviceFeatureSelect;
      case Common.DeviceFeature:
        return control.deviceFeatures;
      case Common.DriverFeatureSelect:
        return control.driverFeatureSelect;
      case Common.DriverFeature:
        return control.driverFeatures;
      case Common.MsixConfiguration:
      case Common.QueueMsix:
        return NO_VECTOR;
      case Common.QueueCount:
        return control.queues.length;
      case Common.Status:
        return control.status;
      case Common.Generation:
        return control.generation;
      case Common.QueueSelect:
        return control.queueSelect;
      case Common.QueueSize:
        return setup?.size ?? 0;
      case Common.QueueEnable:
        return setup?.enabled ? 1 : 0;
      case Common.QueueNotifyOffset:
        return control.queueSelect;
      default: {
        const part = addressPart(offset);
        if (part === undefined || setup === undefined) return 0;
        return offset & 4 ? Math.floor(setup[part] / 2 ** 32) : setup[part] % 2 ** 32;
      }
    }
  }

  #writeCommon(offset: number, value: number): void {
    const control = this.#control;
    switch (offset) {
      case Common.DeviceFeatureSelect:
        control.deviceFeatureSelect = value;
        break;
      case Common.DriverFeatureSelect:
        control.driverFeatureSelect = value;
        break;
      case Common.DriverFeature:
        control.driverFeatures = value;
        break;
      case Common.Status:
        control.status = value & 0xff;
        break;
      case Common.QueueSelect:
        control.queueSelect = value & 0xffff;
        break;
      case Common.QueueSize:
        control.queueSize = value & 0xffff;
        break;
      case Common.QueueEnable:
        // A driver writes nothing but 1 (4.1.4.3.2).
        if ((value & 0xffff) === 1) control.enableQueue();
        break;
      default: {
        const part = addressPart(offset);
        if (part !== undefined) control.placeQueue(part, (offset & 4) !== 0, value);
      }
    }
  }

  /** Reading it acknowledges the interrupt (4.1.4.5). */
  #readIsr(): number {
    const causes = this.#control.interruptCauses;
    this.#control.acknowledge(causes);
    return causes;
  }

  /** What the guest aims at through configuration space, if that is an access that the BAR takes (4.1.4.9.2). */
  #accessTarget(): { readonly offset: number; readonly width: AccessWidth } | undefined {
    const offset = this.#space.read(this.#access + ACCESS_OFFSET, 4);
    const width = this.#space.read(this.#access + ACCESS_LENGTH, 4);
    const bar = this.#space.read(this.#access + ACCESS_BAR, 1);
    if (width !== 1 && width !== 2 && width !== 4) return undefined;
    return bar === 0 && offset % width === 0 && offset < BAR_SIZE ? { offset, width } : undefined;
  }

  #driveInterrupt(): void {
    this.#space.interruptPending = this.#asserted;
    this.#line.set(this.#asserted && !this.#space.interruptDisabled);
  }
}

/** `struct virtio_pci_cap` and the words that follow it in some kinds. */
function capability(structure: number, offset: number, length: number, more: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(16 + 4 * more.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x09; // vendor-specific
  bytes[2] = bytes.length;
  bytes[3] = structure;
  view.setUint32(8, offset, true);
  view.setUint32(12, length, true);
  for (const [n, word] of more.entries()) view.setUint32(16 + 4 * n, word, true);
  return bytes;
}

function addressPart(offset: number): QueueArea | undefined {
  switch (offset & ~4) {
    case Common.QueueDescriptors:
      return "descriptorTable";
    case Common.QueueDriver:
      return "driverArea";
    case Common.QueueDevice:
      return "deviceArea";
    default:
      return undefined;
  }
}

function truncate(value: number, width: AccessWidth): number {
  return width === 4 ? value : value & (2 ** (8 * width) - 1);
}
