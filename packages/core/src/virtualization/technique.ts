/**
 * How a guest's privileged code is run: the techniques of the textbook, by
 * name. `direct` lets the hart execute S-mode itself; the others run the guest's
 * kernel deprivileged, under a monitor. What a program is made for, an ELF note
 * says.
 */
import { HartvisorError } from "../error.js";
import type { GuestStyles } from "../loader/guest-note.js";
import type { MachineOptions } from "../machine/options.js";

/** The techniques that a machine can be made with. */
export const TECHNIQUES = ["direct", "trap-and-emulate", "binary-translation", "paravirtual"] as const;
export type TechniqueName = (typeof TECHNIQUES)[number];

/** Named in the textbook, and not there yet. */
const RESERVED: Readonly<Record<string, string>> = {
  "hardware-assisted": "it needs harts with the hypervisor extension, which these have not",
};

/** The technique of a name; throws `invalid-argument` if there is none, `unsupported` if it is not there yet. */
export function techniqueNamed(name: string): TechniqueName {
  const reserved = RESERVED[name];
  if (reserved !== undefined) throw new HartvisorError("unsupported", `technique ${name}: ${reserved}`);
  const technique = TECHNIQUES.find((known) => known === name);
  if (technique !== undefined) return technique;
  throw new HartvisorError("invalid-argument", `technique ${name}: give one of ${TECHNIQUES.join(", ")}`);
}

/** The technique of a machine's options; throws as {@link techniqueNamed} does, and where the machine's guest cannot run so. */
export function techniqueOf(options: MachineOptions): TechniqueName {
  const { hypercalls = [], translation } = options;
  const technique = techniqueNamed(options.technique ?? "direct");
  if (technique === "direct") return technique;
  const refuse = (reason: string): never => {
    throw new HartvisorError("invalid-argument", `technique ${technique} ${reason}`);
  };
  if (hypercalls.length === 0) {
    refuse(
      "runs guests that begin in S-mode and have the machine for their SBI: firmware and bare-metal programs need direct",
    );
  }
  if (translation !== undefined) {
    refuse("translates addresses by page tables: it cannot be had with another address translation");
  }
  return technique;
}

/** Throws `invalid-argument` where a program, by the name that messages call it, is not made to be run by a technique. */
export function checkStyles(technique: TechniqueName, { native, paravirtual }: GuestStyles, name: string): void {
  if (technique === "paravirtual" ? paravirtual : native) return;
  const reason =
    technique === "paravirtual"
      ? "it does not know how to run deprivileged (an ELF note would say so); choose another technique"
      : "it is made for a monitor that it calls, not for S-mode; choose the technique paravirtual";
  throw new HartvisorError("invalid-argument", `${name} cannot run under the technique ${technique}: ${reason}`);
}

/** Whether a technique's monitor has page tables of its own. */
export const usesShadowTables = (technique: TechniqueName): boolean =>
  technique === "trap-and-emulate" || technique === "binary-translation";
