/**
 * How a guest's privileged code is run: the techniques of the textbook, by
 * name. `direct` lets the hart execute S-mode itself; the others run the guest's
 * kernel deprivileged, under a monitor.
 */
import { HartvisorError } from "../error.js";
import type { MachineOptions } from "../machine/options.js";

/** The techniques that a machine can be made with. */
export const TECHNIQUES = ["direct", "trap-and-emulate", "binary-translation"] as const;
export type TechniqueName = (typeof TECHNIQUES)[number];

/** Named in the textbook, and not there yet. */
const RESERVED: Readonly<Record<string, string>> = {
  "hardware-assisted": "it needs harts with the hypervisor extension, which these have not",
};

/** The technique of a machine's options; throws `invalid-argument` or `unsupported` where there is none, or its guest cannot run so. */
export function techniqueOf(options: MachineOptions): TechniqueName {
  const { technique = "direct", hypercalls = [], translation } = options;
  const reserved = RESERVED[technique];
  if (reserved !== undefined) throw new HartvisorError("unsupported", `technique ${technique}: ${reserved}`);
  if (!TECHNIQUES.includes(technique)) {
    throw new HartvisorError("invalid-argument", `technique ${technique}: give one of ${TECHNIQUES.join(", ")}`);
  }
  if (technique === "direct") return technique;
  const refuse = (reason: string): never => {
    throw new HartvisorError("invalid-argument", `technique ${technique} ${reason}`);
  };
  if (hypercalls.length === 0) {
    refuse(
      "runs guests that begin in S-mode and have the machine for their SBI: firmware and bare-metal programs need direct",
    );
  }
  if (translation !== undefined)
    refuse("has page tables of its own: it cannot be had with another address translation");
  return technique;
}
