/** Writes the CSR accessors from the CSR table. */
import { type Csr, csrs } from "../csrs.js";
import { hartOffset } from "../layout.js";

const hex = (value: bigint | number) => `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;
const ALL = (1n << 64n) - 1n;

/** A call of an accessor's function, which may name the register that it is for: `readCounter(3)`. */
function call(accessor: string, ...values: readonly string[]): string {
  const [name = "", which] = accessor.replace(")", "").split("(");
  return `${name}(${["hart", ...(which === undefined ? [] : [which]), ...values].join(", ")})`;
}

function readCase({ name, number, read, storage, constant }: Csr): string {
  const label = `    case ${hex(number)}: // ${name}\n`;
  if (read !== undefined) return `${label}      return ${call(read)};`;
  if (storage !== undefined)
    return `${label}      return load<u64>(hart, ${hartOffset(storage.field) + storage.index * 8});`;
  return `${label}      return ${hex(constant ?? 0n)};`;
}

function writeCase({ name, number, write, storage }: Csr): string {
  const label = `    case ${hex(number)}: // ${name}\n`;
  if (write !== undefined) return `${label}      ${call(write, "value")};\n      return;`;
  if (storage === undefined) return `${label}      return;`;
  const offset = hartOffset(storage.field) + storage.index * 8;
  if (storage.writable === ALL) return `${label}      store<u64>(hart, value, ${offset});\n      return;`;
  const mask = hex(storage.writable);
  return `${label}      store<u64>(hart, (load<u64>(hart, ${offset}) & ~${mask}) | (value & ${mask}), ${offset});\n      return;`;
}

const extensionConstant = (name: string) => `EXTENSION_BIT_${name.toUpperCase()}`;

/** What must hold for a register to be there for the hart in its mode, privilege apart. */
function accessCondition({ guard, extensions }: Csr): string {
  const exists = extensions?.map((name) => `has(hart, ${extensionConstant(name)})`).join(" || ");
  const open = guard && `${guard}Open(hart, number, writes)`;
  if (exists === undefined) return open ?? "true";
  return open === undefined ? exists : `(${exists}) && ${open}`;
}

export function generateCsrs(): string {
  const functions = new Set<string>();
  for (const { read, write } of csrs) {
    if (read !== undefined) functions.add(read.replace(/\(.*/, ""));
    if (write !== undefined) functions.add(write.replace(/\(.*/, ""));
  }
  functions.delete("timeNow");
  const numbersByCondition = new Map<string, number[]>();
  for (const csr of csrs) {
    const condition = accessCondition(csr);
    numbersByCondition.set(condition, [...(numbersByCondition.get(condition) ?? []), csr.number]);
  }
  const access = [...numbersByCondition].map(([condition, numbers]) => {
    const labels = numbers.map((number) => `    case ${hex(number)}:`).join("\n");
    return `${labels}\n      return ${condition};`;
  });
  const bits = [...new Set(csrs.flatMap(({ extensions = [] }) => extensions))].map(extensionConstant).sort();
  return `import { ${[...functions].sort().join(", ")} } from "../privileged/special-csrs";
import { counterOpen, floatOpen, satpOpen, seedOpen, senvcfgOpen, stateenOpen, stimecmpOpen } from "../privileged/csr-guards";
import { has } from "../privileged/extensions";
import { timeNow } from "../privileged/time";
import { ${bits.join(", ")}, HART_PRIVILEGE } from "./layout";

${csrs.map(({ name, number }) => `export const CSR_${name.toUpperCase()}: u32 = ${hex(number)};`).join("\n")}

/** Whether the register exists and the hart, in its mode, may read it, and write it if \`writes\`. */
export function isCsrAccessible(hart: usize, number: u32, writes: bool): bool {
  if (writes && number >> 10 == 3) return false;
  if (load<u32>(hart, HART_PRIVILEGE) < ((number >> 8) & 3)) return false;
  switch (number) {
${access.join("\n")}
  }
  return false;
}

export function readCsr(hart: usize, number: u32): u64 {
  switch (number) {
${csrs.map(readCase).join("\n")}
  }
  return 0;
}

export function writeCsr(hart: usize, number: u32, value: u64): void {
  switch (number) {
${csrs
  .filter(({ number }) => number >> 10 !== 3)
  .map(writeCase)
  .join("\n")}
  }
}`;
}
