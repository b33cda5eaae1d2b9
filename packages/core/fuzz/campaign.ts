/**
 * Runs batches of programs on both machines and compares them; finds the
 * program that does not end, if one does not.
 */
import type { Qemu } from "../../hartvisor/src/host/node/debian-qemu.js";
import { type Difference, differences } from "./compare.js";
import { generateProgram } from "./generate.js";
import { buildImage } from "./image.js";
import { Oracle } from "./oracle.js";
import type { ProfileName } from "./profiles.js";
import { type Program, withUnits } from "./program.js";
import { runReference } from "./reference.js";
import { MAX_PROGRAMS, slotAddress } from "./slot.js";
import { type Engine, runSubject, type StepObserver, translates } from "./subject.js";

/**
 * Programs that run on one machine, and between two starts of QEMU. A machine that translates gets fewer: each block is a
 * module, and what V8 does for the next one grows with those that share a table.
 */
export const batchSize = (engine: Engine): number => (translates(engine) ? 28 : MAX_PROGRAMS);

/** What a program shows: nothing, differences, or no end. */
export interface Verdict {
  readonly program: Program;
  readonly found: readonly Difference[];
}

/** QEMU gets this long for a program that does not end here. */
const GRACE_MS = 3000;

const endless = (program: Program, ours: boolean): Verdict => {
  const [yes, no] = [1n, 0n];
  return { program, found: [{ where: "reaches its end", ours: ours ? yes : no, reference: ours ? no : yes }] };
};

/** The same programs in slots from the first on. */
function moved(programs: readonly Program[]): Program[] {
  return programs.map(({ seed, profile, kept }, n) => {
    const program = generateProgram(seed, profile, slotAddress(n));
    return kept === undefined ? program : withUnits(program, kept);
  });
}

/** Compares programs of a batch in a batch of their own; what it finds is about these. */
async function compareApart(
  programs: readonly Program[],
  compare: (moved: readonly Program[]) => Promise<Verdict[]>,
): Promise<Verdict[]> {
  const there = moved(programs);
  const verdicts = await compare(there);
  return verdicts.map(({ program, found }) => ({ program: programs[there.indexOf(program)] ?? program, found }));
}

/** Runs programs, each in a slot of its own, and gives those on which the machines disagree. */
export async function compareBatch(
  qemu: Qemu,
  programs: readonly Program[],
  engine: Engine,
  onStep?: StepObserver,
): Promise<Verdict[]> {
  if (programs.length === 0) return [];
  const oracle = engine === "evaluator" ? new Oracle() : undefined;
  const observe: StepObserver = (pc, state) => {
    oracle?.observe(pc, state);
    onStep?.(pc, state);
  };
  const image = buildImage(programs);
  const giveUp = new AbortController();
  const reference = runReference(qemu, image, giveUp.signal);
  const ours = await runSubject(image, engine, engine === "interpreter" ? undefined : observe);
  if (ours.kind === "endless") {
    giveUp.abort();
    await reference;
    return withoutEndless(qemu, programs, ours.slot, (rest) => compareBatch(qemu, rest, engine, onStep));
  }
  const theirs = await reference;
  if (theirs !== undefined) {
    return programs
      .map((program) => {
        const second = oracle?.found(program.base);
        return { program, found: [...(second ? [second] : []), ...differences(program, ours.ram, theirs)] };
      })
      .filter(({ found }) => found.length > 0);
  }
  const [only] = programs;
  if (programs.length === 1 && only !== undefined) return [endless(only, true)];
  const middle = Math.ceil(programs.length / 2);
  const verdicts: Verdict[] = [];
  for (const half of [programs.slice(0, middle), programs.slice(middle)]) {
    verdicts.push(...(await compareApart(half, (apart) => compareBatch(qemu, apart, engine, onStep))));
  }
  return verdicts;
}

/** Sets the program aside that does not end here, which is a difference if it does on QEMU, and goes on with the rest. */
async function withoutEndless(
  qemu: Qemu,
  programs: readonly Program[],
  slot: number,
  compare: (rest: readonly Program[]) => Promise<Verdict[]>,
): Promise<Verdict[]> {
  const culprit = programs.find(({ base }) => base === slot);
  if (culprit === undefined) throw new Error(`the driver does not end; it was at slot 0x${slot.toString(16)}`);
  const theirs = await runReference(qemu, buildImage(moved([culprit])), AbortSignal.timeout(GRACE_MS));
  const others = programs.filter((program) => program !== culprit);
  const rest = await compareApart(others, compare);
  return theirs === undefined ? rest : [endless(culprit, false), ...rest];
}

/** The programs of consecutive seeds, in slots from the first on. */
export function programsOf(profile: ProfileName, seed: number, count: number): Program[] {
  return Array.from({ length: count }, (_, n) => generateProgram(seed + n, profile, slotAddress(n)));
}
