/**
 * Byte sizes as people write them ("512MiB") and read them ("30.4 MiB"). Used at
 * the outermost edge only, by options and the command line; everything within
 * carries plain bytes, with the unit in the name.
 */
import { HartvisorError } from "./error.js";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 2 ** 10,
  kib: 2 ** 10,
  m: 2 ** 20,
  mib: 2 ** 20,
  g: 2 ** 30,
  gib: 2 ** 30,
};

/**
 * Reads a size in bytes. Units are binary and their case does not matter: `KiB`,
 * `MiB`, `GiB`, or `K`, `M`, `G` for the same, as QEMU takes them; without a unit
 * the number counts bytes. `MB` and its like are refused, because they mean
 * 10^6 to some people and 2^20 to others.
 *
 * @param text the size, for example `"512MiB"`, `"1.5G"` or `"65536"`
 * @param name what the size is for, as the user knows it, for example `"--memory"`
 * @returns bytes, a safe integer of 0 or more
 * @throws HartvisorError `invalid-argument` when the text is no size
 */
export function parseByteSize(text: string, name: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text.trim());
  const unit = UNITS[(match?.[2] ?? "").toLowerCase()];
  if (match?.[1] === undefined || unit === undefined) {
    throw new HartvisorError("invalid-argument", `${name}: "${text}" is not a size; ${suggestion(match)}`);
  }
  const bytes = Number(match[1]) * unit;
  if (!Number.isSafeInteger(bytes)) {
    const problem = Number.isInteger(bytes) ? "too large" : "not a whole number of bytes";
    throw new HartvisorError("invalid-argument", `${name}: "${text}" is ${problem}; write for example "512MiB"`);
  }
  return bytes;
}

function suggestion(match: RegExpExecArray | null): string {
  const decimal = /^([kmg])b$/i.exec(match?.[2] ?? "")?.[1];
  return match !== null && decimal !== undefined
    ? `write "${match[1]}${decimal.toUpperCase()}iB" (units of 1024: KiB, MiB, GiB)`
    : `write for example "512MiB" (units: KiB, MiB, GiB, or none for bytes)`;
}

/** Writes a size for a person: `"512 MiB"`, `"30.4 MiB"`, `"70 bytes"`. */
export function formatByteSize(bytes: number): string {
  const [unit, size] = bytes >= 2 ** 30 ? ["GiB", 2 ** 30] : bytes >= 2 ** 20 ? ["MiB", 2 ** 20] : ["KiB", 2 ** 10];
  if (bytes < 2 ** 10) return `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
  return `${Math.round((bytes / size) * 10) / 10} ${unit}`;
}
