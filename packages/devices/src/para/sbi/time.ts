/** SBI TIME (SBI 2.0, chapter 6): the supervisor timer, for guests that do not program Sstc's `stimecmp` themselves. */
import {
  FirmwareEvent,
  type HypercallContext,
  type HypercallExtension,
  SbiError,
  type SbiResult,
} from "@hartvisor/core";

/** The TIME extension. */
export const sbiTime: HypercallExtension = {
  id: 0x54494d45,
  name: "TIME",
  call(functionId: number, args: readonly bigint[], context: HypercallContext): SbiResult {
    if (functionId !== 0) return { error: SbiError.NotSupported };
    const [deadline = 0n] = args;
    context.countEvent(FirmwareEvent.SetTimer, context.hart);
    // The machine compares: a deadline in the future also clears the pending interrupt, as the specification asks.
    context.setTimer(context.hart, deadline);
    return { error: SbiError.Success };
  },
};
