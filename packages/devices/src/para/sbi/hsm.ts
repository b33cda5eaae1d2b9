/**
 * SBI HSM (SBI 2.0, chapter 9): starting, stopping and suspending harts. The
 * module checks what the guest asks; the machine keeps the harts' states.
 */
import { HartState, type HypercallContext, type HypercallExtension, SbiError, type SbiResult } from "@hartvisor/core";

/** The only suspend types there are: all others are reserved, or of a platform that this is not. */
const DEFAULT_RETENTIVE = 0x0000_0000n;
const DEFAULT_NON_RETENTIVE = 0x8000_0000n;

/** The HSM extension. */
export const sbiHsm: HypercallExtension = {
  id: 0x48534d,
  name: "HSM",
  call(functionId: number, args: readonly bigint[], context: HypercallContext): SbiResult {
    const [first = 0n, address = 0n, opaque = 0n] = args;
    switch (functionId) {
      case 0:
        return startHart(first, address, opaque, context);
      case 1:
        context.stopHart();
        return { error: SbiError.Success };
      case 2:
        if (first >= BigInt(context.hartCount)) return { error: SbiError.InvalidParam };
        return { error: SbiError.Success, value: BigInt(context.hartState(Number(first))) };
      case 3:
        return suspendHart(first, address, opaque, context);
      default:
        return { error: SbiError.NotSupported };
    }
  },
};

function startHart(hartId: bigint, address: bigint, opaque: bigint, context: HypercallContext): SbiResult {
  if (hartId >= BigInt(context.hartCount)) return { error: SbiError.InvalidParam };
  if (!executable(address, context)) return { error: SbiError.InvalidAddress };
  const hart = Number(hartId);
  const state = context.hartState(hart);
  switch (state) {
    case HartState.Stopped:
      context.startHart(hart, address, opaque);
      return { error: SbiError.Success };
    case HartState.StopPending:
      return { error: SbiError.Failed };
    case HartState.Started:
    case HartState.StartPending:
    case HartState.Suspended:
    case HartState.SuspendPending:
    case HartState.ResumePending:
      return { error: SbiError.AlreadyAvailable };
  }
}

function suspendHart(type: bigint, address: bigint, opaque: bigint, context: HypercallContext): SbiResult {
  // suspend_type is 32 bits wide, and the calling convention says nothing of the register's other half.
  switch (BigInt.asUintN(32, type)) {
    case DEFAULT_RETENTIVE:
      context.suspendHart();
      return { error: SbiError.Success };
    case DEFAULT_NON_RETENTIVE:
      if (!executable(address, context)) return { error: SbiError.InvalidAddress };
      context.suspendHart({ address, opaque });
      return { error: SbiError.Success };
    default:
      return { error: SbiError.InvalidParam };
  }
}

/** Whether a hart could start here: in RAM, and aligned for an instruction. */
function executable(address: bigint, context: HypercallContext): boolean {
  return (address & 1n) === 0n && context.memory.read(address, 2) !== undefined;
}
