/**
 * A machine that runs in a worker, seen from the thread that made it. It has the members of a machine on the caller's
 * thread; what only the worker can answer is a promise, so code that awaits works with both.
 */
import {
  type ExitReason,
  HartvisorError,
  type Hooks,
  type MachineEvents,
  type MachineStats,
  type PrivilegeName,
} from "@hartvisor/core";
import { hasAgent } from "../assemble.js";
import { GuestAgent } from "../exec/agent.js";
import { GuestCommands } from "../exec/commands.js";
import type { MachineOptions, WorkerMachineOptions } from "../options.js";
import type { Remains } from "./calls.js";
import { type Announcement, MachineLink, type MachineState } from "./machine-link.js";
import { type SentDevices, sendDevices } from "./portable-devices.js";
import { fromPortableError, type MachineShape, type PortableOptions } from "./protocol.js";

/** The guest's physical memory. Bytes are copied between the threads. */
export interface WorkerMemory {
  /** Guest-physical address of the first byte. */
  readonly base: number;
  /** Length in bytes. */
  readonly size: number;
  /** Copies guest memory out; undefined where the range is not all RAM. */
  read(address: number | bigint, length: number): Promise<Uint8Array | undefined>;
  /** Copies into guest memory; false, and nothing written, where the range is not all RAM. */
  write(address: number | bigint, bytes: Uint8Array): Promise<boolean>;
}

/** A hart: its registers while the machine is paused. Promises reject with `invalid-state` while it runs. */
export class WorkerHart {
  readonly id: number;
  readonly #link: MachineLink;

  /** Machines make them. */
  constructor(id: number, link: MachineLink) {
    this.id = id;
    this.#link = link;
  }

  /** Address of the next instruction. */
  get pc(): Promise<bigint> {
    return this.#link.call("pc", this.id);
  }

  get privilege(): Promise<PrivilegeName> {
    return this.#link.call("privilege", this.id);
  }

  /** Steps so far: instructions that retired, and those that trapped. */
  get executedInstructions(): Promise<number> {
    return this.#link.call("executedInstructions", this.id);
  }

  /** Integer register x0..x31, as an unsigned 64-bit value. */
  getRegister(register: number): Promise<bigint> {
    return this.#link.call("getRegister", this.id, register);
  }

  /** Writes to x0 are ignored, as the hart's own are. */
  setRegister(register: number, value: bigint): Promise<void> {
    return this.#link.call("setRegister", this.id, register, value);
  }

  /** Float register f0..f31: the bits, NaN-boxed if single. */
  getFloatRegister(register: number): Promise<bigint> {
    return this.#link.call("getFloatRegister", this.id, register);
  }

  setFloatRegister(register: number, value: bigint): Promise<void> {
    return this.#link.call("setFloatRegister", this.id, register, value);
  }

  /** Reads a CSR by name or number, as M-mode would. */
  getCsr(csr: string | number): Promise<bigint> {
    return this.#link.call("getCsr", this.id, csr);
  }

  /** Writes a CSR by name or number, as M-mode would: illegal values become legal ones. */
  setCsr(csr: string | number, value: bigint): Promise<void> {
    return this.#link.call("setCsr", this.id, csr, value);
  }
}

/**
 * A machine in a worker; `Machine.create({ thread: "worker" })` makes it. Its worker lives until {@link destroy}, but keeps
 * the process alive only while the machine runs.
 */
export class WorkerMachine extends GuestCommands {
  /** The serial console: bytes both ways. What is written is copied, as a view is cloned with all of its buffer. */
  readonly console: {
    readonly output: ReadableStream<Uint8Array<ArrayBuffer>>;
    readonly input: WritableStream<Uint8Array>;
  };
  /** Resolves with the reason when the machine has stopped for good; rejects if the worker failed. */
  readonly exited: Promise<ExitReason>;
  readonly harts: readonly WorkerHart[];
  readonly memory: WorkerMemory;

  readonly #link: MachineLink;
  readonly #agent: GuestAgent | undefined;
  readonly #sent: SentDevices;
  readonly #listeners = new Map<keyof MachineEvents, Set<(event: never) => void>>();
  #resolveExited: (reason: ExitReason) => void = () => {};
  #rejectExited: (error: unknown) => void = () => {};
  #state: MachineState = "paused";
  #remains: Promise<Remains | undefined> | undefined;

  /**
   * Starts a worker and makes a machine in it. Throws as `Machine.create` does, and `unsupported` where the host has no
   * workers or an option cannot go to one.
   */
  static async create(options: WorkerMachineOptions): Promise<WorkerMachine> {
    const portable = portableOptions(options);
    let machine: WorkerMachine | undefined;
    const link = new MachineLink((message) => {
      if (machine !== undefined) machine.#hear(message);
    });
    let sent: SentDevices | undefined;
    try {
      sent = sendDevices(options.devices ?? [], (channel) => link.openChannel(channel));
      const shape = await link.create({ ...portable, devices: sent.devices });
      const agent = hasAgent(options) ? new GuestAgent((bytes) => link.post({ kind: "agent", bytes })) : undefined;
      machine = new WorkerMachine(link, shape, sent, agent);
      return machine;
    } catch (error) {
      const reason = new HartvisorError("invalid-state", "this machine was never made");
      sent?.end(reason);
      link.close(reason);
      throw error;
    }
  }

  private constructor(link: MachineLink, shape: MachineShape, sent: SentDevices, agent: GuestAgent | undefined) {
    super(agent);
    const { memoryBase, memorySize, harts } = shape;
    this.#link = link;
    this.#sent = sent;
    this.#agent = agent;
    this.exited = new Promise((resolve, reject) => {
      this.#resolveExited = resolve;
      this.#rejectExited = reject;
    });
    this.exited.catch(() => {}); // who does not wait for the end need not hear of a failure
    this.harts = Array.from({ length: harts }, (_, id) => new WorkerHart(id, link));
    this.memory = {
      base: memoryBase,
      size: memorySize,
      read: (address, length) => link.call("readMemory", address, length),
      write: (address, bytes) => link.call("writeMemory", address, bytes.slice()),
    };
    this.console = { output: this.#output(), input: this.#input() };
  }

  /** As far as this thread has heard. */
  get isRunning(): boolean {
    return this.#state === "running";
  }

  get stats(): Promise<MachineStats> {
    return this.#stats();
  }

  /** Runs, or goes on after a pause. Throws `invalid-state` once the machine has exited. */
  start(): void {
    if (this.#state === "exited") throw new HartvisorError("invalid-state", "the machine has exited");
    this.#enter("running");
    this.#link.call("start").catch(() => {}); // it has exited in the meantime, and `exited` tells
  }

  /** Resolves when every hart stands between two instructions. */
  async pause(): Promise<void> {
    if (this.#state === "exited") return;
    await this.#link.call("pause");
    this.#enter("paused");
  }

  /** Executes exactly so many instructions of one hart while paused; false if the hart waits or the machine exited. */
  step(instructions = 1, hart = 0): Promise<boolean> {
    return this.#link.call("step", instructions, hart);
  }

  addBreakpoint(address: bigint): Promise<void> {
    return this.#link.call("addBreakpoint", address);
  }

  removeBreakpoint(address: bigint): Promise<void> {
    return this.#link.call("removeBreakpoint", address);
  }

  /** Throws `unsupported`: hooks are functions of the calling thread, and answer before the guest goes on. */
  interpose(_hooks: Hooks): never {
    throw new HartvisorError(
      "unsupported",
      'hooks are functions, which cannot go to a worker: leave out thread: "worker" to interpose',
    );
  }

  /** Listens to an event; call the result to stop listening. */
  on<Name extends keyof MachineEvents>(name: Name, listener: (event: MachineEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Ends the machine and its worker; `exited` resolves with `destroyed` unless it had exited before. */
  async destroy(): Promise<void> {
    this.#remains ??= this.#end();
    await this.#remains;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy();
  }

  async #end(): Promise<Remains | undefined> {
    const remains = await this.#link.call("destroy").catch(() => undefined); // a worker that failed leaves nothing
    this.#link.close(new HartvisorError("invalid-state", "the machine was destroyed, and its worker with it"));
    return remains;
  }

  async #stats(): Promise<MachineStats> {
    const remains = await this.#remains;
    return remains?.stats ?? this.#link.call("stats");
  }

  #hear(message: Announcement): void {
    switch (message.kind) {
      case "event": {
        const { name, event } = message.event;
        if (name === "breakpoint") this.#enter("paused");
        for (const listener of this.#listeners.get(name) ?? []) (listener as (value: typeof event) => void)(event);
        break;
      }
      case "exited":
        this.#over();
        this.#resolveExited(message.reason);
        break;
      case "failed":
        this.#over();
        this.#rejectExited(fromPortableError(message.error));
        break;
      case "agent":
        this.#agent?.receive(message.bytes);
        this.#link.post({ kind: "agentTaken" });
        break;
      case "agentOpened":
        this.#agent?.opened(message.isOpen);
        break;
    }
  }

  #over(): void {
    this.#enter("exited");
    this.#agent?.end("the machine has exited");
    this.#sent.end(new HartvisorError("invalid-state", "the machine has exited"));
  }

  /** A machine that has exited stays so. */
  #enter(state: MachineState): void {
    if (this.#state === "exited") return;
    this.#state = state;
    this.#link.state = state;
  }

  /** What nobody reads stays in the worker, whose console has a cap; a destroyed machine has handed over the rest. */
  #output(): ReadableStream<Uint8Array<ArrayBuffer>> {
    let rest: Uint8Array[] | undefined;
    const next = async () => {
      if (rest === undefined && this.#remains === undefined) {
        const bytes = await this.#link.call("readOutput").catch(() => undefined);
        if (bytes !== undefined) return bytes;
      }
      rest ??= [...((await this.#remains)?.output ?? [])];
      return rest.shift();
    };
    return new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull: async (controller) => {
          const bytes = await next();
          if (bytes === undefined) controller.close();
          else controller.enqueue(bytes as Uint8Array<ArrayBuffer>); // a clone shares no memory
        },
        cancel: () => void this.#link.call("cancelOutput").catch(() => {}),
      },
      { highWaterMark: 0 },
    );
  }

  /** A machine that has gone drops its input, as one that has exited does. */
  #input(): WritableStream<Uint8Array> {
    return new WritableStream<Uint8Array>({
      write: (bytes) => this.#link.call("writeInput", bytes.slice()).catch(() => {}),
    });
  }
}

/** The options as plain data, but for devices. Throws `unsupported` for one that belongs to the calling thread. */
function portableOptions(options: WorkerMachineOptions): Omit<PortableOptions, "devices"> {
  const { thread: _, boot, devices = [], ...rest } = options;
  const { pool, hypercalls, onDeviceFailure, translator }: Partial<MachineOptions> = rest as MachineOptions;
  if (pool !== undefined) {
    const message =
      'pool: machines share a pool\'s frames within one thread: leave it out, or leave out thread: "worker"';
    throw new HartvisorError("unsupported", message);
  }
  if (devices.some((device: unknown) => typeof device === "function")) {
    const message =
      'devices: one that a function makes belongs to the calling thread: describe it, as in { kind: "disk", source }, or leave out thread: "worker"';
    throw new HartvisorError("unsupported", message);
  }
  const bound =
    (hypercalls !== undefined && "hypercalls") ||
    (onDeviceFailure !== undefined && "onDeviceFailure") ||
    (translator?.onEvent !== undefined && "translator.onEvent") ||
    (boot.recipe === undefined && "boot: a loader of one's own");
  if (bound === false) return { ...rest, boot: boot.recipe as NonNullable<typeof boot.recipe> };
  const message = `${bound} belongs to the calling thread: leave it out, or leave out thread: "worker"`;
  throw new HartvisorError("unsupported", message);
}
