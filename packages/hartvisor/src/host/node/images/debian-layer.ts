/**
 * Makes the first layer of a Debian image: packages unpacked over each other, and dpkg's database, which says that they
 * are to be configured. No package's script runs here; that is the guest's part (`configure-guest.ts`).
 */
import { createHash } from "node:crypto";
import { PassThrough } from "node:stream";
import { run } from "../child-process.js";
import { dpkgDatabase, packageIdentity, type UnpackedPackage } from "./dpkg-database.js";
import type { LayerWriter } from "./layer-writer.js";
import { contentOf, readTar, type TarEntry } from "./tar-reader.js";

/** What is left out unless documentation is wanted: what Debian's own slim images leave out, licences kept. */
const DOCUMENTATION = /^usr\/share\/(?:man|info|locale|groff|lintian|linda|doc(?!\/[^/]+$|\/[^/]+\/copyright$))\//;
/** The same for dpkg, so that what the guest installs later follows it (dpkg(1), --path-exclude). */
const DPKG_OPTIONS = `path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/groff/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/linda/*
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
`;

/** Directories that Debian has merged into /usr: base-files brings links in their place. */
const MERGED = /^(bin|sbin|lib)\//;

/** What the layer is made from. */
export interface DebianLayerOptions {
  /** Paths of the .deb files. */
  readonly debs: readonly string[];
  /** Manual pages, translations and the like. */
  readonly documentation: boolean;
  /** Called with the number of packages that are unpacked. */
  readonly progress?: (done: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Unpacks packages into a layer.
 *
 * @returns versions of the packages by name
 */
export async function writeDebianLayer(
  layer: LayerWriter,
  { debs, documentation, progress, signal }: DebianLayerOptions,
): Promise<Record<string, string>> {
  const packages: UnpackedPackage[] = [];
  for (const [index, deb] of debs.entries()) {
    progress?.(index);
    packages.push(await unpack(layer, deb, documentation, signal));
  }
  if (!documentation) {
    await layer.add({ path: "etc/dpkg/dpkg.cfg.d/hartvisor", type: "file", mode: 0o644, content: DPKG_OPTIONS });
  }
  for (const entry of dpkgDatabase(packages)) {
    if (entry.type !== "directory" || layer.typeOf(entry.path) === undefined) await layer.add(entry);
  }
  const versions = packages.map(({ control }) => packageIdentity(control)).map(({ name, version }) => [name, version]);
  return Object.fromEntries(versions);
}

async function unpack(
  layer: LayerWriter,
  deb: string,
  documentation: boolean,
  signal: AbortSignal | undefined,
): Promise<UnpackedPackage> {
  const control = new Map<string, Uint8Array>();
  for await (const entry of tarOf(deb, "--ctrl-tarfile", signal)) {
    if (entry.type === "file") control.set(entry.path, await contentOf(entry));
  }
  const conffiles = new Set(new TextDecoder().decode(control.get("conffiles")).split("\n"));
  const paths: string[] = [];
  const md5 = new Map<string, string>();
  for await (const entry of tarOf(deb, "--fsys-tarfile", signal)) {
    const path = entry.path.replace(MERGED, "usr/$1/");
    if (path === "") continue;
    paths.push(entry.path);
    if (!documentation && DOCUMENTATION.test(entry.type === "directory" ? `${path}/` : path)) continue;
    if (entry.type === "directory" && layer.typeOf(path) !== undefined) continue;
    const content = entry.type === "file" ? await contentOf(entry) : Buffer.alloc(0);
    if (conffiles.has(`/${entry.path}`)) md5.set(entry.path, createHash("md5").update(content).digest("hex"));
    await layer.add({ ...entry, path, content });
  }
  return { control, paths, md5 };
}

/** The entries of one of the two archives in a .deb. */
async function* tarOf(deb: string, which: string, signal: AbortSignal | undefined): AsyncGenerator<TarEntry> {
  const archive = new PassThrough();
  const name = deb.slice(deb.lastIndexOf("/") + 1);
  const ended = run("dpkg-deb", [which, deb], { output: archive, signal });
  ended.catch((error) => archive.destroy(error));
  yield* readTar(archive, name);
  const { exitCode, stderr } = await ended;
  if (exitCode !== 0) throw new Error(`cannot unpack ${name}: ${stderr.trim().split("\n")[0]}`);
}
