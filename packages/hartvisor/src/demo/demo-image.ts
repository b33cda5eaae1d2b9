/**
 * The parts of the demo's image as they lie in a folder: of the cache, or of a package that was installed or is served.
 * Here they are read and checked, whatever reads the bytes.
 */
import { busyboxInitramfs } from "./initramfs.js";
import type { KernelModule } from "./kernel-modules.js";

/** What a machine boots to reach a shell. */
export interface DemoImage {
  /** A Linux Image. */
  readonly kernel: Uint8Array;
  /** An uncompressed cpio archive. */
  readonly initrd: Uint8Array;
  /** As `uname -r` says it, for example "6.12.48+deb13-riscv64". */
  readonly kernelVersion: string;
}

/** Counts up when an image holds something else than before, so that what earlier versions left is not used. */
export const FORMAT = 2;

/** The name of the file that says what is in the folder. It is written last. */
export const MANIFEST = "manifest.json";

/** The package that has an image, where it is installed. */
export const IMAGE_PACKAGE = "@hartvisor/debian-linux";

/** The sizes tell an image that a crash of the machine cut short. */
export interface DemoManifest {
  readonly format: typeof FORMAT;
  readonly kernelVersion: string;
  readonly packages: Readonly<Record<string, string>>;
  readonly sizes: { readonly Image: number; readonly busybox: number };
  /** Size of each module, by name. */
  readonly modules: Readonly<Record<string, number>>;
  /** Drivers that were looked for, and what came along with them. */
  readonly wanted?: readonly string[];
}

/** What an image is made of. */
export interface DemoParts {
  readonly kernel: Uint8Array;
  readonly busybox: Uint8Array;
  readonly kernelVersion: string;
  readonly modules: readonly KernelModule[];
}

/** Where a module lies in the folder. */
export function modulePath(name: string): string {
  return `modules/${name}.ko`;
}

/**
 * Reads the parts.
 *
 * @param read - gives a file of the folder by its name
 * @returns undefined where they are those of another version, lack one of the drivers, or are cut short
 * @throws whatever `read` throws, and SyntaxError for a manifest that is damaged
 */
export async function readDemoParts(
  read: (name: string) => Promise<Uint8Array>,
  drivers: readonly string[],
): Promise<DemoParts | undefined> {
  const manifest = JSON.parse(new TextDecoder().decode(await read(MANIFEST))) as DemoManifest;
  const hasAll = drivers.every((name) => manifest.wanted?.includes(name));
  if (manifest.format !== FORMAT || !hasAll) return undefined;
  const { kernelVersion, sizes } = manifest;
  const [kernel, busybox] = await Promise.all([read("Image"), read("busybox")]);
  const modules = await Promise.all(
    Object.keys(manifest.modules).map(async (name) => ({ name, bytes: await read(modulePath(name)) })),
  );
  const isWhole =
    kernel.length === sizes.Image &&
    busybox.length === sizes.busybox &&
    modules.every(({ name, bytes }) => bytes.length === manifest.modules[name]);
  return isWhole ? { kernel, busybox, kernelVersion, modules } : undefined;
}

/** Puts the parts together. */
export function assembleDemoImage({ kernel, busybox, kernelVersion, modules }: DemoParts): DemoImage {
  return { kernel, initrd: busyboxInitramfs(busybox, { kernelVersion, modules }), kernelVersion };
}
