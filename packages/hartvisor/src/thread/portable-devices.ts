/**
 * Devices as data, for machines in workers. What can be opened anywhere, such as files, is described, and opened by the
 * worker; what belongs to the owner's thread, such as a switch, stays there, and a channel leads to it.
 */
import { HartvisorError, type NetworkBackend } from "@hartvisor/core";
import type {
  NatOptions,
  VirtioBalloonOptions,
  VirtioBlockOptions,
  VirtioFsOptions,
  VirtioNetOptions,
} from "@hartvisor/devices";
import type { Balloon } from "../devices.js";
import type { Channel } from "./channel.js";
import type { PortableTree } from "./portable-trees.js";
import { RemoteBalloon } from "./remote-balloon.js";
import { serveNetwork } from "./remote-network.js";

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

/** A network card: on a NAT of the worker's, over sockets of Node, Deno or Bun, or on a network of the owner's thread. */
export interface PortableNetwork
  extends Pick<VirtioNetOptions, "mac" | "rateLimit" | "name">,
    Pick<NatOptions, "forward" | "policy"> {
  readonly kind: "network";
  /** A network of this thread, such as `lan.card()`; `forward` and `policy` are the worker's own NAT's. Default: a NAT. */
  readonly backend?: NetworkBackend;
  /** What the guest drives it as. Default: virtio. */
  readonly model?: "virtio" | "e1000";
}

/** A source of entropy. */
export interface PortableEntropy {
  readonly kind: "entropy";
}

/** A file tree that the guest mounts. */
export interface PortableFolder extends Pick<VirtioFsOptions, "tag" | "cache" | "name"> {
  readonly kind: "folder";
  /** A directory of the host; for Node, Deno and Bun. */
  readonly path?: string;
  /** Whether that directory can only be read. Default: false. */
  readonly readOnly?: boolean;
  /** In place of a path: any tree. */
  readonly tree?: PortableTree;
  /** How the guest reaches it; `cache` is virtiofs's. Default: virtiofs. */
  readonly protocol?: "virtiofs" | "9p";
}

/** A memory balloon, which the owner's thread drives. */
export interface PortableBalloon {
  readonly kind: "balloon";
  readonly balloon: Balloon;
}

/** A device as data. */
export type PortableDevice = PortableDisk | PortableNetwork | PortableEntropy | PortableFolder | PortableBalloon;

/** A device as it goes to the worker: what stays with the owner is the number of a channel. */
export type SentDevice =
  | PortableDisk
  | (Omit<PortableNetwork, "backend"> & { readonly channel?: number })
  | PortableEntropy
  | PortableFolder
  | (Omit<VirtioBalloonOptions, "onResize"> & { readonly kind: "balloon"; readonly channel: number });

/** Devices that were prepared for a worker. */
export interface SentDevices {
  readonly devices: readonly SentDevice[];
  /** The worker is gone: nobody is at the other end of the channels. */
  end(reason: HartvisorError): void;
}

/**
 * Prepares devices to go to a worker, and connects what stays here.
 *
 * @throws HartvisorError `invalid-argument`: a network of this thread with options of a NAT
 */
export function sendDevices(
  devices: readonly PortableDevice[],
  openChannel: (channel: number) => Channel,
): SentDevices {
  const ends: ((reason: HartvisorError) => void)[] = [];
  const send = (device: PortableDevice, n: number): SentDevice => {
    switch (device.kind) {
      case "network": {
        const { backend, ...rest } = device;
        if (backend === undefined) return rest;
        if (rest.forward !== undefined || rest.policy !== undefined) {
          const message =
            "a card on a network of this thread has no forward or policy of its own: give them to that network";
          throw new HartvisorError("invalid-argument", message);
        }
        ends.push(serveNetwork(backend, openChannel(n)));
        return { ...rest, channel: n };
      }
      case "balloon": {
        const { balloon } = device;
        const remote = new RemoteBalloon(openChannel(n));
        ends.push((reason) => remote.close(reason));
        return { ...balloon.moveTo(remote), kind: "balloon", channel: n };
      }
      case "disk":
        return { ...device, source: copied(device.source) };
      case "folder":
        return device.tree === undefined ? device : { ...device, tree: copiedTree(device.tree) };
      default:
        return device;
    }
  };
  const end = (reason: HartvisorError) => {
    for (const each of ends.splice(0)) each(reason);
  };
  try {
    return { devices: devices.map(send), end };
  } catch (error) {
    end(new HartvisorError("invalid-state", "this machine was never made"));
    throw error;
  }
}

/** A view of bytes would be cloned with all of its buffer. */
function copied<Source>(source: Source): Source | Uint8Array {
  return source instanceof Uint8Array ? source.slice() : source;
}

function copiedTree(tree: PortableTree): PortableTree {
  if (tree.kind === "archive") return { ...tree, source: copied(tree.source) };
  if (tree.kind !== "union") return tree;
  return { ...tree, lower: tree.lower.map(copiedTree), ...(tree.upper && { upper: copiedTree(tree.upper) }) };
}
