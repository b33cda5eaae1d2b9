/**
 * `npm run bench:paired -- COMMIT`: the interpreter's speed in this checkout
 * relative to that of another commit, which is built beside it. Both run the
 * same programs in turn, in alternating order, so that a slow spell of the host
 * meets both; the interval comes from resampling the rounds.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { PROGRAMS, type ProgramName, runProgram } from "./programs.js";
import { bootstrapInterval, geometricMean, median } from "./statistics.js";

const CLI = "packages/hartvisor/dist/cli.js";
const root = fileURLToPath(new URL("../../../", import.meta.url));
const git = (...args: string[]) => execFileSync("git", ["-C", root, ...args], { encoding: "utf8" }).trim();

/** Builds a commit in a folder of its own for as long as `use` needs it. */
function withBuild(commit: string, use: (checkout: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "hartvisor-paired-"));
  const checkout = join(folder, "checkout");
  try {
    git("worktree", "add", "--quiet", "--detach", checkout, commit);
    execFileSync(process.execPath, ["scripts/with-build.mjs"], {
      cwd: checkout,
      stdio: ["ignore", "ignore", "inherit"],
    });
    use(checkout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    git("worktree", "prune");
  }
}

/** How much faster the first is than the second, in one pair of runs. */
function ratio(name: ProgramName, ours: string, theirs: string, oursFirst: boolean): number {
  const first = runProgram(oursFirst ? ours : theirs, name);
  const second = runProgram(oursFirst ? theirs : ours, name);
  return oursFirst ? first / second : second / first;
}

function compare(commit: string, rounds: number, checkout: string): void {
  const [ours, theirs] = [join(root, CLI), join(checkout, CLI)];
  const byProgram = new Map<ProgramName, number[]>(PROGRAMS.map((name) => [name, []]));
  const byRound: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const ratios = PROGRAMS.map((name) => ratio(name, ours, theirs, round % 2 === 0));
    for (const [n, name] of PROGRAMS.entries()) byProgram.get(name)?.push(ratios[n] ?? Number.NaN);
    byRound.push(geometricMean(ratios));
  }
  console.log(`Speed relative to ${git("log", "-1", "--format=%h %s", commit)} (${rounds} rounds)`);
  for (const [name, ratios] of byProgram) console.log(`${name.padEnd(10)} ${median(ratios).toFixed(3)}`);
  const [low, high] = bootstrapInterval(byRound, geometricMean);
  const mean = geometricMean(byRound).toFixed(4);
  console.log(`all        ${mean}, 95 % confidence interval ${low.toFixed(4)} to ${high.toFixed(4)}`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "10" } },
});
const [commit] = positionals;
const rounds = Number(values.rounds);
if (commit === undefined || positionals.length !== 1 || !(Number.isInteger(rounds) && rounds > 1)) {
  console.error("bench:paired [--rounds N] COMMIT");
  process.exit(2);
}
withBuild(commit, (checkout) => compare(commit, rounds, checkout));
