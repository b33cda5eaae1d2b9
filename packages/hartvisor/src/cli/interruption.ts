/**
 * What ends a command from outside: signals, and an output that cannot be written. Both abort one signal, so that
 * whatever runs can put things in order; a second signal ends the process at once.
 */
import { constants } from "node:os";
import { ExitStatus } from "./exit-status.js";

/** Why a command was interrupted; the message is empty where there is nothing to say. */
export class Interruption extends Error {
  override readonly name = "Interruption";
  readonly status: number;

  constructor(status: number, message = "") {
    super(message);
    this.status = status;
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

export class Interruptions {
  readonly #controller = new AbortController();
  #isListening = false;

  constructor() {
    // These two stay for good: what is still buffered may fail after the command has ended.
    process.stdout.on("error", this.#onOutputError);
    process.stderr.on("error", () => {}); // there is nowhere left to say so
  }

  /**
   * Aborted with an {@link Interruption}. Whoever asks for it has something to put in order: until then signals end
   * the process as they always do, even one that waits in a system call.
   */
  get signal(): AbortSignal {
    if (!this.#isListening) for (const name of SIGNALS) process.on(name, this.#onSignal);
    this.#isListening = true;
    return this.#controller.signal;
  }

  /** Throws the {@link Interruption} if there was one, and listens no longer. */
  end(): void {
    for (const name of SIGNALS) process.off(name, this.#onSignal);
    this.#controller.signal.throwIfAborted();
  }

  readonly #onSignal = (name: (typeof SIGNALS)[number]): void => {
    const status = ExitStatus.Signal + constants.signals[name];
    if (this.#controller.signal.aborted) process.exit(status);
    this.#controller.abort(new Interruption(status));
  };

  readonly #onOutputError = (error: NodeJS.ErrnoException): void => {
    const isUnread = error.code === "EPIPE";
    const status = isUnread ? ExitStatus.Signal + constants.signals.SIGPIPE : ExitStatus.BadInput;
    if (this.#controller.signal.aborted) return;
    process.exitCode = status;
    // The command may have ended long since, and nobody else would say so.
    if (!isUnread) console.error(`hartvisor: cannot write to standard output: ${error.message}`);
    this.#controller.abort(new Interruption(status));
  };
}
