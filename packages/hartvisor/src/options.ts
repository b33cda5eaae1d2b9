/** What a machine of the facade is made of. */
import type { HypercallExtension, MachineLimits, TechniqueName } from "@hartvisor/core";
import type { TranslatorOptions } from "@hartvisor/jit";
import type { Boot } from "./boot/boot.js";
import type { PluggableDevice } from "./devices.js";
import type { MemoryPool } from "./pool.js";
import type { PortableDevice } from "./thread/portable-devices.js";

/** Which engine runs guest code. */
export type EngineName = "interpreter" | "jit" | "auto";

export interface MachineOptions {
  /** The thread it runs on: the caller's, in turns with the event loop, or a `worker` ({@link WorkerMachineOptions}). Default: caller. */
  readonly thread?: "caller";
  /** What to boot: `linux(...)`, `supervisor(...)` or `bareMetal(...)`. */
  readonly boot: Boot;
  /** RAM, in bytes or as `"512MiB"`. Default: 512 MiB. */
  readonly memory?: number | string;
  /** Where its memory comes from, shared with other machines: see `memoryPool`. Default: a pool of its own, which never runs out. */
  readonly pool?: MemoryPool;
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
  /** How the guest's privileged code is run. Default: direct, by the harts themselves. */
  readonly technique?: TechniqueName;
  readonly limits?: MachineLimits;
  /** What is plugged into the board, such as `virtioBlock(...)`; made anew for each machine. Default: nothing. */
  readonly devices?: readonly (() => PluggableDevice)[];
  /**
   * Whether there is a port for the guest's agent, which {@link Machine.exec} needs; the demo's initramfs starts one.
   * Default: as what is booted wants it, which is true for `linux(...)`.
   */
  readonly exec?: boolean;
  /** What virtio devices are plugged into. Default: pci. */
  readonly transport?: "pci" | "mmio";
  /** Hears of a guest's driver that broke a device's rules, after which the device waits for a reset. Default: nobody. */
  readonly onDeviceFailure?: (device: string, reason: string) => void;
  /** Bytes for the guest's random number generator. Default: from the host's, or fixed with the virtual clock. */
  readonly seed?: Uint8Array;
}

/**
 * A machine that runs in a Worker, so that the calling thread stays free. What holds functions or objects of the calling
 * thread cannot go there: hypercalls, shared pools, and boot loaders other than `linux`, `supervisor` and `bareMetal`. Devices are described as data.
 */
export interface WorkerMachineOptions
  extends Omit<MachineOptions, "thread" | "pool" | "devices" | "hypercalls" | "translator" | "onDeviceFailure"> {
  readonly thread: "worker";
  /** What is plugged into the board; the worker opens it. Default: nothing. */
  readonly devices?: readonly PortableDevice[];
  /** How the translator is set up. */
  readonly translator?: Omit<TranslatorOptions, "onEvent">;
}
