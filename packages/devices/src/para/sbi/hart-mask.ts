/**
 * The hart list that IPI and RFENCE calls take as a mask and a base (SBI 2.0,
 * 3.1). The modules beside this one use it.
 */
import { type FirmwareEventCode, HartState, type HypercallContext } from "@hartvisor/core";

const ALL_HARTS = 0xffff_ffff_ffff_ffffn;

/**
 * The harts that a call is for, without those that are stopped: these hold
 * nothing to interrupt or to fence, and start afresh. Undefined where the base
 * or a hart of the mask does not exist, which the call answers with
 * `SBI_ERR_INVALID_PARAM`.
 */
export function selectHarts(mask: bigint, base: bigint, context: HypercallContext): number[] | undefined {
  const harts: number[] = [];
  const add = (hart: number) => {
    const state = context.hartState(hart);
    if (state !== HartState.Stopped && state !== HartState.StopPending) harts.push(hart);
  };
  if (base === ALL_HARTS) {
    for (let hart = 0; hart < context.hartCount; hart++) add(hart);
    return harts;
  }
  if (base >= BigInt(context.hartCount)) return undefined;
  for (let hart = Number(base), rest = mask; rest !== 0n; hart++, rest >>= 1n) {
    if ((rest & 1n) === 0n) continue;
    if (hart >= context.hartCount) return undefined;
    add(hart);
  }
  return harts;
}

/** Counts what a call asked of other harts, for the firmware counters of both sides. */
export function countRequests(
  context: HypercallContext,
  harts: readonly number[],
  sent: FirmwareEventCode,
  received: FirmwareEventCode,
): void {
  for (const hart of harts) {
    if (hart === context.hart) continue;
    context.countEvent(sent, context.hart);
    context.countEvent(received, hart);
  }
}
