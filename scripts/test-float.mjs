/**
 * `npm run test:float`: the floating-point tests with many more random operands than `npm test` takes: eleven million
 * comparisons of the exact routines with the oracle, and nine million of the fast ones with the exact.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const { status } = spawnSync(join(root, "node_modules/.bin/vitest"), ["run", "packages/core/test/float"], {
  cwd: root,
  stdio: "inherit",
  env: { HARTVISOR_FLOAT_CASES: "20000", ...process.env },
});
process.exitCode = status ?? 1;
