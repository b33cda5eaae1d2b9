/**
 * SBI RFENCE (SBI 2.0, chapter 8): instruction and address-translation fences
 * on other harts. The functions for guests that are hypervisors themselves are
 * not supported: the harts have no H extension.
 */
import {
  FirmwareEvent,
  type HypercallContext,
  type HypercallExtension,
  SbiError,
  type SbiResult,
} from "@hartvisor/core";
import { countRequests, selectHarts } from "./hart-mask.js";

const REMOTE_FENCE_I = 0;
const REMOTE_SFENCE_VMA = 1;
const REMOTE_SFENCE_VMA_ASID = 2;

/** This size means the whole address space, wherever the range starts. */
const EVERYTHING = 0xffff_ffff_ffff_ffffn;

/** Address-space ids have at most 16 bits; the others are ignored as `sfence.vma` ignores them (Privileged ISA 1.13, SFENCE.VMA). */
const ASID_MASK = 0xffffn;

/** The RFENCE extension. */
export const sbiRfence: HypercallExtension = {
  id: 0x52464e43,
  name: "RFENCE",
  call(functionId: number, args: readonly bigint[], context: HypercallContext): SbiResult {
    if (functionId < REMOTE_FENCE_I || functionId > REMOTE_SFENCE_VMA_ASID) return { error: SbiError.NotSupported };
    const [mask = 0n, base = 0n, start = 0n, size = 0n, asid = 0n] = args;
    const harts = selectHarts(mask, base, context);
    if (harts === undefined) return { error: SbiError.InvalidParam };
    if (functionId === REMOTE_FENCE_I) {
      for (const hart of harts) context.fenceInstructions(hart);
      countRequests(context, harts, FirmwareEvent.FenceISent, FirmwareEvent.FenceIReceived);
      return { error: SbiError.Success };
    }
    if (size !== EVERYTHING && start + size > EVERYTHING + 1n) return { error: SbiError.InvalidAddress };
    if (functionId === REMOTE_SFENCE_VMA) {
      for (const hart of harts) context.fenceAddresses(hart, start, size);
      countRequests(context, harts, FirmwareEvent.SfenceVmaSent, FirmwareEvent.SfenceVmaReceived);
      return { error: SbiError.Success };
    }
    for (const hart of harts) context.fenceAddresses(hart, start, size, Number(asid & ASID_MASK));
    countRequests(context, harts, FirmwareEvent.SfenceVmaAsidSent, FirmwareEvent.SfenceVmaAsidReceived);
    return { error: SbiError.Success };
  },
};
