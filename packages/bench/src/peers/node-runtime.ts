/** Finds the Node under which the machine runs: this one, a program, or a version, which npm's package `node` brings. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../../hartvisor/src/host/node/child-process.js";
import { defaultCacheDirectory } from "../../../hartvisor/src/host/node/debian-image.js";

export interface NodeRuntime {
  readonly path: string;
  /** As `node --version` says it. */
  readonly version: string;
}

/**
 * Finds a Node, and downloads it into the cache if it is a version that is not there.
 *
 * @param wanted a version such as "24" or "24.11.0", or a path; this process's Node by default
 * @throws Error when there is none
 */
export async function findNode(wanted?: string): Promise<NodeRuntime> {
  if (wanted === undefined) return { path: process.execPath, version: process.version };
  const path = /^\d+(\.\d+)*$/.test(wanted) ? await installNode(wanted) : wanted;
  const { exitCode, stdout, stderr } = await run(path, ["--version"]);
  if (exitCode !== 0) throw new Error(`${path} --version failed: ${stderr.trim()}`);
  return { path, version: stdout.trim() };
}

async function installNode(version: string): Promise<string> {
  const directory = join(defaultCacheDirectory(), "node", version);
  const path = join(directory, "node_modules/node/bin/node");
  if ((await run(path, ["--version"]).catch(() => undefined))?.exitCode === 0) return path;
  await mkdir(directory, { recursive: true });
  const args = ["install", "--prefix", directory, "--no-audit", "--no-fund", "--loglevel=error", `node@${version}`];
  const { exitCode, stderr } = await run("npm", args);
  if (exitCode !== 0) throw new Error(`npm cannot install node@${version}: ${stderr.trim()}`);
  return path;
}
