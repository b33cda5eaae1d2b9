/** The facade: a machine on the `virt` board, with a console, ready to boot. */
import type { Machine as CoreMachine, ExitReason, Hart, Hooks, MachineEvents, MachineStats } from "@hartvisor/core";
import { assemble } from "./assemble.js";
import { checkMachineOptions } from "./check-options.js";
import type { SerialConsole } from "./console/serial-console.js";
import { GuestAgent } from "./exec/agent.js";
import { GuestCommands } from "./exec/commands.js";
import type { MachineOptions, WorkerMachineOptions } from "./options.js";
import { WorkerMachine } from "./thread/worker-machine.js";

export class Machine extends GuestCommands {
  readonly #core: CoreMachine;
  readonly #console: SerialConsole;

  /**
   * Makes a machine and loads what it boots; it stands before its first
   * instruction. Throws `invalid-argument`, `invalid-image`, `out-of-memory` or
   * `unsupported`.
   *
   * @example
   * await using vm = await Machine.create({ boot: linux({ kernel, initrd }) });
   * vm.console.output.pipeTo(sink);
   * vm.start();
   * const reason = await vm.exited;
   */
  static async create(options: MachineOptions): Promise<Machine>;
  /** Makes a machine that runs in a Worker. */
  static async create(options: WorkerMachineOptions): Promise<WorkerMachine>;
  static async create(options: MachineOptions | WorkerMachineOptions): Promise<Machine | WorkerMachine> {
    checkMachineOptions(options);
    if (options.thread === "worker") return WorkerMachine.create(options);
    let agent: GuestAgent | undefined;
    const { core, console } = await assemble(options, (send) => {
      agent = new GuestAgent(send);
      return agent;
    });
    return new Machine(core, console, agent);
  }

  private constructor(core: CoreMachine, console: SerialConsole, agent: GuestAgent | undefined) {
    super(agent);
    this.#core = core;
    this.#console = console;
    const end = () => agent?.end("the machine has exited");
    void core.exited.then(end, end);
  }

  /** The serial console: bytes both ways. */
  get console(): {
    readonly output: ReadableStream<Uint8Array<ArrayBuffer>>;
    readonly input: WritableStream<Uint8Array>;
  } {
    return this.#console;
  }

  /** Resolves with the reason when the machine has stopped for good. */
  get exited(): Promise<ExitReason> {
    return this.#core.exited;
  }

  get harts(): readonly Hart[] {
    return this.#core.harts;
  }

  /** The guest's physical memory. */
  get memory(): CoreMachine["memory"] {
    return this.#core.memory;
  }

  get isRunning(): boolean {
    return this.#core.isRunning;
  }

  /** Whether it needs memory that its shared pool does not have; it stands still until there is some. */
  get isWaitingForMemory(): boolean {
    return this.#core.isWaitingForMemory;
  }

  get stats(): MachineStats {
    return this.#core.stats;
  }

  /** Runs, or goes on after a pause. Throws `invalid-state` once the machine has exited. */
  start(): void {
    this.#core.start();
  }

  /** Resolves when every hart stands between two instructions. Devices finish what they were asked for. */
  pause(): Promise<void> {
    return this.#core.pause();
  }

  /** Executes exactly so many instructions of one hart while paused; false if the hart waits or the machine exited. */
  step(instructions = 1, hart = 0): boolean {
    return this.#core.step(instructions, hart);
  }

  addBreakpoint(address: bigint): void {
    this.#core.addBreakpoint(address);
  }

  removeBreakpoint(address: bigint): void {
    this.#core.removeBreakpoint(address);
  }

  /**
   * Installs hooks that hear of what the guest does before it happens, and may change or deny it; call the result to remove
   * them. See docs/interposition.md. Throws `unsupported` for what this machine's technique cannot show, and
   * `invalid-argument` for memory that is not RAM.
   */
  interpose(hooks: Hooks): () => void {
    return this.#core.interpose(hooks);
  }

  /** Listens to an event; call the result to stop listening. */
  on<Name extends keyof MachineEvents>(name: Name, listener: (event: MachineEvents[Name]) => void): () => void {
    return this.#core.on(name, listener);
  }

  /** Ends the machine; `exited` resolves with `destroyed` unless it had exited before. */
  destroy(): Promise<void> {
    return this.#core.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy();
  }
}
