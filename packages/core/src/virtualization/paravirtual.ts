/**
 * The monitor of a guest that knows it is deprivileged: `assembly/virtualization/paravirtual.ts` brings its traps to its
 * kernel and answers the calls that come often; the others come here as hypercalls of an extension. docs/hypercalls.md is
 * the guest's side of it.
 */
import type { Bus } from "../bus/bus.js";
import type { InterpreterExports } from "../engine/interpreter.js";
import {
  HartState as HsmState,
  type HypercallContext,
  type HypercallExtension,
  SbiError,
  type SbiResult,
} from "../hypercall/extension.js";
import { eventAt } from "../interpose/event.js";
import type { Interposition } from "../interpose/interposition.js";
import type { HartState } from "../machine/hart-state.js";
import type { GuestMonitor, Vcpu } from "../machine/vcpu.js";
import { FRAME_SIZE, type FramePool } from "../memory/frame-pool.js";
import type { GuestMemory } from "../memory/guest-memory.js";
import { PinnedTables, type UpdateFilter } from "./pinned-tables.js";

const VERSION = 1n;
const AREA_SIZE = 128;
const FLUSH = 1n;
const ROOT_PAGE = (1n << 44n) - 1n;

/** What a paravirtual guest asked of its monitor. */
export interface ParavirtualStats {
  /** Page tables that are pinned now. */
  readonly pinnedTables: number;
  /** Entries of page tables that were changed by hypercall. */
  readonly updatedEntries: number;
  /** Calls that were refused, in whole or in part. */
  readonly refusedCalls: number;
}

export interface ParavirtualHost {
  readonly pool: FramePool;
  readonly memory: GuestMemory;
  readonly bus: Bus;
  readonly interpreter: InterpreterExports;
  /** The harts as the guest knows them, and those that execute their code, by number. */
  readonly vcpus: readonly Vcpu[];
  readonly executors: readonly HartState[];
  readonly interposition: Interposition;
  /** Goes by the write guard, as every write to guest memory does. */
  prepareWrite(address: number, length: number): void;
}

export class ParavirtualMonitor implements GuestMonitor, HypercallExtension {
  readonly id = 0x0848_5650;
  readonly name = "HVP";
  readonly #host: ParavirtualHost;
  readonly #tables: PinnedTables;
  #refused = 0;

  constructor(host: ParavirtualHost) {
    this.#host = host;
    this.#tables = new PinnedTables({
      ...{ pool: host.pool, memory: host.memory, bus: host.bus },
      isInUse: (page) => this.#isInUse(page),
      prepareWrite: (address, length) => host.prepareWrite(address, length),
    });
  }

  get stats(): ParavirtualStats {
    return { pinnedTables: this.#tables.pinned, updatedEntries: this.#tables.updated, refusedCalls: this.#refused };
  }

  executorOf(hart: number): HartState {
    const executor = this.#host.executors[hart];
    if (executor === undefined) throw new RangeError(`the machine has no hart ${hart}`);
    return executor;
  }

  run(vcpu: Vcpu, budget: number, exact: boolean): number {
    return this.#host.interpreter.runDeprivileged(vcpu.address, budget, exact ? 1 : 0);
  }

  /** An exit is what it was reported as: what traps has gone to the guest's kernel. */
  answer(_vcpu: Vcpu, kind: number): number {
    return kind;
  }

  admitsWrite(address: number, length: number): boolean {
    return this.#tables.admitsWrite(address, length);
  }

  dropTranslations(): void {
    this.#tables.framesChanged();
  }

  /** Pinned tables keep their frames. */
  dropFrames(): void {}

  call(functionId: number, args: readonly bigint[], { hart }: HypercallContext): SbiResult {
    const result = this.#answer(functionId, args, hart);
    if (result.error !== SbiError.Success) this.#refused++;
    return result;
  }

  /** The functions that are not here come only to be refused. */
  #answer(functionId: number, [a0 = 0n, a1 = 0n, a2 = 0n]: readonly bigint[], hart: number): SbiResult {
    const vcpu = this.#host.vcpus[hart] as Vcpu;
    switch (functionId) {
      case 0:
        return { error: SbiError.Success, value: VERSION };
      case 1:
        return { error: this.#setArea(vcpu, a0, a1) };
      case 2:
        return { error: SbiError.Denied }; // it has no area to return by
      case 3:
        return { error: this.#host.interpreter.setRoots(vcpu.address, a0, a1) };
      case 4:
        return this.#tables.pin(a0, a1);
      case 5:
        return this.#tables.unpin(a0);
      case 6:
        return this.#update(vcpu, a0, a1, a2);
      default:
        return { error: SbiError.NotSupported };
    }
  }

  #setArea({ state, address: hart }: Vcpu, area: bigint, entry: bigint): number {
    const { memory, interpreter } = this.#host;
    if (area % BigInt(AREA_SIZE) !== 0n || entry % 4n !== 0n) return SbiError.InvalidParam;
    if (area === 0n || !memory.contains(Number(area), AREA_SIZE)) return SbiError.InvalidAddress;
    if (!this.#tables.admitsWrite(Number(area), AREA_SIZE)) return SbiError.Denied;
    state.set64("vcpuArea", area);
    state.set64("stvec", entry);
    interpreter.adoptArea(hart);
    return SbiError.Success;
  }

  #update(vcpu: Vcpu, count: bigint, array: bigint, flags: bigint): SbiResult {
    if ((flags & ~FLUSH) !== 0n) return { error: SbiError.InvalidParam };
    const { interposition } = this.#host;
    const where = interposition.hasPageTableUpdates ? eventAt(vcpu) : undefined;
    const filter: UpdateFilter | undefined =
      where && ((address, before, value) => interposition.pageTableUpdate(where, address, before, value));
    const result = this.#tables.update(count, array, filter);
    if ((flags & FLUSH) !== 0n) this.#host.interpreter.fence(vcpu.address, 0, 0n, 0, 0n);
    return result;
  }

  /** Stopped harts have neither roots nor an area: they begin without. */
  #isInUse(page: number): boolean {
    const pageNumber = BigInt(this.#host.memory.base / FRAME_SIZE + page);
    return this.#host.vcpus.some(({ state, lifecycle }) => {
      if (lifecycle === HsmState.Stopped) return false;
      const area = state.get64("vcpuArea");
      if (area !== 0n && area / BigInt(FRAME_SIZE) === pageNumber) return true;
      return ["kernelRoot", "userRoot"].some((name) => {
        const root = state.get64(name);
        return root !== 0n && (root & ROOT_PAGE) === pageNumber;
      });
    });
  }
}
