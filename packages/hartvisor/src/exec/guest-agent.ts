/** The program that answers `vm.exec` in the guest: a static riscv64 binary of this package (`agent/`). */
import { guestAgentBase64 } from "../generated/guest-agent.js";

/**
 * The agent's ELF file, for an image of your own: start it as root, after /sys and /dev are mounted, and leave it
 * running. It needs nothing else in the guest, and ends with status 3 if the machine has no port for it.
 */
export function guestAgent(): Uint8Array {
  return Uint8Array.from(atob(guestAgentBase64), (character) => character.charCodeAt(0));
}
