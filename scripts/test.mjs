/**
 * `npm test`: formatting and lint, types, then every test. `--full` adds what
 * takes longer. What needs the network fails without it, unless
 * HARTVISOR_OFFLINE=1 says so; then what was not run is listed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const bin = (name) => join(root, "node_modules/.bin", name);
const full = process.argv.includes("--full");
/** More random cases for the tests that take some. */
const env = { ...process.env, ...(full && { HARTVISOR_FLOAT_CASES: "20000", HARTVISOR_ROWS_HARTS: "100" }) };

const failures = [];

function step(title, command, args, more = {}) {
  console.log(`\n# ${title}`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit", env: { ...env, ...more } });
  if (status === 0) return;
  failures.push(title);
  process.exitCode = 1;
}

step("Format and lint", bin("biome"), ["check", "."]);
step("Types of the tests", bin("tsc"), ["-p", "tsconfig.tests.json"]);

if (full) {
  step("Guests are what their sources say", process.execPath, ["packages/bench/guests/build.mjs", "--check"]);
  step("The agent is what its sources say", process.execPath, ["packages/hartvisor/agent/build.mjs", "--check"]);
  step("Runtimes", process.execPath, ["scripts/test-runtimes.mjs"]);
}

const results = mkdtempSync(join(tmpdir(), "hartvisor-test-"));
const passes = [];

/** Runs tests, and keeps what became of each. */
function tests(title, args = [], more = {}) {
  const json = join(results, `${passes.length}.json`);
  step(
    title,
    bin("vitest"),
    ["run", ...args, "--reporter=default", "--reporter=json", `--outputFile.json=${json}`],
    more,
  );
  passes.push({ title, ...(existsSync(json) && JSON.parse(readFileSync(json, "utf8"))) });
}

try {
  tests("Tests");
  const machines = (how, translator) =>
    tests(`Tests of machines, ${how}`, ["packages/core/test/machine"], {
      HARTVISOR_TEST_TRANSLATOR: JSON.stringify({ threshold: 1, ...translator }),
    });
  // Every block translated before it is first executed; each block on its own; some blocks, between interpreted ones.
  machines("translated by the region", { sampleInterval: 1, eager: true });
  machines("translated by the block", { sampleInterval: 1, eager: true, unit: "block" });
  machines("translated here and there", { sampleInterval: 7 });
} finally {
  rmSync(results, { recursive: true });
}
summarise();

/** Names what was not run and what failed, and closes with one line of counts. */
function summarise() {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { title, testResults = [], numTotalTests = 0, ...pass } of passes) {
    if (numTotalTests === 0) process.exitCode = 1;
    counts.passed += pass.numPassedTests ?? 0;
    counts.failed += pass.numFailedTests ?? 0;
    counts.skipped += pass.numPendingTests ?? 0;
    for (const { name, status, message, assertionResults } of testResults) {
      // Also where no test of it failed: it could not be loaded, or its preparation failed.
      if (status === "failed")
        console.log(["failed", title, relative(root, name), firstLine(message)].filter(Boolean).join(": "));
      for (const { status, fullName, failureMessages } of assertionResults) {
        if (status === "pending" || status === "skipped") console.log(`not run: ${fullName}`);
        if (status === "failed") console.log(`failed: ${title}: ${fullName}: ${firstLine(failureMessages[0])}`);
      }
    }
  }
  for (const title of failures) console.log(`failed: ${title}`);
  console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
}

function firstLine(text = "") {
  return text.split("\n", 1)[0];
}
