/** Debian 13's tshark for tests, obtained as QEMU is: unpacked into the cache, and started through its own loader. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { obtainDebianTree } from "../src/host/node/debian-tree.js";

/** Whether this host can run it. */
export const canRunTshark = process.platform === "linux" && process.arch === "x64";

/** Runs tshark on a capture and gives what it prints. It reads no profile of the user's, and no plugins. */
export async function tshark(capture: string, ...args: readonly string[]): Promise<string> {
  const { root } = await obtainDebianTree({
    ...{ name: "tshark", suite: "trixie", architecture: "amd64", packages: ["tshark"] },
    leaveOut: ["usr/share/doc", "usr/share/man"],
  });
  const libraries = join(root, "usr/lib/x86_64-linux-gnu");
  const words = ["--library-path", libraries, join(root, "usr/bin/tshark"), "-n", "-r", capture, ...args];
  const env = {
    WIRESHARK_DATA_DIR: join(root, "usr/share/wireshark"),
    WIRESHARK_PLUGIN_DIR: "/nonexistent",
    WIRESHARK_EXTCAP_DIR: "/nonexistent",
    WIRESHARK_CONFIG_DIR: "/nonexistent",
  };
  return (await promisify(execFile)(join(libraries, "ld-linux-x86-64.so.2"), words, { env })).stdout;
}
