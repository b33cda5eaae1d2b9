/** An emulator as a child process: the guest's console on its standard input and output, its CPU time from outside. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { type CpuTime, processCpu } from "./process-cpu.js";

/** Kept of what was printed, to say what happened when a guest fails. */
const TAIL_CHARACTERS = 2000;

export class EmulatorProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<void>;
  #text = "";
  #errors = "";
  #failure: Error | undefined;
  #arrived: (() => void) | undefined;

  readonly #kill = (): void => void this.#child.kill("SIGKILL");

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#text += text;
      this.#arrived?.();
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#errors = (this.#errors + text).slice(-TAIL_CHARACTERS);
    });
    this.#child.stdin.on("error", () => {}); // a process that ended tells so by its exit
    // An emulator whose console is gone would run on for ever.
    process.on("exit", this.#kill);
    this.#ended = new Promise((resolve) => {
      const end = (reason: string) => {
        this.#failure ??= new Error(reason);
        this.#arrived?.();
        process.off("exit", this.#kill);
        resolve();
      };
      this.#child.once("error", (error) => end(error.message));
      this.#child.once("close", (status, signal) => end(`the emulator ended with ${signal ?? `status ${status}`}`));
    });
  }

  /** CPU time since the process began. */
  cpu(): CpuTime {
    return processCpu(this.#child.pid ?? 0);
  }

  /** Types a line. */
  send(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /**
   * Waits for output that matches, and takes it and what stands before it.
   *
   * @throws Error when the process ends or says nothing that matches in time, with what it said last
   */
  async expect(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    const timer = setTimeout(() => {
      this.#failure = new Error(`no ${pattern} within ${timeoutMs / 1000} s`);
      this.#arrived?.();
    }, timeoutMs);
    try {
      for (;;) {
        const match = pattern.exec(this.#text);
        if (match !== null) {
          this.#text = this.#text.slice(match.index + match[0].length);
          return match;
        }
        if (this.#failure !== undefined) {
          const said = `${this.#text.slice(-TAIL_CHARACTERS)}${this.#errors}`.trim();
          throw new Error(`${this.#failure.message}${said && `; it said last:\n${said}`}`);
        }
        await new Promise<void>((resolve) => {
          this.#arrived = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Holds the process, all its threads, until it is resumed. */
  suspend(): void {
    this.#child.kill("SIGSTOP");
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  /** Ends the process. */
  async kill(): Promise<void> {
    this.#kill();
    await this.#ended;
  }
}
