/** The saved state of a PLIC, and the check of one that comes back. */
import type { DeviceState } from "@hartvisor/core";
import { SavedFields } from "../saved-fields.js";

/** Interrupt sources, source 0 (none) included. */
export const SOURCE_COUNT = 96;

/** 32-bit words that hold a bit per source. */
export const SOURCE_WORDS = SOURCE_COUNT / 32;

/** What a Plic saves: a bit (or a byte) per source, for each context where it says so. */
export interface PlicState extends DeviceState {
  readonly version: 1;
  readonly priority: Uint8Array;
  /** What each source's wire carries. */
  readonly level: Uint32Array;
  readonly pending: Uint32Array;
  /** Claimed and not yet completed. */
  readonly inService: Uint32Array;
  /** Context after context. */
  readonly enable: Uint32Array;
  /** A byte per context. */
  readonly threshold: Uint8Array;
}

/** Reads a saved state, or throws a HartvisorError (`invalid-argument`) where no PLIC of so many contexts can have saved it. */
export function parsePlicState(device: string, state: DeviceState, contextCount: number): PlicState {
  const names = ["priority", "level", "pending", "inService", "enable", "threshold"];
  const fields = new SavedFields(device, state, 1, names);
  const saved: PlicState = {
    version: 1,
    priority: fields.bytes("priority", { least: SOURCE_COUNT, most: SOURCE_COUNT }, 7),
    level: fields.words("level", SOURCE_WORDS),
    pending: fields.words("pending", SOURCE_WORDS),
    inService: fields.words("inService", SOURCE_WORDS),
    enable: fields.words("enable", SOURCE_WORDS * contextCount),
    threshold: fields.bytes("threshold", { least: contextCount, most: contextCount }, 7),
  };
  fields.require(saved.priority[0] === 0, "source 0 has a priority");
  for (let word = 0; word < SOURCE_WORDS; word++) {
    const level = saved.level[word] ?? 0;
    const pending = saved.pending[word] ?? 0;
    const inService = saved.inService[word] ?? 0;
    fields.require((pending & inService) === 0, "a source is pending although its gateway waits for completion");
    fields.require(
      (level & ~(pending | inService)) === 0,
      "a source's wire is high but its gateway let nothing through",
    );
    fields.require(word > 0 || ((level | pending | inService) & 1) === 0, "source 0 interrupts");
  }
  for (let context = 0; context < contextCount; context++) {
    fields.require(((saved.enable[context * SOURCE_WORDS] ?? 0) & 1) === 0, "source 0 is enabled");
  }
  return saved;
}
