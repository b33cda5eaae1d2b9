/**
 * The root file system of the demo: one static busybox, the agent of `vm.exec`, and an /init that mounts what
 * programs expect and starts a shell on the console. It is built in memory from the
 * busybox binary alone; where that comes from is not its concern.
 */
import { guestAgent } from "../exec/guest-agent.js";
import { type CpioEntry, cpio } from "./cpio.js";
import { type KernelModule, moduleEntries } from "./kernel-modules.js";
import { ROOT_TAG } from "./root.js";

/** Where /init mounts a root that it goes on in. */
const NEW_ROOT = "/mnt/root";

/** The network, if there is a card: an address from DHCP. */
const network = (script: string) => `# The network, if there is a card: an address from DHCP.
if [ -e /sys/class/net/eth0 ]; then
  ip link set lo up
  ip link set eth0 up
  udhcpc -i eth0 -s ${script} -b -S >/dev/null 2>&1
fi
`;

/** Shared folders by either protocol: where the kernel says their tags, and how one is mounted. */
const FOLDERS = `folders="/sys/fs/virtiofs/*/tag /sys/bus/virtio/drivers/9pnet_virtio/*/mount_tag"
tag_of() { tr -d '\\0\\n' <"$1"; }
# folder, directory. 9p keeps nothing in the guest: what Linux's client keeps has times of its own, in whole seconds, and make believes those.
mount_folder() {
  case $1 in
    */mount_tag) mount -t 9p -o "trans=virtio,version=9p2000.L,msize=262144" "$(tag_of "$1")" "$2" ;;
    *) mount -t virtiofs "$(tag_of "$1")" "$2" ;;
  esac
}
`;

const SHARES = `# Shared folders, each in a directory named for its tag.
for folder in $folders; do
  [ -e "$folder" ] || continue
  tag=$(tag_of "$folder")
  [ "$tag" != ${ROOT_TAG} ] && mkdir -p "/mnt/$tag" && mount_folder "$folder" "/mnt/$tag"
done
`;

/** What asks process 1 to end. */
const SIGNALS = `trap 'poweroff -f' USR2
trap 'reboot -f' TERM
trap 'halt -f' USR1
`;

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

${FOLDERS}
# The root to go on in, if the machine has one: busybox and the agent come along. Nobody else changes it.
for folder in $folders; do
  [ -e "$folder" ] && [ "$(tag_of "$folder")" = ${ROOT_TAG} ] || continue
  mount_folder "$folder" ${NEW_ROOT} || break
  for directory in dev proc sys; do
    mkdir -p ${NEW_ROOT}/$directory
    mount -o move /$directory ${NEW_ROOT}/$directory
  done
  mkdir -p ${NEW_ROOT}/run
  mount -t tmpfs -o mode=755 tmpfs ${NEW_ROOT}/run
  mkdir ${NEW_ROOT}/run/hartvisor
  cp /bin/busybox /bin/hartvisor-agent /etc/root-init ${NEW_ROOT}/run/hartvisor
  # The root need not have a shell.
  sed '1s,.*,#!/run/hartvisor/busybox sh,' /etc/udhcpc.sh >${NEW_ROOT}/run/hartvisor/udhcpc.sh
  chmod 755 ${NEW_ROOT}/run/hartvisor/udhcpc.sh
  exec switch_root ${NEW_ROOT} /run/hartvisor/busybox sh /run/hartvisor/root-init
done

${network("/etc/udhcpc.sh")}
${SHARES}
# What answers vm.exec; it ends at once where the machine has no port for it.
hartvisor-agent </dev/null >/dev/null 2>&1 &

${SIGNALS}
export HOME=/root USER=root TERM="\${TERM:-vt100}" PS1='\\h:\\w# '
cd /root
echo
echo "Linux $(uname -r) on $(nproc) RISC-V hart(s), in hartvisor."
echo "This is a busybox shell. Leave it with 'poweroff'."
setsid cttyhack sh </dev/console >/dev/console 2>&1 &
wait $!
poweroff -f
`;

/** What /init becomes in a root of its own: busybox's commands do not get in the way of the root's. */
const ROOT_INIT = `
busybox=/run/hartvisor/busybox
tools=/run/hartvisor/tools
$busybox mkdir $tools
$busybox --install -s $tools
export PATH=$tools
mkdir -p /dev/pts /dev/shm /tmp
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
ln -sf /proc/self/fd /dev/fd

${network("/run/hartvisor/udhcpc.sh")}
${FOLDERS}
${SHARES}
cd /
/run/hartvisor/hartvisor-agent </dev/null >/dev/null 2>&1 &

${SIGNALS}
# A root may have commands for these that speak to an init of its own; those here come first at the prompt.
mkdir /run/hartvisor/bin
for command in poweroff reboot halt; do ln -s $busybox /run/hartvisor/bin/$command; done

export HOME=/root USER=root TERM="\${TERM:-vt100}" PS1='\\h:\\w# '
cd /root 2>/dev/null || cd /
shell=$busybox
for found in /bin/sh /bin/bash; do [ -x $found ] && shell=$found; done
echo
echo "Linux $(uname -r) on $(nproc) RISC-V hart(s), in hartvisor. Leave it with 'poweroff'."
# What the root lacks, busybox has.
export PATH=/run/hartvisor/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$tools
if [ $shell = $busybox ]; then set -- sh; else set --; fi
$busybox setsid $busybox cttyhack $shell "$@" </dev/console >/dev/console 2>&1 &
wait $!
$busybox sync
$busybox poweroff -f
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
  "mnt/root",
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
    { type: "file", path: "etc/root-init", content: ROOT_INIT },
    { type: "file", path: "etc/udhcpc.sh", content: UDHCPC, mode: 0o755 },
    { type: "file", path: "etc/passwd", content: "root:x:0:0:root:/root:/bin/sh\n" },
    { type: "file", path: "etc/group", content: "root:x:0:\n" },
    { type: "file", path: "init", content: INIT, mode: 0o755 },
    ...moduleEntries(kernelVersion, modules),
  ];
  return cpio(entries);
}
