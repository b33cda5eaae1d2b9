/** What `--root` and `--packages` name: the root file system that a machine boots into. */
import { HartvisorError } from "@hartvisor/core";
import type { FileTree } from "@hartvisor/devices";
import { Option } from "commander";
import { debianImage } from "../host/node/images/debian-root.js";
import { type Image, ImageStore } from "../host/node/images/store.js";
import { ProgressLine } from "./progress.js";

/** As commander hands them over. */
export interface RootFlags {
  readonly root?: string;
  readonly packages?: readonly string[];
  readonly mirror?: string;
}

/** --packages, for commands that boot Debian's kernel. */
export function packagesOption(): Option {
  return new Option("--packages <a,b>", "boot into Debian with these packages, built the first time").argParser(
    parsePackages,
  );
}

/** Names with commas between them. */
export function parsePackages(text: string): readonly string[] {
  return text.split(",").map((name) => name.trim());
}

/** Opens the root that is wanted, or none. Throws HartvisorError for one that cannot be had. */
export async function openRoot(flags: RootFlags, signal?: AbortSignal): Promise<FileTree | undefined> {
  const { root, packages, mirror } = flags;
  if (packages !== undefined) {
    if (root !== undefined) throw new HartvisorError("invalid-argument", "give --root or --packages, not both");
    return (await buildImage({ packages, mirror, signal })).root();
  }
  if (root === undefined) return undefined;
  const image = await new ImageStore().find(root);
  if (image === undefined) {
    throw new HartvisorError(
      "invalid-argument",
      `--root ${root}: there is no such image; hartvisor image list says which`,
    );
  }
  return image.root();
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
