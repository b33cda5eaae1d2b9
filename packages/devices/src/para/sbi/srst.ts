/** SBI SRST (SBI 2.0, chapter 10): shutdown and reboot of the machine. */
import { type HypercallContext, type HypercallExtension, SbiError, type SbiResult } from "@hartvisor/core";

/** Reset types; the others are reserved, or of a platform that this is not. */
const SHUTDOWN = 0n;
const COLD_REBOOT = 1n;
const WARM_REBOOT = 2n;

/** Reset reasons; the others are reserved, or of a platform or implementation that this is not. */
const NO_REASON = 0n;
const SYSTEM_FAILURE = 1n;

/** The SRST extension. A shutdown for a system failure exits with code 1, any other with 0. */
export const sbiSrst: HypercallExtension = {
  id: 0x53525354,
  name: "SRST",
  call(functionId: number, args: readonly bigint[], context: HypercallContext): SbiResult {
    if (functionId !== 0) return { error: SbiError.NotSupported };
    // Both parameters are 32 bits wide, and the calling convention says nothing of the registers' other halves.
    const type = BigInt.asUintN(32, args[0] ?? 0n);
    const reason = BigInt.asUintN(32, args[1] ?? 0n);
    if (reason !== NO_REASON && reason !== SYSTEM_FAILURE) return { error: SbiError.InvalidParam };
    switch (type) {
      case SHUTDOWN:
        context.shutdown({ kind: "poweroff", exitCode: reason === SYSTEM_FAILURE ? 1 : 0 });
        return { error: SbiError.Success };
      case COLD_REBOOT:
      case WARM_REBOOT:
        context.shutdown({ kind: "reboot", cold: type === COLD_REBOOT });
        return { error: SbiError.Success };
      default:
        return { error: SbiError.InvalidParam };
    }
  },
};
