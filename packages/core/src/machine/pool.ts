/** Pools for several machines. */
import { HartvisorError } from "../error.js";
import { FRAME_SIZE, FramePool } from "../memory/frame-pool.js";
import { tableBytes } from "./layout-plan.js";
import { DEFAULT_MEMORY_BASE, MAX_HARTS, MAX_MEMORY_BYTES } from "./options.js";

/** Frames of a shared pool that only devices get which write to memory that its guest gave up: enough for every queue's rings. */
const RESERVED_FRAMES = 64;

/** What a shared pool is for. */
export interface SharedPoolOptions {
  /** Bytes of frames, which all machines share; less than their RAM together is overcommitment. */
  readonly memoryBytes: number;
  /** How many machines can be made on it, one after another or at once. Each takes some 75 MiB of address space. Default: 8. */
  readonly machines?: number;
  /** Harts that each may have. Default: 4. */
  readonly hartsPerMachine?: number;
}

/**
 * Makes a pool for several machines. A page of a machine on it gets a frame when it is first touched, and gives it back
 * when the guest's balloon gives the page up or the machine is destroyed.
 *
 * @throws HartvisorError `invalid-argument`, or `out-of-memory` where it does not fit the 4 GiB of a Wasm memory
 */
export function sharedPool({ memoryBytes, machines = 8, hartsPerMachine = 4 }: SharedPoolOptions): FramePool {
  const refuse = (message: string): never => {
    throw new HartvisorError("invalid-argument", message);
  };
  const frames = memoryBytes / FRAME_SIZE;
  if (!Number.isSafeInteger(frames) || frames <= RESERVED_FRAMES) {
    refuse(`a pool of ${memoryBytes} bytes: give a multiple of ${FRAME_SIZE} above ${RESERVED_FRAMES * FRAME_SIZE}`);
  }
  if (!Number.isInteger(machines) || machines < 1)
    refuse(`a pool for ${machines} machines: give a whole number above 0`);
  if (!Number.isInteger(hartsPerMachine) || hartsPerMachine < 1 || hartsPerMachine > MAX_HARTS) {
    refuse(`${hartsPerMachine} harts a machine: give 1 to ${MAX_HARTS}`);
  }
  const shape = {
    ramBase: DEFAULT_MEMORY_BASE,
    ramPages: MAX_MEMORY_BYTES / FRAME_SIZE,
    hartCount: hartsPerMachine,
  };
  return new FramePool({ frames, tableBytes: machines * tableBytes(shape, frames), reservedFrames: RESERVED_FRAMES });
}
