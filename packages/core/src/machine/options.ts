/** What a machine is made of. */

import { DEFAULT_ISA, IsaSet } from "../../isa/extensions.js";
import type { TranslatorFactory } from "../engine/translator.js";
import { HartvisorError } from "../error.js";
import type { HypercallExtension } from "../hypercall/extension.js";
import type { AddressTranslation } from "../memory/address-translation.js";
import type { FramePool } from "../memory/frame-pool.js";
import { type TechniqueName, techniqueOf } from "../virtualization/technique.js";

export interface MachineLimits {
  /** Stop after this many instructions, all harts together. Default: none. */
  readonly instructions?: number;
  /** Stop this long after the first start, in milliseconds of the host's clock. Default: none. */
  readonly wallTimeMs?: number;
  /** Share of one host CPU to use at most, above 0 up to 1. Default: 1. */
  readonly cpuShare?: number;
}

/** Where the guest's debug console (SBI DBCN) leads. */
export interface DebugConsole {
  write(bytes: Uint8Array): void;
  /** Takes up to `length` bytes of pending input. */
  read(length: number): Uint8Array;
}

export interface MachineOptions {
  /** Bytes of RAM, a multiple of 4,096. */
  readonly memoryBytes: number;
  /**
   * Where its frames come from, by and by, shared with other machines of the same thread: see `sharedPool`. Default: a pool of its
   * own, which never runs out.
   */
  readonly pool?: FramePool;
  /** Number of harts, 1 to 32. Default: 1. */
  readonly harts?: number;
  /** Guest-physical address of RAM. Default: 0x80000000. */
  readonly memoryBase?: number;
  /** `real`: the guest sees the host's clock. `virtual`: time is the count of instructions, and runs repeat exactly. Default: real. */
  readonly clock?: "real" | "virtual";
  /** Extensions that answer `ecall` from S-mode. Default: none; `ecall` traps to M-mode then. */
  readonly hypercalls?: readonly HypercallExtension[];
  /**
   * The ISA string of the harts, or a profile such as `rva22s64`; what it leaves out is illegal. With `svadu` the hart sets accessed and dirty
   * bits where menvcfg.ADUE asks for it; without, they fault (Svade). Default: all that there is, {@link DEFAULT_ISA}.
   */
  readonly isa?: string;
  /**
   * Loads and stores at addresses that are no multiple of their width: done in `hardware`, or an address-misaligned exception (`trap`), which
   * comes before any other fault of the access. With `trap` the machine has no Zicclsm, and `isa` must not ask for it. Default: hardware.
   */
  readonly misaligned?: "hardware" | "trap";
  /** With the virtual clock, what the CSR `seed` gives follows from these bytes. Default: none; otherwise the host's randomness. */
  readonly seed?: Uint8Array;
  readonly limits?: MachineLimits;
  /** Turns hot code into WebAssembly. Default: none; everything is interpreted. */
  readonly translator?: TranslatorFactory;
  /** How the guest's privileged code is run. Default: direct, by the harts themselves. */
  readonly technique?: TechniqueName;
  /** Answers TLB misses below M-mode. Default: bare, Sv39, Sv48 and Sv57, as satp says. */
  readonly translation?: AddressTranslation;
  /** Default: output is dropped, and there is no input. */
  readonly debugConsole?: DebugConsole;
}

/** RAM begins where the `virt` board has it. */
export const DEFAULT_MEMORY_BASE = 0x80000000;
export const MAX_HARTS = 32;
/** Tables and decoded code share the 4 GiB of a Wasm memory with RAM. */
export const MAX_MEMORY_BYTES = 3 * 2 ** 30;

/** Throws `invalid-argument` for an option that no machine can have. */
export function checkOptions(options: MachineOptions): void {
  const { memoryBytes, harts = 1, limits = {} } = options;
  const refuse = (message: string): never => {
    throw new HartvisorError("invalid-argument", message);
  };
  if (!Number.isSafeInteger(memoryBytes) || memoryBytes <= 0 || memoryBytes % 4096 !== 0) {
    refuse(`memory of ${memoryBytes} bytes: give a multiple of 4096 above 0`);
  }
  if (memoryBytes > MAX_MEMORY_BYTES) {
    refuse(`memory of ${memoryBytes} bytes is more than the ${MAX_MEMORY_BYTES} (3 GiB) that fit a Wasm memory`);
  }
  isaOf(options);
  if (techniqueOf(options) !== "direct" && options.pool !== undefined) {
    refuse(`a guest under ${options.technique} needs a pool of its own: leave "pool" out`);
  }
  if (!Number.isInteger(harts) || harts < 1 || harts > MAX_HARTS) refuse(`${harts} harts: give 1 to ${MAX_HARTS}`);
  for (const [name, value] of Object.entries(limits)) {
    if (value !== undefined && !(value > 0)) refuse(`limit ${name} of ${value}: give a number above 0`);
  }
  if ((limits.cpuShare ?? 1) > 1) refuse(`limit cpuShare of ${limits.cpuShare}: give a share of one CPU, at most 1`);
}

/** What the harts of a machine can do; throws `invalid-argument` for options that contradict each other. */
export function isaOf({ isa, misaligned = "hardware" }: Pick<MachineOptions, "isa" | "misaligned">): IsaSet {
  const set = parseIsa(isa ?? DEFAULT_ISA);
  if (misaligned === "hardware") return set;
  if (isa === undefined) return set.without("Zicclsm");
  if (!set.has("Zicclsm")) return set;
  throw new HartvisorError(
    "invalid-argument",
    `this machine cannot be ${isa} and trap misaligned accesses: zicclsm says that it does them; leave one out`,
  );
}

/** Reads an ISA string; throws `invalid-argument` for one that no machine here can have. */
function parseIsa(text: string): IsaSet {
  try {
    return IsaSet.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HartvisorError("invalid-argument", `this machine cannot be ${text === "" ? '""' : text}: ${reason}`, {
      cause,
    });
  }
}
