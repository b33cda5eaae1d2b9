/**
 * Makes a program on which the machines disagree as small as it gets, by
 * replacing units with no-operations while they still disagree. Many variants
 * share a start of QEMU, each in a slot of its own.
 */
import type { Qemu } from "../../hartvisor/src/host/node/debian-qemu.js";
import { batchSize, compareBatch, type Verdict } from "./campaign.js";
import { generateProgram } from "./generate.js";
import { type Program, withUnits } from "./program.js";
import { slotAddress } from "./slot.js";
import type { Engine } from "./subject.js";

type Units = ReadonlySet<number>;

const without = (units: Units, removed: Iterable<number>): Units => {
  const rest = new Set(units);
  for (const unit of removed) rest.delete(unit);
  return rest;
};

/** The smallest program found, and what still differs in it; undefined if it shows nothing on its own. */
export async function reduce(qemu: Qemu, program: Program, engine: Engine): Promise<Verdict | undefined> {
  const variant = (kept: Units, n: number) =>
    withUnits(generateProgram(program.seed, program.profile, slotAddress(n)), kept);
  /** Which of these still disagree. */
  const test = async (candidates: readonly Units[]): Promise<boolean[]> => {
    const failing = new Set<number>();
    const most = batchSize(engine);
    for (let first = 0; first < candidates.length; first += most) {
      const batch = candidates.slice(first, first + most).map(variant);
      for (const verdict of await compareBatch(qemu, batch, engine))
        failing.add(first + batch.indexOf(verdict.program));
    }
    return candidates.map((_, n) => failing.has(n));
  };

  let kept: Units = new Set(program.units.keys());
  if (!(await test([kept]))[0]) return undefined;
  for (let size = kept.size >> 1; size > 0; ) {
    const all = [...kept];
    const chunks = Array.from({ length: Math.ceil(all.length / size) }, (_, n) => all.slice(n * size, (n + 1) * size));
    const alone = await test(chunks.map((chunk) => without(kept, chunk)));
    const removable = chunks.filter((_, n) => alone[n]);
    // What can go alone need not be able to go together: the longest prefix that can.
    const prefixes = removable.map((_, n) => without(kept, removable.slice(0, n + 1).flat()));
    const together = (await test(prefixes)).lastIndexOf(true);
    kept = prefixes[together] ?? kept;
    if (removable.length === 0 || size > 1) size >>= 1;
  }
  const [verdict] = await compareBatch(qemu, [variant(kept, 0)], engine);
  return verdict;
}
