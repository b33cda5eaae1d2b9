/** What the host's WebAssembly can do, found out by asking it to validate a module. */
import { Op } from "./opcodes.js";

/** `() -> ()` whose body is `return_call 0`. */
const TAIL_CALL = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 4, 1, 0x60, 0, 0],
  ...[3, 2, 1, 0],
  ...[10, 6, 1, 4, 0, 0x12, 0, Op.end],
);

export const hasTailCalls = (): boolean => WebAssembly.validate(TAIL_CALL);

/** `(a, b, c: f64) -> f64`: an instruction of two bytes behind its prefix on splats of the three (Relaxed SIMD proposal). */
const onSplats = (...opcode: readonly [number, number]) =>
  Uint8Array.of(
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, 8, 1, 0x60, 3, 0x7c, 0x7c, 0x7c, 1, 0x7c],
    ...[3, 2, 1, 0],
    ...[7, 5, 1, 1, 0x66, 0, 0],
    ...[10, 22, 1, 20, 0],
    ...[Op.local_get, 0, 0xfd, 0x14, Op.local_get, 1, 0xfd, 0x14, Op.local_get, 2, 0xfd, 0x14],
    ...[0xfd, ...opcode, 0xfd, 0x21, 0, Op.end],
  );
const MULTIPLY_ADD = onSplats(0x87, 0x02);
const NEGATIVE_MULTIPLY_ADD = onSplats(0x88, 0x02);

/**
 * Whether `f64x2.relaxed_madd` and `relaxed_nmadd` round once, as fused multiply-adds do: a host without the machine's
 * instructions rounds twice.
 */
export function hasFusedMultiplyAdd(): boolean {
  if (!WebAssembly.validate(MULTIPLY_ADD)) return false;
  const [multiplyAdd, negative] = [MULTIPLY_ADD, NEGATIVE_MULTIPLY_ADD].map((bytes) => {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    return exports.f as (a: number, b: number, c: number) => number;
  });
  const [a, square] = [1 + 2 ** -30, 1 + 2 ** -29]; // but for 2 ** -60, which is lost where it is rounded twice
  return multiplyAdd?.(a, a, -square) === 2 ** -60 && negative?.(a, a, square) === -(2 ** -60);
}
