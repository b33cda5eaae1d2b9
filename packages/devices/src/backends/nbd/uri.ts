/** URIs of NBD exports (github.com/NetworkBlockDevice/nbd, doc/uri.md). */
import { HartvisorError } from "@hartvisor/core";

const DEFAULT_PORT = 10809;

/** Where an export is. */
export interface NbdAddress {
  readonly server: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly export: string;
}

/** Whether a disk's source is the URI of an NBD export. */
export function isNbdUri(source: string): boolean {
  return /^nbds?(\+\w+)?:/.test(source);
}

/**
 * Reads `nbd://host[:port][/export]` or `nbd+unix:///[export]?socket=PATH`.
 *
 * @throws HartvisorError `invalid-argument`: it is neither; `unsupported`: it wants TLS
 */
export function parseNbdUri(uri: string): NbdAddress {
  const wrong = (problem: string) => new HartvisorError("invalid-argument", `cannot use ${uri}: ${problem}`);
  if (/^nbds/.test(uri)) throw new HartvisorError("unsupported", `cannot use ${uri}: there is no TLS for NBD here`);
  if (!URL.canParse(uri)) throw wrong("it is no URI; write for example nbd://host:10809/export");
  const { protocol, hostname, port, pathname, searchParams } = new URL(uri);
  // A name may begin with a slash of its own: only the first one is the URI's.
  const name = decodeURIComponent(pathname.replace(/^\//, ""));
  if (protocol === "nbd:") {
    if (hostname === "") throw wrong("it names no host");
    const host = hostname.replace(/^\[(.*)\]$/, "$1");
    return { server: { host, port: Number(port) || DEFAULT_PORT }, export: name };
  }
  const path = searchParams.get("socket");
  if (protocol !== "nbd+unix:" || hostname !== "") throw wrong("only nbd://HOST and nbd+unix:/// are known");
  if (path === null) throw wrong("it names no socket");
  return { server: { path }, export: name };
}
