/** What runs in the guest: a tree in its memory, commands that carry it to the folder and back, and a shell that takes them. */
import { type CpioEntry, cpio } from "../../../hartvisor/src/demo/cpio.js";

const FILES = 100;
/** Sizes go from nothing to this, in bytes; 2 KiB in the mean. */
const LARGEST = 4096;
const LARGE_MIB = 256;

/** By which the folder is mounted. */
export const TAG = "share";
/** The kernel's command line. */
export const CMDLINE = "console=ttyS0 quiet rdinit=/files-init";
/** What the guest says when it takes commands. */
export const READY = /@shell/;
/** What it says behind each command's output. */
export const STATUS = /@exit (\d+)\r?\n/;

/** Runs as process 1. */
const INIT = `#!/bin/sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s
stty -echo
for device in /sys/bus/virtio/devices/*/modalias; do modprobe -q "$(cat "$device")"; done
modprobe -q virtiofs
modprobe -q 9p
mkdir -p /share
mount -t virtiofs ${TAG} /share 2>/dev/null || mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 ${TAG} /share
tar -cf /tree.tar -C /tree .
echo @shell
while read -r command; do
  eval "$command"
  echo "@exit $?"
done
`;

/** A command that is measured. */
export interface Measure {
  readonly name: string;
  /** What is done before, and not measured. */
  readonly before?: string;
  readonly command: string;
}

/** What nobody has in memory any more is read from the host. */
const FORGET = "echo 3 >/proc/sys/vm/drop_caches";
export const MEASURES: readonly Measure[] = [
  { name: "unpack", before: "mkdir /share/tree", command: "tar -xf /tree.tar -C /share/tree && sync" },
  { name: "list", before: FORGET, command: "ls -lR /share/tree >/dev/null" },
  { name: "grep", before: FORGET, command: "! grep -rq 'no such line' /share/tree" },
  { name: "delete", before: FORGET, command: "rm -r /share/tree" },
  { name: "write", command: `dd if=/dev/zero of=/share/large bs=1M count=${LARGE_MIB} conv=fsync 2>/dev/null` },
  { name: "read", before: FORGET, command: "dd if=/share/large of=/dev/null bs=1M 2>/dev/null" },
];

/** An archive to stand behind the demo's initramfs. */
export function guestArchive(directories: number): Uint8Array {
  const entries: CpioEntry[] = [
    { type: "file", path: "files-init", content: INIT, mode: 0o755 },
    { type: "directory", path: "tree" },
  ];
  const text = "Some lines of text, as sources have them.\n".repeat(LARGEST / 40);
  for (let d = 0; d < directories; d++) {
    entries.push({ type: "directory", path: `tree/directory${d}` });
    for (let f = 0; f < FILES; f++) {
      const length = ((d * FILES + f) * 2654435761) % LARGEST;
      entries.push({ type: "file", path: `tree/directory${d}/file${f}`, content: text.slice(0, length), mode: 0o644 });
    }
  }
  return cpio(entries);
}
