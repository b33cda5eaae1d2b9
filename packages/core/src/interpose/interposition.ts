/**
 * The hooks of a machine, in the order in which they were installed, and what
 * becomes of exits by them. Exits ask here only where there are hooks of their
 * kind; what makes exits that there would not be is switched on while there are.
 */
import { CONSTANTS } from "../../isa/layout.js";
import { HartvisorError } from "../error.js";
import type { SbiResult } from "../hypercall/extension.js";
import type { Vcpu } from "../machine/vcpu.js";
import type { TechniqueName } from "../virtualization/technique.js";
import { eventAt } from "./event.js";
import type { GuestEvent, Hooks, MemoryWatch, PageTableEvent } from "./hooks.js";
import type { MemoryWatches } from "./memory-watches.js";

const A0 = 10;
const A7 = 17;
const ARGUMENTS = [0, 1, 2, 3, 4, 5] as const;

export interface InterpositionHost {
  readonly technique: TechniqueName;
  /** Whether the machine answers hypercalls itself. */
  readonly hasHypercalls: boolean;
  readonly vcpus: readonly Vcpu[];
  readonly watches: MemoryWatches;
}

/** The kinds of hooks that are functions. */
type HookName = Exclude<keyof Hooks, "memory">;
type HooksOf<Name extends HookName> = readonly NonNullable<Hooks[Name]>[];

export class Interposition {
  readonly #host: InterpositionHost;
  #installed: readonly Hooks[] = [];
  #hypercall: HooksOf<"hypercall"> = [];
  #hypercallReturn: HooksOf<"hypercallReturn"> = [];
  #mmioRead: HooksOf<"mmioRead"> = [];
  #mmioReadReturn: HooksOf<"mmioReadReturn"> = [];
  #mmioWrite: HooksOf<"mmioWrite"> = [];
  #privileged: HooksOf<"privileged"> = [];
  #pageTableUpdate: HooksOf<"pageTableUpdate"> = [];
  #syscall: HooksOf<"syscall"> = [];

  constructor(host: InterpositionHost) {
    this.#host = host;
  }

  /** Installs hooks behind those that there are; gives what removes them. Throws `unsupported` or `invalid-argument`. */
  install(hooks: Hooks): () => void {
    this.#check(hooks);
    // The object may be of a class, and is the caller's to change.
    const own: Hooks = { memory: [...(hooks.memory ?? [])], ...boundHooks(hooks) };
    for (const watch of own.memory ?? []) this.#host.watches.check(watch);
    this.#change([...this.#installed, own]);
    return () => {
      if (this.#installed.includes(own)) this.#change(this.#installed.filter((one) => one !== own));
    };
  }

  /** Whether hypercalls go by {@link hypercall}. */
  get hasHypercalls(): boolean {
    return this.#hypercall.length + this.#hypercallReturn.length > 0;
  }

  /** Whether reads of devices go by {@link mmioRead}. */
  get hasDeviceReads(): boolean {
    return this.#mmioRead.length + this.#mmioReadReturn.length > 0;
  }

  /** Whether writes to devices go by {@link mmioWrite}. */
  get hasDeviceWrites(): boolean {
    return this.#mmioWrite.length > 0;
  }

  /** Whether writes to page tables go by {@link pageTableUpdate}. */
  get hasPageTableUpdates(): boolean {
    return this.#pageTableUpdate.length > 0;
  }

  /** What a hypercall comes to, which `call` answers unless a hook does. */
  hypercall(
    vcpu: Vcpu,
    extension: number,
    functionId: number,
    given: readonly bigint[],
    call: (args: readonly bigint[]) => SbiResult,
  ): SbiResult {
    const event = { ...eventAt(vcpu), extension, functionId };
    let args = given;
    let result: SbiResult | undefined;
    for (const hook of this.#hypercall) {
      const decision = hook({ ...event, args });
      if (decision === undefined) continue;
      if ("result" in decision) {
        result = decision.result;
        break;
      }
      args = ARGUMENTS.map((n) => BigInt.asUintN(64, decision.args[n] ?? 0n));
    }
    result ??= call(args);
    for (const hook of this.#hypercallReturn) result = hook({ ...event, args, result }) ?? result;
    return result;
  }

  /** What a device read gives, by `read` unless a hook answers; undefined for an access fault. */
  mmioRead(vcpu: Vcpu, address: number, width: number, read: () => bigint | undefined): bigint | undefined {
    const event = { ...eventAt(vcpu), address, width };
    let value: bigint | undefined;
    for (const hook of this.#mmioRead) {
      const decision = hook(event);
      if (decision === "deny") return undefined;
      if (decision === undefined) continue;
      value = decision.value;
      break;
    }
    value ??= read();
    if (value === undefined) return undefined;
    for (const hook of this.#mmioReadReturn) value = hook({ ...event, value })?.value ?? value;
    return BigInt.asUintN(8 * width, value);
  }

  /** Whether a device write is answered, by `write` unless a hook says otherwise; false for an access fault. */
  mmioWrite(vcpu: Vcpu, address: number, width: number, given: bigint, write: (value: bigint) => boolean): boolean {
    let value = BigInt.asUintN(8 * width, given);
    for (const hook of this.#mmioWrite) {
      const decision = hook({ ...eventAt(vcpu), address, width, value });
      if (decision === "deny") return false;
      if (decision === "ignore") return true;
      if (decision !== undefined) value = BigInt.asUintN(8 * width, decision.value);
    }
    return write(value);
  }

  /** The instruction to emulate for a privileged one; undefined if it is denied. */
  privileged(vcpu: Vcpu, given: number): number | undefined {
    let instruction = given;
    for (const hook of this.#privileged) {
      const decision = hook({ ...eventAt(vcpu), instruction });
      if (decision === "deny") return undefined;
      if (decision !== undefined) instruction = decision.instruction >>> 0;
    }
    return instruction;
  }

  /** What an entry of a page table becomes. */
  pageTableUpdate(where: GuestEvent, address: number, before: bigint, given: bigint): bigint | "deny" {
    let value = given;
    for (const hook of this.#pageTableUpdate) {
      const decision = hook({ ...where, address, before, value } satisfies PageTableEvent);
      if (decision === "deny") return "deny";
      if (decision === "ignore") return before;
      if (decision !== undefined) value = BigInt.asUintN(64, decision.value);
    }
    return value;
  }

  /** Whether a system call goes to the guest's kernel; where not, the hart stands behind it. */
  syscall(vcpu: Vcpu): boolean {
    const { state } = vcpu;
    for (const hook of this.#syscall) {
      const args = ARGUMENTS.map((n) => state.getX(A0 + n));
      const decision = hook({ ...eventAt(vcpu), number: state.getX(A7), args });
      if (decision === undefined) continue;
      if ("result" in decision) {
        state.setX(A0, BigInt.asUintN(64, decision.result));
        state.pc = BigInt.asUintN(64, state.pc + 4n); // ecall has no compressed form
        return false;
      }
      for (const [n, value] of decision.args?.entries() ?? []) {
        if (n < ARGUMENTS.length) state.setX(A0 + n, BigInt.asUintN(64, value));
      }
      if (decision.number !== undefined) state.setX(A7, BigInt.asUintN(64, decision.number));
    }
    return true;
  }

  #change(installed: readonly Hooks[]): void {
    this.#installed = installed;
    const of = <Name extends HookName>(name: Name): HooksOf<Name> =>
      installed.flatMap((hooks): HooksOf<Name> => (hooks[name] === undefined ? [] : [hooks[name]]));
    this.#hypercall = of("hypercall");
    this.#hypercallReturn = of("hypercallReturn");
    this.#mmioRead = of("mmioRead");
    this.#mmioReadReturn = of("mmioReadReturn");
    this.#mmioWrite = of("mmioWrite");
    this.#privileged = of("privileged");
    this.#pageTableUpdate = of("pageTableUpdate");
    this.#syscall = of("syscall");
    this.#host.watches.set(installed.flatMap((hooks): readonly MemoryWatch[] => hooks.memory ?? []));
    for (const { executor } of this.#host.vcpus) {
      const options = executor.get32("options") & ~CONSTANTS.OPTION_SYSCALLS;
      executor.set32("options", this.#syscall.length > 0 ? options | CONSTANTS.OPTION_SYSCALLS : options);
      // What is rewritten does not trap.
      const rewrites = this.#host.technique === "binary-translation" && this.#privileged.length === 0;
      executor.set32("rewrites", rewrites ? 1 : 0);
    }
  }

  /** Refuses hooks of what this machine's guest cannot do, or what nobody would see. */
  #check({ hypercall, hypercallReturn, privileged, pageTableUpdate }: Hooks): void {
    const refuse = (name: string, reason: string): never => {
      throw new HartvisorError("unsupported", `a hook of ${name} is not to be had: ${reason}`);
    };
    const { technique, hasHypercalls } = this.#host;
    if ((hypercall ?? hypercallReturn) !== undefined && !hasHypercalls) {
      refuse("hypercalls", "this machine answers none; those of its guest go to the firmware in it");
    }
    if (privileged !== undefined && technique === "paravirtual") {
      refuse("privileged instructions", "a paravirtual guest executes none; hooks of hypercalls see what it asks for");
    }
    const byHart = "under direct the hart itself does that, and nothing leaves it; give another technique";
    if (privileged !== undefined && technique === "direct") refuse("privileged instructions", byHart);
    if (pageTableUpdate !== undefined && technique === "direct") refuse("page-table updates", byHart);
  }
}

const HOOK_NAMES: readonly HookName[] = [
  ...(["hypercall", "hypercallReturn", "mmioRead", "mmioReadReturn", "mmioWrite"] as const),
  ...(["privileged", "pageTableUpdate", "syscall"] as const),
];

/** The functions of an object, its class's too, as they would be called on it. */
function boundHooks(hooks: Hooks): Hooks {
  return Object.fromEntries(
    HOOK_NAMES.flatMap((name) => (hooks[name] === undefined ? [] : [[name, hooks[name].bind(hooks)]])),
  );
}
