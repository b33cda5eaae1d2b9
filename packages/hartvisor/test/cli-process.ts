/** For tests: the built `hartvisor` command as a process of its own, alone or on a pseudo-terminal. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));

/** Path of a built guest of the bench package. */
export function guest(name: string): string {
  return fileURLToPath(new URL(`../../bench/guests/built/${name}.elf`, import.meta.url));
}

export interface CliResult {
  /** Null when a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Added to the environment; undefined removes. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** All of stdin; without it stdin is left open, and empty. */
  readonly input?: string;
}

export class CliProcess {
  readonly ended: Promise<CliResult>;
  readonly child: ChildProcessWithoutNullStreams;
  #stdout = "";
  #stderr = "";
  #seen = 0;
  #changed: () => void = () => {};
  #hasEnded = false;
  static readonly #running = new Set<CliProcess>();

  constructor(command: string, args: readonly string[], { env = {}, input }: CliOptions = {}) {
    if (!existsSync(CLI)) throw new Error(`${CLI} does not exist: run "node scripts/build.mjs" first`);
    this.child = spawn(command, args, { env: { ...process.env, ...env } });
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      this.#changed();
    });
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
      this.#changed();
    });
    this.child.stdin.on("error", () => {}); // it may end before it has read everything
    if (input !== undefined) this.child.stdin.end(input);
    CliProcess.#running.add(this);
    this.ended = new Promise((resolve) => {
      this.child.once("close", (status) => {
        CliProcess.#running.delete(this);
        this.#hasEnded = true;
        this.#changed();
        resolve({ status, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  /** Starts `hartvisor ARGS`. */
  static start(args: readonly string[], options?: CliOptions): CliProcess {
    return new CliProcess(process.execPath, [CLI, ...args], options);
  }

  /** Runs a shell command on a pseudo-terminal; what it prints on either stream is its stdout. */
  static onTerminal(command: string, options?: CliOptions): CliProcess {
    return new CliProcess("script", ["-qec", command, "/dev/null"], options);
  }

  /** Ends what tests that failed have left behind. A pseudo-terminal takes its processes with it. */
  static killAll(): void {
    for (const { child } of CliProcess.#running) child.kill("SIGKILL");
  }

  type(text: string): void {
    this.child.stdin.write(text);
  }

  /** Waits until stdout goes on with a pattern; fails with all there was if the process ends first. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.#stdout.slice(this.#seen));
      if (match !== null) {
        this.#seen += match.index + match[0].length;
        return match[0];
      }
      if (this.#hasEnded) throw new Error(`ended before ${pattern}:\n${this.#stdout}\n${this.#stderr}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

/** Runs `hartvisor ARGS` to its end, with nothing on stdin. */
export function hartvisor(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return CliProcess.start(args, { input: "", ...options }).ended;
}
