/**
 * Memory watches: accesses to ranges of RAM that leave to the host first. The
 * hart leaves for whole pages (`assembly/memory/interposed.ts`); whether the
 * bytes are watched is found here, and what may happen is stepped over with
 * the page open to it.
 */
import { CONSTANTS } from "../../isa/layout.js";
import type { InterpreterExports } from "../engine/interpreter.js";
import { HartvisorError } from "../error.js";
import type { HartState } from "../machine/hart-state.js";
import type { Vcpu } from "../machine/vcpu.js";
import { FRAME_SIZE } from "../memory/frame-pool.js";
import type { GuestMemory } from "../memory/guest-memory.js";
import { eventAt } from "./event.js";
import type { AccessKind, MemoryEvent, MemoryWatch } from "./hooks.js";

const READ = 1;
const WRITE = 2;
const EXECUTE = 4;
const KINDS: Readonly<Record<AccessKind, number>> = { read: READ, write: WRITE, execute: EXECUTE };
/** Accesses that one instruction can make: a fetch and data, each on two pages. */
const OPEN_ACCESSES = 4;

export interface MemoryWatchesHost {
  readonly memory: GuestMemory;
  readonly interpreter: InterpreterExports;
  /** A byte per page of RAM: the accesses that leave. */
  readonly pages: Uint8Array;
  /** Tells the harts whether any access leaves. */
  setInterposed(isInterposed: boolean): void;
  /** Drops what harts know of where pages are. */
  dropTranslations(): void;
  /** Answers what else the instruction left with. */
  answer(vcpu: Vcpu, kind: number): boolean;
}

/** A watch, and where it no longer wants to hear. */
interface Active {
  readonly watch: MemoryWatch;
  readonly kinds: number;
  /** Kinds that may always happen, by page. */
  readonly allowed: Map<number, number>;
}

export class MemoryWatches {
  readonly #host: MemoryWatchesHost;
  #active: readonly Active[] = [];

  constructor(host: MemoryWatchesHost) {
    this.#host = host;
  }

  /** Throws `invalid-argument` for a watch of what is not RAM, or of nothing. */
  check({ address, length, on }: MemoryWatch): void {
    const refuse = (reason: string): never => {
      const range = `0x${address.toString(16)} and ${length} bytes`;
      throw new HartvisorError("invalid-argument", `a watch of ${range}: ${reason}`);
    };
    if (!(Number.isSafeInteger(address) && Number.isSafeInteger(length) && length > 0))
      refuse("give whole numbers, and a byte at least");
    if (!this.#host.memory.contains(address, length))
      refuse("not all of it is RAM; hooks of devices are mmioRead and mmioWrite");
    if (on.length === 0 || on.some((kind) => KINDS[kind] === undefined))
      refuse('on: give some of "read", "write", "execute"');
  }

  /** Watches these, in their order, and no others. */
  set(watches: readonly MemoryWatch[]): void {
    if (watches.length === 0 && this.#active.length === 0) return;
    const known = new Map(this.#active.map((active) => [active.watch, active]));
    this.#active = watches.map((watch) => {
      const kinds = watch.on.reduce((bits, kind) => bits | KINDS[kind], 0);
      return known.get(watch) ?? { watch, kinds, allowed: new Map() };
    });
    this.#mark();
  }

  /**
   * Answers an access that left: asks the hooks, and steps over the instruction or lets it fault. True if the hart's turn
   * goes on.
   */
  answer(vcpu: Vcpu): boolean {
    const { executor } = vcpu;
    const step = new Step(vcpu, this.#host.memory);
    try {
      for (let n = 0; n < OPEN_ACCESSES; n++) {
        const { access, bits, page } = step.leave();
        const decision = this.#ask(access, bits, page);
        if (decision === "deny") {
          const { state } = vcpu;
          this.#host.interpreter.raiseException(vcpu.address, state.get64("trapCause"), state.get64("trapValue"));
          return true;
        }
        step.open(executor, n, page, bits, decision);
        step.uncount();
        const goesOn = this.#run(vcpu, step);
        if (goesOn !== undefined) return goesOn;
      }
      // Its pages are mapped elsewhere by now.
      step.uncount();
      return true;
    } finally {
      step.end(executor);
    }
  }

  /** Makes a step; undefined if it leaves with another access, else whether the hart's turn goes on. */
  #run(vcpu: Vcpu, step: Step): boolean | undefined {
    for (let n = 0; n < OPEN_ACCESSES; n++) {
      const kind = vcpu.run(1, true);
      if (kind === CONSTANTS.EXIT_ACCESS) return undefined;
      if (kind === CONSTANTS.EXIT_BUDGET) break;
      if (!this.#host.answer(vcpu, kind)) return false;
      if (!step.isMadeAgain) break; // a monitor filled in a shadow table
    }
    step.commit();
    return true;
  }

  /** What the hooks of watches that an access touches say, in their order. */
  #ask(access: MemoryEvent, bits: number, page: number): Uint8Array | "deny" | undefined {
    let bytes: Uint8Array | undefined;
    for (const { watch, kinds, allowed } of this.#active) {
      const wanted = kinds & bits & ~(allowed.get(page) ?? 0);
      if (wanted === 0 || access.address >= watch.address + watch.length) continue;
      if (access.address + access.width <= watch.address) continue;
      const decision = watch.hook(access);
      if (decision === "deny") return "deny";
      if (decision === "always") {
        allowed.set(page, (allowed.get(page) ?? 0) | bits);
        this.#mark();
      } else if (decision !== undefined) bytes = decision.bytes;
    }
    return bytes;
  }

  /** Marks the pages that harts leave for. */
  #mark(): void {
    const { memory, pages } = this.#host;
    pages.fill(0);
    for (const { watch, kinds, allowed } of this.#active) {
      const first = Math.floor((watch.address - memory.base) / FRAME_SIZE);
      const last = Math.floor((watch.address + watch.length - 1 - memory.base) / FRAME_SIZE);
      for (let page = first; page <= last; page++)
        pages[page] = (pages[page] ?? 0) | (kinds & ~(allowed.get(page) ?? 0));
    }
    this.#host.setInterposed(this.#active.length > 0);
    this.#host.dropTranslations();
  }
}

/** One instruction that accesses watched pages, and what is to be undone behind it. */
class Step {
  readonly #vcpu: Vcpu;
  readonly #memory: GuestMemory;
  readonly #pc: bigint;
  /** Bytes to put into memory in place of what the instruction writes. */
  readonly #written: (() => void)[] = [];
  /** Bytes to bring back. */
  readonly #undone: (() => void)[] = [];

  constructor(vcpu: Vcpu, memory: GuestMemory) {
    this.#vcpu = vcpu;
    this.#memory = memory;
    this.#pc = vcpu.state.pc;
  }

  /** What it left with. */
  leave(): { readonly access: MemoryEvent; readonly bits: number; readonly page: number } {
    const { state } = this.#vcpu;
    const bits = state.get32("trapAccess") & (READ | WRITE | EXECUTE);
    const address = state.getNumber("exitAddress");
    const isStore = bits === WRITE && state.get32("exitWidth") <= 8;
    const width = bits === EXECUTE ? this.#lengthOf(address, state.get64("exitVirtual")) : state.get32("exitWidth");
    const access: MemoryEvent = {
      ...eventAt(this.#vcpu),
      access: bits === EXECUTE ? "execute" : (bits & WRITE) !== 0 ? "write" : "read",
      address,
      virtualAddress: state.get64("exitVirtual"),
      width,
      value: isStore ? BigInt.asUintN(8 * width, state.get64("exitValue")) : undefined,
    };
    return { access, bits, page: Math.floor((address - this.#memory.base) / FRAME_SIZE) };
  }

  /** Opens a page to an access, with other bytes in it if there are some. */
  open(executor: HartState, n: number, page: number, bits: number, bytes: Uint8Array | undefined): void {
    executor.set32("accessOpen", (page + 1) * 8 + bits, n);
    if (bytes === undefined) return;
    const address = this.#vcpu.state.getNumber("exitAddress");
    const given = bytes.slice(0, this.leave().access.width);
    if ((bits & WRITE) !== 0) {
      this.#written.push(() => this.#memory.write(address, given));
      return;
    }
    const kept = this.#memory.read(address, given.length);
    this.#memory.write(address, given);
    if (kept !== undefined) this.#undone.push(() => this.#memory.write(address, kept));
  }

  /** Whether the instruction has yet to happen. */
  get isMadeAgain(): boolean {
    return this.#vcpu.state.pc === this.#pc;
  }

  /** The step that an exit was counted as will be made again. */
  uncount(): void {
    const { state } = this.#vcpu;
    state.set64("executed", state.get64("executed") - 1n);
  }

  end(executor: HartState): void {
    for (let n = 0; n < OPEN_ACCESSES; n++) executor.set32("accessOpen", 0, n);
    for (const undo of this.#undone.reverse()) undo();
  }

  /** The instruction is over, unless an interrupt came first, or an exception. */
  commit(): void {
    const { pc } = this.#vcpu.state;
    if (pc !== this.#pc + 2n && pc !== this.#pc + 4n) return;
    for (const write of this.#written) write();
  }

  /** Bytes of the instruction that lie at an address in its page. */
  #lengthOf(address: number, virtualAddress: bigint): number {
    if (virtualAddress !== this.#pc) return 2; // its second half
    const isLong = (this.#memory.load16(address) & 3) === 3;
    return isLong && address % FRAME_SIZE !== FRAME_SIZE - 2 ? 4 : 2;
  }
}
