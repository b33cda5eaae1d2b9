/** Answers `ecall` from S-mode by the extension that a7 names. */
import type { InterpreterExports } from "../engine/interpreter.js";
import {
  FirmwareEvent,
  type FirmwareEventCode,
  HartState,
  type HartStateNumber,
  type HypercallContext,
  type HypercallExtension,
  type HypercallMemory,
  SbiError,
  type SbiResult,
  type ShutdownRequest,
} from "../hypercall/extension.js";
import type { Interposition } from "../interpose/interposition.js";
import type { GuestMemory } from "../memory/guest-memory.js";
import type { DebugConsole } from "./options.js";
import type { Vcpu } from "./vcpu.js";

const A0 = 10;
const A1 = 11;
const A6 = 16;
const A7 = 17;
/** Cause of the exception that an event stands for (Privileged ISA 1.13, table 15). */
const EXCEPTION_OF: ReadonlyMap<FirmwareEventCode, number> = new Map([
  [FirmwareEvent.MisalignedLoad, 4],
  [FirmwareEvent.MisalignedStore, 6],
  [FirmwareEvent.AccessLoad, 5],
  [FirmwareEvent.AccessStore, 7],
  [FirmwareEvent.IllegalInstruction, 2],
]);

/** What hypercalls need of their machine beyond its harts and memory. */
export interface HypercallHost {
  readonly debugConsole: DebugConsole | undefined;
  shutdown(request: ShutdownRequest): void;
  unixTimeNs(): bigint;
  yieldTurn(): void;
  /** Whether the scheduler measures how long harts wait for their turns. */
  measureSteal(isWanted: boolean): void;
}

export class Hypercalls implements HypercallContext {
  readonly identity = { vendor: 0n, architecture: 0n, implementation: 0n };
  readonly memory: HypercallMemory;
  readonly extensions: ReadonlyMap<number, HypercallExtension>;
  readonly #vcpus: readonly Vcpu[];
  readonly #interpreter: InterpreterExports;
  readonly #interposition: Interposition;
  readonly #host: HypercallHost;
  #caller: Vcpu;

  constructor(
    extensions: readonly HypercallExtension[],
    memory: GuestMemory,
    vcpus: readonly [Vcpu, ...Vcpu[]],
    interpreter: InterpreterExports,
    interposition: Interposition,
    host: HypercallHost,
  ) {
    this.extensions = new Map(extensions.map((extension) => [extension.id, extension]));
    this.memory = {
      read: (address, length) => memory.read(address, length),
      write: (address, bytes) => memory.supplyReserved(address, bytes.length) && memory.write(address, bytes),
    };
    this.#vcpus = vcpus;
    this.#caller = vcpus[0];
    this.#interpreter = interpreter;
    this.#interposition = interposition;
    this.#host = host;
  }

  /** Answers the call that a hart has left with, and commits it. */
  answer(caller: Vcpu): void {
    this.#caller = caller;
    const { state } = caller;
    const id = Number(BigInt.asIntN(64, state.getX(A7)));
    const functionId = Number(BigInt.asIntN(32, state.getX(A6)));
    const args = [0, 1, 2, 3, 4, 5].map((n) => state.getX(A0 + n));
    const result = this.#interposition.hasHypercalls
      ? this.#interposition.hypercall(caller, id, functionId, args, (changed) => this.#call(id, functionId, changed))
      : this.#call(id, functionId, args);
    state.setX(A0, BigInt.asUintN(64, BigInt(result.error)));
    state.setX(A1, BigInt.asUintN(64, result.value ?? 0n));
    this.#interpreter.complete(caller.address, 0);
  }

  #call(id: number, functionId: number, args: readonly bigint[]): SbiResult {
    return this.extensions.get(id)?.call(functionId, args, this) ?? { error: SbiError.NotSupported };
  }

  get hart(): number {
    return this.#caller.id;
  }

  get hartCount(): number {
    return this.#vcpus.length;
  }

  hartState(hart: number): HartStateNumber {
    return this.#vcpu(hart).lifecycle;
  }

  startHart(hart: number, address: bigint, opaque: bigint): void {
    this.#vcpu(hart).enterSupervisor({ address, opaque });
  }

  stopHart(): void {
    this.#caller.lifecycle = HartState.Stopped;
  }

  suspendHart(resume?: { address: bigint; opaque: bigint }): void {
    this.#caller.lifecycle = HartState.Suspended;
    this.#caller.waiting = true;
    this.#caller.resumeAt = resume;
  }

  setInterrupt(hart: number, interrupt: 1 | 5 | 9, level: boolean): void {
    const { state } = this.#vcpu(hart);
    const bit = 1n << BigInt(interrupt);
    const pending = state.get64("mip");
    state.set64("mip", level ? pending | bit : pending & ~bit);
  }

  setTimer(hart: number, deadline: bigint): void {
    const { state, address } = this.#vcpu(hart);
    state.set64("stimecmp", BigInt.asUintN(64, deadline));
    this.#interpreter.updateTimers(address);
  }

  /** Decoded code is dropped when it is overwritten, so there is nothing stale to fence. */
  fenceInstructions(): void {}

  fenceAddresses(hart: number, start: bigint, size: bigint, asid?: number): void {
    this.#interpreter.fenceRange(this.#vcpu(hart).address, start, size, asid === undefined ? 0 : 1, BigInt(asid ?? 0));
  }

  readCsr(csr: number): bigint {
    return BigInt.asUintN(64, this.#interpreter.readCsr(this.#caller.address, csr));
  }

  writeCsr(csr: number, value: bigint): void {
    this.#interpreter.writeCsr(this.#caller.address, csr, BigInt.asUintN(64, value));
  }

  countEvent(event: FirmwareEventCode, hart: number): void {
    const { events } = this.#vcpu(hart);
    events[event] = (events[event] ?? 0) + 1;
  }

  eventCount(event: FirmwareEventCode, hart: number): bigint {
    const { state, events } = this.#vcpu(hart);
    const cause = EXCEPTION_OF.get(event);
    return cause === undefined ? BigInt(events[event] ?? 0) : state.get64("rareExceptions", cause);
  }

  writeConsole(bytes: Uint8Array): void {
    this.#host.debugConsole?.write(bytes);
  }

  readConsole(length: number): Uint8Array {
    return this.#host.debugConsole?.read(length) ?? new Uint8Array(0);
  }

  readonly shutdown = (request: ShutdownRequest): void => this.#host.shutdown(request);

  readonly unixTimeNs = (): bigint => this.#host.unixTimeNs();

  readonly yieldTurn = (): void => this.#host.yieldTurn();

  stealTimeNs(hart: number): bigint {
    return BigInt(Math.round(this.#vcpu(hart).stealMs * 1e6));
  }

  onResume(hart: number, callback: (() => void) | undefined): void {
    this.#vcpu(hart).onResume = callback;
    this.#host.measureSteal(this.#vcpus.some((vcpu) => vcpu.onResume !== undefined));
  }

  #vcpu(hart: number): Vcpu {
    const vcpu = this.#vcpus[hart];
    if (vcpu === undefined) throw new RangeError(`the machine has no hart ${hart}`);
    return vcpu;
  }
}
