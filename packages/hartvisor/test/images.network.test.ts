/** Machines whose root is an image: of Debian's packages, built here, and of an OCI layout. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, expect, it } from "vitest";
import { debianImage, type Image, ROOT_TAG } from "../src/host/node/debian.js";
import { debianDemoImage } from "../src/host/node/debian-image.js";
import { LayerWriter } from "../src/host/node/images/layer-writer.js";
import { ociImage } from "../src/host/node/images/oci-import.js";
import { ImageStore } from "../src/host/node/images/store.js";
import { linux, Machine, MemoryTree, virtio9p, virtioFs } from "../src/index.js";
import { describeOnlineOnLinux } from "./describe-where.js";

/** Two sources, a header, and how they become a program. */
const PROGRAM = {
  "greet.h": '#define GREETING "hello"\nconst char *name(void);\n',
  "name.c": '#include "greet.h"\nconst char *name(void) { return "guest"; }\n',
  "main.c":
    '#include <stdio.h>\n#include "greet.h"\nint main(void) { printf("%s, %s\\n", GREETING, name()); return 0; }\n',
  Makefile: "greet: main.o name.o\n\t$(CC) -o $@ $^\nmain.o name.o: greet.h\n",
};

describeOnlineOnLinux("a root of Debian's packages", () => {
  let image: Image;
  const machines: Machine[] = [];

  beforeAll(async () => {
    image = await debianImage({ packages: ["python3", "sqlite3", "gcc", "libc6-dev", "make"] });
  }, 1_800_000);

  afterEach(async () => {
    for (const machine of machines.splice(0)) await machine.destroy();
  });

  async function boot(upper = new MemoryTree(), protocol: "virtiofs" | "9p" = "virtiofs"): Promise<Machine> {
    const { kernel, initrd } = await debianDemoImage();
    const tree = await image.root(upper);
    const device =
      protocol === "9p" ? virtio9p({ tree, tag: ROOT_TAG }) : virtioFs({ tree, tag: ROOT_TAG, cache: "always" });
    const machine = await Machine.create({
      memory: "512MiB",
      boot: linux({ kernel, initrd, cmdline: "console=ttyS0 quiet" }),
      devices: [device],
      limits: { wallTimeMs: 600_000 },
    });
    machines.push(machine);
    void machine.console.output.cancel();
    machine.start();
    return machine;
  }

  it("runs python3, with all that it needs", async () => {
    const vm = await boot();
    const program =
      "import sqlite3, ssl, json; print(json.dumps(sqlite3.connect(':memory:').execute('select 6*7').fetchone()))";
    const { stdoutText, stderrText } = await vm.exec(["python3", "-c", program]);
    expect([stdoutText, stderrText]).toEqual(["[42]\n", ""]);
  });

  it("is configured: dpkg has nothing left to do, and nothing that it misses", async () => {
    const vm = await boot();
    const script = `dpkg --audit; dpkg-query -W -f '\${db:Status-Status}\n' | sort -u
      dpkg --verify | grep -v /usr/share; stat -c %a /tmp /root /etc/passwd`;
    const { stdoutText } = await vm.exec(["sh", "-c", script]);
    expect(stdoutText).toBe("installed\n1777\n700\n644\n");
  });

  it("lets its own dpkg install and replace packages", async () => {
    const vm = await boot();
    const script = `mkdir -p /tmp/mine/DEBIAN
      printf 'Package: mine\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: none\n' >/tmp/mine/DEBIAN/control
      dpkg-deb --build /tmp/mine /tmp/mine.deb
      dpkg --install /tmp/mine.deb && dpkg --install /tmp/mine.deb && dpkg --audit`;
    const { stdoutText, stderrText, exitCode } = await vm.exec(["sh", "-c", script]);
    expect([exitCode, stderrText]).toEqual([0, ""]);
    expect(stdoutText).toContain("Unpacking mine (1) over (1)");
  });

  it.each(["virtiofs", "9p"] as const)(
    "builds a C program by make on %s, again only where its sources are newer, and runs it",
    async (protocol) => {
      const vm = await boot(new MemoryTree(), protocol);
      await vm.exec(["mkdir", "/root/greet"]);
      for (const [name, content] of Object.entries(PROGRAM)) await vm.writeFile(`/root/greet/${name}`, content);
      const script = `set -e; cd /root/greet; grep -c ' / ${protocol} ' /proc/mounts
        make -s; ./greet; make; sed -i s/guest/world/ name.c; make; ./greet`;
      const { stdoutText, stderrText, exitCode } = await vm.exec(["sh", "-c", script]);
      expect([exitCode, stderrText]).toEqual([0, ""]);
      expect(stdoutText.split("\n")).toEqual([
        "1",
        "hello, guest",
        "make: 'greet' is up to date.",
        "cc    -c -o name.o name.c",
        "cc -o greet main.o name.o",
        "hello, world",
        "",
      ]);
    },
  );

  it("is shared by machines that do not see what the others write, and take only that", async () => {
    const uppers = [new MemoryTree(), new MemoryTree(), new MemoryTree()];
    const all = await Promise.all(uppers.map((upper) => boot(upper)));
    await Promise.all(all.map((vm, n) => vm.exec(["sh", "-c", `echo ${n} > /etc/who; rm /etc/issue`])));
    const said = await Promise.all(all.map((vm) => vm.exec(["sh", "-c", "cat /etc/who; ls /etc/issue"])));
    expect(said.map(({ stdoutText }) => stdoutText)).toEqual(["0\n", "1\n", "2\n"]);
    for (const upper of uppers) {
      const { blocks, freeBlocks, blockSize } = upper.room();
      expect((blocks - freeBlocks) * blockSize).toBeLessThan(2 ** 20);
    }
    expect((await (await boot()).exec(["cat", "/etc/issue"])).stdoutText).toMatch(/Debian/);
  });
});

describeOnlineOnLinux("a root from an OCI layout", () => {
  it("boots, though there is nothing in it to run", async () => {
    const folder = await mkdtemp(join(tmpdir(), "hartvisor-images-"));
    try {
      const layout = await makeLayout(join(folder, "layout"), [
        { "etc/motd": "from below", "etc/gone": "" },
        { "etc/.wh.gone": "", "etc/above": "from above" },
      ]);
      const image = await ociImage(layout, { name: "tiny", store: new ImageStore(join(folder, "store")) });
      const { kernel, initrd } = await debianDemoImage();
      await using vm = await Machine.create({
        boot: linux({ kernel, initrd, cmdline: "console=ttyS0 quiet" }),
        devices: [virtioFs({ tree: await image.root(), tag: ROOT_TAG, cache: "always" })],
        limits: { wallTimeMs: 600_000 },
      });
      void vm.console.output.cancel();
      vm.start();
      const script = "cd /etc; ls; cat motd above";
      const { stdoutText } = await vm.exec(["/run/hartvisor/busybox", "sh", "-c", script]);
      expect(stdoutText).toBe("above\nmotd\nfrom belowfrom above");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

/** Writes an OCI image layout whose layers hold files, by path. */
async function makeLayout(path: string, layers: readonly Readonly<Record<string, string>>[]): Promise<string> {
  await mkdir(join(path, "blobs/sha256"), { recursive: true });
  const blob = async (mediaType: string, bytes: Uint8Array) => {
    const hex = createHash("sha256").update(bytes).digest("hex");
    await writeFile(join(path, "blobs/sha256", hex), bytes);
    return { mediaType: `application/vnd.oci.image.${mediaType}`, digest: `sha256:${hex}`, size: bytes.length };
  };
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const tars: Buffer[] = [];
  for (const files of layers) {
    const file = join(path, "layer.tar");
    const writer = await LayerWriter.create(file);
    for (const [name, content] of Object.entries(files)) await writer.add({ path: name, mode: 0o100644, content });
    await writer.finish();
    tars.push(await readFile(file));
    await rm(file);
  }
  const blobs = await Promise.all(tars.map((tar) => blob("layer.v1.tar", tar)));
  const config = {
    ...{ architecture: "riscv64", os: "linux" },
    rootfs: { type: "layers", diff_ids: blobs.map(({ digest }) => digest) },
  };
  const manifest = { schemaVersion: 2, config: await blob("config.v1+json", json(config)), layers: blobs };
  const index = { schemaVersion: 2, manifests: [await blob("manifest.v1+json", json(manifest))] };
  await writeFile(join(path, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(path, "index.json"), json(index));
  return path;
}
