/** A Debian guest whose disk is on Debian's nbd-server, which goes and comes back. */
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type DemoImage, debianDemoImage } from "../src/host/node/debian-image.js";
import { nbd } from "../src/host/node/nbd.js";
import { linux, Machine, virtioBlock } from "../src/index.js";
import { CliProcess } from "./cli-process.js";
import { describeOnlineOnAmd64 } from "./describe-where.js";
import { NbdServer } from "./nbd-server.js";

describeOnlineOnAmd64("a disk on an NBD server", () => {
  let image: DemoImage;
  let folder: string;
  let file: string;
  let server: NbdServer;

  beforeAll(async () => {
    image = await debianDemoImage();
    folder = await mkdtemp(join(tmpdir(), "hartvisor-nbd-"));
    file = join(folder, "disk.img");
    await writeFile(file, "");
    await truncate(file, 32 * 2 ** 20);
    server = await NbdServer.start(folder, file);
  });

  afterAll(async () => {
    CliProcess.killAll();
    await server.stop();
    await rm(folder, { recursive: true });
  });

  it("keeps files, though its server is killed in between", async () => {
    const backend = await nbd(`nbd://127.0.0.1:${server.port}/disk`);
    const errors: unknown[] = [];
    const vm = await Machine.create({
      boot: linux({ ...image, cmdline: "console=ttyS0 quiet" }),
      devices: [virtioBlock({ backend, onError: (error) => errors.push(error) })],
      limits: { wallTimeMs: 500_000 },
    });
    const sh = async (command: string) => (await vm.exec(["sh", "-c", command], { timeoutMs: 400_000 })).stdoutText;
    try {
      void vm.console.output.cancel();
      vm.start();
      await sh("mke2fs -q /dev/vda >/dev/null; mkdir /mnt; mount -t ext4 /dev/vda /mnt");
      await sh("dd if=/dev/urandom of=/mnt/x bs=64k count=64 2>/dev/null; sync");
      const before = await sh("md5sum </mnt/x");
      const copied = sh("cp /mnt/x /mnt/y; sync; echo done");
      await server.stop();
      await server.resume();
      expect(await copied).toBe("done\n");
      await server.stop();
      await server.resume();
      await sh("umount /mnt; mount -t ext4 /dev/vda /mnt");
      expect(await sh("md5sum </mnt/x; md5sum </mnt/y; umount /mnt")).toBe(before + before);
      expect(errors).toEqual([]);
    } finally {
      await vm.destroy();
      await backend.close();
    }
  });

  it("is what --disk makes of its URI", async () => {
    const script = "yes flushed | head -c 300000 >/dev/vda; sync; head -c 8 /dev/vda";
    const uri = `nbd://127.0.0.1:${server.port}/disk`;
    const cli = CliProcess.start(["exec", "--disk", uri, "--", "sh", "-c", script]);
    expect(await cli.ended).toMatchObject({ status: 0, stdout: "flushed\n", stderr: "" });
    expect((await readFile(file)).subarray(0, 300_000).equals(Buffer.alloc(300_000, "flushed\n"))).toBe(true);
    const missing = CliProcess.start(["exec", "--disk", `${uri}-not`, "--", "true"]);
    expect(await missing.ended).toMatchObject({ stdout: "", stderr: expect.stringMatching(/no such export/) });
  });
});
