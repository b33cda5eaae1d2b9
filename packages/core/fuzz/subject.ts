/** The machine under test: ours, with the image in RAM, run until the driver waits. */

import type { Device } from "../src/bus/device.js";
import { Machine } from "../src/machine/machine.js";
import { HALT_ADDRESS, MACHINE_TIMER } from "./driver.js";
import { RAM_BASE, RAM_BYTES } from "./slot.js";

export const ENGINES = ["interpreter", "step"] as const;
/** `interpreter`: in long slices; `step`: every instruction on its own. */
export type Engine = (typeof ENGINES)[number];

/** Is told of each instruction before it is executed, with a way to read the word at its address. */
export type StepObserver = (pc: number, fetch: (address: number) => number | undefined) => void;

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

/** RAM as the guest left it; undefined if it did not end. `onStep` needs the engine `step`. */
export async function runSubject(
  image: Uint8Array,
  engine: Engine,
  onStep?: StepObserver,
): Promise<Uint8Array | undefined> {
  await using machine = await Machine.create({ memoryBytes: RAM_BYTES, memoryBase: RAM_BASE, clock: "virtual" });
  machine.attach(timerStub);
  machine.memory.write(RAM_BASE, image);
  machine.enterMachine(0, { address: BigInt(RAM_BASE), opaque: 0n });
  const hart = machine.harts[0];
  if (hart === undefined) throw new Error("a machine without harts");
  const fetch = (address: number): number | undefined => {
    const bytes = machine.memory.read(address, 4);
    return bytes && new DataView(bytes.buffer).getUint32(0, true);
  };
  const length = engine === "step" ? 1 : SLICE;
  for (let left = LIMIT; left > 0; left -= length) {
    onStep?.(Number(hart.pc), fetch);
    // Waiting ends the turn: the step is not finished then.
    if (!machine.step(length)) break;
  }
  const isDone = hart.pc === BigInt(HALT_ADDRESS) + 4n;
  return isDone ? machine.memory.read(RAM_BASE, RAM_BYTES) : undefined;
}
