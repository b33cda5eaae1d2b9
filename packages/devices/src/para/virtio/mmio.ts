/**
 * The MMIO transport (virtio 1.2, 4.2): one register window and one wire a
 * device, as QEMU's `virt` board places them. Registers are aligned words;
 * the configuration space takes accesses of any width.
 */
import type {
  AccessWidth,
  Device,
  DeviceState,
  DeviceTreeContext,
  DeviceTreeNode,
  DmaMemory,
  InterruptLine,
} from "@hartvisor/core";
import { VirtioControl } from "./control.js";
import type { VirtioDevice } from "./device.js";
import type { QueueArea } from "./split-queue.js";

/** Registers (table 4.1). */
const Register = {
  Magic: 0x00,
  Version: 0x04,
  DeviceId: 0x08,
  VendorId: 0x0c,
  DeviceFeatures: 0x10,
  DeviceFeaturesSelect: 0x14,
  DriverFeatures: 0x20,
  DriverFeaturesSelect: 0x24,
  QueueSelect: 0x30,
  QueueSizeMax: 0x34,
  QueueSize: 0x38,
  QueueReady: 0x44,
  QueueNotify: 0x50,
  InterruptStatus: 0x60,
  InterruptAcknowledge: 0x64,
  Status: 0x70,
  QueueDescriptors: 0x80,
  QueueDriver: 0x90,
  QueueDevice: 0xa0,
  SharedMemoryLength: 0xb0,
  SharedMemoryBase: 0xb8,
  ConfigurationGeneration: 0xfc,
  Configuration: 0x100,
} as const;

const MAGIC = 0x74726976; // "virt"
const VERSION = 2;
/** As QEMU's. */
const VENDOR = 0x554d4551;

const ADDRESSES: ReadonlyMap<number, QueueArea> = new Map([
  [Register.QueueDescriptors, "descriptorTable"],
  [Register.QueueDriver, "driverArea"],
  [Register.QueueDevice, "deviceArea"],
]);

/** What a {@link VirtioMmio} is made of. */
export interface VirtioMmioOptions {
  readonly device: VirtioDevice;
  readonly memory: DmaMemory;
  readonly interrupt: InterruptLine;
  /** The interrupt's number on the PLIC, for the device tree. */
  readonly interruptSource: number;
  /** Guest-physical address. */
  readonly base: number;
  /** Hears of a driver that broke the rules. Default: nobody. */
  readonly onFailure?: ((device: string, reason: string) => void) | undefined;
}

/** A virtio device in a window of its own. */
export class VirtioMmio implements Device {
  readonly name: string;
  readonly base: number;
  readonly size = 0x1000;
  readonly #control: VirtioControl;
  readonly #interruptSource: number;

  constructor(options: VirtioMmioOptions) {
    this.name = options.device.name;
    this.base = options.base;
    this.#interruptSource = options.interruptSource;
    this.#control = new VirtioControl(options.device, options);
  }

  read(offset: number, width: AccessWidth): number {
    const control = this.#control;
    if (offset >= Register.Configuration) return control.readConfiguration(offset - Register.Configuration, width);
    if (width !== 4 || offset % 4 !== 0) return 0;
    switch (offset) {
      case Register.Magic:
        return MAGIC;
      case Register.Version:
        return VERSION;
      case Register.DeviceId:
        return control.device.type;
      case Register.VendorId:
        return VENDOR;
      case Register.DeviceFeatures:
        return control.deviceFeatures;
      case Register.QueueSizeMax:
        return control.selectedQueue?.maximumSize ?? 0;
      case Register.QueueReady:
        return control.selectedQueue?.setup.enabled ? 1 : 0;
      case Register.InterruptStatus:
        return control.interruptCauses;
      case Register.Status:
        return control.status;
      case Register.ConfigurationGeneration:
        return control.generation;
      // No shared memory region: its length and base read as -1 (4.2.2.1).
      case Register.SharedMemoryLength:
      case Register.SharedMemoryLength + 4:
      case Register.SharedMemoryBase:
      case Register.SharedMemoryBase + 4:
        return 0xffff_ffff;
      default:
        return 0;
    }
  }

  write(offset: number, width: AccessWidth, value: number): void {
    const control = this.#control;
    if (offset >= Register.Configuration) {
      control.writeConfiguration(offset - Register.Configuration, width, value);
      return;
    }
    if (width !== 4 || offset % 4 !== 0) return;
    switch (offset) {
      case Register.DeviceFeaturesSelect:
        control.deviceFeatureSelect = value;
        break;
      case Register.DriverFeatures:
        control.driverFeatures = value;
        break;
      case Register.DriverFeaturesSelect:
        control.driverFeatureSelect = value;
        break;
      case Register.QueueSelect:
        control.queueSelect = value;
        break;
      case Register.QueueSize:
        control.queueSize = value;
        break;
      case Register.QueueReady:
        if (value & 1) control.enableQueue();
        else if (control.selectedQueue?.setup.enabled) control.selectedQueue.reset();
        break;
      case Register.QueueNotify:
        control.notify(value);
        break;
      case Register.InterruptAcknowledge:
        control.acknowledge(value);
        break;
      case Register.Status:
        control.status = value & 0xff;
        break;
      default: {
        const part = ADDRESSES.get(offset & ~4);
        if (part !== undefined) control.placeQueue(part, (offset & 4) !== 0, value);
      }
    }
  }

  reset(): void {
    this.#control.reset();
  }

  save(): DeviceState {
    return this.#control.save();
  }

  restore(state: DeviceState): void {
    this.#control.restore(state);
  }

  deviceTree(context: DeviceTreeContext): DeviceTreeNode[] {
    return [
      {
        name: `virtio_mmio@${this.base.toString(16)}`,
        properties: {
          compatible: "virtio,mmio",
          reg: [BigInt(this.base), BigInt(this.size)],
          "interrupt-parent": context.phandle("plic"),
          interrupts: this.#interruptSource,
          "dma-coherent": true,
        },
      },
    ];
  }
}
