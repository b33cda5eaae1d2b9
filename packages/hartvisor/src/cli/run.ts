/** `hartvisor run`: boots a Linux kernel, or one that is an ELF file, from files. */
import { HartvisorError, isElf } from "@hartvisor/core";
import type { Command } from "commander";
import type { Boot } from "../boot/boot.js";
import { linux, type NamedImage } from "../boot/linux.js";
import { supervisor } from "../boot/supervisor.js";
import { addDeviceOptions, type DeviceFlags, openDevices } from "./devices.js";
import { readNamed } from "./files.js";
import { JitTrace } from "./jit-trace.js";
import type { CommandContext } from "./main.js";
import { addMachineOptions, type MachineFlags, machineOptions } from "./options.js";
import { runSession } from "./session.js";

interface RunFlags extends MachineFlags, DeviceFlags {
  readonly kernel: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly firmware?: string;
}

const HELP = `
The guest's serial port is this terminal: Ctrl-A x quits, Ctrl-A h shows help. A reboot starts a fresh machine.

Example:
  hartvisor run --kernel Image --initrd initrd.cpio --append "console=ttyS0 quiet" --memory 1GiB`;

export function addRunCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("run")
    .description("boot a kernel")
    .requiredOption("--kernel <file>", "a RISC-V Linux Image, uncompressed, or an ELF file that begins in S-mode")
    .option("--initrd <file>", "initial RAM disk: a cpio archive, compressed or not")
    .option("--append <string>", "the kernel's command line")
    .option("--firmware <file>", "M-mode firmware, such as OpenSBI's fw_dynamic, in place of the machine's own SBI");
  addMachineOptions(addDeviceOptions(command, "none"))
    .addHelpText("after", HELP)
    .action(async (flags: RunFlags) => context.finish(await run(flags, context)));
}

async function run(flags: RunFlags, { interruptions }: CommandContext): Promise<number> {
  const kernel = await readNamed(flags.kernel);
  const boot = isElf(kernel.bytes) ? bootElf(kernel, flags) : await bootLinux(kernel, flags);
  return runBooted(boot, flags, interruptions.signal);
}

async function bootLinux(kernel: NamedImage, { initrd, firmware, append }: RunFlags): Promise<Boot> {
  return linux({
    kernel,
    initrd: initrd === undefined ? undefined : await readNamed(initrd),
    firmware: firmware === undefined ? undefined : await readNamed(firmware),
    cmdline: append,
  });
}

function bootElf({ bytes, name }: NamedImage, { initrd, firmware, append }: RunFlags): Boot {
  for (const [flag, value] of Object.entries({ initrd, firmware, append })) {
    if (value !== undefined)
      throw new HartvisorError("invalid-argument", `--${flag} is for Linux, and ${name} is an ELF file`);
  }
  return supervisor({ image: bytes, name });
}

/** Runs what was booted with the devices of the command line; returns the exit status. */
export async function runBooted(boot: Boot, flags: MachineFlags & DeviceFlags, signal: AbortSignal): Promise<number> {
  const open = await openDevices(flags, signal);
  try {
    return await runSession({
      machine: { ...machineOptions(flags), boot, devices: open.devices },
      maxInstructions: flags.maxInstructions,
      statsFile: flags.stats,
      trace: await JitTrace.open(flags),
      signal,
    });
  } finally {
    await open.close();
  }
}
