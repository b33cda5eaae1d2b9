/** An image of RAM for both machines: the driver, and programs in their slots. */
import { driverCode } from "./driver.js";
import { type Program, slotBytes } from "./program.js";
import { MAX_PROGRAMS, RAM_BASE, RAM_BYTES } from "./slot.js";

let driver: Uint8Array | undefined;

export function buildImage(programs: readonly Program[]): Uint8Array {
  if (programs.length > MAX_PROGRAMS) throw new RangeError(`${programs.length} programs: ${MAX_PROGRAMS} fit`);
  driver ??= driverCode();
  const image = new Uint8Array(RAM_BYTES);
  image.set(driver);
  for (const program of programs) image.set(slotBytes(program), program.base - RAM_BASE);
  return image;
}
