/** The options that plug devices into a machine, and what they open on the host. */
import { type BlockBackend, HartvisorError } from "@hartvisor/core";
import { httpDisk, overlayDisk, type VirtioDevice } from "@hartvisor/devices";
import type { Command } from "commander";
import { virtioBlock, virtioRng } from "../devices.js";
import { fileDisk } from "../host/node/file-disk.js";

/** As commander hands them over. */
export interface DeviceFlags {
  readonly disk?: readonly string[];
}

/** Devices of a command line, for each machine of a session. */
export interface OpenDevices {
  readonly devices: readonly (() => VirtioDevice)[];
  /** Gives back files and sockets. */
  close(): Promise<void>;
}

/** Adds --disk. */
export function addDeviceOptions(command: Command): Command {
  return command.option(
    "--disk <file[,overlay][,readonly]>",
    "a raw disk image or the http(s) URL of one; overlay keeps writes in memory. Give it again for more disks",
    (text: string, before: readonly string[] = []) => [...before, text],
  );
}

/**
 * Opens what the flags name.
 *
 * @throws HartvisorError for what cannot be opened; nothing is left open then
 */
export async function openDevices({ disk = [] }: DeviceFlags): Promise<OpenDevices> {
  const disks: BlockBackend[] = [];
  const close = async () => {
    for (const backend of disks) await backend.close();
  };
  try {
    for (const text of disk) disks.push(await openDisk(text));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    devices: [
      virtioRng(),
      ...disks.map((backend, n) => {
        const name = `disk${n}`;
        const onError = (error: unknown) =>
          console.error(`hartvisor: ${name}: ${error instanceof Error ? error.message : String(error)}`);
        return virtioBlock({ backend, name, onError });
      }),
    ],
    close,
  };
}

/** Reads FILE[,overlay][,readonly] and opens it. */
async function openDisk(text: string): Promise<BlockBackend> {
  const modes = new Set<string>();
  let path = text;
  for (let match = /^(.+),(overlay|readonly)$/.exec(path); match; match = /^(.+),(overlay|readonly)$/.exec(path)) {
    modes.add(match[2] ?? "");
    path = match[1] ?? "";
  }
  if (modes.size > 1) {
    throw new HartvisorError("invalid-argument", `--disk ${text}: an overlay is there to be written, so not readonly`);
  }
  const isOverlay = modes.has("overlay");
  const isUrl = /^https?:\/\//.test(path);
  const below = isUrl ? await httpDisk(path) : await fileDisk(path, { readOnly: modes.size > 0 });
  return isOverlay ? overlayDisk(below) : below;
}
