/**
 * Writes dpkg's database as it stands when packages are unpacked and none is configured, so that `dpkg --configure -a`
 * in a guest does the rest. The files are those of dpkg(1), "FILES", deb-triggers(5) and deb-conffiles(5).
 */
import { FileType } from "@hartvisor/devices";
import { stanzaFields } from "../apt-sources.js";
import type { LayerEntry } from "./layer-writer.js";

/** A package as it was unpacked. */
export interface UnpackedPackage {
  /** The files of its control archive by name, `control` among them. */
  readonly control: ReadonlyMap<string, Uint8Array>;
  /** Its paths, from the root and without a leading slash, in the order of its archive. */
  readonly paths: readonly string[];
  /** MD5 of its files by path; those of configuration files are needed. */
  readonly md5: ReadonlyMap<string, string>;
}

const ADMIN = "var/lib/dpkg";
/** What the status file holds already. */
const NOT_KEPT = new Set(["control"]);
/** Scripts, which dpkg keeps as executable files. */
const SCRIPTS = new Set(["preinst", "postinst", "prerm", "postrm", "config"]);

/** Name, version and the name under which dpkg files it. */
export function packageIdentity(control: ReadonlyMap<string, Uint8Array>): {
  readonly name: string;
  readonly version: string;
  readonly fileName: string;
} {
  const fields = stanzaFields(textOf(control.get("control")));
  const name = fields.get("package") ?? "";
  const isShared = fields.get("multi-arch") === "same";
  const fileName = isShared ? `${name}:${fields.get("architecture")}` : name;
  return { name, version: fields.get("version") ?? "", fileName };
}

/** The files of the database. */
export function dpkgDatabase(packages: readonly UnpackedPackage[]): LayerEntry[] {
  const directories = ["alternatives", "info", "parts", "triggers", "updates"];
  const file = (path: string, content: string | Uint8Array, mode = 0o644): LayerEntry => {
    return { path: `${ADMIN}/${path}`, mode: FileType.Regular | mode, content };
  };
  return [
    ...directories.map((name): LayerEntry => ({ path: `${ADMIN}/${name}`, mode: FileType.Directory | 0o755 })),
    file("status", packages.map(statusOf).join("\n")),
    file("available", ""),
    file("diversions", ""),
    file("statoverride", ""),
    file("info/format", "1\n"),
    ...packages.flatMap(({ control, paths }) => {
      const { fileName } = packageIdentity(control);
      const list = ["/.", ...paths.filter((path) => path !== "").map((path) => `/${path}`)];
      return [
        file(`info/${fileName}.list`, `${list.join("\n")}\n`),
        ...[...control]
          .filter(([name]) => !NOT_KEPT.has(name))
          .map(([name, bytes]) => file(`info/${fileName}.${name}`, bytes, SCRIPTS.has(name) ? 0o755 : 0o644)),
      ];
    }),
    ...triggers(packages).map(([name, lines]) => file(`triggers/${name}`, lines.join(""))),
  ];
}

/** What the status file says of an unpacked package: what its control file says, its state, its configuration files. */
function statusOf({ control, md5 }: UnpackedPackage): string {
  const conffiles = textOf(control.get("conffiles"))
    .split("\n")
    .filter((line) => line.startsWith("/"))
    .map((path) => ` ${path} ${md5.get(path.slice(1)) ?? "newconffile"}`);
  const fields = textOf(control.get("control")).trim();
  const state = fields.replace(/^Package:.*$/m, (line) => `${line}\nStatus: install ok unpacked`);
  return `${[state, ...(conffiles.length > 0 ? ["Conffiles:", ...conffiles] : [])].join("\n")}\n`;
}

/** Who waits for which trigger: paths in one file, names in a file of each. */
function triggers(packages: readonly UnpackedPackage[]): [string, string[]][] {
  const files = new Map<string, string[]>();
  for (const { control } of packages) {
    const { fileName } = packageIdentity(control);
    const interests = textOf(control.get("triggers")).matchAll(/^\s*interest(-noawait|-await)?\s+(\S+)/gm);
    for (const [, how, trigger = ""] of interests) {
      const waiter = how === "-noawait" ? `${fileName}/noawait` : fileName;
      const [name, line] = trigger.startsWith("/") ? ["File", `${trigger} ${waiter}\n`] : [trigger, `${waiter}\n`];
      files.set(name, [...(files.get(name) ?? []), line]);
    }
  }
  return [...files];
}

function textOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "" : new TextDecoder().decode(bytes);
}
