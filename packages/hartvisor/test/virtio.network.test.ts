/** Debian's own virtio drivers, unmodified, with the devices of this package. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { type DemoImage, debianDemoImage } from "../src/host/node/debian-image.js";
import { linux, Machine, memoryDisk, Vsock, virtioBlock, virtioRng } from "../src/index.js";
import { CliProcess, guest } from "./cli-process.js";
import { describeOnline } from "./describe-where.js";
import { GuestShell } from "./guest-shell.js";

const cmdline = "console=ttyS0 quiet";
const limits = { wallTimeMs: 500_000 };

describeOnline("virtio in Debian", () => {
  let image: DemoImage;

  beforeAll(async () => {
    image = await debianDemoImage();
  });

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
    });
  });

  it("counts and samples with its driver for performance counters", async () => {
    const vm = await Machine.create({ boot: linux({ ...image, cmdline }), harts: 2, limits });
    void vm.console.output.cancel();
    vm.start();
    await vm.writeFile("/perf", await readFile(guest("perf")), { mode: 0o755 });
    const count = async (event: string) => {
      const { stdoutText } = await vm.exec(["/perf", ...event.split(" ")]);
      return stdoutText.trim().split(" ").map(Number);
    };
    expect((await vm.exec(["cat", "/sys/bus/event_source/devices/cpu/type"])).exitCode).toBe(0);
    const [instructions = 0] = await count("0 1 user");
    expect(instructions).toBeGreaterThanOrEqual(2_000_000);
    expect(instructions).toBeLessThan(2_001_000);
    expect((await count("0 1 kernel"))[0]).toBeLessThan(1_000_000);
    const [, bytes] = await count("0 0 user 100000");
    expect(bytes).toBe(20 * 16); // a sample every 100,000 of two million
    const { stdoutText } = await vm.exec(["grep", "riscv-pmu", "/proc/interrupts"]);
    expect(stdoutText).toMatch(/\b20\b/);
    await vm.destroy();
  });

  it("has streams to the host by vsock, both ways", async () => {
    const sockets = new Vsock({ guestCid: 42 });
    const vm = await Machine.create({ boot: linux({ ...image, cmdline }), devices: [sockets.device], limits });
    void vm.console.output.cancel();
    vm.start();
    await vm.writeFile("/io", await readFile(guest("io")), { mode: 0o755 });
    const sent = new Uint8Array(1_000_000).map((_, n) => n * 7);
    const echo = async ({
      readable,
      writable,
    }: Pick<TransformStream<Uint8Array, Uint8Array>, "readable" | "writable">) => {
      const writer = writable.getWriter();
      void writer.write(sent).then(() => writer.close());
      const chunks: Uint8Array[] = [];
      for await (const bytes of readable) chunks.push(bytes);
      return Buffer.compare(Buffer.concat(chunks), sent) === 0;
    };
    const accepted = new Promise<boolean>((resolve) => {
      sockets.listen(1024, (connection) => resolve(echo(connection)));
    });
    expect(await vm.exec(["/io", "vsock-connect", "1024"])).toMatchObject({ exitCode: 0, stdoutText: "" });
    expect(await accepted).toBe(true);
    const listening = vm.exec(["/io", "vsock-listen", "5"]);
    await vm.exec(["sleep", "0.5"]);
    expect(await echo(await sockets.connect(5))).toBe(true);
    expect((await listening).exitCode).toBe(0);
    await expect(sockets.connect(6)).rejects.toThrow(/nobody at port 6/);
    expect((await vm.exec(["/io", "vsock-connect", "7"])).stdoutText).toMatch(/connect: error/);
    await vm.destroy();
  });

  describe("the command", () => {
    let folder: string;

    it("leads vsock ports to Unix sockets", async () => {
      folder = await mkdtemp(join(tmpdir(), "hartvisor-vsock-"));
      const path = join(folder, "socket");
      const received: string[] = [];
      const server = createServer((socket) => {
        socket.on("data", (bytes) => {
          received.push(bytes.toString());
          socket.end();
        });
        socket.write("hello");
      }).listen(path);
      const io = (await readFile(guest("io"))).toString("base64");
      const command = "base64 -d >/io; chmod +x /io; exec /io vsock-connect 1024";
      const cli = CliProcess.start(["exec", "--vsock", `1024:${path}`, "--", "sh", "-c", command], { input: io });
      expect(await cli.ended).toMatchObject({ status: 0, stderr: "" });
      expect(received).toEqual(["hello"]);
      server.close();
    });

    afterEach(async () => {
      CliProcess.killAll();
      await rm(folder, { recursive: true });
    });

    it("has lost nothing that the guest had flushed when the process is killed", async () => {
      folder = await mkdtemp(join(tmpdir(), "hartvisor-flush-"));
      const [path, base] = [join(folder, "disk.img"), join(folder, "base.img")];
      const empty = new Uint8Array(8 * 2 ** 20);
      for (const file of [path, base]) await writeFile(file, empty);
      const cli = CliProcess.start(["demo", "--disk", path, "--disk", `${base},overlay`]);
      await cli.until(/hartvisor:~# /);
      cli.type("yes flushed | head -c 1000000 >/dev/vda; sync; cat /dev/vda | tr -d f >/dev/vdb; echo do''ne\n");
      await cli.until(/done/);
      cli.child.kill("SIGKILL");
      await cli.ended;
      const bytes = await readFile(path);
      expect(bytes.subarray(0, 1_000_000).equals(Buffer.alloc(1_000_000, "flushed\n"))).toBe(true);
      expect(bytes.subarray(1_000_000).some((byte) => byte !== 0)).toBe(false);
      expect((await readFile(base)).equals(empty)).toBe(true);
    });
  });
});
