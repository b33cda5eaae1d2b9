/**
 * `pnpm test:runtimes`: installs the packed tarballs beside each runtime, all
 * of which are npm packages, and boots Debian's kernel to its shell under each.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pack } from "./pack.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "hartvisor-runtimes-"));

/** The runtimes: the npm package, its program, and the arguments before a script. */
const RUNTIMES = [
  { name: "Node 20", package: "node@20", program: "node", args: [] },
  { name: "the newest Node", package: "node@latest", program: "node", args: [] },
  { name: "Deno", package: "deno@latest", program: "deno", args: ["run", "--allow-all", "--node-modules-dir=manual"] },
  { name: "Bun", package: "bun@latest", program: "bun", args: ["run"] },
];

const SCRIPT = `
import { readFileSync } from "node:fs";
import { linux, Machine } from "hartvisor";

const [kernel, initrd] = process.argv.slice(2).map((file) => new Uint8Array(readFileSync(file)));
const machine = await Machine.create({
  boot: linux({ kernel, initrd, cmdline: "console=ttyS0 quiet" }),
  limits: { wallTimeMs: 120_000 },
});
const input = machine.console.input.getWriter();
let text = "";
const done = machine.console.output.pipeTo(new WritableStream({
  write(bytes) {
    const before = text;
    text += new TextDecoder().decode(bytes);
    if (!before.includes("hartvisor:~# ") && text.includes("hartvisor:~# ")) {
      void input.write(new TextEncoder().encode("uname -m; poweroff\\n"));
    }
  },
}));
machine.start();
const reason = await machine.exited;
await done;
if (reason.kind !== "poweroff" || !/^riscv64\\r?$/m.test(text)) throw new Error(JSON.stringify(reason) + text);
console.log("booted to a shell and powered off:", machine.stats.instructions, "instructions");
process.exit(0);
`;

function run(command, args, cwd, stdio = "inherit") {
  const { status, error, stdout } = spawnSync(command, args, { cwd, stdio, encoding: "utf8" });
  if (status !== 0)
    throw new Error(`${[command, ...args].join(" ")} ended with ${error?.message ?? `status ${status}`}`);
  return stdout;
}

let failed = 0;
try {
  const { debianDemoImage } = await import(join(root, "packages/hartvisor/dist/debian.js"));
  const { kernel, initrd } = await debianDemoImage();
  const files = [join(work, "Image"), join(work, "initrd")];
  writeFileSync(files[0], kernel);
  writeFileSync(files[1], initrd);
  const tarballs = pack(work);
  for (const { name, package: runtime, program, args } of RUNTIMES) {
    const project = join(work, runtime);
    mkdirSync(project);
    writeFileSync(join(project, "package.json"), JSON.stringify({ name: "guest", private: true, type: "module" }));
    writeFileSync(join(project, "boot.mjs"), SCRIPT);
    run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...tarballs, runtime], project);
    const executable = join(project, "node_modules/.bin", program);
    const version = run(executable, ["--version"], project, "pipe").split("\n")[0];
    console.log(`\n# ${name}: ${version}`);
    try {
      run(executable, [...args, "boot.mjs", ...files], project);
    } catch (error) {
      failed++;
      console.error(`${name}: ${error.message}`);
    }
  }
  console.log(`\n${RUNTIMES.length - failed} passed, ${failed} failed`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = failed === 0 ? 0 : 1;
