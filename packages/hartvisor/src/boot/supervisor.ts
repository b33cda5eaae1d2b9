/** Runs an ELF kernel as SBI firmware starts one: hart 0 in S-mode at its entry, translation off, the machine for its SBI. */
import { checkStyles, elf, HartvisorError } from "@hartvisor/core";
import { requireBytes } from "../check-options.js";
import { type Boot, DEVICE_TREE_ROOM } from "./boot.js";

export interface SupervisorOptions {
  /** An ELF64 executable for RISC-V, linked at the physical addresses where it begins. */
  readonly image: Uint8Array;
  /** What messages call the image. Default: "the kernel". */
  readonly name?: string;
}

/**
 * A boot loader for kernels that are ELF programs: a0 is the hart's number, a1 the address of the device tree (SBI 2.0,
 * chapter 9). Other harts are stopped until the guest starts them. Throws `invalid-image` for what is no RISC-V ELF; a
 * machine whose technique does not suit the kernel is refused with `invalid-argument`: a note in it says what does.
 *
 * @example
 * const vm = await Machine.create({ boot: supervisor({ image: await readFile("kernel.elf") }) });
 */
export function supervisor(options: SupervisorOptions): Boot {
  const image = requireBytes(options?.image, `supervisor: "image"`);
  const { name = "the kernel" } = options;
  elf(image, { name });
  return {
    hypercalls: true,
    recipe: { kind: "supervisor", options: { image, name } },
    load({ machine, board }) {
      const { memory } = machine;
      const program = elf(image, { name, ram: { ramBase: memory.base, ramSize: memory.size } });
      checkStyles(machine.technique, program.styles, name);
      const deviceTreeAddress = memory.base + memory.size - DEVICE_TREE_ROOM;
      const end = Math.max(...program.segments.map((segment) => segment.physicalAddress + segment.memorySize));
      if (end > deviceTreeAddress) {
        throw new HartvisorError("invalid-image", `${name} leaves no room for the device tree at the end of memory`);
      }
      for (const { physicalAddress, bytes } of program.segments) memory.write(physicalAddress, bytes);
      memory.write(deviceTreeAddress, board.deviceTree({}));
      machine.enterSupervisor(0, { address: program.entry, opaque: BigInt(deviceTreeAddress) });
    },
  };
}
