/** Boots a Linux kernel: directly under the machine's own SBI, or through an M-mode firmware. */
import {
  checkInitrd,
  checkStyles,
  elf,
  flat,
  HartvisorError,
  isElf,
  linuxImage,
  NATIVE,
  placeImages,
} from "@hartvisor/core";
import { requireBytes } from "../check-options.js";
import type { Boot, BootContext } from "./boot.js";
import { DEVICE_TREE_ROOM } from "./boot.js";

/** An image and the name by which messages call it. */
export interface NamedImage {
  readonly bytes: Uint8Array;
  readonly name: string;
}

export interface LinuxOptions {
  /** A RISC-V Linux `Image`, uncompressed. */
  readonly kernel: Uint8Array | NamedImage;
  /** A cpio archive, compressed or not. Default: none. */
  readonly initrd?: Uint8Array | NamedImage | undefined;
  /** The kernel's command line. Default: empty. */
  readonly cmdline?: string | undefined;
  /** M-mode firmware, flat or ELF, such as OpenSBI's `fw_dynamic`; it starts the kernel. Default: the machine's own SBI. */
  readonly firmware?: Uint8Array | NamedImage | undefined;
}

function named(image: Uint8Array | NamedImage, option: string): NamedImage {
  const isNamed = !(image instanceof Uint8Array) && image?.bytes instanceof Uint8Array;
  return isNamed ? image : { bytes: requireBytes(image, `linux: "${option}"`), name: `the ${option}` };
}

/**
 * A boot loader for Linux. Throws `invalid-image` for images that are none.
 *
 * @example
 * const vm = await Machine.create({ boot: linux({ kernel, initrd, cmdline: "console=ttyS0" }) });
 */
export function linux(options: LinuxOptions): Boot {
  const kernelImage = named(options?.kernel, "kernel");
  const kernel = linuxImage(kernelImage.bytes, kernelImage);
  const initrd = options.initrd && named(options.initrd, "initrd");
  if (initrd) checkInitrd(initrd.bytes, initrd);
  const firmware = options.firmware && named(options.firmware, "firmware");

  return {
    hypercalls: firmware === undefined,
    exec: true,
    recipe: { kind: "linux", options },
    load(context) {
      const { machine, board } = context;
      const { memory } = machine;
      checkStyles(machine.technique, NATIVE, kernelImage.name);
      const place = placeImages({
        ramBase: memory.base,
        ramSize: memory.size,
        kernel: { ...kernel, name: kernelImage.name },
        initrd: initrd && { size: initrd.bytes.length, name: initrd.name },
        deviceTreeSize: DEVICE_TREE_ROOM,
      });
      memory.write(place.kernel, kernel.bytes);
      if (initrd && place.initrd !== undefined) memory.write(place.initrd, initrd.bytes);
      const deviceTree = board.deviceTree({
        ...(options.cmdline !== undefined && { bootArguments: options.cmdline }),
        ...(initrd &&
          place.initrd !== undefined && { initrd: { start: place.initrd, end: place.initrd + initrd.bytes.length } }),
      });
      if (deviceTree.length > DEVICE_TREE_ROOM - FIRMWARE_INFO_SIZE) {
        throw new HartvisorError(
          "invalid-argument",
          `the kernel command line of ${options.cmdline?.length} bytes is too long`,
        );
      }
      memory.write(place.deviceTree, deviceTree);
      const opaque = BigInt(place.deviceTree);
      if (firmware) startFirmware(context, firmware, place.kernel, place.deviceTree);
      else machine.enterSupervisor(0, { address: BigInt(place.kernel), opaque });
    },
  };
}

/** `struct fw_dynamic_info` of OpenSBI (docs/firmware/fw_dynamic.md): six words. */
const FIRMWARE_INFO_SIZE = 48;
const FIRMWARE_INFO_MAGIC = 0x4942534fn; // "OSBI"
const SUPERVISOR = 1n;

function startFirmware({ machine }: BootContext, firmware: NamedImage, kernel: number, deviceTree: number): void {
  const { memory } = machine;
  const range = { ramBase: memory.base, ramSize: memory.size };
  const { bytes, name } = firmware;
  let entry = memory.base;
  if (isElf(bytes)) {
    const image = elf(bytes, { name, ram: range });
    for (const segment of image.segments) memory.write(segment.physicalAddress, segment.bytes);
    entry = Number(image.entry);
  } else {
    memory.write(memory.base, flat(bytes, { name, ram: range }).bytes);
  }
  const info = new BigUint64Array([FIRMWARE_INFO_MAGIC, 2n, BigInt(kernel), SUPERVISOR, 0n, 0n]);
  const infoAddress = deviceTree + DEVICE_TREE_ROOM - FIRMWARE_INFO_SIZE;
  memory.write(infoAddress, new Uint8Array(info.buffer));
  for (const { id } of machine.harts) {
    machine.enterMachine(id, {
      address: BigInt(entry),
      opaque: BigInt(deviceTree),
      nextStage: BigInt(infoAddress),
    });
  }
}
