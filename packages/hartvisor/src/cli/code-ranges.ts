/**
 * Where an ELF file has code: its executable sections, or, where it has no sections, its executable segments. Takes
 * a file that core's `elf()` has checked. Source: System V ABI, ch. 4, "Sections".
 */
import { type ElfImage, HartvisorError } from "@hartvisor/core";

/** Code that lies together. */
export interface CodeRange {
  readonly name: string;
  readonly address: bigint;
  readonly bytes: Uint8Array;
}

const SHT_PROGBITS = 1;
const SHF_EXECINSTR = 4n;

/** Throws HartvisorError `invalid-image` for sections that lie outside the file, and for a file without code. */
export function codeRanges(file: Uint8Array, image: ElfImage, name: string): CodeRange[] {
  const sections = executableSections(file, name);
  const ranges =
    sections.length > 0
      ? sections
      : image.segments
          .filter(({ flags }) => flags.execute)
          .map(({ physicalAddress, bytes }) => ({ name: "segment", address: BigInt(physicalAddress), bytes }));
  if (ranges.length === 0) throw new HartvisorError("invalid-image", `${name}: it has no code`);
  return ranges;
}

function executableSections(file: Uint8Array, name: string): CodeRange[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const table = Number(view.getBigUint64(40, true));
  const [entrySize, count, namesIndex] = [58, 60, 62].map((at) => view.getUint16(at, true)) as [number, number, number];
  const header = (index: number) => {
    const at = table + index * entrySize;
    return {
      nameOffset: view.getUint32(at, true),
      type: view.getUint32(at + 4, true),
      flags: view.getBigUint64(at + 8, true),
      address: view.getBigUint64(at + 16, true),
      offset: view.getBigUint64(at + 24, true),
      size: view.getBigUint64(at + 32, true),
    };
  };
  const contents = ({ offset, size }: { offset: bigint; size: bigint }) => {
    if (offset + size > BigInt(file.length)) {
      throw new HartvisorError("invalid-image", `${name}: truncated: a section ends at byte ${offset + size}`);
    }
    return file.subarray(Number(offset), Number(offset + size));
  };

  const names = namesIndex < count ? contents(header(namesIndex)) : new Uint8Array();
  return Array.from({ length: count }, (_, index) => header(index))
    .filter(({ type, flags }) => type === SHT_PROGBITS && (flags & SHF_EXECINSTR) !== 0n)
    .map((section) => {
      const text = new TextDecoder().decode(names.subarray(section.nameOffset)).split("\0", 1)[0];
      return { name: `section ${text || "without a name"}`, address: section.address, bytes: contents(section) };
    });
}
