/** The six bare-metal programs that measure the interpreter, each run in a fresh process. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const PROGRAMS = ["sort", "hash", "recursion", "bytecode", "nbody", "copy"] as const;
export type ProgramName = (typeof PROGRAMS)[number];

const built = fileURLToPath(new URL("../guests/built/", import.meta.url));

/** The path of a built guest. */
export const guest = (name: string): string => join(built, `${name}.elf`);

/** What `--stats` writes, as far as it is used here. */
interface RunStats {
  readonly instructions: number;
  readonly userCpuMs: number;
  readonly systemCpuMs: number;
}

/** What a Node process prints; throws if it fails. */
export function child(args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${args.join(" ")} ended with status ${status}: ${stderr}`);
  return stdout;
}

/** Runs a program with the command at `cli`; millions of instructions per CPU second. */
export function runProgram(cli: string, name: ProgramName): number {
  const folder = mkdtempSync(join(tmpdir(), "hartvisor-bench-"));
  try {
    const statsFile = join(folder, "stats.json");
    child([cli, "elf", guest(name), "--memory", "64MiB", "--engine", "interpreter", "--stats", statsFile]);
    const { instructions, userCpuMs, systemCpuMs } = JSON.parse(readFileSync(statsFile, "utf8")) as RunStats;
    return instructions / (userCpuMs + systemCpuMs) / 1000;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
