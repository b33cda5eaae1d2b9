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

/** A signal that is aborted with an {@link Interruption} when the process should end; `dispose` stops listening. */
export function interruptible(): { readonly signal: AbortSignal; readonly dispose: () => void } {
  const controller = new AbortController();
  const onSignal = (name: (typeof SIGNALS)[number]) => {
    const status = ExitStatus.Signal + constants.signals[name];
    if (controller.signal.aborted) process.exit(status);
    controller.abort(new Interruption(status));
  };
  for (const name of SIGNALS) process.on(name, onSignal);

  // These two stay for good: what is still buffered may fail after the command has ended.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    const isUnread = error.code === "EPIPE";
    const status = isUnread ? ExitStatus.Signal + constants.signals.SIGPIPE : ExitStatus.BadInput;
    if (!controller.signal.aborted) process.exitCode = status;
    controller.abort(new Interruption(status, isUnread ? "" : `cannot write to standard output: ${error.message}`));
  });
  process.stderr.on("error", () => {}); // there is nowhere left to say so
  return {
    signal: controller.signal,
    dispose: () => {
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}
