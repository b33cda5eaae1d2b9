/**
 * virtiofsd of Debian 13, the file server that QEMU's machines mount by virtio-fs: obtained as QEMU is, and started beside
 * it on a socket of its own. It needs no privileges here, as it shares a folder that this benchmark made with a guest of
 * this benchmark's: `--sandbox none`.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { obtainDebianTree } from "../../../hartvisor/src/host/node/debian-tree.js";
import { EmulatorProcess } from "../peers/emulator-process.js";

const PACKAGE = "virtiofsd";
const PATIENCE_MS = 10_000;
const POLL_MS = 20;

/** A virtiofsd that can be started. */
export interface Virtiofsd {
  /** Its Debian version. */
  readonly version: string;
  /** Starts it on a folder; it is there when QEMU may connect. @throws Error when it cannot run here, with what it said */
  serve(folder: string, socket: string): Promise<EmulatorProcess>;
}

/** Finds it in the cache or obtains it; throws with the reason where it cannot be had. */
export async function obtainVirtiofsd(): Promise<Virtiofsd> {
  const { root, versions } = await obtainDebianTree({
    ...{ name: "virtiofsd", suite: "trixie", architecture: "amd64", packages: [PACKAGE] },
  });
  const libraries = join(root, "usr/lib/x86_64-linux-gnu");
  const start = ["--library-path", libraries, join(root, "usr/libexec/virtiofsd")];
  return {
    version: versions[PACKAGE] ?? "unknown",
    serve: async (folder, socket) => {
      const server = new EmulatorProcess(join(libraries, "ld-linux-x86-64.so.2"), [
        ...start,
        ...["--shared-dir", folder, "--socket-path", socket, "--sandbox", "none", "--log-level", "error"],
      ]);
      // Nothing that it prints matches: this fails when it ends, or does not come up.
      const fails = server.expect(/(?!)/, PATIENCE_MS);
      try {
        await Promise.race([appearance(socket), fails]);
        return server;
      } catch (error) {
        await server.kill();
        throw error;
      }
    },
  };
}

/** Waits for a file, for as long as a server may take to make it. */
async function appearance(path: string): Promise<void> {
  for (let waited = 0; waited <= PATIENCE_MS; waited += POLL_MS) {
    if (existsSync(path)) return;
    await setTimeout(POLL_MS);
  }
}
