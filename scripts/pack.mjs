/** Packs the publishable packages into a folder, as `npm publish` would send them. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PNPM } from "./pnpm.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Returns the paths of the tarballs. */
export function pack(folder) {
  return readdirSync(join(root, "packages"))
    .map((name) => join(root, "packages", name))
    .filter((path) => !JSON.parse(readFileSync(join(path, "package.json"), "utf8")).private)
    .map((path) => {
      const args = [
        "exec",
        "--yes",
        "--loglevel=error",
        `--package=${PNPM}`,
        "--",
        "pnpm",
        "pack",
        "--pack-destination",
        folder,
        "--json",
      ];
      const { status, stdout, stderr } = spawnSync("npm", args, { cwd: path, encoding: "utf8" });
      if (status !== 0) throw new Error(`packing ${path} failed: ${stderr}`);
      return JSON.parse(stdout).filename;
    });
}
