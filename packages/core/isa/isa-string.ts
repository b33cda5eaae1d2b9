/** The ISA string: what a device tree tells of this machine (Unprivileged ISA ch. 36; riscv,isa-extensions binding). */
import { instructions } from "./table.js";

const SINGLE_LETTERS = "IMAFDC";
/** Extensions without instructions of their own. */
const STATE_EXTENSIONS = ["Zicntr", "Sstc"] as const;
/** Multi-letter extensions: Z by the category that their second letter names, then S. */
const CATEGORIES = "imafdcb";

function order(extension: string): number {
  return extension.startsWith("s") ? 100 : CATEGORIES.indexOf(extension[1] ?? "");
}

/** Extension names in canonical order, lower case; `svadu` or `svade` by option. */
export function extensionNames(hardwareAccessedDirty: boolean): string[] {
  const named = new Set<string>(instructions.map(({ extension }) => extension));
  for (const extension of STATE_EXTENSIONS) named.add(extension);
  named.add(hardwareAccessedDirty ? "Svadu" : "Svade");
  const long = [...named].filter((name) => name.length > 1).map((name) => name.toLowerCase());
  long.sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1));
  return [...SINGLE_LETTERS.toLowerCase(), ...long];
}

/** For example `rv64imafdc_zicbom_..._sstc`. */
export function isaString(hardwareAccessedDirty: boolean): string {
  const names = extensionNames(hardwareAccessedDirty);
  const letters = names.filter((name) => name.length === 1).join("");
  return [`rv64${letters}`, ...names.filter((name) => name.length > 1)].join("_");
}
