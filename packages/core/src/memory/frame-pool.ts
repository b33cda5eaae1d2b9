/**
 * Host memory for machines: one `WebAssembly.Memory`, tables first, then
 * frames of 4 KiB. The host commits pages when they are first touched, so an
 * idle pool costs address space only; what was touched stays committed, and
 * frames that a machine gives back serve the next that needs one.
 */
import { HartvisorError } from "../error.js";

export const FRAME_SIZE = 4096;
const WASM_PAGE_SIZE = 65536;
const MAX_WASM_PAGES = 65536;

/** Sizes of a pool's two parts. */
export interface FramePoolOptions {
  /** How many frames guests can use. */
  readonly frames: number;
  /** Bytes of room for the tables of the machines that share the pool. */
  readonly tableBytes: number;
  /** Frames that guests' own accesses leave to what devices write to memory that its guest gave up. Default: none. */
  readonly reservedFrames?: number;
}

export class FramePool {
  readonly memory: WebAssembly.Memory;
  /** Offset of frame 0. */
  readonly framesBase: number;
  readonly frameCount: number;
  readonly #reserved: number;
  #nextTable = WASM_PAGE_SIZE; // the first page stays unused: offset 0 means "nothing"
  readonly #free: number[] = [];
  #neverUsed = 0;
  readonly #waiting = new Set<() => void>();

  /** Throws `out-of-memory` if the pool exceeds what a Wasm memory or the host can hold. */
  constructor({ frames, tableBytes, reservedFrames = 0 }: FramePoolOptions) {
    this.framesBase = Math.ceil((WASM_PAGE_SIZE + tableBytes) / FRAME_SIZE) * FRAME_SIZE;
    this.frameCount = frames;
    this.#reserved = reservedFrames;
    const pages = Math.ceil((this.framesBase + frames * FRAME_SIZE) / WASM_PAGE_SIZE);
    if (pages > MAX_WASM_PAGES) {
      throw new HartvisorError(
        "out-of-memory",
        `${frames * FRAME_SIZE} bytes of frames and ${tableBytes} of tables do not fit a 4 GiB Wasm memory`,
      );
    }
    try {
      this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    } catch (cause) {
      throw new HartvisorError("out-of-memory", `the host refuses a Wasm memory of ${pages * WASM_PAGE_SIZE} bytes`, {
        cause,
      });
    }
  }

  /** Frames that hold guest pages now. */
  get framesInUse(): number {
    return this.#neverUsed - this.#free.length;
  }

  /** Frames that hold nothing, the reserve included. */
  get freeFrames(): number {
    return this.frameCount - this.framesInUse;
  }

  /** Reserves zeroed bytes for a table, aligned to a frame; tables live as long as the pool. Throws `out-of-memory`. */
  allocateTable(bytes: number): number {
    const offset = this.#nextTable;
    const end = offset + Math.ceil(bytes / FRAME_SIZE) * FRAME_SIZE;
    if (end > this.framesBase) {
      throw new HartvisorError(
        "out-of-memory",
        "the pool's room for the tables of machines is used up: make it for more",
      );
    }
    this.#nextTable = end;
    return offset;
  }

  /** Takes a run of neighbouring frames that were never used; throws `out-of-memory` if there is none. */
  allocateExtent(frames: number): number {
    if (this.#neverUsed + frames > this.frameCount) {
      throw new HartvisorError("out-of-memory", `the pool has no ${frames} neighbouring frames left`);
    }
    const first = this.#neverUsed;
    this.#neverUsed += frames;
    return first;
  }

  /** Takes one zeroed frame; throws `out-of-memory` if there is none. */
  allocateFrame(): number {
    const frame = this.takeFrame(true);
    if (frame === undefined) throw new HartvisorError("out-of-memory", "the pool has no frame left");
    return frame;
  }

  /** Takes one zeroed frame, one of the reserve only if `mayUseReserve`; undefined if there is none. */
  takeFrame(mayUseReserve: boolean): number | undefined {
    if (this.freeFrames <= (mayUseReserve ? 0 : this.#reserved)) return undefined;
    const frame = this.#free.pop();
    if (frame === undefined) return this.#neverUsed++;
    new Uint8Array(this.memory.buffer, this.framesBase + frame * FRAME_SIZE, FRAME_SIZE).fill(0);
    return frame;
  }

  /** Gives a frame back; the caller has dropped every reference to it. */
  releaseFrame(frame: number): void {
    this.#free.push(frame);
    if (this.#waiting.size === 0 || this.freeFrames <= this.#reserved) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    // Whoever gave the frame back may be in the midst of something.
    queueMicrotask(() => {
      for (const callback of waiting) callback();
    });
  }

  /** Calls back once, when frames have become free; registered again, a function waits once only. */
  whenFree(callback: () => void): void {
    this.#waiting.add(callback);
  }
}
