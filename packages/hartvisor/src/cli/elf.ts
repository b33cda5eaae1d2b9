/** `hartvisor elf`: runs a bare-metal program as Spike does, and writes its signature where one is asked for. */
import { elf } from "@hartvisor/core";
import { type Command, Option } from "commander";
import { bareMetal } from "../boot/bare-metal.js";
import { readWhole } from "../host/node/whole-file.js";
import { checkWritable, writeText } from "./files.js";
import { JitTrace } from "./jit-trace.js";
import type { CommandContext } from "./main.js";
import { addMachineOptions, type MachineFlags, machineOptions } from "./options.js";
import { runSession } from "./session.js";
import { checkSignature, formatSignature, SIGNATURE_GRANULARITIES, signatureRange } from "./signature.js";

interface ElfFlags extends MachineFlags {
  readonly signature?: string;
  readonly signatureGranularity: string;
}

const HELP = `
RAM begins at 0x80000000. Every hart starts in M-mode at the entry point, with its number in a0 and the address of
the device tree in a1. The program ends and prints by HTIF, through its symbols tohost and fromhost, or uses the
UART and the test finisher of the virt board. The exit status is its HTIF code, at most 255.

Example:
  hartvisor elf program.elf --signature out.sig --max-instructions 1000000`;

export function addElfCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("elf")
    .description("run a bare-metal ELF program")
    .argument("<file>", "an ELF64 executable for RISC-V")
    .option("--signature <file>", "write memory from begin_signature to end_signature when the program has ended")
    .addOption(
      new Option("--signature-granularity <bytes>", "bytes on a line of the signature")
        .choices(SIGNATURE_GRANULARITIES)
        .default("4"),
    );
  addMachineOptions(command)
    .addHelpText("after", HELP)
    .action(async (file: string, flags: ElfFlags) => context.finish(await runElf(file, flags, context)));
}

async function runElf(file: string, flags: ElfFlags, { interruptions }: CommandContext): Promise<number> {
  const image = await readWhole(file);
  const { signature } = flags;
  const range = signature === undefined ? undefined : signatureRange(elf(image, { name: file }).symbols(), file);
  return runSession({
    machine: { ...machineOptions(flags), boot: bareMetal({ image, name: file }) },
    maxInstructions: flags.maxInstructions,
    statsFile: flags.stats,
    trace: await JitTrace.open(flags),
    signal: interruptions.signal,
    prepare: async (vm) => {
      if (signature === undefined || range === undefined) return;
      checkSignature(range, vm.memory, file);
      await checkWritable(signature);
    },
    conclude: async (vm) => {
      if (signature === undefined || range === undefined) return;
      await writeText(signature, formatSignature(range, vm.memory, Number(flags.signatureGranularity)));
    },
  });
}
