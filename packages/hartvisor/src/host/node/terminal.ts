/**
 * The process's terminal as the console of a machine: stdin to the guest, its output to stdout. A TTY is put into
 * raw mode, so that every key reaches the guest, and back on every way out. Where stdin is none, its bytes are
 * passed on as they are, and its end ends nothing.
 */
import { once } from "node:events";
import type { ExitReason } from "@hartvisor/core";
import { ESCAPE_HELP, EscapeKeys } from "../../console/escape-keys.js";
import type { Machine } from "../../machine.js";

export interface TerminalOptions {
  /** The user wants to leave. */
  readonly onQuit: () => void;
}

/** A pipe is not read on while so much waits for the guest, in bytes. */
const PIPE_WAITING_CAP = 64 * 1024;
/** A TTY is always read, or nobody could quit; what a guest leaves unread beyond this is lost, as on a serial line. */
const TTY_WAITING_CAP = 1024 * 1024;

export class Terminal {
  readonly #onQuit: () => void;
  readonly #isTty = process.stdin.isTTY === true;
  readonly #escapeKeys = new EscapeKeys();
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #arrived: (() => void) | undefined;

  /** Takes stdin: from now on until {@link close} it belongs to the guest. */
  constructor({ onQuit }: TerminalOptions) {
    this.#onQuit = onQuit;
    const { stdin } = process;
    if (this.#isTty) {
      // Also where the process ends by an exception or by process.exit().
      process.on("exit", this.#restore);
      stdin.setRawMode(true);
      console.error("hartvisor: Ctrl-A x quits, Ctrl-A h shows help");
    }
    stdin.on("data", this.#receive);
    stdin.on("error", () => {}); // a stdin that cannot be read is one that has ended
  }

  /** Starts a machine and serves its console until it has exited and all it printed is handed to stdout. */
  async serve(vm: Machine): Promise<ExitReason> {
    const over = new AbortController();
    vm.on("exit", () => over.abort());
    const input = this.#feed(vm, over.signal);
    const { stdout } = process;
    vm.start();
    for await (const bytes of vm.console.output) {
      if (stdout.write(bytes) || over.signal.aborted) continue;
      // The guest waits for whoever reads its output, instead of losing any.
      await vm.pause();
      if (stdout.writableNeedDrain) await once(stdout, "drain", over).catch(() => undefined);
      if (!over.signal.aborted) vm.start();
    }
    this.#arrived?.();
    await input;
    return vm.exited;
  }

  /** Gives stdin back. */
  close(): void {
    process.off("exit", this.#restore);
    process.stdin.off("data", this.#receive);
    this.#restore();
    // An open stdin would keep the process alive.
    process.stdin.destroy();
  }

  readonly #restore = (): void => {
    if (this.#isTty) process.stdin.setRawMode(false);
  };

  readonly #receive = (chunk: Uint8Array): void => {
    if (!this.#isTty) {
      this.#enqueue(chunk);
      if (this.#waitingBytes > PIPE_WAITING_CAP) process.stdin.pause();
      return;
    }
    const { bytes, commands } = this.#escapeKeys.split(chunk);
    if (this.#waitingBytes + bytes.length <= TTY_WAITING_CAP) this.#enqueue(bytes);
    for (const command of commands) {
      if (command === "quit") this.#onQuit();
      else process.stderr.write(ESCAPE_HELP);
    }
  };

  #enqueue(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#arrived?.();
  }

  /** Hands what arrives to a machine, as fast as its guest takes it. */
  async #feed(vm: Machine, over: AbortSignal): Promise<void> {
    const writer = vm.console.input.getWriter();
    while (!over.aborted) {
      const bytes = this.#waiting.shift();
      if (bytes === undefined) {
        process.stdin.resume();
        await new Promise<void>((resolve) => {
          this.#arrived = resolve;
        });
        continue;
      }
      await writer.write(bytes);
      this.#waitingBytes -= bytes.length;
    }
  }
}
