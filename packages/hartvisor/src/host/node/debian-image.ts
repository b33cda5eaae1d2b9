/**
 * The image of the demo: Debian's own Linux kernel for riscv64 and an initramfs around
 * Debian's busybox. The first call downloads them through apt; later calls read the cache
 * and need no network. Nothing is shown and nothing of the machine is changed.
 */
import { mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { HartvisorError } from "@hartvisor/core";
import { DRIVERS } from "../../demo/drivers.js";
import { busyboxInitramfs } from "../../demo/initramfs.js";
import { type KernelModule, moduleInfo } from "../../demo/kernel-modules.js";
import { Apt, type AptPackage, debianMirror } from "./apt.js";
import { type RunResult, run } from "./child-process.js";
import { extractDeb } from "./deb-archive.js";
import { unless } from "./file-errors.js";

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

/** What a machine boots to reach a shell. */
export interface DemoImage {
  /** A Linux Image. */
  readonly kernel: Uint8Array;
  /** An uncompressed cpio archive. */
  readonly initrd: Uint8Array;
  /** As `uname -r` says it, for example "6.12.48+deb13-riscv64". */
  readonly kernelVersion: string;
}

/** Counts up when an image holds something else than before, so that what earlier versions left is not used. */
const FORMAT = 2;

/** Written last into an image's folder; the sizes tell an image that a crash of the machine cut short. */
interface Manifest {
  readonly format: typeof FORMAT;
  readonly kernelVersion: string;
  readonly packages: Readonly<Record<string, string>>;
  readonly sizes: { readonly Image: number; readonly busybox: number };
  /** Size of each module, by name. */
  readonly modules: Readonly<Record<string, number>>;
  /** Drivers that were looked for. */
  readonly wanted?: readonly string[];
}

const SUITE = "trixie";
const ARCHITECTURE = "riscv64";
/** The name under which the image in use is found, a symbolic link to a folder named for its packages. */
const CURRENT = "current";
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

/**
 * Obtains the demo's image, from the cache or from a Debian mirror. Several processes may call it at once.
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
    let image = options.refresh === true ? undefined : await readImage(current);
    if (image === undefined) {
      if (options.offline === true) {
        throw new HartvisorError("download-failed", "offline, and Debian is not in the cache");
      }
      await downloadImage(store, options);
      image = await readImage(current);
    }
    if (image === undefined) throw new Error(`${current} cannot be read back`);
    progress?.({ step: "build", detail: "initramfs" });
    const { kernel, busybox, kernelVersion, modules } = image;
    return { kernel, initrd: busyboxInitramfs(busybox, { kernelVersion, modules }), kernelVersion };
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof HartvisorError ? error : downloadFailure(error, cacheDirectory);
  }
}

/** Where downloads are kept: the XDG base directory specification's cache, in a folder of ours. */
export function defaultCacheDirectory(): string {
  const { XDG_CACHE_HOME: cache = "" } = process.env;
  return join(isAbsolute(cache) ? cache : join(homedir(), ".cache"), "hartvisor");
}

interface CachedImage {
  readonly kernel: Uint8Array;
  readonly busybox: Uint8Array;
  readonly kernelVersion: string;
  readonly modules: readonly KernelModule[];
}

/** Reads an image from the cache; `undefined` when there is none, or not all of it. */
async function readImage(directory: string): Promise<CachedImage | undefined> {
  try {
    const manifest = JSON.parse(await readFile(join(directory, "manifest.json"), "utf8")) as Manifest;
    const [kernel, busybox] = await Promise.all([
      readFile(join(directory, "Image")),
      readFile(join(directory, "busybox")),
    ]);
    const hasAll = DRIVERS.every((name) => manifest.wanted?.includes(name));
    if (manifest.format !== FORMAT || !hasAll) return undefined;
    const modules = await Promise.all(
      Object.keys(manifest.modules).map(async (name) => ({ name, bytes: await readFile(modulePath(directory, name)) })),
    );
    const isWhole =
      kernel.length === manifest.sizes.Image &&
      busybox.length === manifest.sizes.busybox &&
      modules.every(({ name, bytes }) => bytes.length === manifest.modules[name]);
    return isWhole ? { kernel, busybox, kernelVersion: manifest.kernelVersion, modules } : undefined;
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
async function downloadImage(store: string, { mirror, progress, signal }: DemoImageOptions): Promise<void> {
  await mkdir(store, { recursive: true });
  await removeAbandoned(store);
  const work = await mkdtemp(join(store, "incoming-"));
  try {
    const apt = await Apt.create({
      directory: work,
      mirror: await debianMirror(mirror),
      suite: SUITE,
      architecture: ARCHITECTURE,
      signal,
    });
    const update = { step: "update", detail: `package index of Debian ${SUITE} for ${ARCHITECTURE}` } as const;
    progress?.({ ...update, fraction: 0 });
    await apt.update((fraction) => progress?.({ ...update, fraction }));

    const kernel = await apt.show(kernelPackageName(await apt.show(`linux-image-${ARCHITECTURE}`)));
    const busybox = await apt.show("busybox-static");
    const megabytes = Math.round((kernel.downloadSize + busybox.downloadSize) / 2 ** 20);
    const kernelVersion = kernel.name.replace("linux-image-", "");
    const download = { step: "download", detail: `Linux ${kernelVersion} and busybox, ${megabytes} MiB` } as const;
    progress?.({ ...download, fraction: 0 });
    const [kernelFile = "", busyboxFile = ""] = await apt.download([kernel, busybox], (fraction) =>
      progress?.({ ...download, fraction }),
    );

    progress?.({ step: "unpack", detail: `Linux ${kernelVersion} and busybox` });
    const image = join(work, "image");
    await mkdir(image);
    await unpackFile(kernelFile, `./boot/vmlinu[xz]-${kernelVersion}`, join(image, "Image"), signal);
    await unpackFile(busyboxFile, "./usr/bin/busybox", join(image, "busybox"), signal);
    await unpackModules(kernelFile, work, join(image, "modules"), signal);
    await writeManifest(image, kernelVersion, [kernel, busybox]);
    const name = [kernel, busybox].map((each) => `${each.name}_${each.version}`).join("_");
    await install(image, store, name.replaceAll(":", "%3a"), work);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The package that the metapackage stands for at the moment. */
function kernelPackageName(metapackage: AptPackage): string {
  const name = /\blinux-image-\d[^\s,|(]*/.exec(metapackage.depends)?.[0];
  if (name !== undefined) return name;
  throw new HartvisorError(
    "download-failed",
    `${metapackage.name} names no kernel (it depends on "${metapackage.depends}")`,
  );
}

/** Takes the one file that matches a pattern out of a .deb. */
async function unpackFile(deb: string, pattern: string, target: string, signal?: AbortSignal): Promise<void> {
  const directory = `${target}.unpacked`;
  const results = await unpack(deb, [pattern], directory, signal);
  const failed = results.find(({ exitCode }) => exitCode !== 0);
  const [file, ...others] = await readdir(directory);
  if (failed !== undefined || file === undefined || others.length > 0) {
    const complaint = failed?.stderr.trim().split("\n")[0] ?? `it holds ${others.length + 1} files ${pattern}`;
    throw new Error(`cannot unpack ${deb.slice(deb.lastIndexOf("/") + 1)}: ${complaint}`);
  }
  await rename(join(directory, file), target);
  await rm(directory, { recursive: true });
}

/** Takes the drivers out of a kernel's .deb, those of them that this kernel has as modules, and what they stand on. */
async function unpackModules(deb: string, work: string, target: string, signal?: AbortSignal): Promise<void> {
  const all = join(work, "all-modules");
  await unpack(deb, ["./usr/lib/modules/*.ko*"], all, signal);
  await mkdir(target);
  // Modules name each other as the kernel does, whatever their files are called.
  const canonical = (name: string) => name.replaceAll("-", "_");
  const files = new Map((await readdir(all)).map((file) => [canonical(file.replace(/\.ko.*$/, "")), file]));
  const wanted = new Set(DRIVERS.map(canonical));
  // A set that grows is gone through to its end.
  for (const name of wanted) {
    const file = files.get(name);
    if (file === undefined) continue; // built in
    if (file.endsWith(".xz")) await decompress(join(all, file), signal);
    const plain = file.replace(/\.xz$/, "");
    const { depends } = moduleInfo(await readFile(join(all, plain)));
    for (const depended of depends) wanted.add(canonical(depended));
    await rename(join(all, plain), join(target, plain));
  }
}

async function decompress(file: string, signal: AbortSignal | undefined): Promise<void> {
  const { exitCode, stderr } = await run("xz", ["--decompress", file], { signal });
  if (exitCode !== 0) throw new Error(`cannot unpack the kernel's modules: ${stderr.trim().split("\n")[0]}`);
}

function modulePath(image: string, name: string): string {
  return join(image, "modules", `${name}.ko`);
}

/** Takes what matches the patterns out of a .deb into a new folder, without their paths. */
async function unpack(
  deb: string,
  patterns: readonly string[],
  directory: string,
  signal: AbortSignal | undefined,
): Promise<RunResult[]> {
  await mkdir(directory);
  return extractDeb(deb, ["--directory", directory, "--transform", "s,.*/,,", "--wildcards", ...patterns], signal);
}

async function writeManifest(image: string, kernelVersion: string, packages: readonly AptPackage[]): Promise<void> {
  const sizeOf = async (name: string) => (await stat(join(image, name))).size;
  const modules = (await readdir(join(image, "modules"))).sort().map((file) => file.replace(/\.ko$/, ""));
  const moduleSizes = modules.map(async (name) => [name, await sizeOf(`modules/${name}.ko`)] as const);
  const manifest: Manifest = {
    format: FORMAT,
    kernelVersion,
    packages: Object.fromEntries(packages.map(({ name, version }) => [name, version])),
    sizes: { Image: await sizeOf("Image"), busybox: await sizeOf("busybox") },
    modules: Object.fromEntries(await Promise.all(moduleSizes)),
    wanted: [...new Set([...DRIVERS, ...modules])],
  };
  await writeFile(join(image, "manifest.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
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
