/**
 * The machine: harts, memory, a bus and time, put together and run. It knows
 * no particular device, hypercall or firmware; those are given to it.
 */
import type { IsaSet } from "../../isa/extensions.js";
import { ASSIST_NAMES, CONSTANTS, EXIT_NAMES, vmOffset } from "../../isa/layout.js";
import { Bus } from "../bus/bus.js";
import type { Device } from "../bus/device.js";
import type { InterruptLine, WiredInterrupt } from "../bus/interrupt.js";
import { type InterpreterExports, InterpreterInstance, requireWebAssembly } from "../engine/interpreter.js";
import { HotBlocks, type Translator } from "../engine/translator.js";
import { HartvisorError } from "../error.js";
import type { ShutdownRequest } from "../hypercall/extension.js";
import type { Hooks } from "../interpose/hooks.js";
import { Interposition } from "../interpose/interposition.js";
import { MemoryWatches } from "../interpose/memory-watches.js";
import { hostTranslation } from "../memory/address-translation.js";
import { FRAME_SIZE, FramePool } from "../memory/frame-pool.js";
import { GuestMemory, type WriteGuard } from "../memory/guest-memory.js";
import { Alarms } from "../time/alarms.js";
import type { Clock } from "../time/clock.js";
import { elapsedMs, hostTicks, MachineClock } from "../time/host-clock.js";
import { Monitor } from "../virtualization/monitor.js";
import { ParavirtualMonitor } from "../virtualization/paravirtual.js";
import { SHADOW_FRAMES } from "../virtualization/shadow-tables.js";
import { type TechniqueName, techniqueOf, usesShadowTables } from "../virtualization/technique.js";
import { Breakpoints } from "./breakpoints.js";
import { hostEntropy, seedOf } from "./entropy.js";
import { type MachineEvents, MachineListeners } from "./events.js";
import type { ExitReason } from "./exit-reason.js";
import { DeviceExits, exitCounters, type WatchCallback } from "./exits.js";
import { FrameShortage, type ShortageHost } from "./frame-shortage.js";
import { Hart } from "./hart.js";
import { HartState } from "./hart-state.js";
import { Hypercalls } from "./hypercalls.js";
import { framesOf, hartAddress, layOut, type MachineTables, tableBytes } from "./layout-plan.js";
import { makeVcpus } from "./make-vcpus.js";
import { checkOptions, DEFAULT_MEMORY_BASE, isaOf, type MachineOptions } from "./options.js";
import { Scheduler } from "./scheduler.js";
import type { MachineStats } from "./statistics.js";
import type { EntryPoint, GuestMonitor, Vcpu } from "./vcpu.js";

/** Exception cause of an ecall from U-mode (Privileged ISA 1.13, table 14). */
const ECALL_FROM_U = 8n;

export class Machine {
  /** What the harts can do. */
  readonly isa: IsaSet;
  /** How the guest's privileged code is run. */
  readonly technique: TechniqueName;
  readonly memory: GuestMemory;
  readonly bus = new Bus();
  readonly clock: Clock;
  readonly harts: readonly Hart[];
  /** Resolves when the machine has stopped for good; rejects if a device or module of the host's threw. */
  readonly exited: Promise<ExitReason>;

  readonly #pool: FramePool;
  readonly #sharesPool: boolean;
  readonly #tables: MachineTables;
  readonly #interpreter: InterpreterExports;
  readonly #vcpus: readonly [Vcpu, ...Vcpu[]];
  readonly #alarms = new Alarms();
  readonly #scheduler: Scheduler;
  readonly #shortage: FrameShortage;
  readonly #deviceExits: DeviceExits;
  readonly #watches: MemoryWatches;
  readonly #interposition: Interposition;
  readonly #hypercalls: Hypercalls;
  readonly #translator: Translator | undefined;
  /** Runs the guest deprivileged; undefined if its harts run it themselves. */
  readonly #monitor: GuestMonitor | undefined;
  readonly #paravirtual: ParavirtualMonitor | undefined;
  readonly #exits = exitCounters();
  readonly #breakpoints: Breakpoints;
  readonly #listeners = new MachineListeners();
  #resolveExited: (reason: ExitReason) => void = () => {};
  #rejectExited: (error: unknown) => void = () => {};
  #exitReason: ExitReason | undefined;

  /** Makes a machine that is paused, its harts stopped. Throws `invalid-argument`, `out-of-memory` or `unsupported`. */
  static async create(options: MachineOptions): Promise<Machine> {
    checkOptions(options);
    requireWebAssembly();
    const isa = isaOf(options);
    const shape = {
      ramBase: options.memoryBase ?? DEFAULT_MEMORY_BASE,
      ramPages: options.memoryBytes / FRAME_SIZE,
      hartCount: options.harts ?? 1,
      deprivileged: techniqueOf(options) !== "direct",
      monitorFrames: usesShadowTables(techniqueOf(options)) ? SHADOW_FRAMES : 0,
    };
    const pool = options.pool ?? new FramePool({ frames: framesOf(shape), tableBytes: tableBytes(shape) });
    let translator: Translator | undefined;
    let machine: Machine | undefined;
    const interpreter = await InterpreterInstance.create(pool.memory, {
      ticks: hostTicks,
      entropy: hostEntropy,
      translate: hostTranslation(pool.memory, options.translation),
      supplyFrame: (_vm, page) => machine?.memory.supply(page) ?? CONSTANTS.ABSENT,
      forgetRegions: (_vm, frame, lines) => translator?.forget(frame, BigInt.asUintN(64, lines)),
    });
    const tables = layOut(pool, shape, isa);
    translator = options.translator?.create({
      memory: pool.memory,
      get table() {
        return interpreter.table;
      },
      interpreter: interpreter.exports,
      renew: () => interpreter.renew(),
      vm: tables.vm,
      isa,
      trapsMisaligned: options.misaligned === "trap",
      now: () => (machine === undefined ? 0 : elapsedMs(machine.clock, options.clock === "virtual")),
    });
    machine = new Machine(options, isa, pool, tables, interpreter.exports, translator);
    return machine;
  }

  private constructor(
    options: MachineOptions,
    isa: IsaSet,
    pool: FramePool,
    tables: MachineTables,
    interpreter: InterpreterExports,
    translator: Translator | undefined,
  ) {
    this.isa = isa;
    this.#pool = pool;
    this.#sharesPool = options.pool !== undefined;
    this.#tables = tables;
    this.#interpreter = interpreter;
    this.#translator = translator;
    this.#breakpoints = new Breakpoints(pool.memory, tables, () => interpreter.dropAllCode(tables.vm));
    this.#setVmField("sampleInterval", options.translator?.sampleInterval ?? 0);
    this.#setVmField("sampleThreshold", options.translator?.sampleThreshold ?? 0);
    this.#setVmField("missThreshold", options.translator?.missThreshold ?? 0);
    const { hypercalls = [], limits = {} } = options;
    const virtualTime = options.clock === "virtual";
    const hotBlocks = new HotBlocks(pool.memory, tables.vm, options.translator?.hotBatch ?? 1, () =>
      elapsedMs(this.clock, virtualTime),
    );
    const flags =
      (hypercalls.length > 0 ? CONSTANTS.OPTION_HYPERCALLS : 0) |
      (options.misaligned === "trap" ? CONSTANTS.OPTION_TRAP_MISALIGNED : 0) |
      (options.translation ? CONSTANTS.OPTION_HOST_TRANSLATION : 0);

    this.technique = techniqueOf(options);
    const vcpus = makeVcpus({
      ...{ pool, tables, interpreter, technique: this.technique, count: options.harts ?? 1 },
      reset: (id) => ({ flags, virtualTime, compressed: isa.has("Zca"), entropy: seedOf(id, options.seed) }),
    });
    this.#vcpus = vcpus;
    this.harts = vcpus.map(({ id, state }) => new Hart(id, state, interpreter, () => this.#requirePaused()));

    const dropTranslations = () => {
      interpreter.dropAllCode(tables.vm);
      for (const { address } of vcpus) interpreter.dropAllBanks(address);
      this.#monitor?.dropTranslations();
    };
    const base = options.memoryBase ?? DEFAULT_MEMORY_BASE;
    const guard: WriteGuard = {
      prepareHostWrite: (address, length) => {
        if (this.#monitor?.admitsWrite(Number(address), length) === false) return false;
        return interpreter.prepareHostWrite(tables.vm, address, length) !== 0;
      },
      dropStoreEntries: (offset) => interpreter.dropStoreEntries(tables.vm, offset),
      dropTranslations,
      dropFrames: (frames) => {
        for (const frame of frames) interpreter.dropCodeOf(tables.vm, frame);
        interpreter.dropReleased(tables.vm);
        this.#monitor?.dropFrames(frames);
      },
      framesExhausted: () => this.#shortage.begin(),
    };
    this.memory = new GuestMemory(pool, base, options.memoryBytes, tables, guard, options.pool !== undefined);
    this.#watches = new MemoryWatches({
      ...{ memory: this.memory, interpreter },
      pages: new Uint8Array(pool.memory.buffer, tables.interposedPages, options.memoryBytes / FRAME_SIZE),
      setInterposed: (isInterposed) => this.#setVmField("interposed", isInterposed ? 1 : 0),
      dropTranslations,
      answer: (vcpu, kind) => this.#answer(vcpu, kind),
    });
    this.#interposition = new Interposition({
      ...{ technique: this.technique, hasHypercalls: hypercalls.length > 0, vcpus, watches: this.#watches },
    });
    if (this.technique !== "direct") {
      const host = {
        ...{ pool, memory: this.memory, interpreter, interposition: this.#interposition },
        executors: vcpus.map(({ id }) => new HartState(pool.memory, hartAddress(tables, id))),
      };
      if (this.technique === "paravirtual") {
        this.#paravirtual = new ParavirtualMonitor({
          ...{ ...host, bus: this.bus, vcpus },
          prepareWrite: (address, length) => interpreter.prepareHostWrite(tables.vm, BigInt(address), length),
        });
      }
      const monitor = this.#paravirtual ?? new Monitor({ ...host, count: (kind) => this.#count(kind) });
      for (const vcpu of vcpus) vcpu.monitor = monitor;
      this.#monitor = monitor;
    }
    this.clock = new MachineClock(() => BigInt.asUintN(64, interpreter.timeNow(this.#vcpus[0].address)), virtualTime);
    this.#deviceExits = new DeviceExits(interpreter, this.bus, this.memory, this.#interposition);
    const extensions = this.#paravirtual === undefined ? hypercalls : [...hypercalls, this.#paravirtual];
    this.#hypercalls = new Hypercalls(extensions, this.memory, this.#vcpus, interpreter, this.#interposition, {
      debugConsole: options.debugConsole,
      shutdown: (request) => this.requestShutdown(request),
      unixTimeNs: () => this.clock.unixTimeNs(),
      yieldTurn: () => this.#scheduler.yieldTurn(),
      measureSteal: (isWanted) => this.#scheduler.measureSteal(isWanted),
    });
    this.#scheduler = new Scheduler(
      this.#vcpus,
      interpreter,
      this.#alarms,
      {
        answer: (vcpu, kind, isEarly) => {
          if (translator !== undefined) {
            const blocks = hotBlocks.read();
            if (blocks.length > 0) hotBlocks.remove(translator.translate(blocks));
          }
          return this.#answer(vcpu, kind, isEarly);
        },
        limitReached: (limit) => this.#finish({ kind: "limit", limit }),
        failed: (error) => this.#fail(error),
      },
      limits,
      virtualTime,
    );
    this.#shortage = new FrameShortage(pool, this.#shortageHost());
    this.exited = new Promise((resolve, reject) => {
      this.#resolveExited = resolve;
      this.#rejectExited = reject;
    });
    this.exited.catch(() => {}); // who does not wait for the end need not hear of a bug in their device
  }

  /** Adds a device to the bus. */
  attach(device: Device): void {
    this.bus.attach(device);
  }

  /** The wire that drives an interrupt of a hart. */
  interruptLine(hart: number, interrupt: WiredInterrupt): InterruptLine {
    const { state } = this.#vcpu(hart);
    const bit = 1n << BigInt(interrupt);
    return {
      set: (level) => {
        const lines = state.get64("interruptLines");
        state.set64("interruptLines", level ? lines | bit : lines & ~bit);
        this.#scheduler.wake();
      },
    };
  }

  /** Programs a hart's machine timer (the ACLINT's mtimecmp); all ones means never. */
  setMachineTimer(hart: number, deadline: bigint): void {
    const { state, address } = this.#vcpu(hart);
    state.set64("mtimecmp", BigInt.asUintN(64, deadline));
    this.#interpreter.updateTimers(address);
  }

  /** Makes the guest's time go on from here (a write of the ACLINT's mtime). */
  setTime(ticks: bigint): void {
    const shift = ticks - this.clock.ticks();
    for (const { state } of this.#vcpus) {
      state.set64("timeOffset", BigInt.asUintN(64, state.get64("timeOffset") + shift));
    }
  }

  /** Calls back at a guest time; a name has one alarm, and undefined cancels it. */
  setAlarm(name: string, deadlineTicks: bigint | undefined, callback: () => void): void {
    this.#alarms.set(name, deadlineTicks, callback);
    this.#scheduler.alarmChanged();
  }

  /** Makes a hart begin in S-mode, as SBI firmware would start it. */
  enterSupervisor(hart: number, entry: EntryPoint): void {
    this.#requirePaused();
    this.#vcpu(hart).enterSupervisor(entry);
  }

  /** Makes a hart begin in M-mode, as a boot ROM would start it. */
  enterMachine(hart: number, entry: EntryPoint): void {
    this.#requirePaused();
    if (this.#monitor !== undefined) {
      throw new HartvisorError("invalid-state", `a guest under ${this.technique} has no M-mode to begin in`);
    }
    this.#vcpu(hart).enterMachine(entry);
  }

  /**
   * Reports stores to these bytes of RAM, which lie in one page, after they happened: those of store instructions, not of
   * atomics, nor misaligned ones that cross pages. One range a machine.
   */
  watchWrites(address: number, length: number, callback: WatchCallback): void {
    this.memory.guardWatch(address);
    this.#setVmField("watch", this.memory.machineOffset(address));
    this.#setVmField("watchLength", length);
    this.#deviceExits.onWatchedWrite = callback;
  }

  /** Runs, or goes on after a pause. Throws `invalid-state` once the machine has exited. */
  start(): void {
    this.#requireAlive();
    this.#shortage.userWants(true);
    for (const { state } of this.#vcpus) {
      state.set32("skipBreakpoint", this.#breakpoints.has(state.pc) ? 1 : 0);
    }
    this.#scheduler.start();
  }

  /** Resolves when every hart stands between two instructions. Devices finish what they were asked for. */
  async pause(): Promise<void> {
    this.#shortage.userWants(false);
    await this.#scheduler.stop();
  }

  get isRunning(): boolean {
    return this.#scheduler.isRunning;
  }

  /** Whether the machine needs frames that its pool does not have; it stands still until there are some. */
  get isWaitingForMemory(): boolean {
    return this.#shortage.isWaiting;
  }

  /**
   * Executes exactly so many instructions of one hart while the machine is
   * paused. False if the hart waits, was stopped, or the machine exited first.
   */
  step(instructions = 1, hart = 0): boolean {
    this.#requirePaused();
    this.#requireAlive();
    const vcpu = this.#vcpu(hart);
    vcpu.state.set32("skipBreakpoint", this.#breakpoints.has(vcpu.state.pc) ? 1 : 0);
    try {
      return this.#scheduler.step(vcpu, instructions);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  /** Ends the machine; `exited` resolves with `destroyed` unless it had exited before. A shared pool gets its frames back. */
  async destroy(): Promise<void> {
    this.#finish({ kind: "destroyed" });
    await this.exited.catch(() => {}); // why it failed is for those who wait for the end
    if (this.#sharesPool) this.memory.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.destroy();
  }

  /** Stops the machine at the guest's request, after the present instruction. */
  requestShutdown(request: ShutdownRequest): void {
    this.#finish(request.kind === "poweroff" ? request : { kind: "reboot" });
  }

  /** Adds a breakpoint at a virtual address. Throws `invalid-argument` beyond 64 of them. */
  addBreakpoint(address: bigint): void {
    this.#breakpoints.add(address);
  }

  removeBreakpoint(address: bigint): void {
    this.#breakpoints.remove(address);
  }

  /**
   * Installs hooks that hear of what the guest does before it happens, and may change or deny it; call the result to remove
   * them. Those installed earlier are asked first. What a hook throws ends the machine. Throws `unsupported` for what this
   * machine's technique cannot show, and `invalid-argument` for memory that is not RAM.
   *
   * @example
   * const stop = machine.interpose({ hypercall: ({ extension, functionId }) => console.log(extension, functionId) });
   */
  interpose(hooks: Hooks): () => void {
    return this.#interposition.install(hooks);
  }

  /** Listens to an event; call the result to stop listening. */
  on<Name extends keyof MachineEvents>(name: Name, listener: (event: MachineEvents[Name]) => void): () => void {
    return this.#listeners.add(name, listener);
  }

  get stats(): MachineStats {
    const named = (names: readonly string[], count: (n: number) => number) =>
      Object.fromEntries(names.map((name, n) => [name, count(n)]));
    const sum = (read: (vcpu: Vcpu) => number) => this.#vcpus.reduce((total, vcpu) => total + read(vcpu), 0);
    return {
      instructions: sum(({ state }) => state.getNumber("executed")),
      exits: named(EXIT_NAMES, (n) => this.#exits[n] ?? 0),
      assists: named(ASSIST_NAMES, (n) => sum(({ executor }) => Number(executor.get64("assists", n)))),
      ...(this.#translator !== undefined && {
        jit: { ...this.#translator.stats, executed: sum(({ executor }) => executor.getNumber("translated")) },
      }),
      ...(this.#paravirtual !== undefined && { paravirtual: this.#paravirtual.stats }),
      memory: {
        guestBytes: this.memory.size,
        framesInUse: this.memory.framesInUse,
        reservedBytes: this.#pool.memory.buffer.byteLength,
      },
    };
  }

  /** Answers an exit; false where the hart's turn ends with it. A budget that is not used up yet counts for none. */
  #answer(vcpu: Vcpu, reported: number, isEarly = false): boolean {
    const kind = this.#monitor?.answer(vcpu, reported) ?? reported;
    if (!isEarly || kind !== CONSTANTS.EXIT_BUDGET) this.#count(kind);
    switch (kind) {
      case CONSTANTS.EXIT_READ:
        this.#deviceExits.read(vcpu);
        return true;
      case CONSTANTS.EXIT_WRITE:
        this.#deviceExits.write(vcpu);
        return true;
      case CONSTANTS.EXIT_HYPERCALL:
        this.#hypercalls.answer(vcpu);
        return vcpu.wake();
      case CONSTANTS.EXIT_WAIT:
        this.#interpreter.complete(vcpu.address, 0);
        vcpu.waiting = true;
        return false;
      case CONSTANTS.EXIT_BREAKPOINT:
        this.#scheduler.requestStop();
        this.#listeners.tell("breakpoint", { hart: vcpu.id, address: vcpu.state.pc });
        return false;
      case CONSTANTS.EXIT_STUCK:
        this.#finish({ kind: "crash", message: this.#whyStuck(vcpu) });
        return false;
      case CONSTANTS.EXIT_NO_FRAME: {
        // The interpreter has counted the instruction, which is yet to be executed.
        const { state } = vcpu;
        state.set64("executed", state.get64("executed") - 1n);
        this.#shortage.begin();
        return false;
      }
      case CONSTANTS.EXIT_BUDGET:
        return false;
      case CONSTANTS.EXIT_SYSCALL:
        if (this.#interposition.syscall(vcpu)) {
          this.#interpreter.raiseException(vcpu.address, ECALL_FROM_U, 0n);
        }
        return true;
      case CONSTANTS.EXIT_ACCESS:
        return this.#watches.answer(vcpu);
      default:
        return true; // the monitor has answered it
    }
  }

  #whyStuck({ id, state }: Vcpu): string {
    const pc = `0x${state.pc.toString(16)}`;
    if (this.#paravirtual === undefined) return `hart ${id} cannot fetch its trap vector at ${pc}`;
    return `hart ${id} trapped at ${pc}, cause ${state.get64("trapCause")}, and has told its monitor of no area to trap to`;
  }

  #shortageHost(): ShortageHost {
    const scheduler = this.#scheduler;
    return {
      get isWanted() {
        return scheduler.isWanted;
      },
      stop: () => scheduler.requestStop(),
      retry: () => this.memory.retry(),
      start: () => scheduler.start(),
      began: () => this.#listeners.tell("memory-exhausted", { framesInUse: this.memory.framesInUse }),
      ended: () => this.#listeners.tell("memory-available", { freeFrames: this.#pool.freeFrames }),
    };
  }

  #count(kind: number): void {
    this.#exits[kind] = (this.#exits[kind] ?? 0) + 1;
  }

  #finish(reason: ExitReason): void {
    if (this.#exitReason !== undefined) return;
    this.#exitReason = reason;
    this.#shortage.close();
    // Whoever awaits the end finds the harts standing still.
    void this.#scheduler.stop().then(() => {
      this.#listeners.tell("exit", reason);
      this.#resolveExited(reason);
    });
  }

  /** A device, hypercall or translation module threw: a bug of the host's, never an event of the guest's. */
  #fail(error: unknown): void {
    if (this.#exitReason !== undefined) return;
    this.#exitReason = { kind: "destroyed" };
    this.#shortage.close();
    this.#rejectExited(error);
  }

  #setVmField(name: string, value: number): void {
    new DataView(this.#pool.memory.buffer, this.#tables.vm).setUint32(vmOffset(name), value, true);
  }

  #vcpu(hart: number): Vcpu {
    const vcpu = this.#vcpus[hart];
    if (vcpu === undefined) {
      throw new HartvisorError("invalid-argument", `there is no hart ${hart}: the machine has ${this.#vcpus.length}`);
    }
    return vcpu;
  }

  #requirePaused(): void {
    if (!this.#scheduler.isRunning) return;
    throw new HartvisorError("invalid-state", "the machine is running: await pause() before touching its harts");
  }

  #requireAlive(): void {
    if (this.#exitReason === undefined) return;
    throw new HartvisorError("invalid-state", `the machine has exited (${this.#exitReason.kind})`);
  }
}
