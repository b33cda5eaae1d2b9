/** Folders of the host in Debian: mounted, copied both ways, and compared by what the host says of them. */

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { TestHttpServer } from "../../devices/test/http-server.js";
import { ROOT_TAG } from "../src/demo/root.js";
import { type DemoImage, debianDemoImage } from "../src/host/node/debian-image.js";
import { hostDirectory } from "../src/host/node/files/host-directory.js";
import { exportTree } from "../src/host/node/images/tree-export.js";
import {
  archiveTree,
  type FileTree,
  httpTree,
  linux,
  Machine,
  type MachineOptions,
  MemoryTree,
  unionTree,
  virtio9p,
  virtioFs,
} from "../src/index.js";
import { CliProcess } from "./cli-process.js";
import { describeOnline } from "./describe-where.js";

/** What no page cache holds by chance. */
const LARGE = Uint8Array.from({ length: 3_000_000 }, (_, n) => (n * 7 + (n >> 9)) & 0xff);

describeOnline("a folder in Debian", () => {
  let image: DemoImage;
  let folder: string;
  let vm: Machine | undefined;
  let server: TestHttpServer | undefined;

  beforeAll(async () => {
    image = await debianDemoImage();
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "hartvisor-files-"));
  });

  afterEach(async () => {
    await vm?.destroy();
    CliProcess.killAll();
    await server?.close();
    server = undefined;
    await rm(folder, { recursive: true });
  });

  /** Boots with devices, and gives what runs a script: its output. */
  async function boot(options: Omit<MachineOptions, "boot">): Promise<(script: string) => Promise<string>> {
    const machine = await Machine.create({
      boot: linux({ ...image, cmdline: "console=ttyS0 quiet" }),
      limits: { wallTimeMs: 500_000 },
      onDeviceFailure: (device, reason) => {
        throw new Error(`${device}: ${reason}`);
      },
      ...options,
    });
    vm = machine;
    void machine.console.output.cancel();
    machine.start();
    return async (script) => {
      const { stdoutText, stderrText, exitCode } = await machine.exec(["sh", "-ec", script], { timeoutMs: 400_000 });
      expect([exitCode, stderrText]).toEqual([0, ""]);
      return stdoutText;
    };
  }

  it.each(["pci", "mmio"] as const)(
    "is copied both ways by virtio-fs over %s, and stays the same",
    async (transport) => {
      await makeTree(join(folder, "from host"));
      const before = await describeTree(join(folder, "from host"));
      const run = await boot({
        transport,
        devices: [
          virtioFs({ tree: hostDirectory(folder), tag: "share" }),
          virtioFs({ tree: new MemoryTree(), tag: "memory", cache: "always" }),
        ],
      });
      await run(`
      cp -a "/mnt/share/from host" /mnt/memory/copy
      cp -a "/mnt/share/from host" /tmp/copy
      cp -a /mnt/memory/copy "/mnt/share/through memory"
      cp -a /tmp/copy "/mnt/share/through the guest"
      sync`);
      expect(await describeTree(join(folder, "through memory"))).toEqual(before);
      expect(await describeTree(join(folder, "through the guest"))).toEqual(before);
    },
  );

  it("is copied both ways by 9p, and stays the same", async () => {
    await makeTree(join(folder, "from host"));
    const before = await describeTree(join(folder, "from host"));
    const run = await boot({
      devices: [
        virtio9p({ tree: hostDirectory(folder), tag: "share" }),
        virtio9p({ tree: new MemoryTree(), tag: "memory" }),
      ],
    });
    await run(`
      cp -a "/mnt/share/from host" /mnt/memory/copy
      cp -a "/mnt/share/from host" /tmp/copy
      cp -a /mnt/memory/copy "/mnt/share/through memory"
      cp -a /tmp/copy "/mnt/share/through the guest"
      sync`);
    expect(await describeTree(join(folder, "through memory"))).toEqual(before);
    expect(await describeTree(join(folder, "through the guest"))).toEqual(before);
  });

  /** A root that is laid together: the demo's, and what is written into a layer above it. */
  async function rootLayers(): Promise<readonly FileTree[]> {
    await mkdir(join(folder, "layer/etc"), { recursive: true });
    await writeFile(join(folder, "layer/etc/motd"), "from the upper layer\n");
    await writeFile(join(folder, "layer/etc/group"), "root:x:0:\nadded:x:1:\n");
    const { stdout } = await promisify(execFile)("tar", ["--create", "--directory", join(folder, "layer"), "."], {
      encoding: "buffer",
      maxBuffer: 2 ** 24,
    });
    return [await archiveTree(image.initrd), await archiveTree(stdout, { name: "the layer" })];
  }

  it.each(["virtiofs", "9p"] as const)("is the root on %s, of layers that two machines share", async (protocol) => {
    const lower = await rootLayers();
    const device = (tree: FileTree) =>
      protocol === "9p" ? virtio9p({ tree, tag: ROOT_TAG }) : virtioFs({ tree, tag: ROOT_TAG, cache: "always" });
    const said: string[] = [];
    for (const n of [1, 2]) {
      const upper = new MemoryTree();
      const run = await boot({ devices: [device(unionTree({ lower, upper }))] });
      const script = `
        grep -q ' / ${protocol} ' /proc/mounts
        cat /etc/motd; wc -l </etc/group; [ ! -e /new ]
        echo ${n} >/new; rm /etc/motd; mv /usr /usr2; cp /bin/busybox /usr2/copy; cmp /usr2/copy /bin/busybox
        sync; echo 3 >/proc/sys/vm/drop_caches
        cat /new; ls /usr2; [ ! -e /etc/motd ]; cmp /usr2/copy /bin/busybox`;
      said.push(await run(script));
      // What it wrote, and its own busybox, is all that it has of its own.
      const { blocks, freeBlocks, blockSize } = upper.room();
      expect((blocks - freeBlocks) * blockSize).toBeLessThan(4 * 2 ** 20);
      await vm?.destroy();
    }
    expect(said).toEqual([1, 2].map((n) => `from the upper layer\n2\n${n}\nbin\ncopy\nsbin\n`));
  });

  it("is the root of a kernel without an initramfs", async () => {
    const tree = unionTree({ lower: [await archiveTree(image.initrd)], upper: new MemoryTree() });
    const { kernel } = image;
    const machine = await Machine.create({
      boot: linux({ kernel, cmdline: "console=ttyS0 quiet root=base rootfstype=virtiofs rw init=/init" }),
      devices: [virtioFs({ tree, tag: "base", cache: "always" })],
      limits: { wallTimeMs: 500_000 },
    });
    vm = machine;
    void machine.console.output.cancel();
    machine.start();
    expect((await machine.exec(["grep", " / virtiofs ", "/proc/mounts"])).exitCode).toBe(0);
  });

  /** The demo's root on a web server, with one large file more. */
  async function serveRoot(): Promise<TestHttpServer> {
    const more = new MemoryTree();
    const file = await more.root.createOpen("large", { mode: 0o100644, uid: 0, gid: 0 }, { read: false, write: true });
    await file.file.write(0, LARGE);
    await exportTree(unionTree({ lower: [await archiveTree(image.initrd), more] }), join(folder, "served"));
    server = await TestHttpServer.open();
    await server.putFolder(join(folder, "served"));
    return server;
  }

  it.each(["virtiofs", "9p"] as const)(
    "is the root on %s, from a web server, and can be read again when that was gone for a while",
    async (protocol) => {
      const web = await serveRoot();
      const errors: string[] = [];
      const onError = (error: Error) => errors.push(error.message);
      const base = await httpTree(web.origin, { blockBytes: 2 ** 16, attempts: 1, onError });
      const tree = unionTree({ lower: [base], upper: new MemoryTree() });
      const run = await boot({
        devices: [protocol === "9p" ? virtio9p({ tree, tag: ROOT_TAG }) : virtioFs({ tree, tag: ROOT_TAG })],
      });
      // What the shell needs is in the guest's memory then.
      await run(`grep -q ' / ${protocol} ' /proc/mounts; cat /bin/busybox >/tmp/copy; cmp /bin/busybox /tmp/copy`);
      expect(errors).toEqual([]);
      web.behaviour = "down";
      const failed = await run("cat /large 2>&1 >/dev/null || true; echo still here >/new; cat /new");
      expect(failed).toBe("cat: read error: Input/output error\nstill here\n");
      expect(errors[0]).toMatch(/^cannot read http:\S+: other side closed$/);
      if (protocol === "9p") {
        // Linux's virtio-fs cannot be interrupted.
        web.behaviour = "silent";
        const kill = "{ timeout -s KILL 1 cat /large; } >/dev/null 2>&1 || echo killed";
        expect(await run(kill)).toBe("killed\n");
        expect(errors.filter((error) => error.includes("sent nothing"))).toEqual([]);
      }
      web.release();
      const digest = (...parts: readonly string[]) => {
        const hash = createHash("sha256").update(LARGE);
        for (const part of parts) hash.update(part);
        return `${hash.digest("hex")}  /large\n`;
      };
      expect(await run("sha256sum /large")).toBe(digest());
      const append = "printf end >>/large; sync; echo 3 >/proc/sys/vm/drop_caches; sha256sum /large";
      expect(await run(append)).toBe(digest("end"));
      await base.close();
    },
  );

  it("is the root and a share by the command, from a web server", async () => {
    const { origin } = await serveRoot();
    const args = ["exec", "--root", origin, "--share", `${origin}/:web:ro`, "--", "sh", "-c"];
    const script = "mount -t virtiofs web /mnt; cmp /large /mnt/large; echo x >/x; echo x >/mnt/x; wc -c </large";
    const { status, stdout, stderr } = await CliProcess.start([...args, script]).ended;
    expect([status, stdout]).toEqual([0, `${LARGE.length}\n`]);
    expect(stderr).toMatch(/\/mnt\/x: Read-only file system/);
  });

  it("is the root by the command: directories and archives, by either protocol", async () => {
    await writeFile(join(folder, "base.cpio"), image.initrd);
    await mkdir(join(folder, "over"));
    await writeFile(join(folder, "over/hello"), "hello\n");
    const root = ["--root", join(folder, "base.cpio"), "--root", join(folder, "over"), "--root-protocol", "9p"];
    const script = "cat /hello; echo changed >/hello; grep -c ' / 9p ' /proc/mounts";
    const cli = CliProcess.start(["exec", ...root, "--", "sh", "-c", script]);
    expect(await cli.ended).toMatchObject({ status: 0, stdout: "hello\n1\n" });
    expect(await readFile(join(folder, "over/hello"), "utf8")).toBe("hello\n");
  });

  it.each(["virtiofs", "9p"])("is shared by the command by %s, and mounted by the demo's guest", async (protocol) => {
    await writeFile(join(folder, "input"), "from the host\n");
    const count = `grep -c ' /mnt/code ${protocol} ' /proc/mounts`;
    const script = `cat /mnt/code/input; ${count}; echo no >/mnt/code/x; echo yes >/mnt/out/result`;
    await mkdir(join(folder, "out"));
    const shares = ["--share", `${folder}:code:ro`, "--share", `${join(folder, "out")}:out`];
    const cli = CliProcess.start(["exec", ...shares, "--share-protocol", protocol, "--", "sh", "-c", script]);
    const { status, stdout, stderr } = await cli.ended;
    expect([status, stdout]).toEqual([0, "from the host\n1\n"]);
    expect(stderr).toMatch(/Read-only file system/);
    expect(await readFile(join(folder, "out/result"), "utf8")).toBe("yes\n");
  });
});

/** Files of all sizes, permissions and times; links of both kinds; names as they come. */
async function makeTree(root: string): Promise<void> {
  const directories = ["", "sub directory", "sub directory/deeper", "empty", "ünïcödé"];
  for (const directory of directories) await mkdir(join(root, directory));
  const sizes = [0, 1, 4095, 4096, 4097, 100_000, 3_000_000];
  for (const [n, size] of sizes.entries()) {
    const path = join(root, directories[n % 3] ?? "", `file ${n}`);
    await writeFile(
      path,
      Uint8Array.from({ length: size }, (_, at) => at * (n + 3) + (at >> 8)),
    );
    await chmod(path, [0o600, 0o644, 0o755, 0o400, 0o711][n % 5] ?? 0);
    await utimes(path, 1_000_000_000 + n, 1_500_000_000 + n);
  }
  await link(join(root, "file 6"), join(root, "ünïcödé/second name"));
  await symlink("../file 0", join(root, "sub directory/link"));
  await symlink("/nowhere at all", join(root, "dangling"));
  await chmod(join(root, "empty"), 0o2750);
  for (const directory of directories.reverse()) await utimes(join(root, directory), 1_200_000_000, 1_300_000_000);
}

interface Described {
  readonly mode: number;
  readonly owner: readonly number[];
  readonly links: number;
  readonly mtimeMs?: number;
  readonly content?: string;
}

/** All that can be compared of a tree, by path. */
async function describeTree(root: string): Promise<Record<string, Described>> {
  const described: Record<string, Described> = {};
  for (const name of ["", ...(await readdir(root, { recursive: true }))].sort()) {
    const path = join(root, name);
    const stat = await lstat(path);
    const common = { mode: stat.mode, owner: [stat.uid, stat.gid], links: stat.nlink };
    if (stat.isSymbolicLink()) described[name] = { ...common, content: await readlink(path) };
    else if (stat.isDirectory()) described[name] = { ...common, mtimeMs: stat.mtimeMs };
    else described[name] = { ...common, mtimeMs: stat.mtimeMs, content: (await readFile(path)).toString("base64") };
  }
  return described;
}
