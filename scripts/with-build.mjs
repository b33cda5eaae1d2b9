/**
 * `node scripts/with-build.mjs [-- COMMAND ...]`: makes a fresh clone ready, then
 * runs a command. Needs Node and npm only: pnpm is fetched by npm. Does nothing slow when nothing has changed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { digest } from "./digest.mjs";
import { PNPM } from "./pnpm.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const [major = 0] = process.versions.node.split(".").map(Number);
if (major < 20) fail(`hartvisor needs Node 20 or newer; this is ${process.version}`);

install();
run(process.execPath, ["scripts/build.mjs"]);
const separator = process.argv.indexOf("--");
if (separator >= 0) {
  const [command = "", ...args] = process.argv.slice(separator + 1);
  process.exitCode = run(command, args, { mayFail: true });
}

/** Installs the locked dependencies, unless those that are installed came from the same files. */
function install() {
  const manifests = readdirSync(join(root, "packages")).map((name) => `packages/${name}/package.json`);
  const wanted = digest(root, ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", ...manifests]);
  const stamp = join(root, "node_modules/.hartvisor-install");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  console.error("hartvisor: installing dependencies");
  run(
    "npm",
    [
      "exec",
      "--yes",
      "--loglevel=error",
      `--package=${PNPM}`,
      "--",
      "pnpm",
      "install",
      "--frozen-lockfile",
      "--reporter=append-only",
    ],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  writeFileSync(stamp, wanted);
}

/** Runs a command from the root; ends this process if it fails, unless it may. */
function run(command, args, { mayFail = false, stdio = "inherit" } = {}) {
  const { status, signal, error, stdout } = spawnSync(command, args, {
    cwd: root,
    stdio,
    shell: process.platform === "win32",
  });
  if (error) fail(`cannot run ${command}: ${error.message}`);
  if (status !== 0 && !mayFail) {
    if (stdout) process.stderr.write(stdout);
    fail(`${[command, ...args].join(" ")} ended with ${signal ?? `status ${status}`}`);
  }
  return status ?? 1;
}

function fail(message) {
  console.error(`hartvisor: ${message}`);
  process.exit(1);
}
