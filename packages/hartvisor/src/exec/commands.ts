/** Programs and files in the guest, for whatever machine its agent is spoken to through. */
import { HartvisorError } from "@hartvisor/core";
import type { ExecOptions, ExecResult, GuestAgent, GuestProcess, SpawnOptions } from "./agent.js";

/** A guest can make its files as long as it likes, but not the host's memory. */
const DEFAULT_MAX_FILE = 256 * 2 ** 20;

/** What a machine can do through the agent in its guest. */
export abstract class GuestCommands {
  readonly #guestAgent: GuestAgent | undefined;

  protected constructor(agent: GuestAgent | undefined) {
    this.#guestAgent = agent;
  }

  /**
   * Runs a program in the guest to its end; there may be many at once. Waits until the guest's agent is there. Throws
   * `exec-failed` if the program cannot be started or the agent goes away, `timeout`, `invalid-state`, or the signal's
   * reason.
   *
   * @example
   * const { exitCode, stdoutText } = await vm.exec(["uname", "-a"], { timeoutMs: 10_000 });
   */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    return this.#agent.exec(argv, options);
  }

  /** Starts a program in the guest, its input and output as streams. Throws as {@link exec}. */
  spawn(argv: readonly string[], options?: SpawnOptions): Promise<GuestProcess> {
    return this.#agent.spawn(argv, options);
  }

  /** Reads a file of the guest's. Throws `exec-failed` if the guest cannot, or if it has more than `maxBytes` (256 MiB). */
  readFile(path: string, { maxBytes = DEFAULT_MAX_FILE }: { readonly maxBytes?: number } = {}): Promise<Uint8Array> {
    return this.#agent.readFile(path, maxBytes);
  }

  /** Writes a file of the guest's, in place of what was there. `mode` (0o644) is for one that is new. */
  writeFile(
    path: string,
    content: string | Uint8Array | ReadableStream<Uint8Array>,
    { mode = 0o644 }: { readonly mode?: number } = {},
  ): Promise<void> {
    return this.#agent.writeFile(path, content, mode);
  }

  /** Writes the guest's caches to its disks, as sync(1) does. */
  sync(): Promise<void> {
    return this.#agent.sync();
  }

  get #agent(): GuestAgent {
    if (this.#guestAgent !== undefined) return this.#guestAgent;
    throw new HartvisorError("invalid-state", "this machine has no port for an agent: create it with exec: true");
  }
}
