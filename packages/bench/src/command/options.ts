/** The command line of `hartvisor bench`. */
import { HartvisorError, TECHNIQUES, type TechniqueName, techniqueNamed } from "@hartvisor/core";
import { Command, InvalidArgumentError, Option } from "commander";
import type { EngineName } from "hartvisor";

/** As commander hands them over. */
export interface BenchFlags {
  readonly filter?: readonly string[];
  readonly technique?: readonly TechniqueName[];
  readonly engine?: readonly EngineName[];
  readonly clock: "real" | "virtual";
  readonly repetitions?: number;
  readonly seed: number;
  readonly timeout: number;
  readonly json?: string;
  readonly html?: string;
  readonly list?: boolean;
}

const ENGINE_NAMES = ["interpreter", "jit", "auto"];

const HELP = `
Without FILES, runs the benchmarks that come with @hartvisor/bench. A file is an ES module whose default export is what
defineBenchmark returns, or an array of that.

Exit status:
  0  everything was measured
  1  a benchmark failed
  2  bad usage, or a file that cannot be used

Examples:
  hartvisor bench --filter syscall,context-switch --html report.html
  hartvisor bench my-benchmark.mjs --technique direct,paravirtual`;

/** Makes the command; `act` gets what the command line says. */
export function benchCommand(act: (files: readonly string[], flags: BenchFlags) => Promise<void>): Command {
  return new Command("hartvisor bench")
    .helpOption("-h, --help", "print help")
    .description("measure virtualization techniques against each other, per operation")
    .argument("[files...]", "benchmarks of your own")
    .option("--filter <text,...>", "only benchmarks whose name holds a text, or whose group begins with it", words)
    .addOption(
      new Option("--technique <name,...>", `some of ${TECHNIQUES.join(", ")}`).argParser((text) => [
        ...new Set(words(text).map(techniqueNamed)),
      ]),
    )
    .addOption(
      new Option(
        "--engine <name,...>",
        `some of ${ENGINE_NAMES.join(", ")} (default: what a benchmark says)`,
      ).argParser(engines),
    )
    .addOption(
      new Option("--clock <kind>", "virtual: instructions and exits only, the same in every run")
        .choices(["real", "virtual"])
        .default("real"),
    )
    .addOption(
      new Option("--repetitions <n>", "how often each is measured (default: 9, with the virtual clock 3)").argParser(
        wholeNumber(1),
      ),
    )
    .addOption(new Option("--seed <n>", "of the guests' random numbers").default(1).argParser(wholeNumber(0)))
    .addOption(
      new Option("--timeout <seconds>", "how long a guest may take for one repetition")
        .default(60)
        .argParser(wholeNumber(1)),
    )
    .option("--json <file>", "write everything that was measured, as JSON")
    .option("--html <file>", "write a page with charts; it needs nothing else")
    .option("--list", "only name the benchmarks")
    .addHelpText("after", HELP)
    .exitOverride()
    .action(act);
}

function words(text: string): readonly string[] {
  const list = text.split(",").filter((word) => word !== "");
  if (list.length === 0) throw new InvalidArgumentError("Give some text.");
  return list;
}

function engines(text: string): readonly EngineName[] {
  const list = words(text);
  for (const word of list) {
    if (!ENGINE_NAMES.includes(word))
      throw new InvalidArgumentError(`"${word}" is none of ${ENGINE_NAMES.join(", ")}.`);
  }
  return [...new Set(list)] as EngineName[];
}

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`Give a whole number from ${least} on.`);
    }
    return value;
  };
}

/** Which of the benchmarks a filter takes: a whole name means that one alone. */
export function matches(filter: readonly string[] | undefined, names: readonly string[]) {
  return ({ name, group }: { readonly name: string; readonly group: string }): boolean => {
    if (filter === undefined) return true;
    return filter.some((text) =>
      names.includes(text) ? name === text : name.includes(text) || group.toLowerCase().startsWith(text.toLowerCase()),
    );
  };
}

/** What a filter that takes nothing is answered with. */
export function nothingToRun(filter: readonly string[] | undefined): HartvisorError {
  const what =
    filter === undefined
      ? "nothing is left to run"
      : `--filter ${filter.join(",")}: no benchmark of that name or group`;
  return new HartvisorError("invalid-argument", `${what}; see hartvisor bench --list`);
}
