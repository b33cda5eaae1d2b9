/**
 * `hartvisor bench`: hands its arguments to @hartvisor/bench, which stands on top of this package and need not be
 * installed.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { HartvisorError } from "@hartvisor/core";
import type { Command } from "commander";
import type { CommandContext } from "./main.js";

const PACKAGE = "@hartvisor/bench";

/** What is asked of the package. */
interface BenchPackage {
  main(args: readonly string[], context: { readonly signal: AbortSignal }): Promise<number>;
}

export function addBenchCommand(program: Command, context: CommandContext): void {
  program
    .command("bench")
    .description(`measure virtualization techniques against each other (needs ${PACKAGE})`)
    .argument("[arguments...]", "see hartvisor bench --help")
    // All that follows is the package's to read.
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .action(async (args: string[]) => {
      const { main } = await loadBench();
      context.finish(await main(args, { signal: context.interruptions.signal }));
    });
}

/** From beside this package, as npm installs them, or from the project that the command is run in. */
async function loadBench(): Promise<BenchPackage> {
  const name: string = PACKAGE; // not for the bundler
  try {
    return await import(name);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  try {
    return await import(pathToFileURL(createRequire(join(process.cwd(), "_.js")).resolve(name)).href);
  } catch (error) {
    if (!isMissing(error)) throw error;
    const message = `bench is a package of its own: npm install ${PACKAGE}`;
    throw new HartvisorError("unsupported", message, { cause: error });
  }
}

/** Whether it is the package that is not there, and not something that it imports. */
function isMissing(error: unknown): boolean {
  const { code, message = "" } = error as NodeJS.ErrnoException;
  return (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") && message.includes(`'${PACKAGE}'`);
}
