/** The options that every command that runs a machine has, and how their values are read. */
import {
  DEFAULT_ISA,
  formatByteSize,
  MAX_HARTS,
  MAX_MEMORY_BYTES,
  parseByteSize,
  TECHNIQUES,
  type TechniqueName,
  techniqueNamed,
} from "@hartvisor/core";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { EngineName, MachineOptions } from "../options.js";

/** As commander hands them over. */
export interface MachineFlags {
  readonly memory: number;
  readonly harts: number;
  readonly engine: EngineName;
  readonly clock: "real" | "virtual";
  readonly isa?: string;
  readonly misaligned: "hardware" | "trap";
  readonly technique: TechniqueName;
  readonly maxInstructions?: number;
  readonly stats?: string;
  readonly jitTrace?: string;
}

const DEFAULT_MEMORY = "512MiB";

/** Adds --memory, --harts, --isa, --misaligned, --engine, --technique, --clock, --max-instructions, --stats and --jit-trace. */
export function addMachineOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--memory <size>", `RAM, up to ${formatByteSize(MAX_MEMORY_BYTES)}`)
        .default(parseByteSize(DEFAULT_MEMORY, "--memory"), DEFAULT_MEMORY)
        .argParser((text) => parseByteSize(text, "--memory")),
    )
    .addOption(new Option("--harts <n>", `harts, 1 to ${MAX_HARTS}`).default(1).argParser(parseCount))
    .option(
      "--isa <string>",
      `what the harts can do, for example rv64gc_zba or rva22s64; what it leaves out is illegal (default: ${DEFAULT_ISA})`,
    )
    .addOption(
      new Option("--misaligned <how>", "loads and stores at unaligned addresses: done in hardware, or a trap")
        .choices(["hardware", "trap"])
        .default("hardware"),
    )
    .addOption(
      new Option("--engine <name>", "what runs guest code").choices(["interpreter", "jit", "auto"]).default("auto"),
    )
    .addOption(
      new Option("--technique <name>", `how the guest's privileged code is run: ${TECHNIQUES.join(", ")}`)
        .default("direct")
        .argParser(techniqueNamed),
    )
    .addOption(
      new Option("--clock <kind>", "real: the host's time; virtual: the instruction count, so that runs repeat exactly")
        .choices(["real", "virtual"])
        .default("real"),
    )
    .addOption(
      new Option("--max-instructions <n>", "stop after so many instructions, all harts together").argParser(parseCount),
    )
    .option("--stats <file>", "write figures of the run to a file, as JSON")
    .option("--jit-trace <file>", "write what the translator makes and drops to a file, an event a line, as JSON");
}

/** What the flags mean for a machine. */
export function machineOptions(flags: MachineFlags): Omit<MachineOptions, "boot"> {
  const { memory, harts, engine, clock, isa, misaligned, technique } = flags;
  return { memory, harts, engine, clock, misaligned, technique, ...(isa !== undefined && { isa }) };
}

/** Reads a whole number above 0. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count) || count === 0) {
    throw new InvalidArgumentError("Give a whole number above 0.");
  }
  return count;
}
