/** Devices to plug into a machine. Each function gives a recipe, because every machine needs a device of its own. */
import {
  VirtioBlock,
  type VirtioBlockOptions,
  type VirtioDevice,
  VirtioRng,
  type VirtioRngOptions,
} from "@hartvisor/devices";

/**
 * A disk.
 *
 * @example
 * const vm = await Machine.create({ boot, devices: [virtioBlock({ backend: memoryDisk(new Uint8Array(2 ** 26)) })] });
 */
export function virtioBlock(options: VirtioBlockOptions): () => VirtioDevice {
  return () => new VirtioBlock(options);
}

/** A source of entropy. */
export function virtioRng(options?: VirtioRngOptions): () => VirtioDevice {
  return () => new VirtioRng(options);
}
