/** Pools of memory that several machines share. */
import { type FramePool, parseByteSize, type SharedPoolOptions, sharedPool } from "@hartvisor/core";

/** Memory for several machines of this thread. */
export type MemoryPool = FramePool;

/** What a {@link memoryPool} is for. */
export interface MemoryPoolOptions extends Omit<SharedPoolOptions, "memoryBytes"> {
  /** What all machines share, in bytes or as `"1GiB"`. Less than their RAM together is overcommitment. */
  readonly memory: number | string;
}

/**
 * Makes a pool for several machines.
 *
 * @throws HartvisorError `invalid-argument`, or `out-of-memory` where it does not fit the 4 GiB of a Wasm memory
 * @example
 * const pool = memoryPool({ memory: "512MiB", machines: 2 });
 * const one = await Machine.create({ pool, memory: "384MiB", boot, devices: [new Balloon().device] });
 * const other = await Machine.create({ pool, memory: "384MiB", boot });
 */
export function memoryPool({ memory, ...rest }: MemoryPoolOptions): MemoryPool {
  return sharedPool({ ...rest, memoryBytes: typeof memory === "string" ? parseByteSize(memory, "memory") : memory });
}
