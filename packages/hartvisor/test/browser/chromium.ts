/**
 * Chromium of Debian 13 for amd64, fetched once through apt with its libraries and
 * started through its own loader, so that nothing is installed and any glibc will do.
 */
import { chmod, copyFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { obtainDebianTree } from "../../src/host/node/debian-tree.js";

const LOADER = "ld-linux-x86-64.so.2";

/**
 * Under a loader, Chromium takes the loader for itself (`/proc/self/exe`): it looks for its files beside it, and would
 * start it again for each of its processes. So the loader stands beside those files, and this script in for the program.
 * The zygote forks itself without asking for a program, and is left out.
 */
const START = `#!/bin/sh
here=\${0%/*}
libraries=$here/../x86_64-linux-gnu
exec "$here/${LOADER}" --library-path "$libraries:$libraries/pulseaudio" "$here/chromium" \\
  --browser-subprocess-path="$0" --no-zygote "$@"
`;

/** Starts a headless Chromium; the first time, downloads it. Without its sandbox, which root cannot have. */
export async function launchChromium(): Promise<Browser> {
  if (process.arch !== "x64" || process.platform !== "linux") {
    throw new Error(`Debian's Chromium is a Linux program for amd64; this is ${process.platform} on ${process.arch}`);
  }
  const { root } = await obtainDebianTree({
    ...{ name: "chromium", suite: "trixie", architecture: "amd64", packages: ["chromium"] },
    leaveOut: ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/icons"],
  });
  const folder = join(root, "usr/lib/chromium");
  const executablePath = join(folder, "start");
  await replace(join(folder, LOADER), (file) => copyFile(join(root, "usr/lib/x86_64-linux-gnu", LOADER), file));
  await replace(executablePath, async (file) => {
    await writeFile(file, START);
    await chmod(file, 0o755);
  });
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
}

/** Puts a file in place in one step: another process may be starting the same Chromium. */
async function replace(path: string, make: (file: string) => Promise<void>): Promise<void> {
  const fresh = `${path}.${process.pid}`;
  await make(fresh);
  await rename(fresh, path);
}
