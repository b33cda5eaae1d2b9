/**
 * SBI BASE (SBI 2.0, chapter 4): which version this is, whose, and which other
 * extensions the machine has. The machine itself answers nothing: what is
 * installed is what the guest finds.
 */
import { type HypercallContext, type HypercallExtension, SbiError, type SbiResult } from "@hartvisor/core";

/** Major version in bits 24 to 30, minor below. */
const SPECIFICATION_VERSION = 2n << 24n;

/** The implementation id of hartvisor: the ASCII letters `HART`, a number that the specification assigns to nobody. */
export const SBI_IMPLEMENTATION_ID = 0x4841_5254n;

/** Version 0.1 of hartvisor, encoded as the specification's own is. */
const IMPLEMENTATION_VERSION = 1n;

/** The BASE extension. */
export const sbiBase: HypercallExtension = {
  id: 0x10,
  name: "BASE",
  call(functionId: number, args: readonly bigint[], context: HypercallContext): SbiResult {
    const answer = (value: bigint): SbiResult => ({ error: SbiError.Success, value });
    const [extensionId = 0n] = args;
    switch (functionId) {
      case 0:
        return answer(SPECIFICATION_VERSION);
      case 1:
        return answer(SBI_IMPLEMENTATION_ID);
      case 2:
        return answer(IMPLEMENTATION_VERSION);
      case 3:
        // Extension numbers are below 2^53; a larger argument rounds to a number that is none of them.
        return answer(context.extensions.has(Number(extensionId)) ? 1n : 0n);
      case 4:
        return answer(context.identity.vendor);
      case 5:
        return answer(context.identity.architecture);
      case 6:
        return answer(context.identity.implementation);
      default:
        return { error: SbiError.NotSupported };
    }
  },
};
