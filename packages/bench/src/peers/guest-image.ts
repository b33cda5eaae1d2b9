/**
 * What the guest boots: the demo's kernel and its busybox initramfs, followed by a second
 * archive with the programs of the benchmark and an /init of their own. Linux unpacks
 * archives that follow each other as one (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CpioEntry, cpio } from "../../../hartvisor/src/demo/cpio.js";

/** The kernel's command line; the console is the UART that both machines have. */
export const CMDLINE = "console=ttyS0 quiet";
/** What the shell of the benchmark says when it takes commands. */
export const SHELL_READY = "@shell";
/** Where the programs lie in the guest. */
const FOLDER = "peers";

/** Runs as process 1: the host types commands, and nothing but their output comes back. */
const INIT = `#!/bin/sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox mount -t tmpfs tmpfs /tmp
/bin/busybox stty -echo
cd /${FOLDER}
echo ${SHELL_READY}
while read -r command; do
  eval "$command"
  echo "@exit $?"
done
`;

/** Arguments for the kernel that start {@link INIT} instead of the demo's. */
export const BENCH_CMDLINE = `${CMDLINE} rdinit=/${FOLDER}/init`;

/** Builds the initramfs around that of the demo. `folder` holds the guests' ELF files. */
export async function benchInitramfs(demo: Uint8Array, folder: string): Promise<Uint8Array> {
  const files = (await readdir(folder)).sort();
  const programs = files.map(async (file): Promise<CpioEntry> => {
    const path = `${FOLDER}/${file.replace(/\.elf$/, "")}`;
    return { type: "file", path, content: await readFile(join(folder, file)), mode: 0o755 };
  });
  const ours = cpio([
    { type: "directory", path: FOLDER },
    { type: "file", path: `${FOLDER}/init`, content: INIT, mode: 0o755 },
    ...(await Promise.all(programs)),
  ]);
  return Buffer.concat([demo, ours]);
}
