/** In a worker: opens the devices that its owner has described. What is opened belongs to this thread. */
import { type BlockBackend, HartvisorError, type NetworkBackend } from "@hartvisor/core";
import {
  blobDisk,
  httpDisk,
  isNbdUri,
  memoryDisk,
  overlayDisk,
  VirtioBalloon,
  type VirtioDevice,
} from "@hartvisor/devices";
import {
  e1000,
  nvme,
  type PluggableDevice,
  virtio9p,
  virtioBlock,
  virtioFs,
  virtioNet,
  virtioRng,
} from "../devices.js";
import type { Channel } from "./channel.js";
import { hostAdapter } from "./host-adapter.js";
import type { PortableDisk, SentDevice } from "./portable-devices.js";
import { openPortableTree, type PortableTree } from "./portable-trees.js";
import { serveBalloon } from "./remote-balloon.js";
import { remoteNetwork } from "./remote-network.js";

/** Devices that were opened, and how to give back what they hold. */
export interface OpenDevices {
  readonly devices: readonly (() => PluggableDevice)[];
  close(): Promise<void>;
}

/** Something that has to be closed. */
interface Opened {
  close(): Promise<void>;
}

type Sent<Kind extends SentDevice["kind"]> = Extract<SentDevice, { kind: Kind }>;

/**
 * Opens devices on this thread; nothing is left open if one fails.
 *
 * @throws HartvisorError what the backends throw; `unsupported` for files and networks where the host has none
 */
export async function openDevices(
  wanted: readonly SentDevice[],
  openChannel: (channel: number) => Channel,
): Promise<OpenDevices> {
  const opened: Opened[] = [];
  const devices: (() => PluggableDevice)[] = [];
  const close = async () => {
    for (const each of opened.splice(0).reverse()) await each.close();
  };
  try {
    for (const device of wanted) devices.push(await openDevice(device, opened, openChannel));
  } catch (error) {
    await close();
    throw error;
  }
  return { devices, close };
}

async function openDevice(
  device: SentDevice,
  opened: Opened[],
  openChannel: (channel: number) => Channel,
): Promise<() => PluggableDevice> {
  switch (device.kind) {
    case "disk":
      return openDiskDevice(device, opened);
    case "network":
      return openCard(device, opened, openChannel);
    case "entropy":
      return virtioRng();
    case "folder":
      return openFolder(device, opened);
    case "balloon":
      return balloonOf(device, openChannel(device.channel));
    default: {
      const { kind } = device as { kind?: unknown };
      throw new HartvisorError(
        "invalid-argument",
        `"${String(kind)}" is no kind of device: disk, network, folder, balloon or entropy`,
      );
    }
  }
}

async function openDiskDevice(device: PortableDisk, opened: Opened[]): Promise<() => PluggableDevice> {
  const { kind: _, source, mode, model = "virtio", ...options } = device;
  if (model !== "virtio" && model !== "nvme") {
    throw new HartvisorError("invalid-argument", `"${String(model)}" is no model of a disk: virtio or nvme`);
  }
  const backend = await openDisk(source, mode);
  opened.push(backend);
  return model === "nvme" ? nvme({ ...options, backend }) : virtioBlock({ ...options, backend });
}

async function openDisk(source: PortableDisk["source"], mode: PortableDisk["mode"]): Promise<BlockBackend> {
  if (typeof source === "string" && isNbdUri(source)) {
    const { nbd } = await hostAdapter("sockets", () => import("../host/node/nbd.js"));
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
    const { fileDisk } = await hostAdapter("files", () => import("../host/node/file-disk.js"));
    return fileDisk(source, { readOnly });
  };
  const disk = await open();
  return mode === "overlay" ? overlayDisk(disk) : disk;
}

async function openCard(
  device: Sent<"network">,
  opened: Opened[],
  openChannel: (channel: number) => Channel,
): Promise<() => PluggableDevice> {
  const { kind: _, forward, policy, channel, model = "virtio", ...options } = device;
  if (model !== "virtio" && model !== "e1000") {
    throw new HartvisorError("invalid-argument", `"${String(model)}" is no model of a card: virtio or e1000`);
  }
  let backend: NetworkBackend;
  if (channel !== undefined) backend = remoteNetwork(openChannel(channel));
  else {
    const { nat } = await hostAdapter("networks", () => import("../host/node/nat.js"));
    backend = await nat({ ...(forward && { forward }), ...(policy && { policy }) });
  }
  opened.push(backend);
  return (model === "e1000" ? e1000 : virtioNet)({ ...options, backend });
}

async function openFolder(device: Sent<"folder">, opened: Opened[]): Promise<() => PluggableDevice> {
  const { kind: _, path, readOnly, tree: described, protocol = "virtiofs", cache, ...options } = device;
  if ((path === undefined) === (described === undefined)) {
    throw new HartvisorError("invalid-argument", `the folder "${options.tag}" needs either a path or a tree`);
  }
  if (protocol !== "virtiofs" && protocol !== "9p") {
    throw new HartvisorError("invalid-argument", `"${String(protocol)}" is no protocol of a folder: virtiofs or 9p`);
  }
  const wanted: PortableTree = described ?? { kind: "directory", path: path ?? "", readOnly: readOnly ?? false };
  const tree = await openPortableTree(wanted, opened);
  return protocol === "9p" ? virtio9p({ ...options, tree }) : virtioFs({ ...options, tree, ...(cache && { cache }) });
}

function balloonOf({ kind: _, channel: __, ...options }: Sent<"balloon">, channel: Channel): () => VirtioDevice {
  return () => {
    const balloon: VirtioBalloon = new VirtioBalloon({ ...options, onResize: () => tell() });
    const tell = serveBalloon(balloon, channel);
    return balloon;
  };
}
