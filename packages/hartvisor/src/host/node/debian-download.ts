/**
 * Downloads the parts of the demo's image through apt and takes them out of their packages: Debian's kernel, its
 * drivers, and busybox. Where the result is kept is the caller's business.
 */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HartvisorError } from "@hartvisor/core";
import { type DemoManifest, FORMAT, MANIFEST, modulePath } from "../../demo/demo-image.js";
import { DRIVERS } from "../../demo/drivers.js";
import { moduleInfo } from "../../demo/kernel-modules.js";
import { Apt, type AptPackage, debianMirror } from "./apt.js";
import { type RunResult, run } from "./child-process.js";
import { extractDeb } from "./deb-archive.js";
import type { DemoImageOptions } from "./debian-image.js";

const SUITE = "trixie";
const ARCHITECTURE = "riscv64";

/** What was downloaded. */
export interface DownloadedImage {
  /** A folder with the parts, and the manifest. */
  readonly folder: string;
  readonly kernelVersion: string;
  /** Kernel and busybox, and their .deb files. */
  readonly packages: readonly (AptPackage & { readonly deb: string })[];
  /** For what else is wanted of the archive. */
  readonly apt: Apt;
}

/** Downloads to a folder of the caller's, which stays the caller's to remove. */
export async function downloadDemoImage(
  work: string,
  { mirror, progress, signal }: Pick<DemoImageOptions, "mirror" | "progress" | "signal">,
): Promise<DownloadedImage> {
  const apt = await Apt.create({
    ...{ directory: work, mirror: await debianMirror(mirror), suite: SUITE, architecture: ARCHITECTURE, signal },
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
  const folder = join(work, "image");
  await mkdir(folder);
  await unpackFile(kernelFile, `./boot/vmlinu[xz]-${kernelVersion}`, join(folder, "Image"), signal);
  await unpackFile(busyboxFile, "./usr/bin/busybox", join(folder, "busybox"), signal);
  await unpackModules(kernelFile, work, join(folder, "modules"), signal);
  await writeManifest(folder, kernelVersion, [kernel, busybox]);
  const packages = [
    { ...kernel, deb: kernelFile },
    { ...busybox, deb: busyboxFile },
  ];
  return { folder, kernelVersion, packages, apt };
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
export async function unpackFile(deb: string, pattern: string, target: string, signal?: AbortSignal): Promise<void> {
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
  const moduleSizes = modules.map(async (name) => [name, await sizeOf(modulePath(name))] as const);
  const manifest: DemoManifest = {
    format: FORMAT,
    kernelVersion,
    packages: Object.fromEntries(packages.map(({ name, version }) => [name, version])),
    sizes: { Image: await sizeOf("Image"), busybox: await sizeOf("busybox") },
    modules: Object.fromEntries(await Promise.all(moduleSizes)),
    wanted: [...new Set([...DRIVERS, ...modules])],
  };
  await writeFile(join(image, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
}
