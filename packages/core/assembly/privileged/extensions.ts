/** Which extensions the hart's machine has on. */
import { HART_VM, VM_EXTENSIONS } from "../generated/layout";

/** Whether an extension is on, by its EXTENSION_BIT. */
export function has(hart: usize, extension: u32): bool {
  const bits = <usize>load<u32>(hart, HART_VM) + VM_EXTENSIONS;
  return (load<u8>(bits + <usize>(extension >> 3)) & (1 << (extension & 7))) != 0;
}
