/** A hart as the scheduler sees it: its block, and whether it may run. */
import type { InterpreterExports } from "../engine/interpreter.js";
import { type HartStateNumber, HartState as HsmState } from "../hypercall/extension.js";
import type { HartState } from "./hart-state.js";

/** Where a hart begins. */
export interface EntryPoint {
  readonly address: bigint;
  /** a1: the device tree's address, or what the starter passes on. */
  readonly opaque: bigint;
  /** a2: what a boot ROM tells firmware of the next stage. Default: 0. */
  readonly nextStage?: bigint;
}

/** What a hart keeps from the machine's options. */
export interface ResetOptions {
  /** OPTION bits. */
  readonly flags: number;
  readonly virtualTime: boolean;
  readonly compressed: boolean;
  /** Where the generator behind the CSR seed begins, with the virtual clock. */
  readonly entropy: bigint;
}

const SUPERVISOR = 1;
const MACHINE = 3;
/** What SBI firmware delegates to S-mode: every exception but M-mode's own and S-mode's ecall, and the supervisor interrupts. */
const DELEGATED_EXCEPTIONS = 0xb1ffn;
const SUPERVISOR_INTERRUPTS = 0x2222n;
/** menvcfg as SBI firmware leaves it: STCE, PBMTE, ADUE, CBZE, CBCFE, CBIE = flush. */
const SUPERVISOR_ENVIRONMENT = (1n << 63n) | (1n << 62n) | (1n << 61n) | 0xd0n;

const ALL_COUNTERS = 0xffff_ffffn;

/** mseccfg.SSEED. */
const SSEED = 1n << 9n;

/** What runs the code of a virtual hart. */
export interface GuestMonitor {
  /** The hart that executes the code of the virtual hart of this number. */
  executorOf(hart: number): HartState;
  /** Runs a virtual hart's code up to an exit. */
  run(vcpu: Vcpu, budget: number, exact: boolean): number;
  /** Looks into an exit, and gives the kind that it counts as and is answered by. */
  answer(vcpu: Vcpu, kind: number): number;
  /** The host or a device is about to write to guest memory; false if it must not. */
  admitsWrite(address: number, length: number): boolean;
  /** Guest pages have other frames now. */
  dropTranslations(): void;
  /** These frames of the pool are behind no guest page any more. */
  dropFrames(frames: readonly number[]): void;
}

export class Vcpu {
  readonly id: number;
  readonly state: HartState;
  readonly #interpreter: InterpreterExports;
  /** HSM state; only started and suspended harts have anything to do. */
  lifecycle: HartStateNumber = HsmState.Stopped;
  /** In wfi, or suspended: until an interrupt is pending. */
  waiting = false;
  /** Milliseconds that it was ready to run while something else did; counted while somebody measures. */
  stealMs = 0;
  /** What SBI modules did to it or for it, by the code of the firmware event. */
  readonly events: number[] = [];
  /** Since when it has been ready and does not run; undefined while it runs, or waits for an interrupt. */
  readySince: number | undefined;
  /** Hears that it runs again after having been ready. */
  onResume: (() => void) | undefined;
  /** Where a non-retentive suspend resumes. */
  resumeAt: EntryPoint | undefined;

  constructor(id: number, state: HartState, interpreter: InterpreterExports) {
    this.id = id;
    this.state = state;
    this.#interpreter = interpreter;
  }

  /** Runs it deprivileged: this hart is virtual, and the monitor has another execute its code. */
  monitor: GuestMonitor | undefined;

  get address(): number {
    return this.state.address;
  }

  /** The hart that executes its code: itself, unless it is virtual. */
  get executor(): HartState {
    return this.monitor?.executorOf(this.id) ?? this.state;
  }

  /** Runs its code for `budget` instructions, or a little more unless `exact`, up to an exit, whose kind it gives. */
  run(budget: number, exact: boolean): number {
    if (this.monitor !== undefined) return this.monitor.run(this, budget, exact);
    return this.#interpreter.run(this.address, budget, exact ? 1 : 0);
  }

  /** As after power-on, but in U-mode, which it never leaves: executes the code of the virtual hart at an address. */
  resetExecutor(bank: number, vm: number, options: ResetOptions, virtualHart: number): void {
    this.reset(bank, vm, options);
    const { state } = this;
    state.set32("privilege", 0);
    state.set32("virtualHart", virtualHart);
    this.#openMemory();
    this.#interpreter.forgetRegimes(this.address);
    this.#interpreter.selectBanks(this.address);
  }

  /** As after power-on: M-mode, everything off. `pc` is left for an entry to set. */
  reset(bank: number, vm: number, options: ResetOptions): void {
    const { state } = this;
    state.clearArchitectural();
    state.set32("privilege", MACHINE);
    state.set64("hartId", BigInt(this.id));
    state.set64("mtimecmp", 0xffff_ffff_ffff_ffffn);
    state.set64("stimecmp", 0xffff_ffff_ffff_ffffn);
    state.set32("vm", vm);
    state.set32("banks", bank);
    state.set32("options", options.flags);
    state.set32("misalignedTarget", options.compressed ? 0 : 2);
    state.set32("clockMode", options.virtualTime ? 1 : 0);
    state.set64("entropy", options.entropy);
    this.lifecycle = HsmState.Stopped;
    this.waiting = false;
    this.#interpreter.forgetRegimes(this.address);
    this.#interpreter.selectBanks(this.address);
    this.#interpreter.updateFloatFast(this.address);
    this.#interpreter.chooseCounters(this.address, 0n);
  }

  /** Starts in M-mode, as a boot ROM would leave it. */
  enterMachine({ address, opaque, nextStage = 0n }: EntryPoint): void {
    this.state.set32("privilege", MACHINE);
    this.#enter(address, opaque);
    this.state.setX(12, nextStage);
  }

  /** Starts in S-mode, as SBI firmware would leave it (SBI 2.0, 9.1). */
  enterSupervisor({ address, opaque }: EntryPoint): void {
    const { state } = this;
    state.set32("privilege", SUPERVISOR);
    state.set64("mstatus", 0n);
    state.set64("satp", 0n);
    state.set64("mie", 0n);
    state.set64("mip", 0n);
    state.set64("medeleg", DELEGATED_EXCEPTIONS);
    // A paravirtual guest's hart has yet to tell its monitor these.
    for (const name of ["vcpuArea", "kernelRoot", "userRoot"]) state.set64(name, 0n);
    this.#interpreter.writeCsr(this.address, 0x303, SUPERVISOR_INTERRUPTS);
    // S-mode may read every counter. Kernels take it from firmware that user code may, too, as the vDSO's clocks do.
    this.#interpreter.writeCsr(this.address, 0x306, ALL_COUNTERS);
    // mcycle and minstret count, the others are started through SBI.
    this.#interpreter.writeCsr(this.address, 0x320, ALL_COUNTERS & ~7n);
    state.set64("scounteren", 7n);
    this.#interpreter.writeCsr(this.address, 0x30a, SUPERVISOR_ENVIRONMENT);
    // Linux reads seed in S-mode if the device tree names Zkr, and asks nobody first.
    this.#interpreter.writeCsr(this.address, 0x747, SSEED);
    // Nothing that S-mode has is closed to it (Smstateen).
    for (let n = 0; n < 4; n++) this.#interpreter.writeCsr(this.address, 0x30c + n, 3n << 62n);
    this.#openMemory();
    this.#interpreter.dropAllBanks(this.address);
    this.#enter(address, opaque);
  }

  /** One PMP entry opens all of memory: NAPOT over the whole space, read, write, execute. */
  #openMemory(): void {
    this.state.set64("pmpaddr", (1n << 54n) - 1n);
    this.state.set64("pmpcfg", 0x1fn);
  }

  #enter(address: bigint, opaque: bigint): void {
    this.state.pc = address;
    this.state.setX(10, BigInt(this.id));
    this.state.setX(11, opaque);
    this.lifecycle = HsmState.Started;
    this.waiting = false;
    this.#interpreter.forgetRegimes(this.address);
    this.#interpreter.selectBanks(this.address);
    this.#interpreter.updateFloatFast(this.address);
    this.#interpreter.changeCounterMode(this.address, this.state.get64("executed"));
  }

  /** It does not run from now on; that it could counts as stolen. */
  leaveTurn(now: number): void {
    this.readySince = this.waiting || this.lifecycle !== HsmState.Started ? undefined : now;
  }

  /** It runs from now on. */
  enterTurn(now: number): void {
    if (this.readySince === undefined) return;
    this.stealMs += now - this.readySince;
    this.readySince = undefined;
    this.onResume?.();
  }

  /** Whether the hart has something to do; one that waited is woken if an interrupt is pending. */
  wake(): boolean {
    if (this.lifecycle === HsmState.Stopped) return false;
    if (!this.waiting) return true;
    this.#interpreter.updateTimers(this.address);
    if (this.#interpreter.isAwake(this.address) === 0) return false;
    this.waiting = false;
    if (this.lifecycle === HsmState.Suspended) {
      this.lifecycle = HsmState.Started;
      const resume = this.resumeAt;
      this.resumeAt = undefined;
      if (resume !== undefined) this.enterSupervisor(resume);
    }
    return true;
  }
}
