/** The saved state of an ACLINT, and the check of one that comes back. */
import type { DeviceState } from "@hartvisor/core";
import { SavedFields } from "../saved-fields.js";

/** What an Aclint saves; the time itself belongs to the machine's clock. */
export interface AclintState extends DeviceState {
  readonly version: 1;
  /** Bit 0 of each hart's `msip`. */
  readonly msip: Uint8Array;
  /** Each hart's `mtimecmp`. */
  readonly mtimecmp: BigUint64Array;
}

/** Reads a saved state, or throws a HartvisorError (`invalid-argument`) where no ACLINT of so many harts can have saved it. */
export function parseAclintState(device: string, state: DeviceState, hartCount: number): AclintState {
  const fields = new SavedFields(device, state, 1, ["msip", "mtimecmp"]);
  return {
    version: 1,
    msip: fields.bytes("msip", { least: hartCount, most: hartCount }, 1),
    mtimecmp: fields.doubleWords("mtimecmp", hartCount),
  };
}
