/** SBI DBCN (SBI 2.0, chapter 12): the debug console, by buffers in guest memory and byte by byte. */
import { type HypercallContext, type HypercallExtension, SbiError, type SbiResult } from "@hartvisor/core";

/**
 * Bytes moved by one call. The guest chooses the length, up to all its memory,
 * and the host copies that much; the specification lets a call move less than
 * it was asked for, and guests loop.
 */
export const MAX_CONSOLE_BYTES = 4096;

/** The DBCN extension. */
export const sbiDbcn: HypercallExtension = {
  id: 0x4442434e,
  name: "DBCN",
  call(functionId: number, args: readonly bigint[], context: HypercallContext): SbiResult {
    const [first = 0n, addressLow = 0n, addressHigh = 0n] = args;
    switch (functionId) {
      case 0:
        return writeConsole(first, addressLow, addressHigh, context);
      case 1:
        return readConsole(first, addressLow, addressHigh, context);
      case 2:
        context.writeConsole(Uint8Array.of(Number(first & 0xffn)));
        return { error: SbiError.Success, value: 0n };
      default:
        return { error: SbiError.NotSupported };
    }
  },
};

function writeConsole(length: bigint, low: bigint, high: bigint, context: HypercallContext): SbiResult {
  const bytes = readBuffer(length, low, high, context);
  if (bytes === undefined) return { error: SbiError.InvalidParam };
  if (bytes.length > 0) context.writeConsole(bytes);
  return { error: SbiError.Success, value: BigInt(bytes.length) };
}

function readConsole(length: bigint, low: bigint, high: bigint, context: HypercallContext): SbiResult {
  // The buffer is checked before input is taken for it, or a bad call would lose the input.
  const buffer = readBuffer(length, low, high, context);
  if (buffer === undefined) return { error: SbiError.InvalidParam };
  const input = context.readConsole(buffer.length);
  if (input.length > 0 && !context.memory.write(low, input)) return { error: SbiError.Failed };
  return { error: SbiError.Success, value: BigInt(input.length) };
}

/**
 * As much as one call moves of a buffer in guest memory; undefined where the
 * buffer is not all RAM (of a long one, its end is checked and the part that is used).
 */
function readBuffer(length: bigint, low: bigint, high: bigint, context: HypercallContext): Uint8Array | undefined {
  if (high !== 0n) return undefined;
  if (length === 0n) return new Uint8Array();
  if (length > BigInt(MAX_CONSOLE_BYTES) && context.memory.read(low + length - 1n, 1) === undefined) return undefined;
  return context.memory.read(low, Math.min(Number(length), MAX_CONSOLE_BYTES));
}
