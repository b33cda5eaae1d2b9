/**
 * Debian packages and all that they depend on, of any architecture, unpacked into one
 * folder of the cache: programs to run from there or to put into a guest. Nothing is
 * installed and no package script runs. Development tools use it, the packages do not.
 */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Apt, debianMirror } from "./apt.js";
import { extractDeb } from "./deb-archive.js";
import { type DemoImageProgress, defaultCacheDirectory } from "./debian-image.js";
import { unless } from "./file-errors.js";

/** What to unpack, and under which name to keep it. */
export interface DebianTreeOptions {
  /** Part of the folder's name in the cache. */
  readonly name: string;
  readonly suite: string;
  readonly architecture: string;
  readonly packages: readonly string[];
  /** Folders that are not unpacked, from the root, such as "usr/share". */
  readonly leaveOut?: readonly string[];
  /** Called before the network is used and as it goes on. */
  readonly progress?: (event: DemoImageProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Packages in a folder. */
export interface DebianTree {
  /** The root of the tree: it holds `usr`, `etc` and so on. */
  readonly root: string;
  /** Versions of the packages asked for, by name. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Written last: a tree without it is half of one. */
const MANIFEST = "manifest.json";

/**
 * Finds the tree in the cache or makes it.
 *
 * @throws HartvisorError `download-failed` when the packages cannot be had; the signal's reason when aborted
 */
export async function obtainDebianTree(options: DebianTreeOptions): Promise<DebianTree> {
  const store = join(defaultCacheDirectory(), "debian-trees");
  const root = join(store, `${options.name}-${options.suite}-${options.architecture}`);
  const versions = (await readVersions(root, options.packages)) ?? (await download(store, root, options));
  return { root, versions };
}

/** `undefined` where the tree is not there, or lacks a package. */
async function readVersions(
  root: string,
  packages: readonly string[],
): Promise<Readonly<Record<string, string>> | undefined> {
  const manifest = await readFile(join(root, MANIFEST), "utf8").catch(() => undefined);
  if (manifest === undefined) return undefined;
  const { versions } = JSON.parse(manifest) as { versions?: Readonly<Record<string, string>> };
  return versions !== undefined && packages.every((name) => name in versions) ? versions : undefined;
}

/** Downloads and unpacks in a folder of this call alone, then moves the result to its place in one step. */
async function download(store: string, target: string, options: DebianTreeOptions): Promise<Record<string, string>> {
  const { suite, architecture, packages, leaveOut = [], progress, signal } = options;
  await mkdir(store, { recursive: true });
  const directory = await mkdtemp(join(store, "incoming-"));
  try {
    const apt = await Apt.create({ directory, mirror: await debianMirror(), suite, architecture, signal });
    const update = { step: "update", detail: `package index of Debian ${suite} for ${architecture}` } as const;
    progress?.({ ...update, fraction: 0 });
    await apt.update((fraction) => progress?.({ ...update, fraction }));
    const found = await Promise.all(packages.map((name) => apt.show(name)));
    const versions = Object.fromEntries(found.map(({ name, version }) => [name, version]));

    const detail = `${packages.join(", ")} and what they need`;
    progress?.({ step: "download", detail, fraction: 0 });
    const files = await apt.downloadClosure(packages, (fraction) => progress?.({ step: "download", detail, fraction }));
    const unpacked = join(directory, "unpacked");
    await mkdir(unpacked);
    const tarArgs = ["--directory", unpacked, ...leaveOut.map((folder) => `--exclude=./${folder}`)];
    // One after another: packages share directories.
    for (const [index, file] of files.entries()) {
      progress?.({ step: "unpack", detail, fraction: index / files.length });
      const failed = (await extractDeb(file, tarArgs, signal)).find(({ exitCode }) => exitCode !== 0);
      if (failed !== undefined) throw new Error(`cannot unpack ${file}: ${failed.stderr.trim()}`);
    }
    await writeFile(join(unpacked, MANIFEST), `${JSON.stringify({ versions }, undefined, 2)}\n`);
    // Another process may have put the same tree there in the meantime, and run programs from it.
    if ((await readVersions(target, packages)) === undefined) {
      await rename(target, join(directory, "replaced")).catch(unless("ENOENT"));
      await rename(unpacked, target).catch(unless("ENOTEMPTY", "EEXIST"));
    }
    return versions;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
