/** File trees as data, for machines in workers: the worker opens them, and what is written in memory is written there. */
import { HartvisorError } from "@hartvisor/core";
import {
  type ArchiveOptions,
  archiveTree,
  type FileTree,
  type HttpTreeOptions,
  httpTree,
  MemoryTree,
  type MemoryTreeOptions,
  unionTree,
} from "@hartvisor/devices";
import { hostAdapter } from "./host-adapter.js";

/** A file tree: what a machine on its owner's thread would have from `hostDirectory`, `archiveTree`, `httpTree`, `MemoryTree` and `unionTree`. */
export type PortableTree =
  | PortableDirectory
  | PortableArchive
  | PortableImage
  | PortableServedTree
  | ({ readonly kind: "memory" } & Pick<MemoryTreeOptions, "maxBytes">)
  | PortableUnion;

/** A directory of the host; for Node, Deno and Bun. */
export interface PortableDirectory {
  readonly kind: "directory";
  readonly path: string;
  /** Default: false. */
  readonly readOnly?: boolean;
}

/** A tar or cpio archive, which is read-only. */
export interface PortableArchive extends ArchiveOptions {
  readonly kind: "archive";
  /** A file's path, a Blob, or the bytes themselves, of which the tree gets a copy. */
  readonly source: string | Blob | Uint8Array;
}

/** The layers of an image in this user's store, which are read-only; for Node, Deno and Bun. */
export interface PortableImage {
  readonly kind: "image";
  readonly name: string;
}

/** A tree that a web server has, which is read-only. */
export interface PortableServedTree extends Pick<HttpTreeOptions, "blockBytes" | "cacheBytes"> {
  readonly kind: "served";
  readonly url: string;
}

/** Layers as one tree, the lowest first; only `upper` is written. */
export interface PortableUnion {
  readonly kind: "union";
  readonly lower: readonly PortableTree[];
  readonly upper?: PortableTree;
}

/**
 * Opens a tree on this thread. What has to be closed, the trees below a union among it, is added to `opened`.
 *
 * @throws HartvisorError what the trees throw; `unsupported` for files where the host has none
 */
export async function openPortableTree(wanted: PortableTree, opened: { close(): Promise<void> }[]): Promise<FileTree> {
  const keep = (tree: FileTree): FileTree => {
    opened.push(tree);
    return tree;
  };
  switch (wanted.kind) {
    case "directory": {
      const { path, readOnly = false } = wanted;
      const { hostDirectory } = await hostAdapter("files", () => import("../host/node/files/host-directory.js"));
      return keep(hostDirectory(path, { readOnly }));
    }
    case "archive": {
      const { kind: _, source, ...options } = wanted;
      const named = typeof source === "string" ? { name: source, ...options } : options;
      return keep(await archiveTree(await bytesOf(source), named));
    }
    case "image": {
      const { ImageStore } = await hostAdapter("files", () => import("../host/node/images/store.js"));
      const image = await new ImageStore().find(wanted.name);
      if (image === undefined) {
        throw new HartvisorError("invalid-argument", `there is no image "${wanted.name}": see hartvisor image list`);
      }
      return keep(await image.openLayers());
    }
    case "served": {
      const { kind: _, url, ...options } = wanted;
      return keep(await httpTree(url, options));
    }
    case "memory": {
      const { kind: _, ...options } = wanted;
      return keep(new MemoryTree(options));
    }
    case "union": {
      const lower: FileTree[] = [];
      for (const layer of wanted.lower) lower.push(await openPortableTree(layer, opened));
      const upper = wanted.upper && (await openPortableTree(wanted.upper, opened));
      return unionTree({ lower, ...(upper && { upper }) });
    }
    default: {
      const { kind } = wanted as { kind?: unknown };
      throw new HartvisorError(
        "invalid-argument",
        `"${String(kind)}" is no kind of tree: directory, archive, image, served, memory or union`,
      );
    }
  }
}

async function bytesOf(source: PortableArchive["source"]): Promise<Uint8Array> {
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  if (typeof source !== "string") return source;
  const { readWhole } = await hostAdapter("files", () => import("../host/node/whole-file.js"));
  return readWhole(source);
}
