/** The machines that are compared, each as a command that boots a Linux kernel with its console on stdio. */
import { fileURLToPath } from "node:url";
import type { Qemu } from "../../../hartvisor/src/host/node/debian-qemu.js";
import { EmulatorProcess } from "./emulator-process.js";

/** What to boot; kernel and initramfs are files. */
export interface GuestImage {
  readonly kernel: string;
  readonly initrd: string;
  readonly cmdline: string;
}

export interface Emulator {
  readonly name: string;
  /** Name and version, for the report. */
  readonly description: string;
  start(image: GuestImage): EmulatorProcess;
}

/** Both machines have one hart and so much memory. */
const MEMORY_MIB = 512;

const CLI = fileURLToPath(import.meta.resolve("hartvisor/package.json")).replace(/package\.json$/, "dist/cli.js");

/** This project under a Node of its own. */
export function hartvisorEmulator(node: string, nodeVersion: string, engine: string): Emulator {
  return {
    name: "hartvisor",
    description: `hartvisor --engine ${engine}, Node ${nodeVersion}`,
    start: ({ kernel, initrd, cmdline }) =>
      new EmulatorProcess(node, [
        ...[CLI, "run", "--engine", engine, "--memory", `${MEMORY_MIB}MiB`],
        ...["--kernel", kernel, "--initrd", initrd, "--append", cmdline],
      ]),
  };
}

/** QEMU's system emulation with its translator, as it comes: the board `virt`, its default CPU, OpenSBI. */
export function qemuEmulator({ command: [program, ...args], version }: Qemu): Emulator {
  return {
    name: "QEMU",
    description: `QEMU ${version}, virt, system mode`,
    start: ({ kernel, initrd, cmdline }) =>
      new EmulatorProcess(program, [
        ...[...args, "-machine", "virt", "-m", `${MEMORY_MIB}M`, "-no-reboot"],
        ...["-display", "none", "-monitor", "none", "-serial", "stdio", "-nodefaults"],
        ...["-kernel", kernel, "-initrd", initrd, "-append", cmdline],
      ]),
  };
}
