/**
 * Reads ELF64 executables for RISC-V: what goes to which physical address, where
 * execution starts, and which symbols there are. It does not place anything in
 * memory; whoever boots the machine copies the segments. Source: the System V ABI,
 * chapters 4 and 5, and the RISC-V ELF psABI.
 */
import { HartvisorError } from "../error.js";
import { formatByteSize } from "../quantity.js";
import { type GuestStyles, guestNote, NATIVE, stylesOf } from "./guest-note.js";

/** A range of guest RAM, in bytes. */
export interface RamRange {
  readonly ramBase: number;
  readonly ramSize: number;
}

/** How to read an ELF file. */
export interface ElfOptions {
  /** The file's name, as error messages should give it. */
  readonly name: string;
  /** Where every segment has to fit. Not checked when absent. */
  readonly ram?: RamRange;
}

/** One PT_LOAD program header. */
export interface ElfSegment {
  /** Where the segment goes: `p_paddr`, not `p_vaddr`. */
  readonly physicalAddress: number;
  /** What the file holds of it; a view, not a copy. */
  readonly bytes: Uint8Array;
  /** How much memory it takes; what exceeds `bytes` is zero-filled. */
  readonly memorySize: number;
  readonly flags: { readonly read: boolean; readonly write: boolean; readonly execute: boolean };
}

/** An ELF executable, parsed and checked. */
export interface ElfImage {
  /** `e_entry`, a virtual address; bare-metal programs link it at the physical one. */
  readonly entry: bigint;
  /** The segments that take memory, by rising physical address. They do not overlap. */
  readonly segments: readonly ElfSegment[];
  /** What the program is made for, by its note. Default: native. */
  readonly styles: GuestStyles;
  /** Names and values of `.symtab`, read at the first call; empty when the file was stripped. */
  symbols(): ReadonlyMap<string, bigint>;
}

const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const SECTION_HEADER_SIZE = 64;
const SYMBOL_SIZE = 24;

const EM_RISCV = 243;
const MACHINES: ReadonlyMap<number, string> = new Map([
  [2, "SPARC"],
  [3, "x86"],
  [4, "m68k"],
  [8, "MIPS"],
  [20, "PowerPC"],
  [21, "PowerPC64"],
  [22, "S/390"],
  [40, "ARM"],
  [43, "SPARC V9"],
  [62, "x86-64"],
  [183, "AArch64"],
  [EM_RISCV, "RISC-V"],
  [247, "BPF"],
  [258, "LoongArch"],
]);

const ET_EXEC = 2;
const NOT_EXECUTABLE: ReadonlyMap<number, string> = new Map([
  [1, "a relocatable object (ET_REL); link it first"],
  [3, "a shared object or position-independent executable (ET_DYN); link it with -static -no-pie"],
  [4, "a core dump (ET_CORE)"],
]);

/** Whether the file claims to be an ELF file of any kind. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/**
 * Parses and checks an ELF64 little-endian RISC-V executable.
 *
 * @throws HartvisorError `invalid-image`, in one line that names the file and what is wrong with it
 * @example
 * const { entry, segments, symbols } = elf(bytes, { name: "hello.elf" });
 */
export function elf(bytes: Uint8Array, options: ElfOptions): ElfImage {
  const reader = new ElfReader(bytes, options.name);
  reader.checkIdentity();
  const segments = reader.segments();
  checkOverlap(segments, reader);
  if (options.ram !== undefined) checkInside(segments, options.ram, reader);
  reader.table("section headers", reader.u64(40), reader.u16(60), reader.u16(58), SECTION_HEADER_SIZE);

  let symbols: ReadonlyMap<string, bigint> | undefined;
  return {
    entry: reader.u64(24),
    segments,
    styles: reader.styles(),
    symbols: () => {
      symbols ??= reader.symbols();
      return symbols;
    },
  };
}

class ElfReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #name: string;

  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#name = name;
  }

  fail(problem: string): never {
    throw new HartvisorError("invalid-image", `${this.#name}: ${problem}`);
  }

  u16(offset: number): number {
    return this.#view.getUint16(offset, true);
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  u64(offset: number): bigint {
    return this.#view.getBigUint64(offset, true);
  }

  checkIdentity(): void {
    const bytes = this.#bytes;
    if (bytes.length === 0) this.fail("not an ELF file (it is empty)");
    if (!isElf(bytes)) this.fail("not an ELF file");
    // Class, byte order, type and machine lie in the first 20 bytes of every ELF header.
    if (bytes.length < 20) this.fail(`truncated ELF: ${formatByteSize(bytes.length)} hold no header`);
    const littleEndian = bytes[5] === 1;
    const machine = this.#view.getUint16(18, littleEndian);
    if (bytes[4] !== 2 || !littleEndian || machine !== EM_RISCV) {
      const width = bytes[4] === 1 ? "32-bit" : bytes[4] === 2 ? "64-bit" : `class-${bytes[4]}`;
      const order = littleEndian ? "little-endian" : "big-endian";
      const kind = `${width} ${order} ${MACHINES.get(machine) ?? `(machine ${machine})`}`;
      this.fail(`an ELF file for ${kind}, where 64-bit little-endian RISC-V is needed`);
    }
    if (bytes.length < HEADER_SIZE) this.fail(`truncated ELF: ${bytes.length} of ${HEADER_SIZE} header bytes`);
    const type = this.u16(16);
    if (type !== ET_EXEC) {
      this.fail(`not an executable but ${NOT_EXECUTABLE.get(type) ?? `ELF type ${type}`}`);
    }
  }

  /** The file offset of a range that the file claims to hold. */
  range(what: string, offset: bigint, size: bigint): number {
    if (offset + size > BigInt(this.#bytes.length)) {
      this.fail(`truncated ELF: ${what} end at byte ${offset + size}, the file at ${this.#bytes.length}`);
    }
    return Number(offset);
  }

  /** The file offsets of the entries of a header table, checked to lie in the file. */
  table(what: string, offset: bigint, count: number, entrySize: number, leastSize: number): number[] {
    if (count === 0 || offset === 0n) return [];
    if (entrySize < leastSize) this.fail(`${what} of ${entrySize} bytes each, where ELF64 has ${leastSize}`);
    const start = this.range(what, offset, BigInt(count * entrySize));
    return Array.from({ length: count }, (_, index) => start + index * entrySize);
  }

  segments(): ElfSegment[] {
    const headers = this.table("program headers", this.u64(32), this.u16(56), this.u16(54), PROGRAM_HEADER_SIZE);
    const segments = headers
      .filter((at) => this.u32(at) === 1 /* PT_LOAD */ && this.u64(at + 40) > 0n)
      .map((at) => this.#segment(at))
      .sort((a, b) => a.physicalAddress - b.physicalAddress);
    if (segments.length === 0) this.fail("no segment to load (no PT_LOAD program header)");
    return segments;
  }

  #segment(at: number): ElfSegment {
    const flags = this.u32(at + 4);
    const physicalAddress = this.u64(at + 24);
    const fileSize = this.u64(at + 32);
    const memorySize = this.u64(at + 40);
    const where = `the segment at ${hex(physicalAddress)}`;
    if (fileSize > memorySize)
      this.fail(`${where} has more bytes in the file (${fileSize}) than in memory (${memorySize})`);
    if (physicalAddress + memorySize > BigInt(Number.MAX_SAFE_INTEGER)) {
      this.fail(`${where} lies beyond any physical memory (it ends at ${hex(physicalAddress + memorySize)})`);
    }
    const offset = this.range(`the bytes of ${where}`, this.u64(at + 8), fileSize);
    return {
      physicalAddress: Number(physicalAddress),
      bytes: this.#bytes.subarray(offset, offset + Number(fileSize)),
      memorySize: Number(memorySize),
      flags: { read: (flags & 4) !== 0, write: (flags & 2) !== 0, execute: (flags & 1) !== 0 },
    };
  }

  styles(): GuestStyles {
    const headers = this.table("program headers", this.u64(32), this.u16(56), this.u16(54), PROGRAM_HEADER_SIZE);
    for (const at of headers) {
      if (this.u32(at) !== 4 /* PT_NOTE */) continue;
      const size = this.u64(at + 32);
      const start = this.range("notes", this.u64(at + 8), size);
      const mask = guestNote(this.#bytes.subarray(start, start + Number(size)), this.u64(at + 48) === 8n ? 8 : 4);
      if (mask === undefined) continue;
      return (
        stylesOf(mask) ??
        this.fail(`its note says that it runs in ways ${mask}, where 1 (natively) and 2 (paravirtually) are known`)
      );
    }
    return NATIVE;
  }

  symbols(): ReadonlyMap<string, bigint> {
    const sections = this.table("section headers", this.u64(40), this.u16(60), this.u16(58), SECTION_HEADER_SIZE);
    const symtab = sections.find((at) => this.u32(at + 4) === 2 /* SHT_SYMTAB */);
    const strtab = symtab === undefined ? undefined : sections[this.u32(symtab + 40) /* sh_link */];
    if (symtab === undefined || strtab === undefined) return new Map();

    const size = this.u64(symtab + 32);
    const start = this.range("symbols", this.u64(symtab + 24), size);
    const namesSize = this.u64(strtab + 32);
    const namesStart = this.range("symbol names", this.u64(strtab + 24), namesSize);
    const names = this.#bytes.subarray(namesStart, namesStart + Number(namesSize));
    const symbols = new Map<string, bigint>();
    for (let at = start; at + SYMBOL_SIZE <= start + Number(size); at += SYMBOL_SIZE) {
      const info = this.#view.getUint8(at + 4);
      const isLocal = info >> 4 === 0;
      const isSectionOrFile = (info & 15) === 3 || (info & 15) === 4;
      const isUndefined = this.u16(at + 6) === 0;
      if (isSectionOrFile || isUndefined) continue;
      const name = nameAt(names, this.u32(at));
      // Locals come first in the table, so a global of the same name replaces them.
      if (name !== "" && !(isLocal && symbols.has(name))) symbols.set(name, this.u64(at + 8));
    }
    return symbols;
  }
}

const UTF8 = new TextDecoder();

function nameAt(names: Uint8Array, offset: number): string {
  const end = names.indexOf(0, offset);
  return end < 0 ? "" : UTF8.decode(names.subarray(offset, end));
}

function checkOverlap(segments: readonly ElfSegment[], reader: ElfReader): void {
  for (const [index, segment] of segments.entries()) {
    const previous = segments[index - 1];
    if (previous !== undefined && previous.physicalAddress + previous.memorySize > segment.physicalAddress) {
      reader.fail(`overlapping segments: ${extent(previous)} and ${extent(segment)}`);
    }
  }
}

function checkInside(segments: readonly ElfSegment[], { ramBase, ramSize }: RamRange, reader: ElfReader): void {
  for (const segment of segments) {
    const end = segment.physicalAddress + segment.memorySize;
    if (segment.physicalAddress < ramBase || end > ramBase + ramSize) {
      const ram = `${hex(ramBase)}..${hex(ramBase + ramSize)} (${formatByteSize(ramSize)})`;
      reader.fail(`the segment ${extent(segment)} (${formatByteSize(segment.memorySize)}) lies outside RAM, ${ram}`);
    }
  }
}

function extent({ physicalAddress, memorySize }: ElfSegment): string {
  return `${hex(physicalAddress)}..${hex(physicalAddress + memorySize)}`;
}

function hex(address: number | bigint): string {
  return `0x${address.toString(16)}`;
}
