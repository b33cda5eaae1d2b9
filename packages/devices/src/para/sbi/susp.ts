/** SBI SUSP (SBI 2.0, chapter 13): the whole machine sleeps until an interrupt wakes the hart that asked. */
import { HartState, type HypercallContext, type HypercallExtension, SbiError, type SbiResult } from "@hartvisor/core";

/** The one sleep type that the specification names; the rest of the lower half is reserved, the upper a platform's. */
const SUSPEND_TO_RAM = 0n;
const FIRST_PLATFORM_TYPE = 0x8000_0000n;

/** The SUSP extension. Every other hart must have been stopped; the caller resumes where it says. */
export const sbiSusp: HypercallExtension = {
  id: 0x53555350,
  name: "SUSP",
  call(functionId: number, args: readonly bigint[], context: HypercallContext): SbiResult {
    if (functionId !== 0) return { error: SbiError.NotSupported };
    const [, address = 0n, opaque = 0n] = args;
    // sleep_type is 32 bits wide, and the calling convention says nothing of the register's other half.
    const type = BigInt.asUintN(32, args[0] ?? 0n);
    if (type >= FIRST_PLATFORM_TYPE) return { error: SbiError.NotSupported };
    if (type !== SUSPEND_TO_RAM) return { error: SbiError.InvalidParam };
    if ((address & 1n) !== 0n || context.memory.read(address, 2) === undefined) {
      return { error: SbiError.InvalidAddress };
    }
    for (let hart = 0; hart < context.hartCount; hart++) {
      if (hart !== context.hart && context.hartState(hart) !== HartState.Stopped) return { error: SbiError.Denied };
    }
    context.suspendHart({ address, opaque });
    return { error: SbiError.Success };
  },
};
