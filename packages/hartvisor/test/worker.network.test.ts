import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { debianDemoImage } from "../src/host/node/debian-image.js";
import type { WorkerMachine } from "../src/index.js";
import { describeOnline } from "./describe-where.js";

// A worker's script is a file of the built package.
const built = new URL("../dist/index.js", import.meta.url).href;
const { linux, Machine } = (await import(built)) as typeof import("../src/index.js");

describeOnline("Debian in a worker", () => {
  let vm: WorkerMachine;
  let folder: string;
  let echo: Server;

  beforeAll(async () => {
    const image = await debianDemoImage();
    const boot = linux({ ...image, cmdline: "console=ttyS0 quiet" });
    folder = await mkdtemp(join(tmpdir(), "hartvisor-worker-"));
    await writeFile(join(folder, "disk.img"), new Uint8Array(2 ** 20));
    echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
    await once(echo, "listening");
    vm = await Machine.create({
      ...{ boot, memory: "256MiB", limits: { wallTimeMs: 500_000 }, thread: "worker" },
      devices: [
        { kind: "entropy" },
        { kind: "disk", source: join(folder, "disk.img"), serial: "file" },
        { kind: "disk", source: new Blob(["from a blob"]), mode: "overlay", name: "second" },
        { kind: "disk", source: new Uint8Array(1024).fill(65), model: "nvme", serial: "third" },
        { kind: "folder", path: folder, tag: "shared" },
        { kind: "network", policy: { allow: ["127.0.0.1"] }, model: "e1000" },
      ],
    });
    void vm.console.output.cancel();
    vm.start();
  });

  afterAll(async () => {
    await vm?.destroy();
    echo.close();
    await rm(folder, { recursive: true });
  });

  it("has disks of files and blobs, a network and a folder, that its own thread opened", async () => {
    const sh = async (command: string) => (await vm.exec(["sh", "-c", command])).stdoutText;
    expect(await sh("cat /sys/block/vda/serial; head -c 11 /dev/vdb")).toBe("filefrom a blob");
    await sh("echo kept >/dev/vda; echo other >/dev/vdb; sync");
    expect((await readFile(join(folder, "disk.img"))).subarray(0, 5).toString()).toBe("kept\n");
    expect(await sh(`echo hello | nc 10.0.2.2 ${(echo.address() as AddressInfo).port}`)).toBe("hello\n");
    expect(await sh("head -c 64 /dev/hwrng | wc -c")).toBe("64\n");
    expect(await sh("cat /sys/class/nvme/nvme0/serial; head -c 3 /dev/nvme0n1")).toMatch(/^third *\nAAA$/);
    expect(await sh("ls /mnt/shared; echo shared >/mnt/shared/file")).toBe("disk.img\n");
    expect(await readFile(join(folder, "file"), "utf8")).toBe("shared\n");
    expect(await sh("basename $(readlink /sys/class/net/eth0/device/driver)")).toBe("e1000\n");
  });

  it("runs commands, and passes their input and status", async () => {
    const result = await vm.exec(["sh", "-c", "cat; uname -m; exit 3"], { stdin: "typed " });
    expect(result).toMatchObject({ stdoutText: "typed riscv64\n", exitCode: 3 });
  });

  it("moves megabytes in and out of files", async () => {
    const content = Uint8Array.from({ length: 3_000_001 }, (_, n) => n % 251);
    await vm.writeFile("/tmp/file", content);
    expect(Buffer.compare(await vm.readFile("/tmp/file"), content)).toBe(0);
  });

  it("powers off", async () => {
    await vm.exec(["poweroff"]).catch(() => {}); // the agent may be gone before it answers
    expect(await vm.exited).toEqual({ kind: "poweroff", exitCode: 0 });
    await expect(vm.exec(["true"])).rejects.toMatchObject({ code: "exec-failed" });
  });
});
