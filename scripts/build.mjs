/** Builds the packages whose sources changed since they were built, in the order of their dependencies. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { digest } from "./digest.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);

/** Entry points by package: the name of the bundle and its source. */
const PACKAGES = {
  core: { index: "src/index.ts", isa: "src/isa.ts" },
  jit: { index: "src/index.ts" },
  devices: { index: "src/index.ts" },
  hartvisor: {
    index: "src/index.ts",
    cli: "src/cli.ts",
    debian: "src/host/node/debian.ts",
    node: "src/host/node/index.ts",
  },
  bench: {
    index: "src/index.ts",
    interpreter: "src/interpreter.ts",
    paired: "src/paired.ts",
    soak: "src/soak.ts",
    "boot-to-shell": "src/boot-to-shell.ts",
    io: "src/io/main.ts",
    files: "src/files/main.ts",
    roots: "src/roots/main.ts",
    peers: "src/peers/main.ts",
    "peers-v86": "src/peers/v86-machine.ts",
  },
};

/**
 * What a package is made of; hartvisor embeds a guest of bench's and, in its worker's script, the packages below it. bench
 * takes tools for Debian from hartvisor's sources.
 */
const inputs = (name) => [
  `packages/${name}`,
  ...(name === "hartvisor"
    ? ["packages/bench/guests/built/demo.elf", "packages/core", "packages/devices", "packages/jit"]
    : []),
  ...(name === "bench" ? ["packages/hartvisor/src"] : []),
  "tsconfig.base.json",
  "scripts/build.mjs",
];
const stampOf = (name) => join(root, "packages", name, "dist/.stamp");
// Taken before building: an edit during the build makes the result stale, not fresh.
const digests = new Map(Object.keys(PACKAGES).map((name) => [name, digest(root, inputs(name))]));
const stale = Object.keys(PACKAGES).filter(
  (name) => !existsSync(stampOf(name)) || readFileSync(stampOf(name), "utf8") !== digests.get(name),
);

if (stale.length > 0) {
  console.error(`hartvisor: building ${stale.join(", ")}`);
  const { build } = await import("tsup");
  for (const name of stale) {
    const folder = join(root, "packages", name);
    const own = join(folder, "build.mjs");
    if (existsSync(own)) execFileSync(process.execPath, [own], { cwd: folder, stdio: "inherit" });
    const common = {
      outDir: join(folder, "dist"),
      tsconfig: join(folder, "tsconfig.json"),
      format: "esm",
      target: "es2022",
      platform: "neutral",
      silent: true,
      config: false,
    };
    await build({
      ...common,
      entry: Object.fromEntries(Object.entries(PACKAGES[name]).map(([bundle, file]) => [bundle, join(folder, file)])),
      external: [
        /^node:/,
        /^@hartvisor\//,
        /^hartvisor/,
        "commander",
        "tar-stream",
        "benchmark",
        "cli-progress",
        "d3-scale",
        "v86",
      ],
      splitting: name === "hartvisor" || name === "core",
    });
    // A page's import map does not reach into its workers: their script imports nothing by name.
    if (name === "hartvisor") {
      // Only what needs Node stands apart, and is loaded where there is Node.
      await build({
        ...common,
        entry: { worker: join(folder, "src/worker.ts") },
        external: [/^node:/],
        noExternal: [/^@hartvisor\//],
      });
    }
  }
  // Declarations: one compiler run over the project references.
  execFileSync(process.execPath, [join(dirname(require.resolve("typescript/package.json")), "bin/tsc"), "-b"], {
    cwd: root,
    stdio: "inherit",
  });
  for (const name of stale) {
    mkdirSync(dirname(stampOf(name)), { recursive: true });
    writeFileSync(stampOf(name), digests.get(name));
  }
}
