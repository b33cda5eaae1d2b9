/** What `--root` and `--packages` name: the root file system that a machine boots into. */
import { stat } from "node:fs/promises";
import { HartvisorError } from "@hartvisor/core";
import { archiveTree, type FileTree, httpTree, MemoryTree, unionTree } from "@hartvisor/devices";
import { Option } from "commander";
import { hostDirectory } from "../host/node/files/host-directory.js";
import { debianImage } from "../host/node/images/debian-root.js";
import { type Image, ImageStore } from "../host/node/images/store.js";
import { readWhole } from "../host/node/whole-file.js";
import { ProgressLine } from "./progress.js";
import { reportOnce } from "./report-once.js";

/** As commander hands them over. */
export interface RootFlags {
  readonly root?: readonly string[];
  readonly packages?: readonly string[];
  readonly mirror?: string;
}

/** --packages, for commands that boot Debian's kernel. */
export function packagesOption(): Option {
  return new Option("--packages <a,b>", "boot into Debian with these packages, built the first time")
    .argParser(parsePackages)
    .conflicts("root");
}

/** Names with commas between them. */
export function parsePackages(text: string): readonly string[] {
  return text.split(",").map((name) => name.trim());
}

/** A root, and what it is made of. */
export interface OpenRoot {
  readonly tree: FileTree;
  close(): Promise<void>;
}

/** Opens the root that is wanted, or none. Throws HartvisorError for one that cannot be had. */
export async function openRoot(flags: RootFlags, signal?: AbortSignal): Promise<OpenRoot | undefined> {
  const { root: wanted, packages, mirror } = flags;
  if (packages !== undefined) {
    const tree = await (await buildImage({ packages, mirror, signal })).root();
    return { tree, close: () => tree.close() };
  }
  if (wanted === undefined) return undefined;
  const [only = ""] = wanted;
  if (only.endsWith(WRITABLE) && wanted.length === 1 && !isTreeUrl(only)) {
    const tree = hostDirectory(only.slice(0, -WRITABLE.length));
    return { tree, close: () => tree.close() };
  }
  return openLayers(wanted, new MemoryTree());
}

/** Opens layers by their names, the lowest first, as one tree; read-only without an upper. */
export async function openLayers(names: readonly string[], upper?: FileTree): Promise<OpenRoot> {
  const lower: FileTree[] = [];
  const close = async () => {
    for (const layer of lower) await layer.close();
  };
  try {
    for (const name of names) lower.push(await openLayer(name));
  } catch (error) {
    await close();
    throw error;
  }
  return { tree: unionTree({ lower, ...(upper && { upper }) }), close };
}

/** Whether a name is that of a tree on a web server. */
export function isTreeUrl(name: string): boolean {
  return /^https?:\/\//.test(name);
}

/** Opens a tree on a web server; what fails later is said on stderr. */
export function openTreeAt(url: string): Promise<FileTree> {
  return httpTree(url, { onError: reportOnce() });
}

/** What a directory's path ends with that the guest may write. */
const WRITABLE = ":rw";

/** A layer by its name: a URL, an image, or else a directory or an archive of this host. */
async function openLayer(name: string): Promise<FileTree> {
  if (name.endsWith(WRITABLE)) {
    throw new HartvisorError("invalid-argument", `--root ${name}: only one directory alone can be written`);
  }
  if (isTreeUrl(name)) return openTreeAt(name);
  const isPath = /^\.{0,2}\//.test(name);
  const image = isPath ? undefined : await new ImageStore().find(name);
  if (image !== undefined) return image.openLayers();
  const kind = await stat(name).catch(() => undefined);
  if (kind?.isDirectory()) return hostDirectory(name, { readOnly: true });
  if (kind !== undefined || isPath) return archiveTree(await readWhole(name), { name });
  throw new HartvisorError(
    "invalid-argument",
    `--root ${name}: there is no such image, directory or archive; hartvisor image list says which images there are`,
  );
}

/** Builds an image of packages, or finds it, and shows how far it is. */
export async function buildImage(options: {
  readonly packages: readonly string[];
  readonly name?: string | undefined;
  readonly mirror?: string | undefined;
  readonly documentation?: boolean | undefined;
  readonly refresh?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}): Promise<Image> {
  const { packages, name, mirror, documentation = false, refresh = false, signal } = options;
  const progress = new ProgressLine();
  try {
    return await debianImage({
      ...{ packages, documentation, refresh, offline: process.env.HARTVISOR_OFFLINE === "1" },
      ...(name !== undefined && { name }),
      ...(mirror !== undefined && { mirror }),
      ...(signal !== undefined && { signal }),
      progress: (event) => progress.show(event),
    });
  } finally {
    progress.end();
  }
}
