/** For tests: makes small ELF executables, right ones and wrong ones. */

export interface TinyElf {
  /** 32-bit words of code. */
  readonly code: readonly number[];
  /** Physical and virtual address of the one segment. Default: 0x80000000. */
  readonly address?: number;
  /** Default: 1. More are copies of the one segment, and so overlap. */
  readonly segments?: number;
  readonly symbols?: Readonly<Record<string, number>>;
  /** The mask of a note that says how it can be run. Default: no note. */
  readonly styles?: number;
}

const HEADER = 64;
const PROGRAM_HEADER = 56;
const SECTION_HEADER = 64;
const SYMBOL = 24;

/** Sizes, type and name, padded, and the mask. */
const noteOf = (mask: number): number[] => [
  ...[10, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0],
  ...Buffer.from("hartvisor\0\0\0"),
  ...[mask, 0, 0, 0],
];

export function tinyElf({ code, address = 0x80000000, segments = 1, symbols = {}, styles }: TinyElf): Uint8Array {
  const note = Buffer.from(styles === undefined ? [] : noteOf(styles));
  const headers = segments + (styles === undefined ? 0 : 1);
  const text = Buffer.from(Uint32Array.from(code).buffer);
  const names = Buffer.from(`\0${Object.keys(symbols).join("\0")}\0`);
  const noteAt = HEADER + headers * PROGRAM_HEADER;
  const textAt = noteAt + note.length;
  const symbolsAt = textAt + text.length;
  const symbolsSize = SYMBOL * (Object.keys(symbols).length + 1);
  const namesAt = symbolsAt + symbolsSize;
  const sectionsAt = namesAt + names.length;
  const file = Buffer.alloc(sectionsAt + 3 * SECTION_HEADER);
  const u64 = (at: number, value: number) => file.writeBigUInt64LE(BigInt(value), at);

  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(243, 18); // EM_RISCV
  file.writeUInt32LE(1, 20);
  u64(24, address);
  u64(32, HEADER);
  u64(40, sectionsAt);
  for (const [at, value] of [
    [52, HEADER],
    [54, PROGRAM_HEADER],
    [56, headers],
    [58, SECTION_HEADER],
    [60, 3],
  ] as const) {
    file.writeUInt16LE(value, at);
  }
  for (let at = HEADER; at < HEADER + segments * PROGRAM_HEADER; at += PROGRAM_HEADER) {
    file.writeUInt32LE(1, at); // PT_LOAD
    file.writeUInt32LE(5, at + 4);
    u64(at + 8, textAt);
    u64(at + 16, address);
    u64(at + 24, address);
    u64(at + 32, text.length);
    u64(at + 40, text.length);
  }
  if (styles !== undefined) {
    const at = noteAt - PROGRAM_HEADER;
    file.writeUInt32LE(4, at); // PT_NOTE
    u64(at + 8, noteAt);
    u64(at + 32, note.length);
  }
  note.copy(file, noteAt);
  text.copy(file, textAt);
  names.copy(file, namesAt);
  Object.entries(symbols).forEach(([name, value], index) => {
    const at = symbolsAt + SYMBOL * (index + 1);
    file.writeUInt32LE(names.indexOf(`\0${name}\0`) + 1, at);
    file.writeUInt8(0x10, at + 4);
    file.writeUInt16LE(0xfff1, at + 6); // SHN_ABS
    u64(at + 8, value);
  });
  const section = (index: number, type: number, offset: number, size: number, link: number) => {
    const at = sectionsAt + index * SECTION_HEADER;
    file.writeUInt32LE(type, at + 4);
    u64(at + 24, offset);
    u64(at + 32, size);
    file.writeUInt32LE(link, at + 40);
  };
  section(1, 2, symbolsAt, symbolsSize, 2); // SHT_SYMTAB
  section(2, 3, namesAt, names.length, 0); // SHT_STRTAB
  return file;
}

/** Writes `A` to the UART for ever: lui t0,0x10000; addi a0,zero,65; sb a0,0(t0); j .-4. */
export const FLOOD = [0x100002b7, 0x04100513, 0x00a28023, 0xffdff06f];

/** Writes a word to the test finisher: lui t0,0x100; lui t1,..; addi t1,t1,..; sw t1,0(t0); j . */
export function finisher(value: number): number[] {
  const upper = (value + 0x800) >>> 12;
  const lower = (value - (upper << 12)) & 0xfff;
  return [0x001002b7, (upper << 12) | 0x337, (lower << 20) | 0x30313, 0x0062a023, 0x0000006f];
}
