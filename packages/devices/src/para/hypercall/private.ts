/**
 * hartvisor's own hypercalls, in SBI's experimental range: what a guest that
 * knows where it runs can have cheaper, or not at all otherwise. The ABI is
 * docs/hypercalls.md.
 */
import { type HypercallContext, type HypercallExtension, SbiError, type SbiResult } from "@hartvisor/core";
import { defineHypercall } from "./define.js";

/** The number of the extension. */
export const PRIVATE_EXTENSION_ID = 0x0848_5654;
const VERSION = 1n;

/** Bytes that one call may write to the console: what does not fit comes back as not written. */
const MAX_CONSOLE_BYTES = 1 << 20;
/** Operations of one batch, and the bytes that they move together: a batch is one instruction to the guest. */
export const MAX_BATCH = 256;
export const MAX_BATCH_BYTES = 16 * 2 ** 20;
const OPERATION_SIZE = 32;
const Operation = { Fill: 0, Copy: 1 } as const;
/** Bytes of a host call's name, input and output. */
const MAX_NAME = 64;
export const MAX_HOST_CALL_BYTES = 2 ** 20;

/** A function of the host's that guests call by name. It answers at once; undefined means that it has failed. */
export type HostCall = (input: Uint8Array) => Uint8Array | undefined;

/**
 * The extension.
 *
 * @param calls - what the guest may call by name. Default: nothing
 */
export function privateHypercalls(calls: Readonly<Record<string, HostCall>> = {}): HypercallExtension {
  const byName = new Map(Object.entries(calls));
  return defineHypercall({
    id: PRIVATE_EXTENSION_ID,
    name: "HVT",
    functions: {
      0: () => ({ error: SbiError.Success, value: VERSION }),
      1: writeConsole,
      2: runBatch,
      3: (_, { unixTimeNs }) => ({ error: SbiError.Success, value: unixTimeNs() }),
      4: (_, { yieldTurn }) => {
        yieldTurn();
        return { error: SbiError.Success };
      },
      5: ([code = 0n], { shutdown }) => {
        shutdown({ kind: "poweroff", exitCode: Number(BigInt.asUintN(8, code)) });
        return { error: SbiError.Success };
      },
      6: (args, context) => callHost(byName, args, context),
    },
  });
}

/** Length, address: bytes to the console; how many were written. */
function writeConsole([length = 0n, address = 0n]: readonly bigint[], context: HypercallContext): SbiResult {
  const count = Math.min(Number(length), MAX_CONSOLE_BYTES);
  const bytes = context.memory.read(address, count);
  if (bytes === undefined) return { error: SbiError.InvalidAddress };
  context.writeConsole(bytes);
  return { error: SbiError.Success, value: BigInt(count) };
}

/** Count, address of operations: fills and copies; how many were done before one could not be. */
function runBatch([count = 0n, address = 0n]: readonly bigint[], { memory }: HypercallContext): SbiResult {
  if (count > BigInt(MAX_BATCH)) return { error: SbiError.InvalidParam };
  const operations = memory.read(address, Number(count) * OPERATION_SIZE);
  if (operations === undefined) return { error: SbiError.InvalidAddress };
  const view = new DataView(operations.buffer, operations.byteOffset);
  let moved = 0n;
  for (let done = 0; done < Number(count); done++) {
    const at = done * OPERATION_SIZE;
    const kind = view.getUint32(at, true);
    const [target, source, length] = [8, 16, 24].map((n) => view.getBigUint64(at + n, true)) as [
      bigint,
      bigint,
      bigint,
    ];
    const failed = (error: number) => ({ error, value: BigInt(done) });
    moved += length;
    if (moved > BigInt(MAX_BATCH_BYTES)) return failed(SbiError.InvalidParam);
    if (kind !== Operation.Fill && kind !== Operation.Copy) return failed(SbiError.InvalidParam);
    const size = Number(length);
    const bytes =
      kind === Operation.Copy
        ? memory.read(source, size)
        : new Uint8Array(size).fill(Number(BigInt.asUintN(8, source)));
    if (bytes === undefined || !memory.write(target, bytes)) return failed(SbiError.InvalidAddress);
  }
  return { error: SbiError.Success, value: count };
}

/** Name's address and length, input's, output's: the output's length, or that there is no such call. */
function callHost(
  calls: ReadonlyMap<string, HostCall>,
  [nameAt = 0n, nameLength = 0n, inputAt = 0n, inputLength = 0n, outputAt = 0n, outputLength = 0n]: readonly bigint[],
  { memory }: HypercallContext,
): SbiResult {
  const most = BigInt(MAX_HOST_CALL_BYTES);
  if (nameLength > BigInt(MAX_NAME) || inputLength > most || outputLength > most)
    return { error: SbiError.InvalidParam };
  const name = memory.read(nameAt, Number(nameLength));
  const input = memory.read(inputAt, Number(inputLength));
  const room = memory.read(outputAt, Number(outputLength));
  if (name === undefined || input === undefined || room === undefined) return { error: SbiError.InvalidAddress };
  const call = calls.get(new TextDecoder().decode(name));
  if (call === undefined) return { error: SbiError.NotSupported };
  const output = call(input);
  if (output === undefined) return { error: SbiError.Failed };
  // Too little room: the guest learns how much it takes, and gets nothing.
  if (output.length > room.length) return { error: SbiError.InvalidParam, value: BigInt(output.length) };
  memory.write(outputAt, output);
  return { error: SbiError.Success, value: BigInt(output.length) };
}
