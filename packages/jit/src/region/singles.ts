/**
 * Which float registers a region takes for singles wherever it names them: their locals are f32, and only memory has them
 * boxed (Unprivileged ISA 21.2). That they are boxed is looked at where registers are loaded; where one is not, the
 * interpreter goes on. A region that this often happens to is made anew without.
 */
import type { Block, Region } from "./block.js";

/** By their bits, of the float registers that a region names. */
export function singlesOf(region: Pick<Region, "entry" | "blocks">, named: number): number {
  if (named === 0) return 0;
  let wide = 0;
  for (const { instructions } of region.blocks.values()) {
    for (const { instruction } of instructions) wide |= instruction.wide;
  }
  const singles = named & ~wide;
  return singles !== 0 && loads(region).some(({ instructions }) => instructions[0]?.misses === "often") ? 0 : singles;
}

/** Offsets at which a region with singles loads registers: where it begins, and behind calls. */
export const singlesLoadedAt = (region: Region): readonly number[] =>
  region.singles === 0 ? [] : loads(region).map(({ offset }) => offset);

function loads({ entry, blocks }: Pick<Region, "entry" | "blocks">): readonly Block[] {
  const offsets = new Set([entry]);
  for (const { terminator } of blocks.values()) if (terminator.kind === "call") offsets.add(terminator.link);
  return [...offsets].flatMap((offset) => blocks.get(offset) ?? []);
}
