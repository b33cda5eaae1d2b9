/** `hartvisor demo`, which `npm start` runs: Debian's Linux, or the embedded guest where Debian cannot be had. */
import { HartvisorError } from "@hartvisor/core";
import type { Command } from "commander";
import { bareMetal } from "../boot/bare-metal.js";
import type { Boot } from "../boot/boot.js";
import { linux } from "../boot/linux.js";
import { demoGuestBase64 } from "../generated/demo-guest.js";
import { debianDemoImage } from "../host/node/debian-image.js";
import { addDeviceOptions, type DeviceFlags } from "./devices.js";
import type { CommandContext } from "./main.js";
import { addMachineOptions, type MachineFlags } from "./options.js";
import { ProgressLine } from "./progress.js";
import { packagesOption } from "./root.js";
import { runBooted } from "./run.js";

interface DemoFlags extends MachineFlags, DeviceFlags {
  readonly append?: string;
}

/** What a kernel gets, and what the user adds. */
export const COMMAND_LINE = "console=ttyS0 quiet";

const HELP = `
The kernel and busybox are downloaded with apt, which verifies them, and kept in the cache directory ($XDG_CACHE_HOME,
or ~/.cache). Where that is not possible, a small guest that comes with hartvisor runs instead.

Environment:
  HARTVISOR_DEBIAN_MIRROR=URL  as --mirror
  HARTVISOR_OFFLINE=1          never use the network`;

export function addDemoCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("demo")
    .description("boot Debian's Linux kernel to a shell")
    .option("--append <string>", `added to the kernel's command line, "${COMMAND_LINE}"`)
    .addOption(packagesOption())
    .option("--mirror <url>", "a Debian mirror; by default the one in the machine's apt sources");
  addMachineOptions(addDeviceOptions(command, "nat"))
    .addHelpText("after", HELP)
    .action(async (flags: DemoFlags) => context.finish(await demo(flags, context.interruptions.signal)));
}

async function demo(flags: DemoFlags, signal: AbortSignal): Promise<number> {
  const { root, packages } = flags;
  // The embedded guest has no use for a root.
  const debian = root === undefined && packages === undefined ? "preferred" : "required";
  return runBooted(await demoBoot(flags, signal, debian), flags, signal);
}

/** Debian, or the embedded guest where it cannot be had, unless Debian is required. */
export async function demoBoot(
  { append, mirror }: Pick<DemoFlags, "append" | "mirror">,
  signal: AbortSignal,
  debian: "required" | "preferred" = "preferred",
): Promise<Boot> {
  const progress = new ProgressLine();
  try {
    const { kernel, initrd } = await debianDemoImage({
      ...(mirror !== undefined && { mirror }),
      offline: process.env.HARTVISOR_OFFLINE === "1",
      progress: (event) => progress.show(event),
      signal,
    });
    return linux({
      kernel: { bytes: kernel, name: "Debian's kernel" },
      initrd,
      cmdline: append === undefined ? COMMAND_LINE : `${COMMAND_LINE} ${append}`,
    });
  } catch (error) {
    if (debian === "required" || !(error instanceof HartvisorError) || error.code !== "download-failed") throw error;
    progress.end();
    console.error(
      `hartvisor: ${error.message.replaceAll(/\s*\n\s*/g, " ")}; running a built-in guest instead ` +
        "(for Linux: hartvisor run --kernel FILE --initrd FILE)",
    );
    return bareMetal({ image: Buffer.from(demoGuestBase64, "base64"), name: "the built-in guest" });
  } finally {
    progress.end();
  }
}
