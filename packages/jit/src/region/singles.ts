/**
 * Which float registers a region takes for singles wherever it names them: their locals are f32, and only memory has them
 * boxed (Unprivileged ISA 21.2). That they are boxed is looked at where registers are loaded; where one is not, the
 * interpreter goes on. A region that this often happens to is made anew without.
 */
import type { Block, Region } from "./block.js";

/** By their bits. */
export function singlesOf(region: Region): number {
  let [named, wide] = [0, 0];
  for (const { instructions } of region.blocks.values()) {
    for (const { instruction } of instructions) {
      named |= instruction.reads.f | instruction.writes.f;
      wide |= instruction.wide;
    }
  }
  const singles = named & ~wide;
  return singles !== 0 && loads(region).some(({ instructions }) => instructions[0]?.misses === "often") ? 0 : singles;
}

/** Offsets at which a region with singles loads registers: where it begins, and behind calls. */
export const singlesLoadedAt = (region: Region): readonly number[] =>
  singlesOf(region) === 0 ? [] : loads(region).map(({ offset }) => offset);

function loads({ entry, blocks }: Region): readonly Block[] {
  const offsets = new Set([entry]);
  for (const { terminator } of blocks.values()) if (terminator.kind === "call") offsets.add(terminator.link);
  return [...offsets].flatMap((offset) => blocks.get(offset) ?? []);
}
