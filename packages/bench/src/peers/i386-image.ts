/** What v86 boots: Debian's kernel and busybox for i386, which Debian 12 is the last to have, and SeaBIOS. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { busyboxInitramfs } from "../../../hartvisor/src/demo/initramfs.js";
import type { DemoImageProgress } from "../../../hartvisor/src/host/node/debian-image.js";
import { obtainDebianTree } from "../../../hartvisor/src/host/node/debian-tree.js";

export interface I386Image {
  /** Path of the kernel, a bzImage. */
  readonly kernel: string;
  /** The demo's initramfs around an i386 busybox. */
  readonly initrd: Uint8Array;
  /** Folder of SeaBIOS and its VGA BIOSes. */
  readonly bios: string;
}

/** Finds the packages in the cache or obtains them. */
export async function obtainI386Image(progress: (event: DemoImageProgress) => void): Promise<I386Image> {
  const packages = ["linux-image-686", "busybox-static", "seabios"];
  const what = { name: "peers", suite: "bookworm", architecture: "i386", packages };
  const { root } = await obtainDebianTree({ ...what, leaveOut: ["lib/modules", "usr/share/doc"], progress });
  const boot = join(root, "boot");
  const kernel = (await readdir(boot)).find((name) => name.startsWith("vmlinuz-"));
  if (kernel === undefined) throw new Error(`there is no kernel in ${boot}`);
  return {
    kernel: join(boot, kernel),
    initrd: busyboxInitramfs(await readFile(join(root, "bin/busybox"))),
    bios: join(root, "usr/share/seabios"),
  };
}
