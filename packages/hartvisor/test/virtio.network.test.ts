/** Debian's own virtio drivers, unmodified, with the devices of this package. */
import { beforeAll, describe, expect, it } from "vitest";
import { type DemoImage, debianDemoImage } from "../src/host/node/debian-image.js";
import { linux, memoryDisk, virtioBlock, virtioRng } from "../src/index.js";
import { GuestShell } from "./guest-shell.js";

const isOffline = process.env.HARTVISOR_OFFLINE === "1";
const note = isOffline ? " (not run: HARTVISOR_OFFLINE=1)" : "";
const cmdline = "console=ttyS0 quiet";
const limits = { wallTimeMs: 120_000 };

describe.skipIf(isOffline)(`virtio in Debian${note}`, () => {
  let image: DemoImage;

  beforeAll(async () => {
    image = await debianDemoImage();
  }, 600_000);

  describe.each(["pci", "mmio"] as const)("over %s", (transport) => {
    it("has a disk that keeps files, and entropy", async () => {
      const bytes = new Uint8Array(16 * 2 ** 20);
      const failures: string[] = [];
      const shell = await GuestShell.boot({
        boot: linux({ ...image, cmdline }),
        transport,
        devices: [virtioBlock({ backend: memoryDisk(bytes), serial: "one-disk" }), virtioRng()],
        onDeviceFailure: (device, reason) => failures.push(`${device}: ${reason}`),
        limits,
      });
      expect(await shell.run("cat /sys/block/vda/serial")).toContain("one-disk");
      expect(await shell.run("cat /sys/block/vda/size")).toBe("32768\n");
      await shell.run("mke2fs /dev/vda >/dev/null; mkdir /mnt; mount -t ext4 /dev/vda /mnt");
      await shell.run("dd if=/dev/urandom of=/mnt/x bs=64k count=16 2>/dev/null; sync");
      const before = await shell.run("md5sum /mnt/x");
      expect(before).toMatch(/^[0-9a-f]{32} {2}\/mnt\/x\n$/);
      await shell.run("umount /mnt; mount -t ext4 /dev/vda /mnt");
      expect(await shell.run("md5sum /mnt/x")).toBe(before);
      expect(bytes.some((byte) => byte !== 0)).toBe(true);
      await shell.run("umount /mnt; blkdiscard -z /dev/vda || dd if=/dev/zero of=/dev/vda bs=1M 2>/dev/null; sync");
      expect(bytes.some((byte) => byte !== 0)).toBe(false);
      expect(await shell.run("cat /sys/class/misc/hw_random/rng_current")).toBe("virtio_rng.0\n");
      expect(await shell.run("dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c")).toBe("64\n");
      expect(failures).toEqual([]);
      expect(await shell.powerOff()).toEqual({ kind: "poweroff", exitCode: 0 });
    }, 180_000);
  });
});
