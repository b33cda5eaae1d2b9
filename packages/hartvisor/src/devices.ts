/** Devices to plug into a machine. Each function gives a recipe, because every machine needs a device of its own. */
import {
  VirtioBlock,
  type VirtioBlockOptions,
  VirtioConsole,
  type VirtioDevice,
  VirtioNet,
  type VirtioNetOptions,
  VirtioRng,
  type VirtioRngOptions,
} from "@hartvisor/devices";
import type { ConsolePort } from "./console/port.js";

export interface ConsoleOptions {
  /** 1 to 16 ports. */
  readonly ports: readonly ConsolePort[];
  /** Unique on its machine. Default: `console`. */
  readonly name?: string;
}

/**
 * A disk.
 *
 * @example
 * const vm = await Machine.create({ boot, devices: [virtioBlock({ backend: memoryDisk(new Uint8Array(2 ** 26)) })] });
 */
export function virtioBlock(options: VirtioBlockOptions): () => VirtioDevice {
  return () => new VirtioBlock(options);
}

/** A console: byte streams between host and guest. */
export function virtioConsole(options: ConsoleOptions): () => VirtioDevice {
  return () => {
    const { ports, ...rest } = options;
    const device: VirtioConsole = new VirtioConsole({ ...rest, ports: ports.map((port) => port.options) });
    for (const [n, port] of ports.entries()) port.connect(device, n);
    return device;
  };
}

/**
 * A network card.
 *
 * @example
 * import { nat } from "hartvisor/node";
 * const vm = await Machine.create({ boot, devices: [virtioNet({ backend: await nat({ forward: [{ host: 8080, guest: 80 }] }) })] });
 */
export function virtioNet(options: VirtioNetOptions): () => VirtioDevice {
  return () => new VirtioNet(options);
}

/** A source of entropy. */
export function virtioRng(options?: VirtioRngOptions): () => VirtioDevice {
  return () => new VirtioRng(options);
}
