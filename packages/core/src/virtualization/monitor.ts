/**
 * The monitor of a deprivileged guest: what its executor traps with comes here.
 * Privileged instructions are emulated on the virtual hart; system calls,
 * exceptions and page faults of its own go to the guest's kernel; the rest the
 * guest never hears of.
 */
import { CONSTANTS } from "../../isa/layout.js";
import type { InterpreterExports } from "../engine/interpreter.js";
import type { Interposition } from "../interpose/interposition.js";
import { TableWrite } from "../interpose/table-write.js";
import type { HartState } from "../machine/hart-state.js";
import type { GuestMonitor, Vcpu } from "../machine/vcpu.js";
import type { FramePool } from "../memory/frame-pool.js";
import type { GuestMemory } from "../memory/guest-memory.js";
import { ShadowTables } from "./shadow-tables.js";

const {
  EXIT_BUDGET,
  EXIT_EXCEPTION,
  EXIT_GUEST_FAULT,
  EXIT_HYPERCALL,
  EXIT_INTERRUPT,
  EXIT_NO_SHADOW,
  EXIT_PRIVILEGED,
  EXIT_SHADOW_FILL,
  EXIT_SYSCALL,
  EXIT_TABLE_WRITE,
  EXIT_TRAP,
  EXIT_WAIT,
} = CONSTANTS;

// Exception causes (Privileged ISA 1.13, table 14).
const ILLEGAL_INSTRUCTION = 2;
const ECALL_FROM_U = 8;
const FETCH_PAGE_FAULT = 12;
const LOAD_PAGE_FAULT = 13;
const STORE_PAGE_FAULT = 15;
const STORE_ACCESS_FAULT = 7n;
/** What tables outside memory fault with, by the page fault of the same access. */
const ACCESS_FAULTS = new Map([
  [FETCH_PAGE_FAULT, 1n],
  [LOAD_PAGE_FAULT, 5n],
  [STORE_PAGE_FAULT, STORE_ACCESS_FAULT],
]);

const WALK_OK = 0;
const WALK_PAGE_FAULT = 1;

/** Major opcode of CSR instructions, sret, wfi and fences of address translation. */
const SYSTEM = 0x73;

/** What became of an instruction that `emulate` was given. */
const NOT_EMULATED = 0;
const TRAPPED = 2;
const WAITS = 3;

export interface MonitorHost {
  readonly pool: FramePool;
  readonly memory: GuestMemory;
  readonly interpreter: InterpreterExports;
  /** The harts that execute the guest's code, by number. */
  readonly executors: readonly HartState[];
  readonly interposition: Interposition;
  /** Counts an exit that {@link Monitor.answer} does not give back. */
  count(kind: number): void;
}

export class Monitor implements GuestMonitor {
  readonly #host: MonitorHost;
  readonly #interpreter: InterpreterExports;
  readonly #tables: ShadowTables;

  constructor(host: MonitorHost) {
    this.#host = host;
    this.#interpreter = host.interpreter;
    this.#tables = new ShadowTables(host);
  }

  executorOf(hart: number): HartState {
    const executor = this.#host.executors[hart];
    if (executor === undefined) throw new RangeError(`the machine has no hart ${hart}`);
    return executor;
  }

  run(vcpu: Vcpu, budget: number, exact: boolean): number {
    let left = budget;
    for (;;) {
      const before = vcpu.state.getNumber("executed");
      const kind = this.#interpreter.runDeprivileged(vcpu.address, left, exact ? 1 : 0);
      if (kind !== EXIT_NO_SHADOW) return kind;
      this.#tables.provideRoot(vcpu);
      const spent = vcpu.state.getNumber("executed") - before;
      // Where nothing ran, nothing was left.
      if (spent > 0) this.#host.count(EXIT_SHADOW_FILL);
      left -= spent;
      if (left <= 0) return EXIT_BUDGET;
    }
  }

  answer(vcpu: Vcpu, kind: number): number {
    switch (kind) {
      case EXIT_TRAP:
        return this.#trap(vcpu);
      case EXIT_TABLE_WRITE:
        return this.#tableWrite(vcpu);
      case EXIT_INTERRUPT:
        this.#interpreter.updateTimers(vcpu.address);
        return kind;
      default:
        return kind;
    }
  }

  admitsWrite(address: number, length: number): boolean {
    this.#tables.hostWrites(address, length);
    return true;
  }

  dropTranslations(): void {
    this.#tables.clear();
  }

  dropFrames(frames: readonly number[]): void {
    this.#tables.released(frames);
  }

  #trap(vcpu: Vcpu): number {
    const { state } = vcpu;
    const cause = state.get32("trapCause");
    const value = state.get64("trapValue");
    switch (cause) {
      case ILLEGAL_INSTRUCTION:
        return this.#illegal(vcpu, value);
      case ECALL_FROM_U:
        if (state.get32("privilege") === 0) return EXIT_SYSCALL;
        state.set64("exitNextPc", BigInt.asUintN(64, state.pc + 4n));
        return EXIT_HYPERCALL;
      case FETCH_PAGE_FAULT:
      case LOAD_PAGE_FAULT:
      case STORE_PAGE_FAULT:
        return this.#pageFault(vcpu, cause, value);
      default:
        this.#reflect(vcpu, BigInt(cause), value);
        return EXIT_EXCEPTION;
    }
  }

  #illegal(vcpu: Vcpu, value: bigint): number {
    const word = Number(BigInt.asUintN(32, value));
    const isPrivileged = (word & 0x7f) === SYSTEM && vcpu.state.get32("privilege") !== 0;
    const instruction = isPrivileged ? this.#host.interposition.privileged(vcpu, word) : word;
    if (instruction === undefined) {
      this.#reflect(vcpu, BigInt(ILLEGAL_INSTRUCTION), value);
      return EXIT_PRIVILEGED;
    }
    switch (this.#interpreter.emulate(vcpu.address, instruction)) {
      case NOT_EMULATED:
        this.#reflect(vcpu, BigInt(ILLEGAL_INSTRUCTION), value);
        return EXIT_EXCEPTION;
      case TRAPPED:
        return EXIT_EXCEPTION;
      case WAITS:
        return EXIT_WAIT;
      default:
        return EXIT_PRIVILEGED;
    }
  }

  /** A fault of the shadow tables: either the guest's own have it, too, or they say what is to be filled in. */
  #pageFault(vcpu: Vcpu, cause: number, address: bigint): number {
    // Not as the cause says: the store faults of cbo.clean and its kin are those of reading.
    const outcome = this.#interpreter.walkGuest(vcpu.address, address, vcpu.state.get32("trapAccess"));
    if (outcome !== WALK_OK) {
      const accessFault = ACCESS_FAULTS.get(cause) ?? 0n;
      this.#reflect(vcpu, outcome === WALK_PAGE_FAULT ? BigInt(cause) : accessFault, address);
      return EXIT_GUEST_FAULT;
    }
    this.#tables.fill(vcpu, address);
    this.#uncount(vcpu);
    return EXIT_SHADOW_FILL;
  }

  /**
   * A store to a page table that is shadowed. The guest steps over it with the table open to it, which serves stores and
   * atomics of all kinds; then the shadows are told. A store across pages may meet two tables.
   */
  #tableWrite(vcpu: Vcpu): number {
    const { state } = vcpu;
    const { interposition, memory } = this.#host;
    const seen = interposition.hasPageTableUpdates ? new TableWrite(vcpu, memory, interposition) : undefined;
    const virtual = state.get64("exitVirtual");
    const written: { readonly machine: number; readonly width: number }[] = [];
    let kind: number = EXIT_TABLE_WRITE;
    while (kind === EXIT_TABLE_WRITE && written.length < 2) {
      written.push({ machine: state.getNumber("exitAddress"), width: state.get32("exitWidth") });
      seen?.keep(state.getNumber("exitAddress"), state.get32("exitWidth"));
      this.#uncount(vcpu);
      const [first = 0, second = 0] = written.map(({ machine }) => machine - (machine % 4096));
      kind = this.#interpreter.stepWithOpenTables(vcpu.address, first, second);
    }
    for (const { machine, width } of written) this.#tables.written(machine, width);
    if (kind === EXIT_BUDGET || kind === EXIT_NO_SHADOW) {
      if (seen?.isAllowed() === false) this.#reflect(vcpu, STORE_ACCESS_FAULT, virtual);
      return EXIT_TABLE_WRITE;
    }
    // Something else came first, such as a fault of the fetch.
    this.#host.count(EXIT_TABLE_WRITE);
    return this.answer(vcpu, kind);
  }

  /** An exception for the guest's kernel. */
  #reflect(vcpu: Vcpu, cause: bigint, value: bigint): void {
    this.#interpreter.raiseException(vcpu.address, cause, value);
  }

  /** The step that an exit was counted as will be made again. */
  #uncount({ state }: Vcpu): void {
    state.set64("executed", state.get64("executed") - 1n);
  }
}
