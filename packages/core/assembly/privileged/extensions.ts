/** Which extensions the hart's machine has on. */
import { HART_VM, VM_EXTENSIONS } from "../generated/layout";

export function has(hart: usize, extension: u64): bool {
  return (load<u64>(<usize>load<u32>(hart, HART_VM), VM_EXTENSIONS) & extension) != 0;
}
