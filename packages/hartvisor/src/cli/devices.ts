/** The options that plug devices into a machine, and what they open on the host. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type BlockBackend, HartvisorError, parseByteSize } from "@hartvisor/core";
import { type FileTree, httpDisk, isNbdUri, overlayDisk } from "@hartvisor/devices";
import { type Command, InvalidArgumentError, Option } from "commander";
import { ROOT_TAG } from "../demo/root.js";
import { Balloon, nvme, type PluggableDevice, Vsock, virtio9p, virtioBlock, virtioFs, virtioRng } from "../devices.js";
import { fileDisk } from "../host/node/file-disk.js";
import { hostDirectory } from "../host/node/files/host-directory.js";
import { nbd } from "../host/node/nbd.js";
import { bridgeToSocket } from "../host/node/vsock-bridge.js";
import { addNetworkOptions, type NetworkFlags, type OpenNetwork, openNetwork } from "./network.js";
import { reportOnce } from "./report-once.js";
import { isTreeUrl, type OpenRoot, openRoot, openTreeAt } from "./root.js";

type FileProtocol = "virtiofs" | "9p";

/** As commander hands them over. */
export interface DeviceFlags extends NetworkFlags {
  readonly disk?: readonly string[];
  readonly vsock?: readonly VsockBridge[];
  readonly share?: readonly Share[];
  readonly root?: readonly string[];
  readonly shareProtocol?: FileProtocol;
  readonly rootProtocol?: FileProtocol;
  readonly packages?: readonly string[];
  readonly mirror?: string;
  readonly balloon?: number;
}

/** A directory of the host's or a tree at a URL, and the tag by which the guest mounts it. */
interface Share {
  readonly path: string;
  readonly tag: string;
  readonly readOnly: boolean;
}

/** A port of the host's that the guest reaches by vsock, and the Unix socket that it leads to. */
interface VsockBridge {
  readonly port: number;
  readonly path: string;
}

/** Devices of a command line, for each machine of a session. */
export interface OpenDevices {
  readonly devices: readonly (() => PluggableDevice)[];
  /** Gives back files and sockets. */
  close(): Promise<void>;
}

/** Adds --disk, --share, --share-protocol, --root, --root-protocol, --balloon, --net, --forward, --allow, --deny, --capture and --vsock; `net` is what --net is by default. */
export function addDeviceOptions(command: Command, net: "nat" | "none"): Command {
  const more = (text: string, before: readonly string[] = []) => [...before, text];
  return addNetworkOptions(command, net)
    .option(
      "--disk <file[,overlay][,readonly][,nvme]>",
      "a raw disk image, the http(s) URL of one, or an NBD export (nbd://host:port/name); overlay keeps writes in memory, nvme makes it an NVMe disk (default: virtio). Give it again for more disks",
      more,
    )
    .option(
      "--share <directory|url:tag[:ro]>",
      "a directory of this host, which the guest mounts by its tag (mount -t virtiofs TAG DIRECTORY); ro: it cannot write there. Or the http(s) URL of a tree, with ro",
      (text: string, before: readonly Share[] = []) => [...before, parseShare(text)],
    )
    .addOption(protocolOption("--share-protocol <name>", "how the guest reaches shared directories"))
    .option(
      "--root <image|directory[:rw]|archive|url>",
      "boot into an image (hartvisor image list says which there are), a directory, a tar or cpio archive, or a tree at an http(s) URL; again for layers above it. What the guest writes is not kept, but in a directory alone with :rw",
      more,
    )
    .addOption(protocolOption("--root-protocol <name>", "how the guest reaches its root"))
    .option(
      "--balloon <size>",
      "memory that the guest gives up at first, 0 for none; what it does not use goes back to the host's pool by itself",
      (text: string) => parseByteSize(text, "--balloon"),
    )
    .option(
      "--vsock <port:socket>",
      "lead what the guest connects to at a vsock port of context 2 to a Unix socket of this host",
      (text: string, before: readonly VsockBridge[] = []) => [...before, parseBridge(text)],
    );
}

function protocolOption(flags: string, description: string): Option {
  return new Option(flags, description).choices(["virtiofs", "9p"]).default("virtiofs");
}

function parseBridge(text: string): VsockBridge {
  const match = /^(\d+):(.+)$/.exec(text);
  const port = Number(match?.[1]);
  // The last number stands for any port (VMADDR_PORT_ANY).
  if (match === null || port >= 2 ** 32 - 1) {
    throw new InvalidArgumentError("Write for example 1024:/run/service.sock.");
  }
  return { port, path: match[2] ?? "" };
}

function parseShare(text: string): Share {
  const [, path, tag, readOnly] = /^(.+?):([^:]{1,36})(:ro)?$/s.exec(text) ?? [];
  // What stands behind the colons of a URL is no tag.
  const isCut = isTreeUrl(text) && tag?.includes("/");
  if (path === undefined || tag === undefined || isCut)
    throw new InvalidArgumentError("Write for example src:code, or src:code:ro; a tag has at most 36 bytes.");
  return { path, tag, readOnly: readOnly !== undefined };
}

/**
 * Opens what the flags name.
 *
 * @throws HartvisorError for what cannot be opened; nothing is left open then
 */
export async function openDevices(flags: DeviceFlags, signal?: AbortSignal): Promise<OpenDevices> {
  const disks: { readonly backend: BlockBackend; readonly isNvme: boolean }[] = [];
  const shares: { readonly tree: FileTree; readonly tag: string }[] = [];
  let root: OpenRoot | undefined;
  let network: OpenNetwork | undefined;
  const close = async () => {
    await network?.close();
    for (const { backend } of disks) await backend.close();
    for (const { tree } of shares) await tree.close();
    await root?.close();
  };
  try {
    for (const wanted of wantedDisks(flags.disk ?? []))
      disks.push({ backend: await openDisk(wanted), isNvme: wanted.isNvme });
    root = await openRoot(flags, signal);
    for (const { path, tag, readOnly } of flags.share ?? []) {
      if (tag === ROOT_TAG || shares.some((other) => other.tag === tag)) {
        throw new HartvisorError("invalid-argument", `--share ${path}:${tag}: another directory has this tag`);
      }
      shares.push({ tree: await openShare(path, tag, readOnly), tag });
    }
    network = await openNetwork(flags);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    devices: [
      virtioRng(),
      ...disks.map(({ backend, isNvme }, n) => {
        const name = `disk${n}`;
        const options = { backend, name, onError: reportOnce(name) };
        return isNvme ? nvme(options) : virtioBlock(options);
      }),
      ...(root === undefined ? [] : [rootDevice(root.tree, flags.rootProtocol)]),
      ...shares.map(flags.shareProtocol === "9p" ? virtio9p : virtioFs),
      ...(network?.card === undefined ? [] : [network.card]),
      ...(flags.balloon === undefined ? [] : [new Balloon({ targetBytes: flags.balloon }).device]),
      ...(flags.vsock === undefined ? [] : [bridges(flags.vsock).device]),
    ],
    close,
  };
}

async function openShare(path: string, tag: string, readOnly: boolean): Promise<FileTree> {
  if (!isTreeUrl(path)) return hostDirectory(path, { readOnly });
  if (!readOnly)
    throw new HartvisorError("invalid-argument", `--share ${path}:${tag}: a URL cannot be written; add :ro`);
  return openTreeAt(path);
}

function rootDevice(tree: FileTree, protocol: FileProtocol | undefined): () => PluggableDevice {
  return protocol === "9p" ? virtio9p({ tree, tag: ROOT_TAG }) : virtioFs({ tree, tag: ROOT_TAG, cache: "always" });
}

function bridges(wanted: readonly VsockBridge[]): Vsock {
  const sockets = new Vsock();
  for (const { port, path } of wanted) sockets.listen(port, (connection) => bridgeToSocket(connection, path));
  return sockets;
}

/** What a --disk asks for. */
interface WantedDisk {
  readonly path: string;
  readonly mode: "writable" | "overlay" | "readonly";
  readonly isNvme: boolean;
}

/** Reads FILE[,overlay][,readonly][,nvme] of each disk. Two that write to one file would destroy what is on it. */
function wantedDisks(texts: readonly string[]): readonly WantedDisk[] {
  const wanted = texts.map(parseDisk);
  for (const [n, { path, mode }] of wanted.entries()) {
    const isSame = (other: WantedDisk) => !isUrl(path) && resolve(other.path) === resolve(path);
    if (mode === "writable" && wanted.some((other, m) => m !== n && isSame(other))) {
      const message = `--disk ${path}: it is there twice; both must be overlay or readonly`;
      throw new HartvisorError("invalid-argument", message);
    }
  }
  return wanted;
}

function parseDisk(text: string): WantedDisk {
  const [, path = "", suffixes = ""] = /^(.*?)((?:,(?:overlay|readonly|nvme))*)$/s.exec(text) ?? [];
  const [overlay, readonly, isNvme = false] = [",overlay", ",readonly", ",nvme"].map((suffix) =>
    suffixes.includes(suffix),
  );
  if (path === "") throw new HartvisorError("invalid-argument", `--disk "${text}": give a file or a URL`);
  if (path.includes(",") && !isUrl(path) && !existsSync(path)) {
    const message = `--disk ${text}: there is no file ${path}; behind a comma stand overlay, readonly and nvme`;
    throw new HartvisorError("invalid-argument", message);
  }
  if (overlay && readonly) {
    throw new HartvisorError("invalid-argument", `--disk ${text}: an overlay is there to be written, so not readonly`);
  }
  return { path, mode: overlay ? "overlay" : readonly ? "readonly" : "writable", isNvme };
}

function isUrl(path: string): boolean {
  return isNbdUri(path) || /^https?:\/\//.test(path);
}

async function openDisk({ path, mode }: WantedDisk): Promise<BlockBackend> {
  const readOnly = mode !== "writable";
  const below = isNbdUri(path)
    ? await nbd(path)
    : isUrl(path)
      ? await httpDisk(path)
      : await fileDisk(path, { readOnly });
  if (mode === "overlay") return overlayDisk(below);
  return readOnly ? { ...below, isReadOnly: true } : below;
}
