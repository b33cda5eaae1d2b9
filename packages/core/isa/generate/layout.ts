/** Writes the layout as AssemblyScript constants. */
import { MSTATUS_CONSTANT, MSTATUS_WRITABLE, SSTATUS_CONSTANT, SSTATUS_WRITABLE } from "../csrs.js";
import { extensionBit, extensionNames } from "../extensions.js";
import { CONSTANTS, HART_FIELDS, HART_SIZE, VM_FIELDS } from "../layout.js";

const upperSnake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

export function generateLayout(): string {
  const lines = [
    ...HART_FIELDS.map(({ name, offset }) => `export const HART_${upperSnake(name)}: usize = ${offset};`),
    `export const HART_SIZE: usize = ${HART_SIZE};`,
    ...VM_FIELDS.map(({ name, offset }) => `export const VM_${upperSnake(name)}: usize = ${offset};`),
    ...Object.entries(CONSTANTS).map(([name, value]) => `export const ${name}: ${constantType(name)} = ${value};`),
  ];
  for (const name of extensionNames) {
    lines.push(`export const EXTENSION_BIT_${name.toUpperCase()}: u32 = ${extensionBit(name)};`);
  }
  for (const [name, value] of Object.entries({
    MSTATUS_WRITABLE,
    MSTATUS_CONSTANT,
    SSTATUS_WRITABLE,
    SSTATUS_CONSTANT,
  })) {
    lines.push(`export const ${name}: u64 = ${value};`);
  }
  return lines.join("\n");
}

/** Sizes and offsets are addresses; the rest are plain numbers. */
function constantType(name: string): string {
  if (/^CRYPTO_|^SLOT_|^SLOTS_|^WINDOW_|_SIZE$|_WINDOW$/.test(name)) return "usize";
  return name === "VIRTUAL_INSTRUCTIONS_PER_TICK" ? "u64" : "u32";
}
