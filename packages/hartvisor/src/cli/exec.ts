/** `hartvisor exec`: boots a machine, runs one command in it, and ends with its status. */
import { once } from "node:events";
import { Readable } from "node:stream";
import { type ExitReason, HartvisorError } from "@hartvisor/core";
import type { Command } from "commander";
import type { Boot } from "../boot/boot.js";
import { linux } from "../boot/linux.js";
import { Machine } from "../machine.js";
import { COMMAND_LINE, demoBoot } from "./demo.js";
import { addDeviceOptions, type DeviceFlags, openDevices } from "./devices.js";
import { ExitStatus, outcomeOf } from "./exit-status.js";
import { checkWritable, readNamed, writeText } from "./files.js";
import { JitTrace } from "./jit-trace.js";
import type { CommandContext } from "./main.js";
import { addMachineOptions, type MachineFlags, machineOptions } from "./options.js";
import { packagesOption } from "./root.js";
import { RunMeter } from "./stats-file.js";

interface ExecFlags extends MachineFlags, DeviceFlags {
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly timeout?: number;
  readonly console?: boolean;
}

const HELP = `
Input, output and exit status are the command's. Without --kernel the guest is Debian's kernel with busybox, as in
"hartvisor demo"; a guest of yours has to run the agent (see docs/exec.md).

Example:
  echo hello | hartvisor exec --disk data.img -- sh -c 'cat; lsblk'`;

/** Adds the command to the program. */
export function addExecCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("exec")
    .description("boot, run a command in the guest, and end with its status")
    .argument("<command...>", "the command and its arguments, after --")
    .option("--kernel <file>", "a RISC-V Linux Image, uncompressed (default: Debian's)")
    .option("--initrd <file>", "initial RAM disk; with --kernel")
    .option("--append <string>", "added to the kernel's command line")
    .addOption(packagesOption())
    .option("--mirror <url>", "a Debian mirror; by default the one in the machine's apt sources")
    .option("--timeout <seconds>", "end with status 124 after so long", (text) => Number(text))
    .option("--console", "print what the guest prints on its serial port to stderr");
  addMachineOptions(addDeviceOptions(command, "nat"))
    .addHelpText("after", HELP)
    .action(async (argv: string[], flags: ExecFlags) => context.finish(await exec(argv, flags, context)));
}

async function exec(argv: readonly string[], flags: ExecFlags, { interruptions }: CommandContext): Promise<number> {
  const { signal } = interruptions;
  const { timeout } = flags;
  if (timeout !== undefined && !(timeout > 0)) {
    throw new HartvisorError("invalid-argument", "--timeout: give a number of seconds above 0");
  }
  const boot = await execBoot(flags, signal);
  if (flags.stats !== undefined) await checkWritable(flags.stats);
  const trace = await JitTrace.open(flags);
  const open = await openDevices(flags, signal);
  try {
    const late = timeout === undefined ? undefined : AbortSignal.timeout(timeout * 1000);
    await using vm = await Machine.create({
      ...machineOptions(flags),
      ...{ boot, exec: true, devices: open.devices },
      ...(trace !== undefined && { translator: { onEvent: trace.onEvent } }),
      ...(flags.maxInstructions !== undefined && { limits: { instructions: flags.maxInstructions } }),
    });
    const meter = new RunMeter();
    let reason: ExitReason | undefined;
    void vm.exited.then(
      (exit) => {
        reason = exit;
      },
      () => {},
    );
    const over = AbortSignal.any([signal, ...(late ? [late] : [])]);
    const shown = vm.console.output.pipeTo(
      new WritableStream({ write: (bytes) => void (flags.console === true && process.stderr.write(bytes)) }),
    );
    shown.catch(() => {});
    vm.start();
    try {
      return await run(vm, argv, over);
    } catch (error) {
      signal.throwIfAborted();
      if (late?.aborted) {
        console.error(`hartvisor: ${argv[0]} has not ended in ${timeout} s`);
        return ExitStatus.LimitReached;
      }
      if (reason !== undefined) {
        const { status, message } = outcomeOf(reason);
        console.error(`hartvisor: ${message ?? `the guest has ended before ${argv[0]}`}`);
        return status;
      }
      if (!(error instanceof HartvisorError) || error.code !== "exec-failed") throw error;
      console.error(`hartvisor: ${error.message}`);
      return ExitStatus.NotFound;
    } finally {
      meter.add(vm.stats);
      if (flags.stats !== undefined) await writeText(flags.stats, `${JSON.stringify(meter.report(), undefined, 2)}\n`);
    }
  } finally {
    await open.close();
    trace?.close();
  }
}

/** Runs the command with this process's streams. */
async function run(vm: Machine, argv: readonly string[], signal: AbortSignal): Promise<number> {
  const job = await vm.spawn(argv, { signal });
  const input = Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>;
  input.pipeTo(job.stdin, { signal }).catch(() => {}); // a command need not read all of it
  const [status] = await Promise.all([
    job.exited,
    print(job.stdout, process.stdout),
    print(job.stderr, process.stderr),
  ]);
  process.stdin.destroy();
  // What the command wrote to disks would be lost with the guest's caches.
  await vm.sync();
  return status.exitCode;
}

async function print(from: ReadableStream<Uint8Array>, to: NodeJS.WriteStream): Promise<void> {
  for await (const bytes of from) {
    if (!to.write(bytes)) await once(to, "drain");
  }
}

async function execBoot(flags: ExecFlags, signal: AbortSignal): Promise<Boot> {
  if (flags.kernel === undefined) {
    if (flags.initrd !== undefined) throw new HartvisorError("invalid-argument", "--initrd needs --kernel");
    return demoBoot(flags, signal, "required");
  }
  return linux({
    kernel: await readNamed(flags.kernel),
    initrd: flags.initrd === undefined ? undefined : await readNamed(flags.initrd),
    cmdline: [COMMAND_LINE, flags.append].filter(Boolean).join(" "),
  });
}
