/**
 * Runs batches of programs on both machines and compares them; finds the
 * program that does not end, if one does not.
 */
import { type Difference, differences } from "./compare.js";
import { generateProgram } from "./generate.js";
import { buildImage } from "./image.js";
import { Oracle } from "./oracle.js";
import type { ProfileName } from "./profiles.js";
import type { Program } from "./program.js";
import type { Qemu } from "./qemu.js";
import { runReference } from "./reference.js";
import { MAX_PROGRAMS, slotAddress } from "./slot.js";
import { type Engine, runSubject, type StepObserver } from "./subject.js";

/** Programs that run between two starts of QEMU. */
export const BATCH = MAX_PROGRAMS;

/** What a program shows: nothing, differences, or no end. */
export interface Verdict {
  readonly program: Program;
  readonly found: readonly Difference[];
}

const ENDLESS: Difference = { where: "the program's end", ours: 0n, reference: 0n };

/** Runs programs, each in a slot of its own, and gives those on which the machines disagree. */
export async function compareBatch(
  qemu: Qemu,
  programs: readonly Program[],
  engine: Engine,
  onStep?: StepObserver,
): Promise<Verdict[]> {
  const oracle = engine === "evaluator" ? new Oracle() : undefined;
  const observe: StepObserver | undefined =
    oracle === undefined
      ? onStep
      : (pc, state) => {
          oracle.observe(pc, state);
          onStep?.(pc, state);
        };
  const image = buildImage(programs);
  // QEMU is another process: both run at once.
  const reference = runReference(qemu, image);
  const [theirs, ours] = await Promise.all([reference, runSubject(image, engine, observe)]);
  if (ours !== undefined && theirs !== undefined) {
    return programs
      .map((program) => {
        const second = oracle?.found(program.base);
        return { program, found: [...(second ? [second] : []), ...differences(program, ours, theirs)] };
      })
      .filter(({ found }) => found.length > 0);
  }
  const [only] = programs;
  if (programs.length === 1 && only !== undefined) {
    const ended = (ram: Uint8Array | undefined) => (ram === undefined ? 0n : 1n);
    return [{ program: only, found: [{ ...ENDLESS, ours: ended(ours), reference: ended(theirs) }] }];
  }
  const middle = Math.ceil(programs.length / 2);
  const verdicts: Verdict[] = [];
  for (const half of [programs.slice(0, middle), programs.slice(middle)]) {
    const moved = half.map((program, n) => generateProgram(program.seed, program.profile, slotAddress(n)));
    verdicts.push(...(await compareBatch(qemu, moved, engine, onStep)));
  }
  return verdicts;
}

/** The programs of consecutive seeds, in slots from the first on. */
export function programsOf(profile: ProfileName, seed: number, count: number): Program[] {
  return Array.from({ length: count }, (_, n) => generateProgram(seed + n, profile, slotAddress(n)));
}
