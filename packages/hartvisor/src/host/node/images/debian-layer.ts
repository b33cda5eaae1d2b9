/**
 * Makes the first layer of a Debian image: packages unpacked over each other, and dpkg's database, which says that they
 * are to be configured. No package's script runs here; that is the guest's part (`configure-guest.ts`).
 */
import { createHash } from "node:crypto";
import { Writable } from "node:stream";
import { type ArchiveEntry, FileType, TYPE_BITS, tarEntries } from "@hartvisor/devices";
import { run } from "../child-process.js";
import { dpkgDatabase, packageIdentity, type UnpackedPackage } from "./dpkg-database.js";
import type { LayerWriter } from "./layer-writer.js";

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

/** Where the guest's own apt finds more. */
const SOURCES = `Types: deb
URIs: http://deb.debian.org/debian
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp
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
    await layer.add({ path: "etc/dpkg/dpkg.cfg.d/hartvisor", mode: FileType.Regular | 0o644, content: DPKG_OPTIONS });
  }
  const sources = "etc/apt/sources.list.d/debian.sources";
  await layer.add({ path: sources, mode: FileType.Regular | 0o644, content: SOURCES });
  for (const entry of dpkgDatabase(packages)) {
    if (layer.typeOf(entry.path) !== FileType.Directory) await layer.add(entry);
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
  for (const { path, mode, content } of await entriesOf(deb, "--ctrl-tarfile", signal)) {
    if ((mode & TYPE_BITS) === FileType.Regular) control.set(path, content);
  }
  const conffiles = new Set(new TextDecoder().decode(control.get("conffiles")).split("\n"));
  const paths: string[] = [];
  const md5 = new Map<string, string>();
  for (const { path: stated, mtime, ...entry } of await entriesOf(deb, "--fsys-tarfile", signal)) {
    const path = stated.replace(MERGED, "usr/$1/");
    if (path === "") continue;
    const isDirectory = (entry.mode & TYPE_BITS) === FileType.Directory;
    paths.push(stated);
    if (!documentation && DOCUMENTATION.test(isDirectory ? `${path}/` : path)) continue;
    if (isDirectory && layer.typeOf(path) !== undefined) continue;
    if (conffiles.has(`/${stated}`)) md5.set(stated, createHash("md5").update(entry.content).digest("hex"));
    await layer.add({ ...entry, path, linkTo: entry.linkTo?.replace(MERGED, "usr/$1/"), modified: mtime.seconds });
  }
  return { control, paths, md5 };
}

/** The entries of one of the two archives in a .deb, with paths from the root. */
async function entriesOf(deb: string, which: string, signal: AbortSignal | undefined): Promise<ArchiveEntry[]> {
  const name = deb.slice(deb.lastIndexOf("/") + 1);
  const parts: Buffer[] = [];
  const output = new Writable({
    write: (bytes: Buffer, _encoding, done) => {
      parts.push(bytes);
      done();
    },
  });
  const { exitCode, stderr } = await run("dpkg-deb", [which, deb], { output, signal });
  if (exitCode !== 0) throw new Error(`cannot unpack ${name}: ${stderr.trim().split("\n")[0]}`);
  const fromRoot = (path: string) => path.replace(/^\.\//, "").replace(/\/$/, "");
  return [...tarEntries(Buffer.concat(parts), name)].map((entry) => ({
    ...entry,
    path: fromRoot(entry.path),
    linkTo: entry.linkTo && fromRoot(entry.linkTo),
  }));
}
