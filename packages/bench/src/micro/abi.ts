/**
 * The host's side of the benchmark ABI: the hypercalls by which a guest asks what to run, and marks the stretch that is
 * measured. docs/benchmarks.md is the guest's side.
 */
import { type HypercallExtension, SbiError } from "@hartvisor/core";
import { defineHypercall } from "hartvisor";

/** The number of the extension: "HVB" behind SBI's experimental range. */
export const BENCHMARK_EXTENSION_ID = 0x0848_5642;
const VERSION = 1n;

/** Room that a guest may give for a request. */
const LEAST_ROOM = 64n;
const MOST_ROOM = 4096n;

/** Why a guest cannot run what it was asked for, by the code that it passes. */
export const SKIP_REASONS: Readonly<Record<number, string>> = {
  1: "the guest does not know this benchmark",
  2: "a device is absent",
  3: "it cannot be done under this technique",
  4: "there is too little memory",
};

/** Where a guest that waits in `next` wants its answer. */
export interface NextRequest {
  readonly hart: number;
  readonly address: bigint;
  readonly room: number;
}

/** Who hears a guest. What returns false answers "denied": the guest calls out of turn. */
export interface BenchmarkListener {
  start(): boolean;
  stop(operations: number): boolean;
  next(request: NextRequest): void;
  skip(code: number): boolean;
}

/** The extension of one machine. */
export function benchmarkHypercalls(listener: BenchmarkListener): HypercallExtension {
  const inTurn = (isInTurn: boolean) => ({ error: isInTurn ? SbiError.Success : SbiError.Denied });
  return defineHypercall({
    id: BENCHMARK_EXTENSION_ID,
    name: "HVB",
    functions: {
      0: () => ({ error: SbiError.Success, value: VERSION }),
      1: () => inTurn(listener.start()),
      2: ([operations = 0n]) => {
        if (operations === 0n || operations > BigInt(Number.MAX_SAFE_INTEGER)) return { error: SbiError.InvalidParam };
        return inTurn(listener.stop(Number(operations)));
      },
      3: ([address = 0n, room = 0n], { memory, hart }) => {
        if (room < LEAST_ROOM || room > MOST_ROOM) return { error: SbiError.InvalidParam };
        if (memory.read(address, Number(room)) === undefined) return { error: SbiError.InvalidAddress };
        listener.next({ hart, address, room: Number(room) });
        // The answer is put in place when there is one.
        return { error: SbiError.Success, value: 0n };
      },
      4: ([code = 0n]) => inTurn(listener.skip(Number(BigInt.asUintN(32, code)))),
    },
  });
}
