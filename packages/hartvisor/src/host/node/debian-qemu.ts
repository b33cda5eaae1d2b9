/**
 * QEMU of Debian 13 for amd64, the machine to compare with: fetched once through apt with
 * its libraries and started through its own loader, so that nothing is installed and any
 * glibc will do. The fuzzer checks results against it, the peers benchmark speed.
 */
import { join } from "node:path";
import { type RunResult, run } from "./child-process.js";
import type { DemoImageProgress } from "./debian-image.js";
import { obtainDebianTree } from "./debian-tree.js";

const PACKAGE = "qemu-system-riscv";

/** A QEMU that can be started. */
export interface Qemu {
  /** Its Debian version. */
  readonly version: string;
  /** The words that start `qemu-system-riscv64`, to be followed by its arguments. */
  readonly command: readonly [string, ...string[]];
  /** Runs `qemu-system-riscv64`; gives up, with the signal's reason, when aborted. */
  run(args: readonly string[], signal?: AbortSignal): Promise<RunResult>;
}

/**
 * Finds QEMU in the cache or obtains it; throws with the reason where it cannot be had.
 * `progress` is called when the network is used.
 */
export async function obtainQemu(progress?: (event: DemoImageProgress) => void): Promise<Qemu> {
  if (process.arch !== "x64" || process.platform !== "linux") {
    throw new Error(`the reference QEMU is a Linux program for amd64; this is ${process.platform} on ${process.arch}`);
  }
  const { root, versions } = await obtainDebianTree({
    ...{ name: "qemu", suite: "trixie", architecture: "amd64", packages: [PACKAGE] },
    ...(progress !== undefined && { progress }),
  });
  const libraries = join(root, "usr/lib/x86_64-linux-gnu");
  const loader = join(libraries, "ld-linux-x86-64.so.2");
  const program = join(root, "usr/bin/qemu-system-riscv64");
  const start = ["--library-path", libraries, program, "-L", join(root, "usr/share/qemu")];
  return {
    version: versions[PACKAGE] ?? "unknown",
    command: [loader, ...start],
    run: (args, signal) => run(loader, [...start, ...args], { signal }),
  };
}
