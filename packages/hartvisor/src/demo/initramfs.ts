/**
 * The root file system of the demo: one static busybox, the agent of `vm.exec`, and an /init that mounts what
 * programs expect and starts a shell on the console. It is built in memory from the
 * busybox binary alone; where that comes from is not its concern.
 */
import { guestAgent } from "../exec/guest-agent.js";
import { type CpioEntry, cpio } from "./cpio.js";
import { type KernelModule, moduleEntries } from "./kernel-modules.js";

/**
 * /init runs as process 1. It waits for the shell in the background, because a shell that waits for a
 * foreground child answers no signals, and `poweroff`, `reboot` and `halt` ask process 1 by signal.
 */
const INIT = `#!/bin/sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s
rm -f /linuxrc
hostname hartvisor

# Drivers for what is plugged in; first for buses, which bring devices of their own.
for bus in platform pci virtio; do
  for device in /sys/bus/$bus/devices/*/modalias; do
    [ -e "$device" ] || continue
    read -r alias <"$device"
    case $alias in
      # Bridges and virtio's transport, whose drivers the kernel has.
      pci:*bc06* | pci:v00001AF4*) ;;
      *) modprobe -q "$alias" ;;
    esac
  done
done

# The network, if there is a card: an address from DHCP.
if [ -e /sys/class/net/eth0 ]; then
  ip link set lo up
  ip link set eth0 up
  udhcpc -i eth0 -s /etc/udhcpc.sh -b -S >/dev/null 2>&1
fi

# Shared folders, each in a directory named for its tag.
for tag in /sys/fs/virtiofs/*/tag; do
  [ -e "$tag" ] && read -r tag <"$tag" && mkdir -p "/mnt/$tag" && mount -t virtiofs "$tag" "/mnt/$tag"
done

# What answers vm.exec; it ends at once where the machine has no port for it.
hartvisor-agent </dev/null >/dev/null 2>&1 &

trap 'poweroff -f' USR2
trap 'reboot -f' TERM
trap 'halt -f' USR1

export HOME=/root USER=root TERM="\${TERM:-vt100}" PS1='\\h:\\w# '
cd /root
echo
echo "Linux $(uname -r) on $(nproc) RISC-V hart(s), in hartvisor."
echo "This is a busybox shell. Leave it with 'poweroff'."
setsid cttyhack sh </dev/console >/dev/console 2>&1 &
wait $!
poweroff -f
`;

/** What udhcpc calls when it has an address. */
const UDHCPC = `#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr replace "$ip/$mask" dev "$interface"
[ -n "$router" ] && ip route replace default via "$router"
for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
`;

const DIRECTORIES = [
  "bin",
  "dev",
  "etc",
  "mnt",
  "proc",
  "root",
  "run",
  "sbin",
  "sys",
  "tmp",
  "usr",
  "usr/bin",
  "usr/sbin",
];

/** What goes into the initramfs beside busybox. */
export interface InitramfsOptions {
  /** As `uname -r` says it; needed with modules. */
  readonly kernelVersion?: string;
  /** Drivers, which /init loads for the devices that it finds. Default: none. */
  readonly modules?: readonly KernelModule[];
}

/**
 * Builds the initramfs around a static riscv64 busybox.
 *
 * @param busybox the binary; it needs the applets sh, mount, modprobe, setsid, cttyhack and poweroff
 * @returns an uncompressed cpio archive, the same for the same parts
 */
export function busyboxInitramfs(
  busybox: Uint8Array,
  { kernelVersion = "", modules = [] }: InitramfsOptions = {},
): Uint8Array {
  const entries: CpioEntry[] = [
    ...DIRECTORIES.map((path): CpioEntry => ({ type: "directory", path, mode: path === "tmp" ? 0o1777 : 0o755 })),
    // The kernel opens the console for /init before anything could mount /dev.
    { type: "character-device", path: "dev/console", major: 5, minor: 1 },
    { type: "file", path: "bin/busybox", content: busybox, mode: 0o755 },
    { type: "file", path: "bin/hartvisor-agent", content: guestAgent(), mode: 0o755 },
    { type: "symlink", path: "bin/sh", target: "busybox" },
    { type: "file", path: "etc/udhcpc.sh", content: UDHCPC, mode: 0o755 },
    { type: "file", path: "etc/passwd", content: "root:x:0:0:root:/root:/bin/sh\n" },
    { type: "file", path: "etc/group", content: "root:x:0:\n" },
    { type: "file", path: "init", content: INIT, mode: 0o755 },
    ...moduleEntries(kernelVersion, modules),
  ];
  return cpio(entries);
}
