/**
 * Devices as data, for machines in workers: what cannot be cloned, such as open files and sockets, is opened on the
 * worker's thread, and belongs to it. The owner describes, the worker opens.
 */
import { type BlockBackend, HartvisorError, type NetworkBackend } from "@hartvisor/core";
import {
  blobDisk,
  type FileTree,
  httpDisk,
  isNbdUri,
  memoryDisk,
  type NatOptions,
  overlayDisk,
  type VirtioBlockOptions,
  type VirtioFsOptions,
  type VirtioNetOptions,
} from "@hartvisor/devices";
import { e1000, nvme, type PluggableDevice, virtioBlock, virtioFs, virtioNet, virtioRng } from "../devices.js";

/** A disk. */
export interface PortableDisk extends Pick<VirtioBlockOptions, "serial" | "queues" | "name"> {
  readonly kind: "disk";
  /** A file's path, an http(s) URL, the URI of an NBD export (`nbd://host/name`), a Blob, or the bytes themselves, of which the disk gets a copy. */
  readonly source: string | Blob | Uint8Array;
  /** `writable` is for files and bytes; `overlay` keeps writes in memory. Default: writable, or readonly for URLs and Blobs. */
  readonly mode?: "writable" | "readonly" | "overlay";
  /** What the guest drives it as; `queues` are virtio's. Default: virtio. */
  readonly model?: "virtio" | "nvme";
}

/** A card on a network behind NAT, over sockets of Node, Deno or Bun. */
export interface PortableNetwork
  extends Pick<VirtioNetOptions, "mac" | "rateLimit" | "name">,
    Pick<NatOptions, "forward" | "policy"> {
  readonly kind: "network";
  /** What the guest drives it as. Default: virtio. */
  readonly model?: "virtio" | "e1000";
}

/** A source of entropy. */
export interface PortableEntropy {
  readonly kind: "entropy";
}

/** A directory of the host, shared by virtio-fs; for Node, Deno and Bun. */
export interface PortableFolder extends Pick<VirtioFsOptions, "tag" | "cache" | "name"> {
  readonly kind: "folder";
  readonly path: string;
  /** Default: false. */
  readonly readOnly?: boolean;
}

/** A device as data. */
export type PortableDevice = PortableDisk | PortableNetwork | PortableEntropy | PortableFolder;

/** Devices that were opened, and how to give back what they hold. */
export interface OpenPortableDevices {
  readonly devices: readonly (() => PluggableDevice)[];
  close(): Promise<void>;
}

/**
 * Opens devices on this thread; nothing is left open if one fails.
 *
 * @throws HartvisorError what the backends throw; `unsupported` for files and networks where the host has none
 */
export async function openPortableDevices(wanted: readonly PortableDevice[]): Promise<OpenPortableDevices> {
  const backends: (BlockBackend | NetworkBackend | FileTree)[] = [];
  const devices: (() => PluggableDevice)[] = [];
  const close = async () => {
    for (const backend of backends.splice(0)) await backend.close();
  };
  try {
    for (const device of wanted) {
      switch (device.kind) {
        case "disk": {
          const { kind: _, source, mode, model = "virtio", ...options } = device;
          if (model !== "virtio" && model !== "nvme") {
            throw new HartvisorError("invalid-argument", `"${String(model)}" is no model of a disk: virtio or nvme`);
          }
          const backend = await openDisk(source, mode);
          backends.push(backend);
          devices.push(model === "nvme" ? nvme({ ...options, backend }) : virtioBlock({ ...options, backend }));
          break;
        }
        case "network": {
          const { kind: _, forward, policy, model = "virtio", ...options } = device;
          if (model !== "virtio" && model !== "e1000") {
            throw new HartvisorError("invalid-argument", `"${String(model)}" is no model of a card: virtio or e1000`);
          }
          const { nat } = await adapter("networks", () => import("../host/node/nat.js"));
          const backend = await nat({ ...(forward && { forward }), ...(policy && { policy }) });
          backends.push(backend);
          devices.push((model === "e1000" ? e1000 : virtioNet)({ ...options, backend }));
          break;
        }
        case "entropy":
          devices.push(virtioRng());
          break;
        case "folder": {
          const { kind: _, path, readOnly = false, ...options } = device;
          const { hostDirectory } = await adapter("files", () => import("../host/node/files/host-directory.js"));
          const tree = hostDirectory(path, { readOnly });
          backends.push(tree);
          devices.push(virtioFs({ ...options, tree }));
          break;
        }
        default: {
          const { kind } = device as { kind?: unknown };
          throw new HartvisorError(
            "invalid-argument",
            `"${String(kind)}" is no kind of device: disk, network, folder or entropy`,
          );
        }
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { devices, close };
}

async function openDisk(source: PortableDisk["source"], mode: PortableDisk["mode"]): Promise<BlockBackend> {
  if (typeof source === "string" && isNbdUri(source)) {
    const { nbd } = await adapter("sockets", () => import("../host/node/nbd.js"));
    const disk = await nbd(source);
    if (mode === "overlay") return overlayDisk(disk);
    return mode === "readonly" ? { ...disk, isReadOnly: true } : disk;
  }
  const isRemote = source instanceof Blob || (typeof source === "string" && /^https?:\/\//.test(source));
  if (isRemote && mode === "writable") {
    throw new HartvisorError("unsupported", "a URL or a Blob cannot be written: make it an overlay or readonly");
  }
  const readOnly = (mode ?? (isRemote ? "readonly" : "writable")) !== "writable";
  const open = async (): Promise<BlockBackend> => {
    if (source instanceof Blob) return blobDisk(source);
    if (typeof source !== "string") return memoryDisk(source, { readOnly });
    if (isRemote) return httpDisk(source);
    const { fileDisk } = await adapter("files", () => import("../host/node/file-disk.js"));
    return fileDisk(source, { readOnly });
  };
  const disk = await open();
  return mode === "overlay" ? overlayDisk(disk) : disk;
}

/** An adapter of Node's: it is a file of its own, because where there is no Node its imports fail. */
async function adapter<Module>(what: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    throw new HartvisorError("unsupported", `this host has no ${what} for a machine in a worker`, { cause });
  }
}
