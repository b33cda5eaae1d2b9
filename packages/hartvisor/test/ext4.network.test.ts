/** An ext4 file system on a file's disk: made by Debian's mkfs, written, and found whole by another machine. */
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type DemoImage, debianDemoImage } from "../src/host/node/debian-image.js";
import { obtainDebianTree } from "../src/host/node/debian-tree.js";
import { fileDisk } from "../src/host/node/file-disk.js";
import { linux, Machine, virtioBlock } from "../src/index.js";
import { describeOnline } from "./describe-where.js";

const LIBRARIES = "usr/lib/riscv64-linux-gnu";
const LOADER = "ld-linux-riscv64-lp64d.so.1";
const NEEDED = [
  "libext2fs.so.2",
  "libblkid.so.1",
  "libuuid.so.1",
  "libe2p.so.2",
  "libcom_err.so.2",
  "libc.so.6",
  LOADER,
];

describeOnline("ext4", () => {
  let image: DemoImage;
  let root: string;
  let folder: string;

  beforeAll(async () => {
    image = await debianDemoImage();
    const tree = { name: "e2fsprogs", suite: "trixie", architecture: "riscv64", packages: ["e2fsprogs"] };
    ({ root } = await obtainDebianTree({ ...tree, leaveOut: ["usr/share"] }));
    folder = await mkdtemp(join(tmpdir(), "hartvisor-ext4-"));
  });

  afterAll(() => rm(folder, { recursive: true }));

  /** Runs a script in a machine of its own that has the disk; gives what it printed. */
  async function inMachine(path: string, script: string): Promise<string> {
    const backend = await fileDisk(path);
    const boot = linux({ ...image, cmdline: "console=ttyS0 quiet" });
    const vm = await Machine.create({ boot, devices: [virtioBlock({ backend })], limits: { wallTimeMs: 500_000 } });
    try {
      void vm.console.output.cancel();
      vm.start();
      await vm.exec(["mkdir", "-p", `/${LIBRARIES}`, "/mnt"]);
      for (const name of NEEDED)
        await vm.writeFile(`/${LIBRARIES}/${name}`, await readFile(join(root, LIBRARIES, name)), { mode: 0o755 });
      await vm.exec(["ln", "-s", `/${LIBRARIES}/${LOADER}`, `/lib/${LOADER}`]);
      for (const name of ["mkfs.ext4", "e2fsck"]) {
        await vm.writeFile(`/usr/sbin/${name}`, await readFile(join(root, "usr/sbin", name)), { mode: 0o755 });
      }
      const { stdoutText, stderrText, exitCode } = await vm.exec(["sh", "-ec", script], { timeoutMs: 400_000 });
      expect([exitCode, stderrText]).toEqual([0, ""]);
      return stdoutText;
    } finally {
      await vm.destroy();
      await backend.close();
    }
  }

  it("is made, written and flushed by one machine, and found whole by the next", async () => {
    const path = join(folder, "disk.img");
    await writeFile(path, "");
    await truncate(path, 64 * 2 ** 20);
    const written = await inMachine(
      path,
      `mkfs.ext4 -q -F /dev/vda 2>&1
       mount -t ext4 /dev/vda /mnt
       for n in 1 2 3 4; do dd if=/dev/urandom of=/mnt/file$n bs=64k count=$((n * 3)) 2>/dev/null; done
       mkdir /mnt/copy; cp /bin/busybox /mnt/file3 /mnt/copy
       sync
       cd /mnt; find . -type f | sort | xargs md5sum`,
    );
    expect(written.trim().split("\n")).toHaveLength(6);
    // Destroyed without unmounting: the journal has what the superblock does not.
    const found = await inMachine(
      path,
      `mount -t ext4 /dev/vda /mnt
       cd /mnt; find . -type f | sort | xargs md5sum
       cd /; umount /mnt
       e2fsck -fn /dev/vda >/dev/null 2>&1`,
    );
    expect(found).toBe(written);
  });
});
