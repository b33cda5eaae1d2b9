/**
 * Lets Debian configure what was unpacked: a machine boots into the root, and dpkg runs the packages' scripts there, as
 * on any first boot. Nothing of a package ever runs on the host. What the guest has written becomes a layer.
 */
import { HartvisorError } from "@hartvisor/core";
import type { FileTree } from "@hartvisor/devices";
import { linux } from "../../../boot/linux.js";
import { ROOT_TAG } from "../../../demo/root.js";
import { virtioFs, virtioRng } from "../../../devices.js";
import { Machine } from "../../../machine.js";
import type { DemoImage } from "../debian-image.js";

const MEMORY = "768MiB";
/** A machine on a host that is busy may need long; one that hangs must end. */
const TIMEOUT_MS = 60 * 60 * 1000;

/**
 * What is to be done once. Scripts that packages run before they are unpacked make what others count on, such as
 * /etc/passwd; they come first. No service is started meanwhile (invoke-rc.d(8), policy-rc.d).
 */
const SCRIPT = `
set -e
cd /
mkdir -p /dev/shm /dev/pts
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
version=$(dpkg-query --show --showformat='\${Version}' dpkg)
for script in /var/lib/dpkg/info/base-passwd.preinst /var/lib/dpkg/info/*.preinst; do
  name=\${script##*/}
  name=\${name%.preinst}
  DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE=\${name%:*} DPKG_MAINTSCRIPT_ARCH=riscv64 \\
    DPKG_RUNNING_VERSION=$version "$script" install
done
dpkg --configure --pending
dpkg --triggers-only --pending
rm -f /usr/sbin/policy-rc.d
`;

const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  DEBIAN_FRONTEND: "noninteractive",
  DEBCONF_NONINTERACTIVE_SEEN: "true",
  LC_ALL: "C",
  // Perl's hashes in the same order every time: debconf writes its database in it.
  PERL_HASH_SEED: "0",
};

/** What is no part of a root: what the machine mounts, and what programs keep for the next time or for reading. */
const LEFT_OUT = [
  /^(?:dev|proc|run|sys|tmp)\/./,
  /^var\/(?:tmp|log|cache\/apt|cache\/ldconfig|lib\/apt\/lists)\/./,
  /^var\/lib\/dpkg\/(?:[^/]*-old|lock.*|triggers\/Lock)$/,
  /^var\/cache\/debconf\/[^/]*-old$/,
  /^etc\/(?:passwd|group|shadow|gshadow|subuid|subgid)-$/,
  /^etc\/resolv\.conf$/,
];

/** Whether a path is kept of what a configured root has. */
export function isKept(path: string): boolean {
  return !LEFT_OUT.some((pattern) => pattern.test(path));
}

/** How to configure. */
export interface ConfigureOptions {
  /** The kernel, and an initramfs that boots into the root. */
  readonly image: Pick<DemoImage, "kernel" | "initrd">;
  /** Called with the number of packages that dpkg has begun to configure. */
  readonly progress?: (done: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Configures the packages in a tree, which is changed.
 *
 * @throws HartvisorError `invalid-image` when a package's script fails, with the last that it said
 */
export async function configureGuest(tree: FileTree, { image, progress, signal }: ConfigureOptions): Promise<void> {
  await using vm = await Machine.create({
    memory: MEMORY,
    boot: linux({ ...image, cmdline: "console=ttyS0 quiet" }),
    devices: [virtioFs({ tree, tag: ROOT_TAG, cache: "always" }), virtioRng()],
  });
  void vm.console.output.cancel();
  vm.start();
  const late = AbortSignal.timeout(TIMEOUT_MS);
  const over = signal === undefined ? late : AbortSignal.any([signal, late]);
  const job = await vm.spawn(["/bin/sh", "-c", SCRIPT], { env: ENVIRONMENT, cwd: "/", signal: over });
  await job.stdin.close().catch(() => {});
  let done = 0;
  /** What dpkg said of the first failure: two lines. Scripts complain of much that does no harm. */
  const failure: string[] = [];
  let last = "";
  const [status] = await Promise.all([
    job.exited,
    forEachLine(job.stdout, (line) => {
      if (line.startsWith("Setting up ")) progress?.(done++);
    }),
    forEachLine(job.stderr, (line) => {
      if (failure.length === 1 || (failure.length === 0 && line.startsWith("dpkg: error"))) failure.push(line.trim());
      last = line;
    }),
  ]);
  if (status.exitCode !== 0) {
    const said = failure.length > 0 ? failure.join(" ") : last;
    throw new HartvisorError("invalid-image", `the packages cannot be configured in the guest: ${said.slice(0, 300)}`);
  }
  await vm.sync();
}

async function forEachLine(stream: ReadableStream<Uint8Array>, act: (line: string) => void): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) act(line);
  }
  if (rest !== "") act(rest);
}
