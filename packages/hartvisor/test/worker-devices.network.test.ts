/** Debian machines in workers, with what belongs to this thread, and with trees and disks that their own threads open. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type DemoImage, debianDemoImage } from "../src/host/node/debian-image.js";
import { nat } from "../src/host/node/nat.js";
import type { PortableDevice, WorkerMachine } from "../src/index.js";
import { describeOnlineOnAmd64 } from "./describe-where.js";
import { NbdServer } from "./nbd-server.js";

// A worker's script is a file of the built package.
const built = new URL("../dist/index.js", import.meta.url).href;
const { Balloon, linux, Machine, NetworkSwitch } = (await import(built)) as typeof import("../src/index.js");

const MIB = 2 ** 20;

const sh = async (vm: WorkerMachine, command: string) =>
  (await vm.exec(["sh", "-c", `{ ${command}; } 2>&1`], { timeoutMs: 400_000 })).stdoutText;

describeOnlineOnAmd64("Debian machines in workers", () => {
  let image: DemoImage;
  let folder: string;
  let server: NbdServer;

  beforeAll(async () => {
    image = await debianDemoImage();
    folder = await mkdtemp(join(tmpdir(), "hartvisor-worker-"));
    await mkdir(join(folder, "lower"));
    await writeFile(join(folder, "lower", "below"), "below\n");
    await writeFile(join(folder, "disk.img"), new Uint8Array(4 * MIB).fill(0x41));
    server = await NbdServer.start(folder, join(folder, "disk.img"));
  });

  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function boot(devices: readonly PortableDevice[]): Promise<WorkerMachine> {
    const vm = await Machine.create({
      boot: linux({ ...image, cmdline: "console=ttyS0 quiet" }),
      ...{ memory: "256MiB", limits: { wallTimeMs: 500_000 }, thread: "worker", devices },
    });
    void vm.console.output.cancel();
    vm.start();
    return vm;
  }

  it("join a switch of this thread, and get through it to each other and to the host", async () => {
    const content = randomBytes(3 * MIB);
    const http = createServer((_, response) => response.end(content)).listen(0, "127.0.0.1");
    const network = await nat({ policy: { allow: ["127.0.0.1"] } });
    const lan = new NetworkSwitch();
    lan.plug(network);
    await using a = await boot([{ kind: "network", backend: lan.card(), mac: "52:54:00:00:00:01" }]);
    await using b = await boot([{ kind: "network", backend: lan.card(), mac: "52:54:00:00:00:02", model: "e1000" }]);
    const { port } = http.address() as AddressInfo;
    const digest = await sh(a, `wget -qO /tmp/data http://10.0.2.2:${port}/; md5sum < /tmp/data`);
    expect(digest).toBe(await sh(b, `wget -qO- http://10.0.2.2:${port}/ | md5sum`));
    expect(digest).toBe(`${createHash("md5").update(content).digest("hex")}  -\n`);
    const [address] = (await sh(a, "ip -4 -o addr show eth0")).match(/10\.0\.2\.\d+/) ?? [];
    await sh(a, "httpd -p 7000 -h /tmp");
    expect(await sh(b, `wget -qO- http://${address}:7000/data | md5sum`)).toBe(digest);
    expect(lan.stats.forwarded).toBeGreaterThan(100);
    expect(lan.stats.dropped).toEqual({ malformed: 0, vlan: 0, address: 0, full: 0 });
    await network.close();
    http.close();
  });

  it("have balloons that this thread drives, layers of trees, by either protocol, and disks of NBD servers", async () => {
    const balloon = new Balloon({ reporting: false });
    const archive = gzipSync(tarOf("packed", "packed\n"));
    await using vm = await boot([
      { kind: "balloon", balloon },
      {
        kind: "folder",
        tag: "layers",
        protocol: "9p",
        tree: {
          kind: "union",
          lower: [
            { kind: "directory", path: join(folder, "lower"), readOnly: true },
            { kind: "archive", source: new Uint8Array(archive) },
          ],
          upper: { kind: "memory", maxBytes: MIB },
        },
      },
      { kind: "folder", tag: "fixed", path: join(folder, "lower"), readOnly: true, cache: "always" },
      { kind: "disk", source: `nbd://127.0.0.1:${server.port}/disk`, mode: "overlay", name: "kept" },
      { kind: "disk", source: `nbd://127.0.0.1:${server.port}/disk`, mode: "readonly", name: "fixed" },
    ]);
    expect(await sh(vm, "cat /mnt/layers/below /mnt/layers/packed /mnt/fixed/below")).toBe("below\npacked\nbelow\n");
    expect(await sh(vm, "echo changed >/mnt/layers/below; cat /mnt/layers/below")).toBe("changed\n");
    expect(await sh(vm, "dd if=/dev/zero of=/mnt/layers/full bs=1M count=2")).toContain("No space left");
    expect(await sh(vm, "echo x >/mnt/fixed/below")).toContain("Read-only file system");
    expect(await sh(vm, "echo hello >/dev/vda; sync; head -c 6 /dev/vda; head -c 3 /dev/vdb")).toBe("hello\nAAA");
    expect(await sh(vm, "echo hello >/dev/vdb")).not.toBe("");
    expect((await readFile(join(folder, "disk.img"))).subarray(0, 6)).toEqual(Buffer.alloc(6, 0x41));

    const before = (await vm.stats).memory.framesInUse;
    balloon.targetBytes = 64 * MIB;
    await expect.poll(() => balloon.actualBytes).toBe(64 * MIB);
    expect(before - (await vm.stats).memory.framesInUse).toBe((64 * MIB) / 4096);
    const { totalBytes, freeBytes } = await balloon.statistics();
    expect(totalBytes).toBeGreaterThan(80 * MIB);
    expect(freeBytes).toBeGreaterThan(0);
  });
});

/** A tar archive of one file (POSIX ustar). */
function tarOf(name: string, content: string): Uint8Array {
  const tar = Buffer.alloc(2048);
  tar.write(name, 0);
  tar.write("0000644\0", 100);
  tar.write("0000000\0", 108);
  tar.write("0000000\0", 116);
  tar.write(content.length.toString(8).padStart(11, "0"), 124);
  tar.write("00000000000", 136);
  tar.write("        0", 148);
  tar.write("ustar\x0000", 257);
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  tar.write(content, 512);
  return tar;
}
