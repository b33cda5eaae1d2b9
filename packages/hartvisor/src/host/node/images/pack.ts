/**
 * Packs Debian's kernel, its drivers and busybox as an npm package: where it is installed, Linux boots without apt, on
 * any host and in pages. These programs are not ours: their licences come along, and where their sources are.
 */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { HartvisorError } from "@hartvisor/core";
import { type DemoManifest, IMAGE_PACKAGE, MANIFEST } from "../../../demo/demo-image.js";
import { stanzaFields } from "../apt-sources.js";
import { run } from "../child-process.js";
import { extractDeb } from "../deb-archive.js";
import { downloadDemoImage, unpackFile } from "../debian-download.js";
import { type DemoImageOptions, downloadFailure } from "../debian-image.js";

/** How to pack. */
export interface PackOptions extends Pick<DemoImageOptions, "mirror" | "progress" | "signal"> {
  /** The package's version. Default: the kernel's, as npm writes versions. */
  readonly version?: string;
}

/** Licences that the copyright files of kernel and busybox refer to, in the package base-files. */
const COMMON_LICENCES = ["GPL-2", "LGPL-2.1", "GPL-3", "LGPL-2", "Apache-2.0"];

/**
 * Downloads the newest of Debian's release and makes a package of it in a folder that is not there yet, for
 * `npm publish` or `npm install`.
 *
 * @throws HartvisorError `invalid-argument` for a folder that is there; `download-failed`
 */
export async function packDemoImage(directory: string, options: PackOptions = {}): Promise<void> {
  const target = resolve(directory);
  const { signal } = options;
  if ((await readdir(target).catch(() => [])).length > 0) {
    throw new HartvisorError("invalid-argument", `${directory}: there is something already; give a new folder`);
  }
  await mkdir(dirname(target), { recursive: true });
  const work = await mkdtemp(join(dirname(target), ".hartvisor-pack-"));
  try {
    const { folder, packages, apt } = await downloadDemoImage(work, options);
    const licences = join(folder, "licences");
    await mkdir(licences);
    const sources: string[] = [];
    for (const { name, deb } of packages) {
      await unpackFile(deb, `./usr/share/doc/${name}/copyright`, join(licences, `${name}.txt`), signal);
      sources.push(...(await sourcesOf(deb, signal)));
    }
    const [baseFiles = ""] = await apt.download([await apt.show("base-files")]);
    const wanted = COMMON_LICENCES.map((name) => `./usr/share/common-licenses/${name}`);
    const args = ["--directory", licences, "--transform", "s,.*/\\(.*\\),\\1.txt,", "--wildcards", ...wanted];
    await extractDeb(baseFiles, args, signal);
    if (!(await readdir(licences)).includes("GPL-2.txt")) throw new Error("base-files has no GPL-2");

    const manifest = JSON.parse(await readFile(join(folder, MANIFEST), "utf8")) as DemoManifest;
    await writeFile(join(folder, "package.json"), packageJson(manifest, options.version));
    await writeFile(join(folder, "index.js"), 'export const base = new URL("./", import.meta.url);\n');
    await writeFile(
      join(folder, "index.d.ts"),
      "/** Where the files of this package are. */\nexport declare const base: URL;\n",
    );
    await writeFile(join(folder, "README.md"), readme(manifest, sources));
    await rm(target, { recursive: true, force: true });
    await rename(folder, target);
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof HartvisorError ? error : downloadFailure(error, directory);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Lines on where the sources of a .deb are: of its source package, and of those whose parts are linked into it. */
async function sourcesOf(deb: string, signal: AbortSignal | undefined): Promise<string[]> {
  const wanted = ["Package", "Version", "Source", "Built-Using", "Static-Built-Using"];
  const { stdout } = await run("dpkg-deb", ["--field", deb, ...wanted], { signal });
  const fields = stanzaFields(stdout);
  const field = (name: string) => fields.get(name) ?? "";
  // "Source: busybox (1:1.37.0-6)" (Debian policy, 5.6.1); without it, name and version are the binary package's.
  const [, source = field("package"), version = field("version")] =
    /^(\S+)(?:\s+\((\S+)\))?$/.exec(field("source")) ?? [];
  // "glibc (= 2.41-12), ..." (Debian policy, 7.8).
  const parts = `${field("built-using")},${field("static-built-using")}`.matchAll(/([^\s,]+)\s+\(=\s*(\S+)\)/g);
  const line = (what: string, name: string, of: string) =>
    `- ${what}: source package ${name} ${of}, https://snapshot.debian.org/package/${name}/${encodeURIComponent(of)}/`;
  return [
    line(`${field("package")} ${field("version")}`, source, version),
    ...[...parts].map(([, name = "", of = ""]) => line(`linked into ${field("package")}`, name, of)),
  ];
}

function packageJson({ kernelVersion }: DemoManifest, version = npmVersion(kernelVersion)): string {
  const content = {
    name: IMAGE_PACKAGE,
    version,
    description: `Debian's Linux ${kernelVersion} and busybox for riscv64, as hartvisor boots them.`,
    license: "GPL-2.0-only",
    type: "module",
    exports: {
      ".": { types: "./index.d.ts", default: "./index.js" },
      "./manifest.json": "./manifest.json",
      "./package.json": "./package.json",
      "./*": "./*",
    },
    files: ["Image", "busybox", "modules", "licences", "manifest.json", "index.js", "index.d.ts"],
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

/** "6.12.107+deb13-riscv64" is 6.12.107 to npm. */
function npmVersion(kernelVersion: string): string {
  return /^\d+\.\d+\.\d+/.exec(kernelVersion)?.[0] ?? "0.0.0";
}

function readme({ kernelVersion }: DemoManifest, sources: readonly string[]): string {
  return `# ${IMAGE_PACKAGE}

Debian's Linux ${kernelVersion} for riscv64, some of its drivers, and busybox, unchanged, as
[hartvisor](https://www.npmjs.com/package/hartvisor) boots them. Where this package is installed, \`hartvisor demo\` and
\`debianDemoImage()\` use it and need no apt. In a page:

    import { base } from "${IMAGE_PACKAGE}";
    import { fetchDemoImage } from "hartvisor";
    const { kernel, initrd } = await fetchDemoImage(base);

## Licences and sources

The kernel is under the GNU General Public License, version 2, with the Linux syscall note; busybox under the GNU General
Public License, version 2. Their copyright files, and the licences that these refer to, are in \`licences\`. The complete
corresponding sources, build scripts included, are Debian's source packages:

${sources.join("\n")}
`;
}
