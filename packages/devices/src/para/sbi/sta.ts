/**
 * SBI STA (SBI 2.0, chapter 16): steal time. A hart names 64 bytes of its
 * memory, where it finds how long it wanted to run and could not: while the
 * machine's other harts had their turns, and while the host did something else.
 */
import { type HypercallContext, type HypercallExtension, SbiError, type SbiResult } from "@hartvisor/core";

const ALL_ONES = 0xffff_ffff_ffff_ffffn;
/** The shared memory (table 67): sequence, flags, steal, preempted, padding. */
const SIZE = 64;
const SEQUENCE = 0;
const STEAL = 8;

/** The STA extension. With the virtual clock nothing is stolen. */
export const sbiSta: HypercallExtension = {
  id: 0x535441,
  name: "STA",
  call(functionId: number, args: readonly bigint[], context: HypercallContext): SbiResult {
    if (functionId !== 0) return { error: SbiError.NotSupported };
    const [low = 0n, high = 0n, flags = 0n] = args;
    if (flags !== 0n) return { error: SbiError.InvalidParam };
    const { hart } = context;
    if (low === ALL_ONES && high === ALL_ONES) {
      context.onResume(hart, undefined);
      return { error: SbiError.Success };
    }
    if (low % BigInt(SIZE) !== 0n) return { error: SbiError.InvalidParam };
    if (high !== 0n || !context.memory.write(low, new Uint8Array(SIZE))) return { error: SbiError.InvalidAddress };
    context.onResume(hart, () => update(context, low, context.stealTimeNs(hart)));
    return { error: SbiError.Success };
  },
};

/** Writes the steal time. The hart does not run meanwhile, so that it never sees the sequence odd. */
function update({ memory }: HypercallContext, address: bigint, stealNs: bigint): void {
  const bytes = memory.read(address, SIZE);
  if (bytes === undefined) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(SEQUENCE, view.getUint32(SEQUENCE, true) + 2, true);
  view.setBigUint64(STEAL, stealNs, true);
  memory.write(address, bytes.subarray(0, STEAL + 8));
}
