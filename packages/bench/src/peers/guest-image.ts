/**
 * What the guest boots: the demo's kernel and its busybox initramfs, followed by a second
 * archive with the programs of the benchmark, those of Debian that are wanted, and an /init of
 * their own. Linux unpacks archives that follow each other as one
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
import { readdir, readFile, readlink } from "node:fs/promises";
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

/** What of Debian's packages goes into the guest: less than half of their bytes. */
const DEBIAN_FOLDERS = ["usr/bin", "usr/lib", "etc/ssl"];
/** Converters of character sets, which nothing here converts. */
const LEFT_OUT = "usr/lib/riscv64-linux-gnu/gconv";

const LOADER = "ld-linux-riscv64-lp64d.so.1";

/** What a guest is made of. */
export interface BenchParts {
  /** The demo's initramfs. */
  readonly demo: Uint8Array;
  /** Folder of the guests' ELF files. */
  readonly programs: string;
  /** Folder of the scripts that real programs run. */
  readonly scripts: string;
  /** Root of Debian's packages, where they are wanted. */
  readonly debian?: string | undefined;
}

/** Builds the initramfs. */
export async function benchInitramfs({ demo, programs, scripts, debian }: BenchParts): Promise<Uint8Array> {
  const executables = (await files(programs, FOLDER)).map((entry) => ({
    ...entry,
    path: entry.path.replace(/\.elf$/, ""),
  }));
  const ours = cpio([
    ...executables,
    { type: "file", path: `${FOLDER}/init`, content: INIT, mode: 0o755 },
    ...(await files(scripts, `${FOLDER}/scripts`)),
    ...(debian === undefined ? [] : await debianEntries(debian)),
  ]);
  return Buffer.concat([demo, ours]);
}

async function debianEntries(root: string): Promise<CpioEntry[]> {
  const parents = ["usr", "etc", "lib"].map((path): CpioEntry => ({ type: "directory", path }));
  const folders = await Promise.all(DEBIAN_FOLDERS.map((folder) => files(join(root, folder), folder)));
  // Programs name their loader in /lib, which Debian has as a link to /usr/lib; the demo has its modules there.
  return [...parents, ...folders.flat(), { type: "symlink", path: `lib/${LOADER}`, target: `/usr/lib/${LOADER}` }];
}

/** A folder of this machine as a folder of the guest, with all that is in it. Everything may be executed. */
async function files(folder: string, path: string): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [{ type: "directory", path }];
  const found = (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of found) {
    const [from, to] = [join(folder, entry.name), `${path}/${entry.name}`];
    if (to === LEFT_OUT) continue;
    if (entry.isDirectory()) entries.push(...(await files(from, to)));
    else if (entry.isSymbolicLink()) entries.push({ type: "symlink", path: to, target: await readlink(from) });
    else entries.push({ type: "file", path: to, content: await readFile(from), mode: 0o755 });
  }
  return entries;
}
