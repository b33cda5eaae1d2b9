/**
 * Packs every publishable package, checks the tarballs with publint and
 * are-the-types-wrong, installs them into an empty project, type-checks a
 * consumer there and runs one instruction through it.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pack } from "./pack.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "hartvisor-packages-"));

function run(command, args, cwd = root) {
  const { status } = spawnSync(command, args, { cwd, stdio: "inherit" });
  if (status !== 0) throw new Error(`${[command, ...args].join(" ")} ended with status ${status}`);
}

try {
  const tarballs = pack(work);
  for (const tarball of tarballs) {
    console.log(`\n# ${tarball}`);
    run(join(root, "node_modules/.bin/publint"), [tarball, "--strict"]);
    // Node's CommonJS resolution is out of scope: the packages are ESM only.
    run(join(root, "node_modules/.bin/attw"), [tarball, "--profile", "esm-only"]);
  }
  const project = join(work, "consumer");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...tarballs], project);
  writeFileSync(join(project, "consumer.ts"), readFileSync(join(root, "scripts/consumer.ts")));
  const tsc = [
    "--noEmit",
    "false",
    "--target",
    "ES2022",
    "--module",
    "NodeNext",
    "--lib",
    "ES2022,ESNext.Disposable,DOM",
  ];
  run(join(root, "node_modules/.bin/tsc"), [...tsc, "--strict", "--types", "", "consumer.ts"], project);
  run(process.execPath, ["consumer.js"], project);
  const hartvisor = join(project, "node_modules/.bin/hartvisor");
  run(hartvisor, ["--version"], project);
  run(hartvisor, ["bench", "--clock", "virtual", "--filter", "syscall"], project);
  console.log(`\n${readdirSync(work).filter((name) => name.endsWith(".tgz")).length} packages are fit to publish`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
