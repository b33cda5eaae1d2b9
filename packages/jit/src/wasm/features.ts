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
