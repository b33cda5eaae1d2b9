/** Runs a bare-metal ELF as Spike does: M-mode at its entry, a0 = hart id, a1 = device tree, HTIF by its symbols. */
import { checkStyles, elf, HartvisorError } from "@hartvisor/core";
import { Htif } from "@hartvisor/devices";
import { requireBytes } from "../check-options.js";
import { type Boot, DEVICE_TREE_ROOM } from "./boot.js";

export interface BareMetalOptions {
  readonly image: Uint8Array;
  /** What messages call the image. Default: "the program". */
  readonly name?: string;
}

/** Guest instructions between looks at a half-written `tohost`. */
const POLL_TICKS = 10_000n;

/** A boot loader for bare-metal programs. Throws `invalid-image` for what is no RISC-V ELF. */
export function bareMetal(options: BareMetalOptions): Boot {
  const image = requireBytes(options?.image, `bareMetal: "image"`);
  const { name = "the program" } = options;
  elf(image, { name });
  return {
    hypercalls: false,
    recipe: { kind: "bareMetal", options: { image, name } },
    load({ machine, board, console }) {
      const { memory } = machine;
      const program = elf(image, { name, ram: { ramBase: memory.base, ramSize: memory.size } });
      checkStyles(machine.technique, program.styles, name);
      for (const { physicalAddress, bytes } of program.segments) memory.write(physicalAddress, bytes);

      const end = Math.max(...program.segments.map((segment) => segment.physicalAddress + segment.memorySize));
      const deviceTreeAddress = memory.base + memory.size - DEVICE_TREE_ROOM;
      if (end > deviceTreeAddress) {
        throw new HartvisorError("invalid-image", `${name} leaves no room for the device tree at the end of memory`);
      }
      memory.write(deviceTreeAddress, board.deviceTree({}));
      for (const { id } of machine.harts) {
        machine.enterMachine(id, { address: program.entry, opaque: BigInt(deviceTreeAddress) });
      }

      const symbols = program.symbols();
      const tohost = symbols.get("tohost");
      if (tohost === undefined) return;
      if (memory.read(tohost, 8) === undefined) {
        throw new HartvisorError(
          "invalid-image",
          `${name}: its symbol tohost, 0x${tohost.toString(16)}, lies outside RAM`,
        );
      }
      const fromhost = symbols.get("fromhost");
      const htif = new Htif({
        memory,
        tohost: Number(tohost),
        fromhost: fromhost === undefined ? undefined : Number(fromhost),
        output: (bytes) => console.write(bytes),
        exit: (exitCode) => machine.requestShutdown({ kind: "poweroff", exitCode }),
        instructions: () => machine.stats.instructions,
      });
      const poll = () => {
        if (htif.poll()) machine.setAlarm("htif", machine.clock.ticks() + POLL_TICKS, poll);
      };
      machine.watchWrites(Number(tohost), 8, (address, width) => {
        htif.written(address, width);
        poll();
      });
    },
  };
}
