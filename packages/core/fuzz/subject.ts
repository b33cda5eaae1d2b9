/** The machine under test: ours, with the image in RAM, run until the driver waits. */

import { DEFAULT_ISA } from "../isa/extensions.js";
import type { Device } from "../src/bus/device.js";
import type { Hart } from "../src/machine/hart.js";
import { Machine } from "../src/machine/machine.js";
import type { MachineOptions } from "../src/machine/options.js";
import type { GuestMemory } from "../src/memory/guest-memory.js";
import { HALT_ADDRESS, MACHINE_TIMER } from "./driver.js";
import { RAM_BASE, RAM_BYTES, Slot } from "./slot.js";

export const ENGINES = ["interpreter", "translator", "blocks", "mixed", "step", "evaluator"] as const;
/**
 * `interpreter`: in long slices; `translator`: every block translated before it is first executed, with what is around
 * it; `blocks`: each on its own; `mixed`: one of those that come up every few instructions; `step`: every instruction on
 * its own; `evaluator`: so, too, and held to the slow evaluator besides QEMU.
 */
export type Engine = (typeof ENGINES)[number];

/** Is told of each instruction before it is executed. */
export type StepObserver = (pc: number, state: { readonly hart: Hart; readonly memory: GuestMemory }) => void;

const SLICE = 400_000;
/** A batch needs some hundred thousand instructions; this many mean that it does not end. */
const LIMIT = 60_000_000;

/** Stands where the driver looks for the machine timer, which is off here anyway. */
const timerStub: Device = {
  name: "timer",
  base: MACHINE_TIMER,
  size: 8,
  read: () => 0,
  write: () => {},
  reset: () => {},
  save: () => ({ version: 1 }),
  restore: () => {},
  deviceTree: () => [],
};

/** How a run ended. */
export type SubjectResult =
  | { readonly kind: "ended"; readonly ram: Uint8Array }
  | { readonly kind: "endless"; readonly slot: number };

/** How the engines that translate are set up. */
const TRANSLATORS = {
  translator: { threshold: 1, sampleInterval: 1, eager: true, unit: "region" },
  blocks: { threshold: 1, sampleInterval: 1, eager: true, unit: "block" },
  mixed: { threshold: 1, sampleInterval: 7, eager: false, unit: "region" },
} as const;

/** Whether an engine translates. */
export const translates = (engine: Engine): engine is keyof typeof TRANSLATORS => engine in TRANSLATORS;

/** The tests of core may know the translator; core itself does not. */
async function translatorOf(engine: Engine): Promise<Pick<MachineOptions, "translator">> {
  if (!translates(engine)) return {};
  const { translator } = await import("../../jit/src/index.js");
  return { translator: translator(TRANSLATORS[engine]) };
}

/** Runs an image: RAM as the guest left it; or the slot of the program that did not end. `onStep` needs single steps. */
export async function runSubject(
  image: Uint8Array,
  engine: Engine,
  onStep?: StepObserver,
  isa = DEFAULT_ISA,
): Promise<SubjectResult> {
  await using machine = await Machine.create({
    memoryBytes: RAM_BYTES,
    memoryBase: RAM_BASE,
    clock: "virtual",
    isa,
    ...(await translatorOf(engine)),
  });
  machine.attach(timerStub);
  machine.memory.write(RAM_BASE, image);
  machine.enterMachine(0, { address: BigInt(RAM_BASE), opaque: 0n });
  const hart = machine.harts[0];
  if (hart === undefined) throw new Error("a machine without harts");
  const length = engine === "step" || engine === "evaluator" ? 1 : SLICE;
  for (let left = LIMIT; left > 0; left -= length) {
    onStep?.(Number(hart.pc), { hart, memory: machine.memory });
    // Waiting ends the turn: the step is not finished then.
    if (!machine.step(length)) break;
  }
  const ram = machine.memory.read(RAM_BASE, RAM_BYTES);
  if (ram !== undefined && hart.pc === BigInt(HALT_ADDRESS) + 4n) return { kind: "ended", ram };
  // The driver keeps the address of the present record there.
  return { kind: "endless", slot: Number(hart.getCsr("mscratch")) - Slot.record };
}
