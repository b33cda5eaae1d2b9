/** The facade: a machine on the `virt` board, with a console, ready to boot. */
import {
  Machine as CoreMachine,
  type ExitReason,
  type Hart,
  HartvisorError,
  type HypercallExtension,
  type MachineEvents,
  type MachineLimits,
  type MachineStats,
  parseByteSize,
} from "@hartvisor/core";
import { sbiExtensions, type VirtioDevice } from "@hartvisor/devices";
import { VirtBoard } from "./board/virt.js";
import type { Boot } from "./boot/boot.js";
import { SerialConsole } from "./console/serial-console.js";

/** Which engine runs guest code. */
export type EngineName = "interpreter" | "jit" | "auto";

export interface MachineOptions {
  /** What to boot: `linux(...)` or `bareMetal(...)`. */
  readonly boot: Boot;
  /** RAM, in bytes or as `"512MiB"`. Default: 512 MiB. */
  readonly memory?: number | string;
  /** Harts, 1 to 32. Default: 1. */
  readonly harts?: number;
  /** Default: `auto`, the fastest there is. */
  readonly engine?: EngineName;
  /** `real`: the host's time. `virtual`: time is the instruction count, and runs repeat exactly. Default: real. */
  readonly clock?: "real" | "virtual";
  /** SBI extensions that the machine answers when it boots without firmware. Default: all there are. */
  readonly hypercalls?: readonly HypercallExtension[];
  /** ISA string or profile of the harts, such as `"rv64gc_svadu"`; what it leaves out is illegal. Default: all there is. */
  readonly isa?: string;
  readonly limits?: MachineLimits;
  /** What is plugged into the board, such as `virtioBlock(...)`; made anew for each machine. Default: nothing. */
  readonly devices?: readonly (() => VirtioDevice)[];
  /** What they are plugged into. Default: pci. */
  readonly transport?: "pci" | "mmio";
  /** Hears of a guest's driver that broke a device's rules, after which the device waits for a reset. Default: nobody. */
  readonly onDeviceFailure?: (device: string, reason: string) => void;
  /** Bytes for the guest's random number generator. Default: from the host's, or fixed with the virtual clock. */
  readonly seed?: Uint8Array;
}

const DEFAULT_MEMORY = "512MiB";

export class Machine {
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
  static async create(options: MachineOptions): Promise<Machine> {
    const { boot, memory = DEFAULT_MEMORY, engine = "auto" } = options;
    if (engine === "jit") {
      throw new HartvisorError("unsupported", `engine "jit" is not part of this version: use "interpreter" or "auto"`);
    }
    const console = new SerialConsole();
    const virtual = options.clock === "virtual";
    const seed = options.seed ?? (virtual ? new Uint8Array(64) : crypto.getRandomValues(new Uint8Array(64)));
    const core = await CoreMachine.create({
      memoryBytes: typeof memory === "string" ? parseByteSize(memory, "memory") : memory,
      harts: options.harts ?? 1,
      clock: options.clock ?? "real",
      hypercalls: boot.hypercalls ? (options.hypercalls ?? sbiExtensions) : [],
      ...(options.isa !== undefined && { isa: options.isa }),
      limits: options.limits ?? {},
      seed,
      debugConsole: console,
    });
    const devices = (options.devices ?? []).map((make) => make());
    const board = new VirtBoard(core, console, {
      seed,
      devices,
      transport: options.transport ?? "pci",
      onDeviceFailure: options.onDeviceFailure ?? (() => {}),
    });
    boot.load({ machine: core, board, console });
    return new Machine(core, console);
  }

  private constructor(core: CoreMachine, console: SerialConsole) {
    this.#core = core;
    this.#console = console;
    void core.exited.then(() => console.end());
  }

  /** The serial console: bytes both ways. */
  get console(): { readonly output: ReadableStream<Uint8Array>; readonly input: WritableStream<Uint8Array> } {
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

  get stats(): MachineStats {
    return this.#core.stats;
  }

  /** Runs, or goes on after a pause. Throws `invalid-state` once the machine has exited. */
  start(): void {
    this.#core.start();
  }

  /** Resolves when every hart stands between two instructions. */
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
