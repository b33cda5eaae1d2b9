/**
 * Writing a hypercall extension of one's own: functions by number, each with
 * the arguments in a0 to a5, the calling hart's memory and machine.
 */
import {
  HartvisorError,
  type HypercallContext,
  type HypercallExtension,
  SbiError,
  type SbiResult,
} from "@hartvisor/core";

/** A function of an extension. What it throws is a bug of the host's and ends the machine: answer with an error instead. */
export type HypercallFunction = (args: readonly bigint[], context: HypercallContext) => SbiResult;

/** What {@link defineHypercall} makes an extension of. */
export interface HypercallDefinition {
  /** What the guest puts into a7: 31 bits. Experiments belong to 0x08000000 to 0x08ffffff (SBI 2.0, chapter 17). */
  readonly id: number;
  readonly name: string;
  /** By the number that the guest puts into a6; others answer "not supported". */
  readonly functions: Readonly<Record<number, HypercallFunction>>;
}

/**
 * Makes an extension for the `hypercalls` of a machine.
 *
 * @throws HartvisorError `invalid-argument`: a number that is none
 * @example
 * ```ts
 * const dice = defineHypercall({
 *   id: 0x08000001,
 *   name: "DICE",
 *   functions: { 0: ([sides = 6n]) => (sides > 0n ? { error: 0, value: 1n + (4n % sides) } : { error: -3 }) },
 * });
 * const vm = await Machine.create({ boot, hypercalls: [...sbiExtensions, dice] });
 * ```
 */
export function defineHypercall({ id, name, functions }: HypercallDefinition): HypercallExtension {
  if (!Number.isInteger(id) || id < 0 || id > 0x7fff_ffff) {
    throw new HartvisorError("invalid-argument", `${id} is no number of a hypercall extension: give one of 31 bits`);
  }
  const table = new Map(Object.entries(functions).map(([number, act]) => [Number(number), act]));
  return {
    id,
    name,
    call: (functionId, args, context) => table.get(functionId)?.(args, context) ?? { error: SbiError.NotSupported },
  };
}
