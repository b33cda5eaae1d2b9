/**
 * The image of the demo: Debian's own Linux kernel for riscv64 and an initramfs around
 * Debian's busybox. The first call downloads them through apt; later calls read the cache
 * and need no network. Nothing is shown and nothing of the machine is changed.
 */
import { mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir, userInfo } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { HartvisorError } from "@hartvisor/core";
import {
  assembleDemoImage,
  type DemoImage,
  type DemoParts,
  IMAGE_PACKAGE,
  MANIFEST,
  readDemoParts,
} from "../../demo/demo-image.js";
import { DRIVERS } from "../../demo/drivers.js";
import { downloadDemoImage } from "./debian-download.js";
import { unless } from "./file-errors.js";

export type { DemoImage } from "../../demo/demo-image.js";

/** What is being done at the moment, for whoever shows it to a user. */
export interface DemoImageProgress {
  readonly step: "update" | "download" | "unpack" | "build";
  /** What it is done to, in a few words. */
  readonly detail: string;
  /** How much of the step is done, 0 to 1, where that is known. */
  readonly fraction?: number;
}

/** How to obtain the demo's image. */
export interface DemoImageOptions {
  /** Default: `hartvisor` in `$XDG_CACHE_HOME`, or in `~/.cache`. */
  readonly cacheDirectory?: string;
  /** A Debian mirror. Default: `HARTVISOR_DEBIAN_MIRROR`, or the mirror in the machine's apt sources. */
  readonly mirror?: string;
  /** Look for a newer kernel even if one is in the cache. Default: false. */
  readonly refresh?: boolean;
  /** Use the cache only, never the network. Default: false. */
  readonly offline?: boolean;
  readonly progress?: (event: DemoImageProgress) => void;
  /** Gives up and cleans up when aborted. */
  readonly signal?: AbortSignal;
}

/** The name under which the image in use is found, a symbolic link to a folder named for its packages. */
const CURRENT = "current";
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

/**
 * Obtains the demo's image, from an installed package, the cache, or a Debian mirror. Several processes may call it at once.
 *
 * @throws HartvisorError `download-failed`, in one line that says what stood in the way, with its `cause`
 * @throws the signal's reason when aborted
 * @example
 * const { kernel, initrd } = await debianDemoImage({ progress: ({ step, detail }) => console.error(step, detail) });
 */
export async function debianDemoImage(options: DemoImageOptions = {}): Promise<DemoImage> {
  const { cacheDirectory = defaultCacheDirectory(), progress, signal } = options;
  signal?.throwIfAborted();
  const store = join(cacheDirectory, "debian");
  const current = join(store, CURRENT);
  try {
    const installed = options.refresh === true ? undefined : installedPackage();
    let image = installed === undefined ? undefined : await readImage(installed);
    if (options.refresh !== true) image ??= await readImage(current);
    if (image === undefined) {
      if (options.offline === true) {
        throw new HartvisorError("download-failed", "offline, and Debian is not in the cache");
      }
      await downloadImage(store, options);
      image = await readImage(current);
    }
    if (image === undefined) throw new Error(`${current} cannot be read back`);
    progress?.({ step: "build", detail: "initramfs" });
    return assembleDemoImage(image);
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof HartvisorError ? error : downloadFailure(error, cacheDirectory);
  }
}

/** The folder of the package that has an image (`hartvisor image pack`), if it is installed beside this one or where the program runs. */
function installedPackage(): string | undefined {
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    try {
      return dirname(createRequire(from).resolve(`${IMAGE_PACKAGE}/${MANIFEST}`));
    } catch {
      // It is not there.
    }
  }
  return undefined;
}

/**
 * Where downloads are kept: the XDG base directory specification's cache, in a folder of ours. Throws HartvisorError
 * `unsupported` where there is no such place, as for a user whom only a container knows.
 */
export function defaultCacheDirectory(): string {
  const { XDG_CACHE_HOME: cache = "" } = process.env;
  if (isAbsolute(cache)) return join(cache, "hartvisor");
  for (const home of [homedir, () => userInfo().homedir]) {
    try {
      if (isAbsolute(home())) return join(home(), ".cache", "hartvisor");
    } catch {
      // Neither HOME nor the system's list of users says.
    }
  }
  throw new HartvisorError("unsupported", "there is no home directory to keep a cache in: set XDG_CACHE_HOME");
}

/** Reads an image from a folder; `undefined` when there is none, or not all of it. */
async function readImage(directory: string): Promise<DemoParts | undefined> {
  try {
    return await readDemoParts((name) => readFile(join(directory, name)), DRIVERS);
  } catch (error) {
    const isAbsentOrDamaged = error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT";
    if (isAbsentOrDamaged) return undefined;
    throw error;
  }
}

/**
 * Downloads and unpacks in a folder of this call alone, and moves the finished image to its place in one step: no
 * reader ever meets half an image, and whoever comes second finds the same.
 */
async function downloadImage(store: string, options: DemoImageOptions): Promise<void> {
  await mkdir(store, { recursive: true });
  await removeAbandoned(store);
  const work = await mkdtemp(join(store, "incoming-"));
  try {
    const { folder, packages } = await downloadDemoImage(work, options);
    const name = packages.map((each) => `${each.name}_${each.version}`).join("_");
    await install(folder, store, name.replaceAll(":", "%3a"), work);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Moves a finished image to its place, and points `current` at it. */
async function install(image: string, store: string, name: string, work: string): Promise<void> {
  const target = join(store, name);
  if ((await readImage(target)) === undefined) {
    await rename(target, join(work, "damaged")).catch(unless("ENOENT"));
    // Another process may have put the same image there in the meantime.
    await rename(image, target).catch(unless("ENOTEMPTY", "EEXIST"));
  }
  const current = join(store, CURRENT);
  if ((await readlink(current).catch(() => "")) === name) return;
  const link = join(work, CURRENT);
  await symlink(name, link);
  await rename(link, current);
}

/** Removes what processes that were killed have left behind. */
async function removeAbandoned(store: string): Promise<void> {
  const names = (await readdir(store)).filter((name) => name.startsWith("incoming-"));
  for (const path of names.map((name) => join(store, name))) {
    const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (age > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}

/** Says in a line why the cache could not be filled. */
export function downloadFailure(cause: unknown, cacheDirectory: string): HartvisorError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const problem =
    code === "ENOSPC"
      ? `the disk is full (the cache in ${cacheDirectory} needs some 300 MB)`
      : code === "EACCES" || code === "EPERM" || code === "EROFS"
        ? `cannot use the cache in ${cacheDirectory}; XDG_CACHE_HOME names another place`
        : code === "ENOENT"
          ? `a program is missing (${message})`
          : message;
  return new HartvisorError("download-failed", `cannot download Debian: ${problem}`, { cause });
}
