/**
 * The command `fuzz:isa`: random programs on this machine and on QEMU, compared.
 * Ends with 1 after a mismatch, which is reduced and printed, and with 2 where
 * QEMU cannot be had or the command line is wrong.
 */
import { parseArgs } from "node:util";
import { ProgressLine } from "../../hartvisor/src/cli/progress.js";
import { obtainQemu, type Qemu } from "../../hartvisor/src/host/node/debian-qemu.js";
import { DEFAULT_ISA } from "../isa/extensions.js";
import { batchSize, compareBatch, programsOf, type Verdict } from "./campaign.js";
import { describe } from "./compare.js";
import { Coverage } from "./coverage.js";
import { type ProfileName, profileNames } from "./profiles.js";
import { instructionCount, listing } from "./program.js";
import { reduce } from "./reduce.js";
import { ENGINES, type Engine } from "./subject.js";
import { describeSweep, sweep } from "./sweep.js";

const USAGE = `fuzz:isa [--seed N] [--count M] [--profile ${profileNames.join("|")}|all]
         [--engine ${ENGINES.join("|")}] [--coverage] [--keep-going]
fuzz:isa --sweep [--seed N] [--isa STRING]   legality of encodings instead of programs`;

interface Options {
  readonly seed: number;
  readonly count: number;
  readonly profiles: readonly ProfileName[];
  readonly engine: Engine;
  readonly coverage: boolean;
  readonly keepGoing: boolean;
  readonly sweep: boolean;
  readonly isa: string;
}

function fail(message: string): never {
  console.error(`fuzz:isa: ${message}`);
  process.exit(2);
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  return fail(`--${name} ${text}: give a whole number from 0 on`);
}

function oneOf<Name extends string>(option: string, names: readonly Name[], text: string): Name {
  return names.find((name) => name === text) ?? fail(`--${option} ${text}: give one of ${names.join(", ")}`);
}

function parseOptions(): Options {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: "string", default: "1" },
        count: { type: "string", default: "1000" },
        profile: { type: "string", default: "all" },
        engine: { type: "string", default: "interpreter" },
        coverage: { type: "boolean", default: false },
        "keep-going": { type: "boolean", default: false },
        sweep: { type: "boolean", default: false },
        isa: { type: "string", default: DEFAULT_ISA },
      },
    });
    return {
      seed: wholeNumber("seed", values.seed),
      count: wholeNumber("count", values.count),
      profiles: values.profile === "all" ? profileNames : [oneOf("profile", profileNames, values.profile)],
      engine: oneOf("engine", ENGINES, values.engine),
      coverage: values.coverage,
      keepGoing: values["keep-going"],
      sweep: values.sweep,
      isa: values.isa,
    };
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : error}\n${USAGE}`);
  }
}

/** Reduces and prints a mismatch. */
async function report(qemu: Qemu, { program, found }: Verdict, engine: Engine): Promise<void> {
  const { seed, profile } = program;
  console.log(`\nmismatch: --profile ${profile} --seed ${seed} --count 1 --engine ${engine}`);
  const reduced = await reduce(qemu, program, engine);
  if (reduced === undefined) {
    console.log(`only behind the programs before it in its batch:\n${listing(program)}\n${describe(found)}`);
    return;
  }
  console.log(`${listing(reduced.program)}\n${describe(reduced.found)}`);
}

/** Fuzzes one profile; gives the number of mismatches. */
async function fuzz(qemu: Qemu, profile: ProfileName, options: Options, coverage?: Coverage): Promise<number> {
  const { seed, count, keepGoing } = options;
  const engine = coverage !== undefined && options.engine === "interpreter" ? "step" : options.engine;
  const start = performance.now();
  const before = coverage?.total ?? 0;
  let instructions = 0;
  let mismatches = 0;
  const batch = batchSize(engine);
  for (let done = 0; done < count; done += batch) {
    const programs = programsOf(profile, seed + done, Math.min(batch, count - done));
    instructions += programs.reduce((sum, program) => sum + instructionCount(program), 0);
    const verdicts = await compareBatch(qemu, programs, engine, coverage?.observe);
    mismatches += verdicts.length;
    for (const verdict of keepGoing ? verdicts : verdicts.slice(0, 1)) await report(qemu, verdict, engine);
    if (mismatches > 0 && !keepGoing) break;
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const retired = coverage === undefined ? "" : `${coverage.total - before} retired, `;
  console.log(
    `${profile}: ${count} programs, ${instructions} instructions, ${retired}${mismatches} mismatches, ${seconds} s`,
  );
  return mismatches;
}

/** Sweeps the encodings; gives the number of disagreements. */
async function sweepAll(qemu: Qemu, { isa, seed }: Options): Promise<number> {
  const start = performance.now();
  let encodings = 0;
  const found = await sweep(qemu, { isa, stride: 1, random: 300_000, seed }, (count) => {
    encodings += count;
  });
  if (found.length > 0) console.log(describeSweep(found));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`sweep: ${encodings} encodings, ${found.length} disagreements, ${seconds} s`);
  return found.length;
}

const options = parseOptions();
const progress = new ProgressLine();
const qemu = await obtainQemu((event) => progress.show(event))
  .finally(() => progress.end())
  .catch((error: unknown) => fail(`QEMU cannot be had: ${error instanceof Error ? error.message : error}`));
if (options.sweep) process.exit((await sweepAll(qemu, options)) > 0 ? 1 : 0);
const coverage = options.coverage ? new Coverage() : undefined;
for (const profile of options.profiles) {
  const mismatches = await fuzz(qemu, profile, options, coverage);
  if (mismatches > 0) process.exitCode = 1;
}
if (coverage !== undefined) console.log(`\n${coverage.total} retired\n  retired   trapped\n${coverage.table()}`);
