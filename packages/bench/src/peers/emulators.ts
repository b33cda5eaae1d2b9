/** The machines that are compared, each as a command that boots a Linux kernel with its console on stdio. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Qemu } from "../../../hartvisor/src/host/node/debian-qemu.js";
import { EmulatorProcess } from "./emulator-process.js";
import type { NodeRuntime } from "./node-runtime.js";

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

/** Every machine has one hart and so much memory. */
const MEMORY_MIB = 512;

const CLI = fileURLToPath(import.meta.resolve("hartvisor/package.json")).replace(/package\.json$/, "dist/cli.js");

/** This project under a Node of its own. */
export function hartvisorEmulator(node: NodeRuntime, engine: string): Emulator {
  return {
    name: "hartvisor",
    description: `hartvisor --engine ${engine}, Node ${node.version}`,
    start: ({ kernel, initrd, cmdline }) =>
      new EmulatorProcess(node.path, [
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

/** What v86 advises for Linux: its counter is even, and its guest has no neighbours. */
const V86_CMDLINE = "tsc=reliable mitigations=off random.trust_cpu=on";
const V86_MACHINE = fileURLToPath(new URL("peers-v86.js", import.meta.url));

/** v86, under the same Node as ourselves. `bios` is the folder of SeaBIOS. */
export function v86Emulator(node: NodeRuntime, bios: string): Emulator {
  const { version } = createRequire(import.meta.url)("v86/package.json") as { version: string };
  return {
    name: "v86",
    description: `v86 ${version}, i386, Node ${node.version}`,
    start: ({ kernel, initrd, cmdline }) =>
      new EmulatorProcess(node.path, [V86_MACHINE, bios, kernel, initrd, `${cmdline} ${V86_CMDLINE}`, `${MEMORY_MIB}`]),
  };
}
