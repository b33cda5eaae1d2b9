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
import { sbiExtensions, VirtioConsole, type VirtioDevice } from "@hartvisor/devices";
import { type TranslatorOptions, translator } from "@hartvisor/jit";
import { VirtBoard } from "./board/virt.js";
import type { Boot } from "./boot/boot.js";
import { SerialConsole } from "./console/serial-console.js";
import {
  AGENT_PORT,
  type ExecOptions,
  type ExecResult,
  GuestAgent,
  type GuestProcess,
  type SpawnOptions,
} from "./exec/agent.js";

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
  /** How the translator is set up. */
  readonly translator?: TranslatorOptions;
  /** `real`: the host's time. `virtual`: time is the instruction count, and runs repeat exactly. Default: real. */
  readonly clock?: "real" | "virtual";
  /** SBI extensions that the machine answers when it boots without firmware. Default: all there are. */
  readonly hypercalls?: readonly HypercallExtension[];
  /** ISA string or profile of the harts, such as `"rv64gc_svadu"` or `"rva22s64"`; what it leaves out is illegal. Default: all there is. */
  readonly isa?: string;
  /** Misaligned loads and stores: done in `hardware`, or an exception (`trap`). Default: hardware. */
  readonly misaligned?: "hardware" | "trap";
  readonly limits?: MachineLimits;
  /** What is plugged into the board, such as `virtioBlock(...)`; made anew for each machine. Default: nothing. */
  readonly devices?: readonly (() => VirtioDevice)[];
  /**
   * Whether there is a port for the guest's agent, which {@link Machine.exec} needs; the demo's initramfs starts one.
   * Default: as what is booted wants it, which is true for `linux(...)`.
   */
  readonly exec?: boolean;
  /** What they are plugged into. Default: pci. */
  readonly transport?: "pci" | "mmio";
  /** Hears of a guest's driver that broke a device's rules, after which the device waits for a reset. Default: nobody. */
  readonly onDeviceFailure?: (device: string, reason: string) => void;
  /** Bytes for the guest's random number generator. Default: from the host's, or fixed with the virtual clock. */
  readonly seed?: Uint8Array;
}

const DEFAULT_MEMORY = "512MiB";
/** A guest can make its files as long as it likes, but not the host's memory. */
const DEFAULT_MAX_FILE = 256 * 2 ** 20;

export class Machine {
  readonly #core: CoreMachine;
  readonly #console: SerialConsole;
  readonly #guestAgent: GuestAgent | undefined;

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
    const console = new SerialConsole();
    const virtual = options.clock === "virtual";
    const seed = options.seed ?? (virtual ? new Uint8Array(64) : crypto.getRandomValues(new Uint8Array(64)));
    const core = await CoreMachine.create({
      memoryBytes: typeof memory === "string" ? parseByteSize(memory, "memory") : memory,
      harts: options.harts ?? 1,
      clock: options.clock ?? "real",
      hypercalls: boot.hypercalls ? (options.hypercalls ?? sbiExtensions) : [],
      ...(options.isa !== undefined && { isa: options.isa }),
      misaligned: options.misaligned ?? "hardware",
      ...(engine !== "interpreter" && { translator: translator(options.translator) }),
      limits: options.limits ?? {},
      seed,
      debugConsole: console,
    });
    const devices = (options.devices ?? []).map((make) => make());
    let agent: GuestAgent | undefined;
    if (options.exec ?? boot.exec ?? false) {
      const port = new VirtioConsole({
        name: "exec",
        ports: [
          {
            name: AGENT_PORT,
            receive: (bytes) => agent?.receive(bytes),
            onOpen: (isOpen) => agent?.opened(isOpen),
          },
        ],
      });
      agent = new GuestAgent((bytes) => void port.send(0, bytes));
      devices.push(port);
    }
    const board = new VirtBoard(core, console, {
      seed,
      devices,
      transport: options.transport ?? "pci",
      onDeviceFailure: options.onDeviceFailure ?? (() => {}),
    });
    boot.load({ machine: core, board, console });
    return new Machine(core, console, agent);
  }

  private constructor(core: CoreMachine, console: SerialConsole, agent: GuestAgent | undefined) {
    this.#core = core;
    this.#console = console;
    this.#guestAgent = agent;
    const end = () => {
      console.end();
      agent?.end("the machine has exited");
    };
    void core.exited.then(end, end);
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

  get #agent(): GuestAgent {
    if (this.#guestAgent !== undefined) return this.#guestAgent;
    throw new HartvisorError("invalid-state", "this machine has no port for an agent: create it with exec: true");
  }
}
