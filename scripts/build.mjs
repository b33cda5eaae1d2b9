/** Builds the packages whose sources changed since they were built, in the order of their dependencies. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { digest } from "./digest.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);

/** Entry points by package. */
const PACKAGES = {
  core: ["src/index.ts"],
  jit: ["src/index.ts"],
  devices: ["src/index.ts"],
  hartvisor: ["src/index.ts", "src/cli.ts"],
  bench: ["src/index.ts", "src/interpreter.ts"],
};

const inputs = (name) => [`packages/${name}`, "tsconfig.base.json", "scripts/build.mjs"];
const stale = Object.keys(PACKAGES).filter((name) => {
  const stamp = join(root, "packages", name, "dist/.stamp");
  return !existsSync(stamp) || readFileSync(stamp, "utf8") !== digest(root, inputs(name));
});

if (stale.length > 0) {
  console.error(`hartvisor: building ${stale.join(", ")}`);
  const { build } = await import("tsup");
  for (const name of stale) {
    const folder = join(root, "packages", name);
    const own = join(folder, "build.mjs");
    if (existsSync(own)) execFileSync(process.execPath, [own], { cwd: folder, stdio: "inherit" });
    await build({
      entry: PACKAGES[name].map((entry) => join(folder, entry)),
      outDir: join(folder, "dist"),
      tsconfig: join(folder, "tsconfig.json"),
      format: "esm",
      target: "es2022",
      platform: "neutral",
      external: [/^node:/, /^@hartvisor\//, "hartvisor", "commander", "benchmark"],
      splitting: name === "hartvisor",
      silent: true,
      config: false,
    });
  }
  // Declarations: one compiler run over the project references.
  execFileSync(process.execPath, [join(dirname(require.resolve("typescript/package.json")), "bin/tsc"), "-b"], {
    cwd: root,
    stdio: "inherit",
  });
  for (const name of stale) {
    const stamp = join(root, "packages", name, "dist/.stamp");
    mkdirSync(dirname(stamp), { recursive: true });
    writeFileSync(stamp, digest(root, inputs(name)));
  }
}
