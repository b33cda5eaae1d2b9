/**
 * Decides where in guest RAM a Linux kernel, its initrd and its device tree go: the
 * kernel where its header asks, the others above it. Pure arithmetic: what boots the
 * machine does the copying. Source: Linux, Documentation/arch/riscv/boot.rst.
 */
import { HartvisorError } from "../error.js";
import { formatByteSize } from "../quantity.js";
import type { RamRange } from "./elf.js";

/** What has to find room. All sizes in bytes. */
export interface PlacementRequest extends RamRange {
  /** A {@link LinuxImage} has the shape; `name` is the file's, for messages. */
  readonly kernel: { readonly textOffset: number; readonly imageSize: number; readonly name?: string };
  readonly initrd?: { readonly size: number; readonly name?: string } | undefined;
  /** Room for the flattened device tree; its exact size may be known only later. */
  readonly deviceTreeSize: number;
}

/** Guest-physical addresses. */
export interface Placement {
  readonly kernel: number;
  readonly initrd?: number;
  readonly deviceTree: number;
}

const PAGE_SIZE = 4096;
/** The kernel reserves the whole of the last 2 MiB page that maps it. */
const KERNEL_PAGE_SIZE = 2 ** 21;

/**
 * Places the images: kernel, then from the next 2 MiB on initrd and device tree, each at the start of a page. The
 * kernel reserves the three itself, and takes the rest of RAM for its own.
 *
 * @throws HartvisorError `invalid-image` when something does not fit, with the sizes in question
 * @example
 * placeImages({ ramBase: 0x80000000, ramSize: 2 ** 29, kernel, initrd: { size: initrd.length }, deviceTreeSize: 65536 });
 */
export function placeImages(request: PlacementRequest): Placement {
  const { ramBase, ramSize, kernel, initrd, deviceTreeSize } = request;
  let next = ramBase;
  const place = (what: string, address: number, size: number): number => {
    if (address + size > ramBase + ramSize) {
      const atLeast = `${Math.ceil((address + size - ramBase) / 2 ** 20)}MiB`;
      throw new HartvisorError(
        "invalid-image",
        `${what} does not fit memory: it takes ${formatByteSize(size)} from ${formatByteSize(address - ramBase)} on, ` +
          `and memory is ${formatByteSize(ramSize)}; give the machine more than ${atLeast}`,
      );
    }
    next = Math.ceil((address + size) / PAGE_SIZE) * PAGE_SIZE;
    return address;
  };

  const kernelAddress = place(kernel.name ?? "the kernel", ramBase + kernel.textOffset, kernel.imageSize);
  next = Math.ceil(next / KERNEL_PAGE_SIZE) * KERNEL_PAGE_SIZE;
  const initrdAddress = initrd && place(initrd.name ?? "the initrd", next, initrd.size);
  const deviceTree = place("the device tree", next, deviceTreeSize);
  return { kernel: kernelAddress, ...(initrdAddress !== undefined && { initrd: initrdAddress }), deviceTree };
}
