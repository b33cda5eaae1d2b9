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
const env = { ...process.env, ...(process.argv.includes("--full") && { HARTVISOR_FULL: "1" }) };

function step(title, command, args) {
  console.log(`\n# ${title}`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit", env });
  if (status !== 0) {
    console.error(`${title}: failed`);
    process.exitCode = 1;
  }
  return status === 0;
}

step("Format and lint", bin("biome"), ["check", "."]);
step("Types of the tests", bin("tsc"), ["-p", "tsconfig.tests.json"]);

const results = mkdtempSync(join(tmpdir(), "hartvisor-test-"));
const json = join(results, "results.json");
step("Tests", bin("vitest"), ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${json}`]);
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
  if (numTotalTests === 0) process.exitCode = 1;
  console.log(`\n${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`);
}
