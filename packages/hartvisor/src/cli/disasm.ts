/** `hartvisor disasm`: the code of an ELF file as text, with its symbols as labels, much as objdump writes it. */
import { once } from "node:events";
import { disassemble, elf } from "@hartvisor/core";
import type { Command } from "commander";
import { readWhole } from "../host/node/whole-file.js";
import { type CodeRange, codeRanges } from "./code-ranges.js";
import type { CommandContext } from "./main.js";

export function addDisasmCommand(program: Command, context: CommandContext): void {
  program
    .command("disasm")
    .description("disassemble the code of an ELF program")
    .argument("<file>", "an ELF64 executable for RISC-V")
    .action(async (file: string) => disasm(file, context));
}

/** Characters handed to stdout at once. */
const CHUNK = 1 << 16;
/** As many zero bytes as this are no instructions, but the space between some. */
const ZEROS = 16;

async function disasm(file: string, { interruptions }: CommandContext): Promise<void> {
  const bytes = await readWhole(file);
  const { signal } = interruptions;
  const image = elf(bytes, { name: file });
  const labels = new Labels(image.symbols());
  let text = "";
  const write = async () => {
    signal.throwIfAborted();
    const isRoom = process.stdout.write(text);
    text = "";
    if (!isRoom) await once(process.stdout, "drain", { signal }).catch(() => signal.throwIfAborted());
  };
  for (const range of codeRanges(bytes, image, file)) {
    for (const line of listing(range, labels)) {
      text += `${line}\n`;
      if (text.length >= CHUNK) await write();
    }
  }
  await write();
}

/** The lines of a range of code. */
function* listing({ name, address: start, bytes }: CodeRange, labels: Labels): Generator<string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  yield `\n${name}:`;
  for (let at = 0; at + 2 <= bytes.length; ) {
    const address = start + BigInt(at);
    for (const label of labels.at(address)) yield `\n${hex(address, 16)} <${label}>:`;
    const zeros = countZeros(bytes, at);
    if (zeros >= ZEROS) {
      yield "\t...";
      at += labels.distanceToNext(address, zeros);
      continue;
    }
    const isWhole = at + 4 <= bytes.length;
    const word = isWhole ? view.getUint32(at, true) : view.getUint16(at, true);
    const isLong = (word & 3) === 3;
    const { text, length } =
      isLong && !isWhole ? { text: `.half 0x${hex(word, 4)}`, length: 2 } : disassemble(word | 0, address);
    const code = length === 4 ? hex(word >>> 0, 8) : hex(word & 0xffff, 4);
    yield `${hex(address, 1).padStart(12)}:  ${code.padEnd(10)}${text}${labels.targetOf(text)}`;
    at += length;
  }
}

/** Zero bytes from an offset on, rounded down to whole parcels of 16 bits. */
function countZeros(bytes: Uint8Array, at: number): number {
  let end = at;
  while (end < bytes.length && bytes[end] === 0) end++;
  return (end - at) & ~1;
}

/** The names of addresses. */
class Labels {
  readonly #names = new Map<bigint, string[]>();
  readonly #addresses: readonly bigint[];

  constructor(symbols: ReadonlyMap<string, bigint>) {
    for (const [name, address] of symbols) {
      // Mapping symbols ($x, $d) and the compiler's own labels name nothing that a person wrote.
      if (name.startsWith("$") || name.startsWith(".L")) continue;
      this.#names.set(address, [...(this.#names.get(address) ?? []), name]);
    }
    this.#addresses = [...this.#names.keys()].sort((a, b) => (a < b ? -1 : 1));
  }

  at(address: bigint): readonly string[] {
    return this.#names.get(address) ?? [];
  }

  /** Bytes from an address to the next label, or `most` if that is further. */
  distanceToNext(address: bigint, most: number): number {
    const next = this.#addresses[this.#indexAfter(address)];
    return next === undefined || next - address > BigInt(most) ? most : Number(next - address);
  }

  /** ` <main+0x10>` behind a jump or a branch. */
  targetOf(text: string): string {
    const target = /^(?:c\.)?[bj][a-z]* .*?(0x[0-9a-f]+)$/.exec(text)?.[1];
    if (target === undefined) return "";
    const address = BigInt(target);
    const base = this.#addresses[this.#indexAfter(address) - 1];
    if (base === undefined) return "";
    const offset = address === base ? "" : `+0x${hex(address - base, 1)}`;
    return ` <${this.at(base)[0]}${offset}>`;
  }

  /** Index of the first label above an address. */
  #indexAfter(address: bigint): number {
    let low = 0;
    let high = this.#addresses.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#addresses[middle] ?? 0n) <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function hex(value: number | bigint, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
