/**
 * The ways in which Debian's kernel comes to the same root: unpacked from the initramfs, or mounted from layers that hold
 * what the initramfs holds, written above them in memory.
 */
import {
  type Boot,
  type FileTree,
  linux,
  MemoryTree,
  type PluggableDevice,
  unionTree,
  virtio9p,
  virtioFs,
} from "hartvisor";
import { ROOT_TAG } from "hartvisor/debian";

const CMDLINE = "console=ttyS0 quiet";
/** By which a kernel without an initramfs finds its root. */
const TAG = "base";

/** A kernel, and an archive of its root. */
export interface RootImage {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
}

/** What a machine is made of; each time anew, as machines are. */
export interface WayToBoot {
  readonly name: string;
  make(): { readonly boot: Boot; readonly devices: readonly (() => PluggableDevice)[] };
}

/** All of them; the first is what the others are compared with. */
export function waysToBoot({ kernel, initrd }: RootImage, layer: FileTree): readonly WayToBoot[] {
  const root = () => unionTree({ lower: [layer], upper: new MemoryTree() });
  const withInitramfs = linux({ kernel, initrd, cmdline: CMDLINE });
  const alone = linux({ kernel, cmdline: `${CMDLINE} root=${TAG} rootfstype=virtiofs rw init=/init` });
  return [
    { name: "initramfs", make: () => ({ boot: withInitramfs, devices: [] }) },
    {
      name: "virtiofs, by the kernel",
      make: () => ({ boot: alone, devices: [virtioFs({ tree: root(), tag: TAG, cache: "always" })] }),
    },
    // As `--root` does it: drivers come from the initramfs, and /init goes on in the root.
    {
      name: "virtiofs, by --root",
      make: () => ({ boot: withInitramfs, devices: [virtioFs({ tree: root(), tag: ROOT_TAG, cache: "always" })] }),
    },
    {
      name: "9p, by --root",
      make: () => ({ boot: withInitramfs, devices: [virtio9p({ tree: root(), tag: ROOT_TAG })] }),
    },
  ];
}
