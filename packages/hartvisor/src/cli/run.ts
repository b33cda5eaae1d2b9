/** `hartvisor run`: boots a Linux kernel from files. */
import type { Command } from "commander";
import type { Boot } from "../boot/boot.js";
import { linux } from "../boot/linux.js";
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
    .description("boot a Linux kernel")
    .requiredOption("--kernel <file>", "a RISC-V Linux Image, uncompressed")
    .option("--initrd <file>", "initial RAM disk: a cpio archive, compressed or not")
    .option("--append <string>", "the kernel's command line")
    .option("--firmware <file>", "M-mode firmware, such as OpenSBI's fw_dynamic, in place of the machine's own SBI");
  addMachineOptions(addDeviceOptions(command, "none"))
    .addHelpText("after", HELP)
    .action(async (flags: RunFlags) => context.finish(await run(flags, context)));
}

async function run(flags: RunFlags, { interruptions }: CommandContext): Promise<number> {
  const boot = linux({
    kernel: await readNamed(flags.kernel),
    initrd: flags.initrd === undefined ? undefined : await readNamed(flags.initrd),
    firmware: flags.firmware === undefined ? undefined : await readNamed(flags.firmware),
    cmdline: flags.append,
  });
  return runBooted(boot, flags, interruptions.signal);
}

/** Runs what was booted with the devices of the command line; returns the exit status. */
export async function runBooted(boot: Boot, flags: MachineFlags & DeviceFlags, signal: AbortSignal): Promise<number> {
  const open = await openDevices(flags);
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
