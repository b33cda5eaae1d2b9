/**
 * The `hartvisor` command from its arguments to its exit status. Commands say what they did by the status they
 * return or the error they throw; here that becomes at most one line on stderr, and nothing keeps the process alive.
 */
import { HartvisorError } from "@hartvisor/core";
import { Command, CommanderError } from "commander";
import { version } from "../generated/version.js";
import { addBenchCommand } from "./bench.js";
import { addDemoCommand } from "./demo.js";
import { addDisasmCommand } from "./disasm.js";
import { addElfCommand } from "./elf.js";
import { addExecCommand } from "./exec.js";
import { EXIT_STATUS_HELP, ExitStatus } from "./exit-status.js";
import { addImageCommand } from "./image.js";
import { Interruption, Interruptions } from "./interruption.js";
import { addJitDumpCommand } from "./jit-dump.js";
import { addRunCommand } from "./run.js";

/** What commands get from the process around them. */
export interface CommandContext {
  readonly interruptions: Interruptions;
  /** Takes the exit status of the process. */
  readonly finish: (status: number) => void;
}

/** Runs a command line. Sets `process.exitCode`; what is still to be written is written before the process ends. */
export async function main(args: readonly string[]): Promise<void> {
  const onUnexpected = (error: unknown) => process.exit(report(error));
  process.on("uncaughtException", onUnexpected);
  const interruptions = new Interruptions();
  let status: number = ExitStatus.Success;
  try {
    const program = createProgram({
      interruptions,
      finish: (reached) => {
        status = reached;
      },
    });
    await program.parseAsync(args, { from: "user" });
    interruptions.end();
  } catch (error) {
    status = report(error);
    // Whoever interrupted does not wait for a reader of our output.
    if (error instanceof Interruption) process.exit(status);
  }
  process.exitCode = status;
}

function createProgram(context: CommandContext): Command {
  const program = new Command("hartvisor")
    .description("Runs RISC-V machines: Linux, firmware, bare-metal programs.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand(false)
    .enablePositionalOptions()
    .addHelpText("after", EXIT_STATUS_HELP)
    .exitOverride()
    .configureOutput({
      // One line, whatever suggestion follows the message.
      outputError: (message, write) =>
        write(
          `hartvisor: ${message
            .replace(/^error: /, "")
            .trim()
            .replaceAll(/\s*\n\s*/g, " ")}\n`,
        ),
    });
  for (const add of [
    ...[addRunCommand, addExecCommand, addElfCommand, addDemoCommand, addDisasmCommand, addJitDumpCommand],
    ...[addBenchCommand, addImageCommand],
  ])
    add(program, context);
  return program;
}

/** Says what went wrong, if that is still to be said, and returns the exit status for it. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitStatus.Success : ExitStatus.BadInput;
  if (error instanceof Interruption) {
    if (error.message !== "") console.error(`hartvisor: ${error.message}`);
    return error.status;
  }
  if (error instanceof HartvisorError) {
    console.error(`hartvisor: ${error.message.replaceAll(/\s*\n\s*/g, " ")}`);
    if (process.env.HARTVISOR_DEBUG === "1") console.error(error);
    return ExitStatus.BadInput;
  }
  const message = error instanceof Error ? error.message : String(error);
  console.error(`hartvisor: unexpected error: ${message} (a bug: please report it; HARTVISOR_DEBUG=1 shows where)`);
  if (process.env.HARTVISOR_DEBUG === "1") console.error(error);
  return ExitStatus.Bug;
}
