/**
 * The note by which an ELF file says what its kernel is made for: name "hartvisor", type 1, a word of bits (System V ABI,
 * chapter 5, "Note Section"). docs/hypercalls.md has it for authors of guests.
 */

/** How a program can be run: as a kernel in S-mode, as one that knows it is deprivileged, or either. */
export interface GuestStyles {
  readonly native: boolean;
  readonly paravirtual: boolean;
}

/** What programs without a note are. */
export const NATIVE: GuestStyles = { native: true, paravirtual: false };

const NAME = "hartvisor\0";
const TYPE = 1;
const HEADER_SIZE = 12;
const MASK_SIZE = 4;

/** The mask of the first such note in a segment of notes, whose parts are padded to `alignment`; undefined if there is none. */
export function guestNote(notes: Uint8Array, alignment: number): number | undefined {
  const view = new DataView(notes.buffer, notes.byteOffset, notes.byteLength);
  const padded = (size: number) => Math.ceil(size / alignment) * alignment;
  for (let at = 0; at + HEADER_SIZE <= notes.length; ) {
    const nameSize = view.getUint32(at, true);
    const size = view.getUint32(at + 4, true);
    const start = at + padded(HEADER_SIZE + nameSize);
    if (start + size > notes.length) return undefined;
    const name = String.fromCharCode(...notes.subarray(at + HEADER_SIZE, at + HEADER_SIZE + NAME.length));
    const isOurs = nameSize === NAME.length && name === NAME && view.getUint32(at + 8, true) === TYPE;
    if (isOurs && size === MASK_SIZE) return view.getUint32(start, true);
    at = start + padded(size);
  }
  return undefined;
}

/** The styles that a mask names; undefined if it names none, or any that is not known. */
export function stylesOf(mask: number): GuestStyles | undefined {
  if (mask < 1 || mask > 3) return undefined;
  return { native: (mask & 1) !== 0, paravirtual: (mask & 2) !== 0 };
}
