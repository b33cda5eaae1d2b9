import { describe, expect, it } from "vitest";
import { HartvisorError } from "../error.js";
import { type ElfImage, type ElfOptions, elf, isElf } from "./elf.js";

interface SegmentSpec {
  type?: number;
  flags?: number;
  vaddr?: bigint;
  paddr: bigint;
  content: number[];
  memorySize?: number;
}

interface SymbolSpec {
  name: string;
  value: bigint;
  info?: number;
  section?: number;
}

const GLOBAL = 0x10;
const RAM = { ramBase: 0x8000_0000, ramSize: 0x10_0000 };

/** An ELF file written from the specification, independently of the reader. */
function buildElf(segments: SegmentSpec[], symbols?: SymbolSpec[]): Uint8Array {
  const file: number[] = [];
  const put = (at: number, value: bigint, size: number) => {
    for (let index = 0; index < size; index += 1) file[at + index] = Number((value >> BigInt(8 * index)) & 0xffn);
  };
  const append = (bytes: number[]) => {
    const at = file.length;
    file.push(...bytes);
    return at;
  };
  append(new Array(64 + 56 * segments.length).fill(0));
  [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1].forEach((byte, index) => {
    file[index] = byte;
  });
  put(16, 2n, 2); // ET_EXEC
  put(18, 243n, 2); // EM_RISCV
  put(20, 1n, 4);
  put(24, 0x8000_0004n, 8);
  put(32, 64n, 8);
  put(52, 64n, 2);
  put(54, 56n, 2);
  put(56, BigInt(segments.length), 2);
  put(58, 64n, 2);
  segments.forEach((segment, index) => {
    const offset = append(segment.content);
    const at = 64 + 56 * index;
    put(at, BigInt(segment.type ?? 1), 4);
    put(at + 4, BigInt(segment.flags ?? 5), 4);
    put(at + 8, BigInt(offset), 8);
    put(at + 16, segment.vaddr ?? segment.paddr, 8);
    put(at + 24, segment.paddr, 8);
    put(at + 32, BigInt(segment.content.length), 8);
    put(at + 40, BigInt(segment.memorySize ?? segment.content.length), 8);
  });
  if (symbols !== undefined) {
    const names = `\0${symbols.map(({ name }) => `${name}\0`).join("")}`;
    const strtab = append(Array.from(names, (character) => character.charCodeAt(0)));
    const symtab = append(new Array(24 * (symbols.length + 1)).fill(0));
    symbols.forEach(({ name, value, info, section }, index) => {
      const at = symtab + 24 * (index + 1);
      put(at, BigInt(name === "" ? 0 : names.indexOf(`\0${name}\0`) + 1), 4);
      file[at + 4] = info ?? GLOBAL;
      put(at + 6, BigInt(section ?? 1), 2);
      put(at + 8, value, 8);
    });
    const headers = append(new Array(3 * 64).fill(0));
    put(headers + 64 + 4, 2n, 4); // SHT_SYMTAB
    put(headers + 64 + 24, BigInt(symtab), 8);
    put(headers + 64 + 32, BigInt(24 * (symbols.length + 1)), 8);
    put(headers + 64 + 40, 2n, 4); // its names are in section 2
    put(headers + 128 + 4, 3n, 4); // SHT_STRTAB
    put(headers + 128 + 24, BigInt(strtab), 8);
    put(headers + 128 + 32, BigInt(names.length), 8);
    put(40, BigInt(headers), 8);
    put(60, 3n, 2);
  }
  return Uint8Array.from(file);
}

const CODE: SegmentSpec = { paddr: 0x8000_0000n, content: [0x13, 0, 0, 0, 0x73, 0, 0, 0] };

function patched(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
}

function refusal(
  bytes: Uint8Array,
  options: Partial<ElfOptions> = {},
  read: (file: ElfImage) => void = () => {},
): string {
  try {
    read(elf(bytes, { name: "guest.elf", ...options }));
  } catch (error) {
    if (!(error instanceof HartvisorError)) throw error;
    expect(error.code).toBe("invalid-image");
    expect(error.message).toMatch(/^guest\.elf: [^\n]+$/);
    return error.message;
  }
  throw new Error("the file was accepted");
}

describe("elf", () => {
  it("gives segments by physical address, with what is zero-filled after their bytes", () => {
    const data = { paddr: 0x8000_1000n, vaddr: 0xffff_ffff_8000_1000n, content: [1, 2, 3], memorySize: 4096, flags: 6 };
    const { entry, segments } = elf(buildElf([data, CODE]), { name: "guest.elf", ram: RAM });
    expect(entry).toBe(0x8000_0004n);
    expect(segments).toEqual([
      {
        physicalAddress: 0x8000_0000,
        bytes: Uint8Array.from(CODE.content),
        memorySize: 8,
        flags: { read: true, write: false, execute: true },
      },
      {
        physicalAddress: 0x8000_1000,
        bytes: Uint8Array.of(1, 2, 3),
        memorySize: 4096,
        flags: { read: true, write: true, execute: false },
      },
    ]);
  });

  describe("what the program is made for", () => {
    /** A note as the System V ABI lays it out: sizes, type, name and descriptor, padded to four bytes. */
    const note = (name: string, type: number, descriptor: number[]): number[] => {
      const word = (value: number) => [value & 255, value >> 8, 0, 0];
      const padded = (bytes: number[]) => [...bytes, ...new Array((4 - (bytes.length % 4)) % 4).fill(0)];
      const characters = Array.from(`${name}\0`, (character) => character.charCodeAt(0));
      return [
        ...word(characters.length),
        ...word(descriptor.length),
        ...word(type),
        ...padded(characters),
        ...descriptor,
      ];
    };
    const withNotes = (...notes: number[][]) => buildElf([CODE, { type: 4, paddr: 0n, content: notes.flat() }]);
    const stylesOf = (file: Uint8Array) => elf(file, { name: "guest.elf" }).styles;

    it("is S-mode where there is no note", () => {
      expect(stylesOf(buildElf([CODE]))).toEqual({ native: true, paravirtual: false });
    });

    it.each([
      [1, { native: true, paravirtual: false }],
      [2, { native: false, paravirtual: true }],
      [3, { native: true, paravirtual: true }],
    ])("is what the mask %d says", (mask, styles) => {
      expect(stylesOf(withNotes(note("hartvisor", 1, [mask, 0, 0, 0])))).toEqual(styles);
    });

    it("stands among other notes", () => {
      const file = withNotes(
        note("GNU", 1, [7]),
        [0, 0, 0],
        note("hartvisor", 2, [1, 0, 0, 0]),
        note("hartvisor", 1, [2, 0, 0, 0]),
      );
      expect(stylesOf(file).paravirtual).toBe(true);
    });

    it.each([0, 4, 255])("is refused for the mask %d", (mask) => {
      expect(refusal(withNotes(note("hartvisor", 1, [mask, 0, 0, 0])))).toContain(`in ways ${mask},`);
    });

    it("is S-mode where notes end too early or are too large", () => {
      const whole = note("hartvisor", 1, [2, 0, 0, 0]);
      for (let length = 0; length < whole.length; length++)
        expect(stylesOf(withNotes(whole.slice(0, length))).native).toBe(true);
      expect(stylesOf(withNotes([255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0, 0])).native).toBe(true);
    });
  });

  it("passes over segments that are not loaded or take no memory", () => {
    const note = { type: 4, paddr: 0n, content: [9] };
    const empty = { paddr: 0n, content: [] };
    expect(elf(buildElf([note, CODE, empty]), { name: "guest.elf", ram: RAM }).segments).toHaveLength(1);
  });

  it("reads a file that lies within a larger buffer", () => {
    const file = buildElf([CODE], [{ name: "tohost", value: 0x8000_1000n }]);
    const buffer = new Uint8Array(file.length + 20);
    buffer.set(file, 13);
    const image = elf(buffer.subarray(13, 13 + file.length), { name: "guest.elf" });
    expect(image.segments[0]?.bytes).toEqual(Uint8Array.from(CODE.content));
    expect(image.symbols().get("tohost")).toBe(0x8000_1000n);
  });

  it("looks symbols up by name, a global before a local of the same name", () => {
    const { symbols } = elf(
      buildElf(
        [CODE],
        [
          { name: "guest.c", value: 0n, info: 4, section: 0xfff1 },
          { name: "counter", value: 1n, info: 1 },
          { name: "twice", value: 2n, info: 1 },
          { name: "twice", value: 3n, info: 1 },
          { name: "missing", value: 0n, section: 0 },
          { name: "", value: 5n },
          { name: "tohost", value: 0xffff_ffff_8000_1000n },
          { name: "counter", value: 7n, info: GLOBAL | 1 },
          { name: "absolute", value: 8n, section: 0xfff1 },
        ],
      ),
      { name: "guest.elf" },
    );
    expect(Object.fromEntries(symbols())).toEqual({
      counter: 7n,
      twice: 2n,
      tohost: 0xffff_ffff_8000_1000n,
      absolute: 8n,
    });
    expect(symbols()).toBe(symbols());
  });

  it("has no symbols when the file was stripped", () => {
    expect(elf(buildElf([CODE]), { name: "guest.elf" }).symbols().size).toBe(0);
  });
});

describe("elf refuses", () => {
  const good = buildElf([CODE], [{ name: "_start", value: 0x8000_0000n }]);

  it("what is not ELF", () => {
    expect(refusal(new Uint8Array())).toBe("guest.elf: not an ELF file (it is empty)");
    expect(refusal(new TextEncoder().encode("#!/bin/sh\n"))).toBe("guest.elf: not an ELF file");
    expect(isElf(Uint8Array.of(0x7f, 0x45))).toBe(false);
    expect(isElf(good)).toBe(true);
  });

  it("a file cut anywhere, without reading beyond it", () => {
    for (let length = 4; length < good.length; length += 1) {
      expect(refusal(good.subarray(0, length))).toContain("truncated ELF");
    }
  });

  it.each([
    ["another machine", patched(good, 18, 62, 0), "64-bit little-endian x86-64"],
    ["32-bit RISC-V", patched(good, 4, 1), "32-bit little-endian RISC-V"],
    [
      "32-bit big-endian",
      patched(good, 4, 1, 2, 1).map((b, i) => (i === 18 ? 0 : i === 19 ? 20 : b)),
      "32-bit big-endian PowerPC",
    ],
    ["a machine nobody knows", patched(good, 18, 0xcd, 0xab), "(machine 43981)"],
    ["a class nobody knows", patched(good, 4, 9), "class-9"],
    ["a relocatable object", patched(good, 16, 1), "not an executable but a relocatable object (ET_REL)"],
    ["a shared object", patched(good, 16, 3), "not an executable but a shared object or position-independent"],
    ["a core dump", patched(good, 16, 4), "core dump"],
    ["an unknown type", patched(good, 16, 0x77), "ELF type 119"],
    ["odd program headers", patched(good, 54, 32), "program headers of 32 bytes each"],
  ])("%s, and says what it is", (_, bytes, words) => {
    expect(refusal(bytes)).toContain(words);
  });

  it("a file with nothing to load", () => {
    expect(refusal(buildElf([{ type: 4, paddr: 0n, content: [] }]))).toContain("no segment to load");
  });

  it("segments that overlap in physical memory", () => {
    const other = { paddr: 0x8000_0004n, content: [0] };
    expect(refusal(buildElf([other, CODE]))).toBe(
      "guest.elf: overlapping segments: 0x80000000..0x80000008 and 0x80000004..0x80000005",
    );
  });

  it.each([
    ["below", 0x7fff_fffcn, 8],
    ["beyond", 0x8000_0000n, 0x10_0001],
    ["far from", 0x1000n, 8],
  ])("a segment that lies %s RAM", (_, paddr, memorySize) => {
    const message = refusal(buildElf([{ paddr, content: [1], memorySize }]), { ram: RAM });
    expect(message).toContain("lies outside RAM, 0x80000000..0x80100000 (1 MiB)");
    expect(message).toContain(`0x${paddr.toString(16)}..`);
  });

  it("addresses and sizes that only a hostile file has", () => {
    expect(refusal(buildElf([{ paddr: 0xffff_ffff_ffff_f000n, content: [1] }]))).toContain(
      "beyond any physical memory",
    );
    expect(refusal(patched(good, 64 + 8, ...new Array(8).fill(0xff)))).toContain("truncated ELF");
    expect(refusal(patched(good, 64 + 32, ...new Array(8).fill(0xff)))).toContain("more bytes in the file");
    expect(refusal(patched(good, 32, ...new Array(8).fill(0xff)))).toContain("truncated ELF: program headers");
    expect(refusal(patched(good, 40, ...new Array(8).fill(0xff)))).toContain("truncated ELF: section headers");
  });

  it("a symbol table that lies outside the file, when it is asked for", () => {
    const headers = good.length - 3 * 64;
    const bad = patched(good, headers + 64 + 24, ...new Array(8).fill(0x7f));
    expect(refusal(bad, {}, ({ symbols }) => symbols())).toContain("truncated ELF: symbols");
  });
});
