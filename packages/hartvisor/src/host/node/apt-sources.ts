/**
 * Finds a Debian mirror in the apt sources of a machine, so that a download comes from
 * where the machine's owner gets Debian anyway. Pure parsing of both formats that apt
 * reads; the files are read elsewhere. Source: sources.list(5).
 */

/** One archive that apt is told of, as far as it matters here. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** The keyring, fingerprint or key block that has to have signed it, if the source names one. */
  readonly signedBy?: string;
}

/**
 * Debian's releases. A suite of this name, alone or with `-updates` and the like, tells Debian's main archive from
 * its security archive and from those of other distributions.
 */
const DEBIAN_SUITE =
  /^(?:(?:old)*stable|testing|unstable|sid|buster|bullseye|bookworm|trixie|forky|duke)(?:-updates|-proposed-updates|-backports)?$/;

/** Reads a `sources.list`: one line an archive, `deb [options] uri suite components...`. */
export function parseSourcesList(text: string): AptSource[] {
  return text.split("\n").flatMap((line): AptSource[] => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)([^#]*)/.exec(line);
    if (match === null) return [];
    const [, options = "", uri = "", suite = "", components = ""] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1];
    return [{ uri, suite, components: words(components), ...(signedBy !== undefined && { signedBy }) }];
  });
}

/** Reads a `*.sources` file: stanzas of `Field: value`, with continuation lines. */
export function parseDeb822Sources(text: string): AptSource[] {
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  return lines
    .join("\n")
    .split(/\n[ \t]*\n/)
    .flatMap((stanza): AptSource[] => {
      const fields = stanzaFields(stanza);
      const isEnabled = !/^(?:no|false|without|off|disable|0)$/i.test(fields.get("enabled") ?? "yes");
      if (!isEnabled || !words(fields.get("types") ?? "").includes("deb")) return [];
      const components = words(fields.get("components") ?? "");
      const signedBy = fields.get("signed-by");
      return words(fields.get("uris") ?? "").flatMap((uri) =>
        words(fields.get("suites") ?? "").map((suite) => {
          return { uri, suite, components, ...(signedBy !== undefined && { signedBy }) };
        }),
      );
    });
}

/**
 * The mirror of Debian's main archive among the sources, or `undefined` when there is none. Where several could be
 * it, one whose address ends in `/debian`, as mirrors usually do, comes first.
 */
export function findDebianMirror(sources: readonly AptSource[]): string | undefined {
  const mirrors = sources.filter(
    ({ uri, suite, components, signedBy }) =>
      DEBIAN_SUITE.test(suite) &&
      components.includes("main") &&
      !uri.startsWith("cdrom:") &&
      // An archive with keys of its own is somebody else's, built for a Debian release.
      (signedBy === undefined || signedBy.includes("debian-archive")),
  );
  return (mirrors.find(({ uri }) => /\/debian\/?$/.test(uri)) ?? mirrors[0])?.uri;
}

/** Reads a stanza of `Field: value` lines, as apt writes and reads them. Field names come out in lower case. */
export function stanzaFields(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [, name = "", value = ""] of stanza.matchAll(/^([\w-]+):((?:.*)(?:\n[ \t].*)*)/gm)) {
    fields.set(name.toLowerCase(), value.trim());
  }
  return fields;
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
