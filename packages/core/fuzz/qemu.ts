/**
 * QEMU of Debian 13 for amd64, the fuzzer's reference machine: fetched once
 * through apt with its libraries, unpacked into the cache and started through
 * its own loader, so that nothing is installed and any glibc will do. Only
 * `reference.ts` starts it.
 */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Apt, debianMirror } from "../../hartvisor/src/host/node/apt.js";
import { type RunResult, run } from "../../hartvisor/src/host/node/child-process.js";
import { defaultCacheDirectory } from "../../hartvisor/src/host/node/debian-image.js";

const PACKAGE = "qemu-system-riscv";
const SUITE = "trixie";
/** Written last: an unpacked QEMU without it is half of one. */
const MANIFEST = "manifest.json";

/** A QEMU that can be started. */
export interface Qemu {
  /** Its Debian version. */
  readonly version: string;
  /** Runs `qemu-system-riscv64`; gives up, with the signal's reason, when aborted. */
  run(args: readonly string[], signal?: AbortSignal): Promise<RunResult>;
}

/**
 * Finds QEMU in the cache or obtains it; throws with the reason where it cannot be had.
 * `onDownload` is called before the network is used.
 */
export async function obtainQemu(onDownload?: () => void): Promise<Qemu> {
  if (process.arch !== "x64" || process.platform !== "linux") {
    throw new Error(`the reference QEMU is a Linux program for amd64; this is ${process.platform} on ${process.arch}`);
  }
  const store = join(defaultCacheDirectory(), "qemu");
  const unpacked = join(store, SUITE);
  const version = await readVersion(unpacked);
  if (version !== undefined) return qemuIn(unpacked, version);
  onDownload?.();
  await download(store, unpacked);
  return qemuIn(unpacked, (await readVersion(unpacked)) ?? "unknown");
}

async function readVersion(unpacked: string): Promise<string | undefined> {
  const manifest = await readFile(join(unpacked, MANIFEST), "utf8").catch(() => undefined);
  return manifest === undefined ? undefined : (JSON.parse(manifest) as { version: string }).version;
}

function qemuIn(unpacked: string, version: string): Qemu {
  const libraries = join(unpacked, "usr/lib/x86_64-linux-gnu");
  const loader = join(libraries, "ld-linux-x86-64.so.2");
  const program = join(unpacked, "usr/bin/qemu-system-riscv64");
  return {
    version,
    run: (args, signal) => run(loader, ["--library-path", libraries, program, ...args], { signal }),
  };
}

/** Downloads and unpacks in a folder of this call alone, then moves the result to its place in one step. */
async function download(store: string, target: string): Promise<void> {
  await mkdir(store, { recursive: true });
  const directory = await mkdtemp(join(store, "incoming-"));
  try {
    const apt = await Apt.create({ directory, mirror: await debianMirror(), suite: SUITE, architecture: "amd64" });
    await apt.update();
    const { version } = await apt.show(PACKAGE);
    // The status file of this apt is empty, so "install" means all that the package needs, libc included.
    const plan = await expectSuccess("apt-get", [
      ...["--config-file", join(directory, "apt.conf"), "--option", "Debug::NoLocking=true"],
      ...["--yes", "--quiet", "--no-install-recommends", "--download-only", "install", PACKAGE],
    ]);
    const archives = join(directory, "archives");
    const debs = (await readdir(archives)).filter((name) => name.endsWith(".deb"));
    if (debs.length === 0) throw new Error(`apt-get downloaded nothing: ${plan.stdout}`);
    const unpacked = join(directory, "unpacked");
    // One after another: libc6 and the rest share directories.
    for (const deb of debs) await expectSuccess("dpkg-deb", ["--extract", join(archives, deb), unpacked]);
    await writeFile(join(unpacked, MANIFEST), `${JSON.stringify({ version, packages: debs }, undefined, 2)}\n`);
    await rm(target, { recursive: true, force: true });
    await rename(unpacked, target);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function expectSuccess(command: string, args: readonly string[]): Promise<RunResult> {
  const result = await run(command, args);
  if (result.exitCode === 0) return result;
  throw new Error(`${command} ended with status ${result.exitCode}: ${result.stderr.trim() || result.stdout.trim()}`);
}
