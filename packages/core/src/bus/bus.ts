/** Routes device accesses to the device whose window holds the address. */
import { HartvisorError } from "../error.js";
import type { AccessWidth, Device } from "./device.js";

export class Bus {
  readonly #devices: Device[] = [];
  #last: Device | undefined; // accesses come in runs to one device

  /** Devices in the order in which they were attached. */
  get devices(): readonly Device[] {
    return this.#devices;
  }

  /** Throws `invalid-argument` if the window overlaps another device's or the name is taken. */
  attach(device: Device): void {
    for (const other of this.#devices) {
      if (other.name === device.name) {
        throw new HartvisorError("invalid-argument", `two devices are called ${device.name}`);
      }
      if (device.base < other.base + other.size && other.base < device.base + device.size) {
        throw new HartvisorError(
          "invalid-argument",
          `device ${device.name} at 0x${device.base.toString(16)} overlaps ${other.name}`,
        );
      }
    }
    this.#devices.push(device);
  }

  /** Reads a register; undefined where no device answers. */
  read(address: number, width: AccessWidth): number | undefined {
    const device = this.#find(address, width);
    return device?.read(address - device.base, width);
  }

  /** Writes a register; false where no device answers. */
  write(address: number, width: AccessWidth, value: number): boolean {
    const device = this.#find(address, width);
    device?.write(address - device.base, width, value);
    return device !== undefined;
  }

  read64(address: number): bigint | undefined {
    const device = this.#find(address, 8);
    if (device === undefined) return undefined;
    const offset = address - device.base;
    if (device.read64) return device.read64(offset);
    const low = device.read(offset, 4);
    return (BigInt(device.read(offset + 4, 4)) << 32n) | BigInt(low);
  }

  write64(address: number, value: bigint): boolean {
    const device = this.#find(address, 8);
    if (device === undefined) return false;
    const offset = address - device.base;
    if (device.write64) device.write64(offset, value);
    else {
      device.write(offset, 4, Number(BigInt.asUintN(32, value)));
      device.write(offset + 4, 4, Number(value >> 32n));
    }
    return true;
  }

  #find(address: number, width: number): Device | undefined {
    const holds = (device: Device) => address >= device.base && address + width <= device.base + device.size;
    if (this.#last !== undefined && holds(this.#last)) return this.#last;
    const device = this.#devices.find(holds);
    if (device !== undefined) this.#last = device;
    return device;
  }
}
