import { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DRIVERS } from "../../demo/drivers.js";
import { type DemoImageProgress, debianDemoImage, defaultCacheDirectory } from "./debian-image.js";
import { packDemoImage } from "./images/pack.js";

const text = (bytes: Uint8Array) => new TextDecoder("latin1").decode(bytes);

let cacheDirectory: string;
let store: string;

beforeEach(async () => {
  cacheDirectory = await mkdtemp(join(tmpdir(), "hartvisor-image-"));
  store = join(cacheDirectory, "debian");
});

afterEach(async () => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  await rm(cacheDirectory, { recursive: true });
});

describe("defaultCacheDirectory", () => {
  it("follows the XDG base directory specification, which lets relative paths be ignored", () => {
    vi.stubEnv("HOME", "/home/somebody");
    vi.stubEnv("XDG_CACHE_HOME", "/var/tmp/cache");
    expect(defaultCacheDirectory()).toBe("/var/tmp/cache/hartvisor");
    vi.stubEnv("XDG_CACHE_HOME", "cache");
    expect(defaultCacheDirectory()).toBe("/home/somebody/.cache/hartvisor");
    vi.stubEnv("XDG_CACHE_HOME", undefined);
    expect(defaultCacheDirectory()).toBe("/home/somebody/.cache/hartvisor");
  });

  it.each(["", "somebody"])('asks the system where HOME="%s" says nothing', (home) => {
    vi.stubEnv("HOME", home);
    vi.stubEnv("XDG_CACHE_HOME", undefined);
    expect(defaultCacheDirectory()).toBe(join(userInfo().homedir, ".cache/hartvisor"));
  });
});

describe("debianDemoImage without apt", () => {
  beforeEach(() => {
    vi.stubEnv("PATH", join(cacheDirectory, "nothing"));
    vi.stubEnv("HARTVISOR_DEBIAN_MIRROR", "http://mirror.invalid/debian");
  });

  async function fillCache(wanted: readonly string[] = DRIVERS): Promise<void> {
    await mkdir(join(store, "image"), { recursive: true });
    await symlink("image", join(store, "current"));
    await writeFile(join(store, "image/Image"), "the kernel");
    await writeFile(join(store, "image/busybox"), "the busybox");
    const manifest = {
      format: 2,
      kernelVersion: "6.12-riscv64",
      packages: {},
      sizes: { Image: 10, busybox: 11 },
      modules: { ext4: 13 },
      wanted,
    };
    await mkdir(join(store, "image/modules"));
    await writeFile(join(store, "image/modules/ext4.ko"), "a file system");
    await writeFile(join(store, "image/manifest.json"), JSON.stringify(manifest));
  }

  it("boots from the cache", async () => {
    await fillCache();
    const { kernel, initrd, kernelVersion } = await debianDemoImage({ cacheDirectory });
    expect(text(kernel)).toBe("the kernel");
    expect(text(initrd)).toContain("the busybox");
    expect(text(initrd)).toContain("a file system");
    expect(kernelVersion).toBe("6.12-riscv64");
  });

  it("says that apt is missing, and leaves nothing behind", async () => {
    await expect(debianDemoImage({ cacheDirectory })).rejects.toMatchObject({
      name: "HartvisorError",
      code: "download-failed",
      message: expect.stringMatching(
        /^cannot (download Debian: apt-get is not installed here|verify Debian's signatures.*)$/,
      ),
    });
    expect(await readdir(store)).toEqual([]);
  });

  it.each([
    ["a kernel that was cut short", () => truncate(join(store, "image/Image"), 4)],
    ["a manifest that was cut short", () => truncate(join(store, "image/manifest.json"), 4)],
    ["a module that was cut short", () => truncate(join(store, "image/modules/ext4.ko"), 4)],
    ["a missing busybox", () => rm(join(store, "image/busybox"))],
  ])("takes a cache with %s for an empty one", async (_, damage) => {
    await fillCache();
    await damage();
    await expect(debianDemoImage({ cacheDirectory })).rejects.toMatchObject({ code: "download-failed" });
  });

  it("takes a cache without drivers that are needed by now for an empty one", async () => {
    await fillCache(DRIVERS.slice(1));
    await expect(debianDemoImage({ cacheDirectory })).rejects.toMatchObject({ code: "download-failed" });
  });

  it("names the cache that cannot be used", async () => {
    await writeFile(store, "a file where a folder should be");
    await expect(debianDemoImage({ cacheDirectory })).rejects.toMatchObject({
      code: "download-failed",
      message: expect.stringContaining(store),
    });
  });

  it("gives up with the signal's reason", async () => {
    const reason = new Error("the user left");
    await expect(debianDemoImage({ cacheDirectory, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

const hasDpkg = spawnSync("dpkg-deb", ["--version"]).status === 0;

/** A stand-in for apt, so that what is done with its packages can be tested without a network. */
describe.skipIf(!hasDpkg)(
  `debianDemoImage with a stand-in for apt${hasDpkg ? "" : " (skipped: no dpkg-deb here)"}`,
  () => {
    let tools: string;

    beforeEach(async () => {
      tools = join(cacheDirectory, "tools");
      await mkdir(tools);
      vi.stubEnv("PATH", `${tools}:${process.env.PATH}`);
      vi.stubEnv("HARTVISOR_DEBIAN_MIRROR", "http://mirror.invalid/debian");
      await writeTool(
        "apt-cache",
        `for name; do :; done
case "$name" in linux-image-riscv64) echo "Depends: linux-image-6.12-riscv64 (= 6.12-1)";; esac
echo "Version: 1:1.0"; echo "Size: 2097152"`,
      );
      await writeTool(
        "apt-get",
        `case "$*" in *download*) cp ${tools}/*.deb .; { echo "dlstatus:1:50.0:x" >&3; } 2>/dev/null || :;; esac`,
      );
      await buildPackage("linux-image-6.12-riscv64", {
        "boot/vmlinux-6.12-riscv64": "the kernel",
        "boot/config": "",
        "usr/lib/modules/6.12-riscv64/kernel/fs/ext4/ext4.ko": "a file system\0depends=jbd-2\0",
        "usr/lib/modules/6.12-riscv64/kernel/fs/jbd2/jbd_2.ko": "its journal\0depends=deeper\0",
        "usr/lib/modules/6.12-riscv64/kernel/lib/deeper.ko": "and so on",
        "usr/lib/modules/6.12-riscv64/kernel/fs/btrfs/btrfs.ko": "another",
      });
      await buildPackage("busybox-static", { "usr/bin/busybox": "the busybox" });
    });

    async function writeTool(name: string, script: string): Promise<void> {
      await writeFile(join(tools, name), `#!/bin/sh\n${script}\n`);
      await chmod(join(tools, name), 0o755);
    }

    async function buildPackage(name: string, files: Record<string, string>): Promise<void> {
      const root = join(tools, name);
      const control = `Package: ${name}\nVersion: 1:1.0\nArchitecture: riscv64\nMaintainer: nobody\nDescription: none\n`;
      for (const [path, content] of Object.entries({ ...files, "DEBIAN/control": control })) {
        await mkdir(join(root, path, ".."), { recursive: true });
        await writeFile(join(root, path), content);
      }
      const { status, stderr } = spawnSync("dpkg-deb", ["--build", root, join(tools, `${name}_1%3a1.0_riscv64.deb`)]);
      if (status !== 0) throw new Error(stderr.toString());
    }

    const imageName = "linux-image-6.12-riscv64_1%3a1.0_busybox-static_1%3a1.0";

    it("packs them for npm, with licences and sources; where that is installed, neither apt nor cache is needed", async () => {
      for (const name of ["linux-image-6.12-riscv64", "busybox-static"]) {
        await buildPackage(name, { [`usr/share/doc/${name}/copyright`]: `of ${name}` });
      }
      await buildPackage("base-files", { "usr/share/common-licenses/GPL-2": "the licence" });
      const folder = join(cacheDirectory, "node_modules/@hartvisor/debian-linux");
      await packDemoImage(folder);
      const read = (name: string) => readFile(join(folder, name), "utf8");
      expect((await readdir(join(folder, "licences"))).sort()).toEqual([
        ...["GPL-2.txt", "busybox-static.txt", "linux-image-6.12-riscv64.txt"],
      ]);
      expect(await read("README.md")).toContain(
        "source package busybox-static 1:1.0, https://snapshot.debian.org/package/busybox-static/1%3A1.0/",
      );
      await expect(packDemoImage(folder)).rejects.toMatchObject({ code: "invalid-argument" });

      vi.spyOn(process, "cwd").mockReturnValue(cacheDirectory);
      const image = await debianDemoImage({ cacheDirectory: join(cacheDirectory, "empty"), offline: true });
      expect([text(image.kernel), image.kernelVersion]).toEqual(["the kernel", "6.12-riscv64"]);
    });

    it("keeps the kernel, its drivers with what they depend on, and busybox alone, in a folder named for their versions", async () => {
      const events: DemoImageProgress[] = [];
      const image = await debianDemoImage({ cacheDirectory, progress: (event) => events.push(event) });
      expect(text(image.kernel)).toBe("the kernel");
      expect(text(image.initrd)).toContain("the busybox");
      expect(image.kernelVersion).toBe("6.12-riscv64");
      expect((await readdir(store)).sort()).toEqual(["current", imageName]);
      expect((await readdir(join(store, imageName))).sort()).toEqual(["Image", "busybox", "manifest.json", "modules"]);
      const modules = await readdir(join(store, imageName, "modules"));
      expect(modules.sort()).toEqual(["deeper.ko", "ext4.ko", "jbd_2.ko"]);
      expect([...new Set(events.map(({ step }) => step))]).toEqual(["update", "download", "unpack", "build"]);
      expect(events).toContainEqual({
        step: "download",
        detail: "Linux 6.12-riscv64 and busybox, 4 MiB",
        fraction: 0.5,
      });
    });

    it("serves several callers at once", async () => {
      const images = await Promise.all(Array.from({ length: 4 }, () => debianDemoImage({ cacheDirectory })));
      for (const { kernel } of images) expect(text(kernel)).toBe("the kernel");
      expect((await readdir(store)).sort()).toEqual(["current", imageName]);
    });

    it("replaces an image that was cut short", async () => {
      await debianDemoImage({ cacheDirectory });
      await truncate(join(store, imageName, "Image"), 4);
      expect(text((await debianDemoImage({ cacheDirectory })).kernel)).toBe("the kernel");
      expect((await readdir(store)).sort()).toEqual(["current", imageName]);
    });

    it("takes a newer kernel when asked to look for one", async () => {
      await debianDemoImage({ cacheDirectory });
      const cache = await readFile(join(tools, "apt-cache"), "utf8");
      await writeTool("apt-cache", cache.replaceAll("6.12", "6.13"));
      await buildPackage("linux-image-6.13-riscv64", { "boot/vmlinuz-6.13-riscv64": "the newer kernel" });
      expect(text((await debianDemoImage({ cacheDirectory })).kernel)).toBe("the kernel");
      expect(text((await debianDemoImage({ cacheDirectory, refresh: true })).kernel)).toBe("the newer kernel");
      expect((await debianDemoImage({ cacheDirectory })).kernelVersion).toBe("6.13-riscv64");
    });

    it("says what is wrong with a package, and keeps nothing of it", async () => {
      await writeFile(join(tools, "busybox-static_1%3a1.0_riscv64.deb"), "no package");
      await expect(debianDemoImage({ cacheDirectory })).rejects.toMatchObject({
        code: "download-failed",
        message: expect.stringMatching(/^cannot download Debian: cannot unpack busybox-static_\S+: .+$/),
      });
      expect(await readdir(store)).toEqual([]);
    });

    it("says which program is missing", async () => {
      vi.stubEnv("PATH", tools);
      for (const name of ["apt-get", "apt-cache"]) {
        const script = await readFile(join(tools, name), "utf8");
        await writeFile(join(tools, name), `#!/bin/sh\nPATH=/usr/bin:/bin\n${script}`);
      }
      await expect(debianDemoImage({ cacheDirectory })).rejects.toMatchObject({
        code: "download-failed",
        message: expect.stringMatching(/^cannot download Debian: a program is missing \(.*(dpkg-deb|tar).*\)$/),
      });
    });

    it("cleans up when the caller gives up in the middle", async () => {
      const abort = new AbortController();
      const reason = new Error("the user left");
      await writeTool("apt-get", `echo "dlstatus:1:50.0:x" >&3; exec sleep 60`);
      const progress = ({ fraction }: DemoImageProgress) => {
        if (fraction === 0.5) abort.abort(reason);
      };
      await expect(debianDemoImage({ cacheDirectory, progress, signal: abort.signal })).rejects.toBe(reason);
      expect(await readdir(store)).toEqual([]);
    });

    it("removes what a killed process left a day ago, and nothing newer", async () => {
      for (const name of ["incoming-old", "incoming-new"]) await mkdir(join(store, name), { recursive: true });
      const before = new Date(Date.now() - 25 * 60 * 60 * 1000);
      await utimes(join(store, "incoming-old"), before, before);
      await debianDemoImage({ cacheDirectory });
      expect((await readdir(store)).sort()).toEqual(["current", "incoming-new", imageName]);
    });
  },
);
