/**
 * `npm test`: formatting and lint, types, then every test. `--full` adds what
 * takes longer. What needs the network fails without it, unless
 * HARTVISOR_OFFLINE=1 says so; then what was not run is listed.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
const json = join(results, "results.json");
step("Tests", bin("vitest"), ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${json}`]);
// Every block translated before it is first executed; then each block on its own.
for (const unit of ["region", "block"]) {
  step(`Tests of machines, translated by the ${unit}`, bin("vitest"), ["run", "packages/core/test/machine"], {
    HARTVISOR_TEST_TRANSLATOR: JSON.stringify({ threshold: 1, sampleInterval: 1, eager: true, unit }),
  });
}
try {
  summarise(JSON.parse(readFileSync(json, "utf8")));
} finally {
  rmSync(results, { recursive: true });
}

/** Names what was not run, and closes with one line of counts. */
function summarise({ numPassedTests, numFailedTests, numPendingTests, numTotalTests, testResults }) {
  for (const { assertionResults } of testResults) {
    for (const { status, fullName } of assertionResults) {
      if (status === "pending" || status === "skipped") console.log(`not run: ${fullName}`);
    }
  }
  for (const title of failures) console.log(`failed: ${title}`);
  if (numTotalTests === 0) process.exitCode = 1;
  console.log(`\n${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`);
}
