/** What a machine counts. */
import type { TranslatorStats } from "../engine/translator.js";
import type { ParavirtualStats } from "../virtualization/paravirtual.js";

/** What the translator did, and how much the guest made of it. */
export interface JitStats extends TranslatorStats {
  /** Instructions that all harts executed in translated code; the others of {@link MachineStats.instructions} were interpreted. */
  readonly executed: number;
}

export interface MachineStats {
  /** Instructions executed by all harts, those that trapped included. */
  readonly instructions: number;
  /** Returns from Wasm to TypeScript, by kind. */
  readonly exits: Readonly<Record<string, number>>;
  /** Work done in Wasm on the guest's behalf, by kind. */
  readonly assists: Readonly<Record<string, number>>;
  /** What the translator did; absent without one. */
  readonly jit?: JitStats;
  /** What a paravirtual guest asked of its monitor; absent under the other techniques. */
  readonly paravirtual?: ParavirtualStats;
  readonly memory: {
    readonly guestBytes: number;
    /** Frames of 4 KiB that back guest pages. */
    readonly framesInUse: number;
    /** Bytes of address space that the Wasm memory, of all machines that share it, takes; the host commits what is touched. */
    readonly reservedBytes: number;
  };
}
