/** The owner's end of a machine in a worker: calls and their answers, in order, and whether the worker keeps the process alive. */
import { HartvisorError } from "@hartvisor/core";
import { startMachineThread, type Thread } from "../host/thread.js";
import type { MachineCalls } from "./calls.js";
import { type Channel, Channels } from "./channel.js";
import {
  fromPortableError,
  type MachineShape,
  type OwnerMessage,
  type PortableOptions,
  type WorkerMessage,
} from "./protocol.js";

/** What the worker says unasked. */
export type Announcement = Exclude<WorkerMessage, { kind: "result" | "error" | "channel" }>;

export type MachineState = "paused" | "running" | "exited";

type Result<Name extends keyof MachineCalls> = Promise<Awaited<ReturnType<MachineCalls[Name]>>>;

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly keepsAlive: boolean;
}

/** While a machine is paused these may wait forever, and do not hold the process for that. */
const CONSOLE_CALLS: ReadonlySet<keyof MachineCalls> = new Set(["readOutput", "writeInput"]);

export class MachineLink {
  readonly #thread: Thread;
  readonly #pending = new Map<number, Pending>();
  readonly #channels = new Channels((channel, data) => this.post({ kind: "channel", channel, data }));
  #nextId = 1;
  #state: MachineState = "paused";
  #closed: Error | undefined;

  /** @param onAnnouncement - also told when the worker fails */
  constructor(onAnnouncement: (message: Announcement) => void) {
    this.#thread = startMachineThread();
    this.#thread.listen((data) => {
      const message = data as WorkerMessage;
      if (message.kind === "result") this.#settle(message.id)?.resolve(message.value);
      else if (message.kind === "error") this.#settle(message.id)?.reject(fromPortableError(message.error));
      else if (message.kind === "channel") this.#channels.receive(message.channel, message.data);
      else onAnnouncement(message);
    });
    this.#thread.onFailure((cause) => {
      if (this.#closed !== undefined) return;
      const message = `the worker of a machine has failed: ${cause.message}`;
      this.close(new HartvisorError("unsupported", message, { cause }));
      onAnnouncement({ kind: "failed", error: { message, code: "unsupported" } });
    });
  }

  create(options: PortableOptions): Promise<MachineShape> {
    return this.#ask((id) => ({ kind: "create", id, options }), true) as Promise<MachineShape>;
  }

  call<Name extends keyof MachineCalls>(name: Name, ...args: Parameters<MachineCalls[Name]>): Result<Name> {
    return this.#ask((id) => ({ kind: "call", id, name, args }), !CONSOLE_CALLS.has(name)) as Result<Name>;
  }

  /** A way to a device in the worker. */
  openChannel(channel: number): Channel {
    return this.#channels.open(channel);
  }

  /** Sends what has no answer. */
  post(message: OwnerMessage): void {
    if (this.#closed === undefined) this.#thread.post(message);
  }

  /** A machine that runs keeps the process alive; one that has exited, until every call has its answer. */
  set state(state: MachineState) {
    this.#state = state;
    this.#updateKeepAlive();
  }

  /** Ends the worker; calls fail from now on. */
  close(reason: Error): void {
    this.#closed ??= reason;
    this.#thread.terminate();
    for (const { reject } of this.#pending.values()) reject(this.#closed);
    this.#pending.clear();
  }

  #ask(message: (id: number) => OwnerMessage, keepsAlive: boolean): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) {
        reject(this.#closed);
        return;
      }
      const id = this.#nextId++;
      this.#thread.post(message(id)); // throws, and so rejects, for what cannot be cloned
      this.#pending.set(id, { resolve, reject, keepsAlive });
      this.#updateKeepAlive();
    });
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    this.#updateKeepAlive();
    return pending;
  }

  #updateKeepAlive(): void {
    const isOver = this.#state === "exited";
    const isAwaited = [...this.#pending.values()].some(({ keepsAlive }) => keepsAlive || isOver);
    this.#thread.keepAlive(this.#state === "running" || isAwaited);
  }
}
