/** A local web site with the packed packages, as they would be published, and pages that import them. */
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, extname, join, normalize } from "node:path";
import { pack } from "../../../../scripts/pack.mjs";
import { run } from "../../src/host/node/child-process.js";

const TYPES: Readonly<Record<string, string>> = { ".js": "text/javascript", ".html": "text/html" };

export interface Site {
  /** Without a slash at its end. */
  readonly origin: string;
  readonly server: Server;
  close(): Promise<void>;
}

/** What a site serves beside the packages. */
export interface SiteOptions {
  /** Content by path, such as "/Image". A page gets an import map of the packages. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Folders of the host by the path that their files are below, such as "/images/". */
  readonly folders?: Readonly<Record<string, string>>;
  /** Headers by path. */
  readonly headers?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Packs the packages and serves them at a port of this machine alone. */
export async function openSite({ files, folders = {}, headers = {} }: SiteOptions): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), "hartvisor-site-"));
  const importMap = await unpackPackages(folder);
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://site").pathname);
    void (async () => {
      const [base = "/"] = Object.keys(folders).filter((each) => path.startsWith(each));
      const file = join(folders[base] ?? folder, path.slice(base.length));
      const content = files[path] ?? (await readFile(file).catch(() => undefined));
      if (content === undefined) {
        response.writeHead(404).end();
        return;
      }
      const type = TYPES[extname(path)] ?? "application/octet-stream";
      response.writeHead(200, { "content-type": type, ...headers[path] });
      response.end(type === "text/html" ? importMap + content : content);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    server,
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      await close(server);
      await rm(folder, { recursive: true });
    },
  };
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Unpacks each tarball into a folder of its own; gives the import map that leads there. */
async function unpackPackages(folder: string): Promise<string> {
  const imports: Record<string, string> = {};
  for (const tarball of pack(folder)) {
    const name = basename(tarball, ".tgz");
    await mkdir(join(folder, name));
    const { exitCode, stderr } = await run("tar", ["-xzf", tarball, "-C", join(folder, name), "--strip-components=1"]);
    if (exitCode !== 0) throw new Error(`cannot unpack ${tarball}: ${stderr}`);
    const manifest = JSON.parse(await readFile(join(folder, name, "package.json"), "utf8"));
    for (const [path, target] of Object.entries<{ default?: string }>(manifest.exports)) {
      if (target.default !== undefined) imports[join(manifest.name, path)] = `/${join(name, target.default)}`;
    }
  }
  return `<script type="importmap">${JSON.stringify({ imports })}</script>\n`;
}
