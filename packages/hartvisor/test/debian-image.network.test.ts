import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { checkInitrd } from "../../core/src/loader/initrd.js";
import { linuxImage } from "../../core/src/loader/linux-image.js";
import { type DemoImage, type DemoImageProgress, debianDemoImage } from "../src/host/node/debian-image.js";
import { describeOnline } from "./describe-where.js";

/** Downloads some 120 MB from a Debian mirror, and so needs the network. */
describeOnline("Debian's image, from a mirror", () => {
  let cacheDirectory: string;
  let image: DemoImage;
  const events: DemoImageProgress[] = [];

  beforeAll(async () => {
    cacheDirectory = await mkdtemp(join(tmpdir(), "hartvisor-network-"));
    image = await debianDemoImage({ cacheDirectory, progress: (event) => events.push(event) });
  });

  afterAll(() => rm(cacheDirectory, { recursive: true }));

  it("has a kernel that goes 2 MiB above the base of RAM", () => {
    expect(image.kernelVersion).toMatch(/^6\.12\.\d+\S*-riscv64$/);
    expect(linuxImage(image.kernel, { name: "Image" }).textOffset).toBe(2 * 2 ** 20);
    expect(new TextDecoder("latin1").decode(image.kernel)).toContain(`Linux version ${image.kernelVersion} `);
  });

  it("has an initramfs around a RISC-V busybox", () => {
    expect(checkInitrd(image.initrd, { name: "initrd" })).toBe("cpio");
    const busybox = image.initrd.subarray(new TextDecoder("latin1").decode(image.initrd).indexOf("\x7fELF"));
    expect(busybox[18]).toBe(243);
  });

  it("tells how far the download is, never backwards", () => {
    const fractions = events.filter(({ step }) => step === "download").map(({ fraction }) => fraction ?? 0);
    expect(fractions.length).toBeGreaterThan(1);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
  });

  it("comes from the cache the second time, with no network and no apt", async () => {
    vi.stubEnv("PATH", "");
    vi.stubEnv("HARTVISOR_DEBIAN_MIRROR", "http://mirror.invalid/debian");
    const again = await debianDemoImage({ cacheDirectory });
    vi.unstubAllEnvs();
    expect(again.kernelVersion).toBe(image.kernelVersion);
    expect(Buffer.compare(again.kernel, image.kernel)).toBe(0);
    expect(Buffer.compare(again.initrd, image.initrd)).toBe(0);
  });
});
