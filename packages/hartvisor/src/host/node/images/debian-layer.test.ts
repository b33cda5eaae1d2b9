import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type ArchiveEntry, tarEntries } from "@hartvisor/devices";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeDebianLayer } from "./debian-layer.js";
import { LayerWriter } from "./layer-writer.js";

const hasDpkg = spawnSync("dpkg-deb", ["--version"]).status === 0;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hartvisor-debian-layer-"));
});

afterEach(() => rm(folder, { recursive: true }));

describe.skipIf(!hasDpkg)(`writeDebianLayer${hasDpkg ? "" : " (skipped: no dpkg-deb here)"}`, () => {
  async function deb(name: string, files: Readonly<Record<string, string>>): Promise<string> {
    const root = join(folder, name);
    const control = `Package: ${name}\nVersion: 1.0\nArchitecture: riscv64\nMaintainer: nobody\nDescription: none\n`;
    for (const [path, content] of Object.entries({ "DEBIAN/control": control, ...files })) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      if (content.startsWith("-> ")) await symlink(content.slice(3), join(root, path));
      else await writeFile(join(root, path), content);
      if (path.endsWith("postinst")) await chmod(join(root, path), 0o755);
    }
    const file = join(folder, `${name}.deb`);
    const { status, stderr } = spawnSync("dpkg-deb", ["--root-owner-group", "--build", root, file]);
    if (status !== 0) throw new Error(stderr.toString());
    return file;
  }

  async function layerOf(debs: readonly string[], documentation = false) {
    const path = join(folder, `layer-${documentation}.tar`);
    const layer = await LayerWriter.create(path);
    const versions = await writeDebianLayer(layer, { debs, documentation });
    await layer.finish();
    const entries = new Map<string, ArchiveEntry>();
    for (const entry of tarEntries(await readFile(path), "layer")) entries.set(entry.path.replace(/\/$/, ""), entry);
    const text = (name: string) => Buffer.from(entries.get(name)?.content ?? []).toString();
    return { versions, entries, text };
  }

  const packages = async () => [
    await deb("one", {
      ...{ "usr/bin/one": "a program", "usr/share/man/man1/one.1": "a page", bin: "-> usr/bin", lib: "-> usr/lib" },
      ...{ "usr/share/doc/one/copyright": "a licence", "usr/share/doc/one/changelog": "news" },
      ...{ "etc/one.conf": "a setting", "DEBIAN/conffiles": "/etc/one.conf\n" },
      "DEBIAN/postinst": "#!/bin/sh\n",
    }),
    await deb("two", { "lib/two.so": "a library", "usr/bin/two": "another" }),
  ];

  it("lays packages over each other, where Debian has merged its directories", async () => {
    const { entries, text, versions } = await layerOf(await packages());
    expect(versions).toEqual({ one: "1.0", two: "1.0" });
    expect([text("usr/bin/one"), text("usr/bin/two"), text("usr/lib/two.so")]).toEqual([
      ...["a program", "another", "a library"],
    ]);
    expect(entries.get("bin")?.target).toBe("usr/bin");
    expect(entries.get("usr/bin/one")).toMatchObject({ uid: 0, gid: 0 });
  });

  it("leaves out documentation but for licences, and tells dpkg to", async () => {
    const { entries, text } = await layerOf(await packages());
    expect(entries.has("usr/share/man/man1/one.1")).toBe(false);
    expect(entries.has("usr/share/doc/one/changelog")).toBe(false);
    expect(text("usr/share/doc/one/copyright")).toBe("a licence");
    expect(text("etc/dpkg/dpkg.cfg.d/hartvisor")).toContain("path-exclude /usr/share/man/*\n");
  });

  it("keeps it where it is wanted", async () => {
    const { entries } = await layerOf(await packages(), true);
    expect(entries.has("usr/share/man/man1/one.1")).toBe(true);
    expect(entries.has("etc/dpkg/dpkg.cfg.d/hartvisor")).toBe(false);
  });

  it("writes what dpkg knows of packages that are unpacked, and nothing else", async () => {
    const { entries, text } = await layerOf(await packages());
    const md5 = createHash("md5").update("a setting").digest("hex");
    expect(text("var/lib/dpkg/status")).toContain("Package: one\nStatus: install ok unpacked\n");
    expect(text("var/lib/dpkg/status")).toContain(`Conffiles:\n /etc/one.conf ${md5}\n`);
    const info = [...entries.keys()].filter((path) => path.startsWith("var/lib/dpkg/info/"));
    expect(info.map((path) => path.replace("var/lib/dpkg/info/", "")).sort()).toEqual([
      ...["format", "one.conffiles", "one.list", "one.postinst", "two.list"],
    ]);
    expect(entries.get("var/lib/dpkg/info/one.postinst")?.mode).toBe(0o100755);
    // As the package has it, merged or not: dpkg follows the link.
    expect(text("var/lib/dpkg/info/two.list")).toContain("/lib/two.so\n");
  });
});
