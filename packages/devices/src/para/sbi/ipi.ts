/** SBI IPI (SBI 2.0, chapter 7): supervisor software interrupts from hart to hart. */
import {
  FirmwareEvent,
  type HypercallContext,
  type HypercallExtension,
  Interrupt,
  SbiError,
  type SbiResult,
} from "@hartvisor/core";
import { countRequests, selectHarts } from "./hart-mask.js";

/** The IPI extension. */
export const sbiIpi: HypercallExtension = {
  id: 0x735049,
  name: "IPI",
  call(functionId: number, args: readonly bigint[], context: HypercallContext): SbiResult {
    if (functionId !== 0) return { error: SbiError.NotSupported };
    const [mask = 0n, base = 0n] = args;
    const harts = selectHarts(mask, base, context);
    if (harts === undefined) return { error: SbiError.InvalidParam };
    for (const hart of harts) context.setInterrupt(hart, Interrupt.SupervisorSoftware, true);
    countRequests(context, harts, FirmwareEvent.IpiSent, FirmwareEvent.IpiReceived);
    return { error: SbiError.Success };
  },
};
