/** Debian's own NVMe driver, unmodified, with the controller of this package: a file system, a read-only disk, other sizes and errors. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, expect, it } from "vitest";
import { type DemoImage, debianDemoImage } from "../src/host/node/debian-image.js";
import { type BlockBackend, e1000, linux, Machine, memoryDisk, nvme, type PluggableDevice } from "../src/index.js";
import { CliProcess } from "./cli-process.js";
import { describeOnline } from "./describe-where.js";

/** The driver looks for namespaces after it was loaded. */
const WAIT = "for n in $(seq 50); do [ -b /dev/nvme0n1 ] && break; sleep 0.1; done";

describeOnline("NVMe in Debian", () => {
  let image: DemoImage;
  const failures: string[] = [];

  beforeAll(async () => {
    image = await debianDemoImage();
  });

  afterEach(() => {
    CliProcess.killAll();
    expect(failures).toEqual([]);
  });

  async function inMachine(devices: readonly (() => PluggableDevice)[], script: string): Promise<string> {
    const vm = await Machine.create({
      boot: linux({ ...image, cmdline: "console=ttyS0 quiet" }),
      devices,
      onDeviceFailure: (device, reason) => failures.push(`${device}: ${reason}`),
      limits: { wallTimeMs: 500_000 },
    });
    try {
      void vm.console.output.cancel();
      vm.start();
      const { stdoutText } = await vm.exec(["sh", "-c", `${WAIT}\n${script}`], { timeoutMs: 400_000 });
      return stdoutText;
    } finally {
      await vm.destroy();
    }
  }

  it("has a disk that keeps files", async () => {
    const bytes = new Uint8Array(32 * 2 ** 20);
    const text = await inMachine(
      [nvme({ backend: memoryDisk(bytes), serial: "one-disk" })],
      `cat /sys/class/nvme/nvme0/serial /sys/block/nvme0n1/size /sys/block/nvme0n1/queue/write_cache
       mke2fs -q /dev/nvme0n1 >/dev/null; mkdir /mnt; mount -t ext4 /dev/nvme0n1 /mnt
       dd if=/dev/urandom of=/mnt/x bs=1M count=8 2>/dev/null; sync
       md5sum </mnt/x; umount /mnt
       mount -t ext4 /dev/nvme0n1 /mnt; md5sum </mnt/x; umount /mnt
       md5sum </dev/nvme0n1`,
    );
    const [serial, sectors, cache, before, after, whole] = text.trim().split("\n");
    expect([serial?.trim(), sectors, cache]).toEqual(["one-disk", "65536", "write back"]);
    expect(before).toMatch(/^[0-9a-f]{32}/);
    expect(after).toBe(before);
    expect(whole).toBe(`${createHash("md5").update(bytes).digest("hex")}  -`);
  });

  it("has several, of which one is read-only and one fails", async () => {
    const broken: BlockBackend = {
      ...memoryDisk(new Uint8Array(2 ** 20)),
      readNow: () => false,
      read: () => Promise.reject(new Error("the host's disk is gone")),
    };
    const reported: unknown[] = [];
    const text = await inMachine(
      [
        nvme({ backend: memoryDisk(new Uint8Array(2 ** 20).fill(65), { readOnly: true }), name: "a" }),
        nvme({ backend: broken, name: "b", onError: (error) => reported.push(error) }),
      ],
      `for n in 0 1; do
         cat /sys/block/nvme\${n}n1/ro
         dd if=/dev/nvme\${n}n1 bs=4k count=1 2>/dev/null | head -c 1; echo
         dd if=/dev/zero of=/dev/nvme\${n}n1 bs=4k count=1 conv=fsync 2>/dev/null && echo written
       done`,
    );
    expect(text).toBe("1\nA\n0\n\nwritten\n");
    expect(reported.length).toBeGreaterThan(0);
  });

  it("leaves the same memory twice with the virtual clock, beside an e1000", async () => {
    const state = async () => {
      const frames: Uint8Array[] = [];
      const receive = (frame: Uint8Array) => void frames.push(frame);
      const nobody = { connect() {}, receive, flush() {}, ready() {}, close: async () => {} };
      const vm = await Machine.create({
        boot: linux({ ...image, cmdline: "console=ttyS0 quiet" }),
        ...{ memory: "128MiB", clock: "virtual", limits: { instructions: 2_500_000_000 } },
        devices: [e1000({ backend: nobody }), nvme({ backend: memoryDisk(new Uint8Array(2 ** 20)) })],
      });
      void vm.console.output.cancel();
      vm.start();
      expect(await vm.exited).toEqual({ kind: "limit", limit: "instructions" });
      const bytes = vm.memory.read(vm.memory.base, vm.memory.size) ?? "outside RAM";
      return { memory: createHash("sha256").update(bytes).digest("hex"), exits: vm.stats.exits, frames };
    };
    const first = await state();
    expect(first.frames.length).toBeGreaterThan(0);
    expect(await state()).toEqual(first);
  });

  it("is what --disk makes of a file where it is asked to, as --net makes an e1000", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hartvisor-nvme-"));
    try {
      const path = join(folder, "disk.img");
      await writeFile(path, "");
      await truncate(path, 2 ** 20);
      const script = `${WAIT}; yes flushed | head -c 300000 >/dev/nvme0n1; sync; head -c 8 /dev/nvme0n1; [ -d /sys/bus/pci/drivers/e1000/0* ]`;
      const cli = CliProcess.start(["exec", "--disk", `${path},nvme`, "--net", "nat,e1000", "--", "sh", "-c", script]);
      expect(await cli.ended).toMatchObject({ status: 0, stdout: "flushed\n", stderr: "" });
      expect((await readFile(path)).subarray(0, 300_000).equals(Buffer.alloc(300_000, "flushed\n"))).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
