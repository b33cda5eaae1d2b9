/**
 * Runs a program without a shell and collects what it says. It judges nothing: an exit
 * status other than zero is a result, and only a program that cannot be started, or a
 * caller that gave up, is an error.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** How to run a program. */
export interface RunOptions {
  readonly cwd?: string;
  /** Fed to its standard input, which is empty otherwise. */
  readonly input?: Readable;
  /** Where its standard output goes instead of into the result. */
  readonly output?: Writable;
  /** Called with each line the program writes to its file descriptor 3. */
  readonly onStatusLine?: (line: string) => void;
  /** Ends the program when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** How a program ended and what it said. */
export interface RunResult {
  /** `null` when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end, with messages in English, whatever the user's language.
 *
 * @throws the signal's reason when aborted; Node's own error (`ENOENT`, ...) when the program cannot be started
 */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { cwd, input, output, onStatusLine, signal } = options;
  signal?.throwIfAborted();
  const child = spawn(command, args, {
    ...(cwd !== undefined && { cwd }),
    ...(signal !== undefined && { signal }),
    env: { ...process.env, LC_ALL: "C", LANGUAGE: "C" },
    stdio: [input ? "pipe" : "ignore", "pipe", "pipe", onStatusLine ? "pipe" : "ignore"],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    // A program that was started is waited for even after an error, so that it writes no more once this returns.
    let failure: Error | undefined;
    child.once("error", (error) => {
      failure = error;
      if (child.pid === undefined) reject(error);
    });
    child.once("close", (exitCode) => (failure === undefined ? resolve(exitCode) : reject(failure)));
  });

  // A stream that breaks because the other program ended is told by that program's exit status.
  const ignore = () => undefined;
  const { stdin, stdout, stderr } = child;
  if (input !== undefined && stdin !== null) pipeline(input, stdin).catch(ignore);
  const statusLines = child.stdio[3];
  if (onStatusLine !== undefined && statusLines) {
    createInterface({ input: statusLines as Readable }).on("line", onStatusLine);
  }
  const texts: { stdout: string; stderr: string } = { stdout: "", stderr: "" };
  if (output !== undefined && stdout !== null) pipeline(stdout, output).catch(ignore);
  else stdout?.setEncoding("utf8").on("data", (text: string) => (texts.stdout += text));
  stderr?.setEncoding("utf8").on("data", (text: string) => (texts.stderr += text));

  try {
    return { exitCode: await ended, ...texts };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
