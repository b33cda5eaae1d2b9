import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Apt, debianMirror } from "./apt.js";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "hartvisor apt-"));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true });
});

describe("debianMirror", () => {
  it("reads sources.list and both kinds of file beside it", async () => {
    await mkdir(join(directory, "sources.list.d"));
    await writeFile(
      join(directory, "sources.list.d/debian.sources.disabled"),
      "deb http://no.example/debian sid main\n",
    );
    await expect(debianMirror("", directory)).rejects.toMatchObject({
      code: "download-failed",
      message: expect.stringContaining("name one with HARTVISOR_DEBIAN_MIRROR"),
    });

    const stanza = "Types: deb\nURIs: http://b.example/debian\nSuites: trixie\nComponents: main\n";
    await writeFile(join(directory, "sources.list.d/debian.sources"), stanza);
    expect(await debianMirror("", directory)).toBe("http://b.example/debian");
    await writeFile(join(directory, "sources.list.d/a.list"), "deb http://a.example/debian sid main\n");
    expect(await debianMirror("", directory)).toBe("http://a.example/debian");
    await writeFile(join(directory, "sources.list"), "deb http://main.example/debian stable main\n");
    expect(await debianMirror("", directory)).toBe("http://main.example/debian");
  });

  it("prefers the environment's, and the caller's to both", async () => {
    vi.stubEnv("HARTVISOR_DEBIAN_MIRROR", "https://env.example/debian");
    expect(await debianMirror(undefined, directory)).toBe("https://env.example/debian");
    expect(await debianMirror("file:/srv/debian", directory)).toBe("file:/srv/debian");
  });

  it.each(["mirror.example/debian", "http://a b", "http://a]\ndeb [trusted=yes] http://b", "-o"])(
    "refuses %j, which apt would misread",
    async (mirror) => {
      await expect(debianMirror(mirror, directory)).rejects.toMatchObject({ code: "invalid-argument" });
    },
  );
});

const hasApt = spawnSync("apt-get", ["--version"]).status === 0;

describe.skipIf(!hasApt)(`Apt against archives that are not right${hasApt ? "" : " (skipped: no apt here)"}`, () => {
  const open = (mirror: string) => Apt.create({ directory, mirror, suite: "trixie", architecture: "riscv64" });

  async function refusal(mirror: string): Promise<string> {
    const apt = await open(mirror);
    const error: unknown = await apt.update().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "HartvisorError", code: "download-failed", cause: expect.any(Error) });
    const { message } = error as Error;
    expect(message).not.toContain("\n");
    return message;
  }

  async function archive(name: string, content: string): Promise<string> {
    await mkdir(join(directory, "archive/dists/trixie"), { recursive: true });
    await writeFile(join(directory, "archive/dists/trixie", name), content);
    return `file:${directory.replaceAll(" ", "%20")}/archive`;
  }

  it("says that a mirror cannot be reached, without the password in its address", async () => {
    for (const name of ["http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"]) vi.stubEnv(name, undefined);
    const message = await refusal("http://user:secret@127.0.0.1:1/debian");
    expect(message).toMatch(/^cannot download Debian trixie from http:\/\/127\.0\.0\.1:1\/debian: /);
    expect(message).not.toContain("secret");
  });

  it("says that there is no such archive", async () => {
    expect(await refusal(await archive("README", ""))).toContain("does not have a Release file");
  });

  it("refuses an archive that is not signed, though the machine would allow it", async () => {
    const config = join(directory, "machine.conf");
    await writeFile(config, 'Acquire::AllowInsecureRepositories "true";\nAPT::Get::AllowUnauthenticated "true";\n');
    vi.stubEnv("APT_CONFIG", config);
    // Whole but for its signature, so that nothing else is wrong with it.
    const index = `${createHash("sha256").digest("hex")} 0 main/binary-riscv64/Packages`;
    const release = `Suite: trixie\nCodename: trixie\nArchitectures: riscv64\nComponents: main\nSHA256:\n ${index}\n`;
    await mkdir(join(directory, "archive/dists/trixie/main/binary-riscv64"), { recursive: true });
    await writeFile(join(directory, "archive/dists/trixie/main/binary-riscv64/Packages"), "");
    expect(await refusal(await archive("Release", release))).toContain("is not signed by Debian's archive keys");
  });

  it("refuses an archive whose signature is none", async () => {
    const signed = [
      "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nSuite: trixie",
      "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n",
    ].join("\n");
    expect(await refusal(await archive("InRelease", signed))).toContain("is not signed by Debian's archive keys");
  });

  it("runs none of the machine's hooks", async () => {
    const config = join(directory, "machine.conf");
    const hook = `touch '${join(directory, "hook-ran")}'`;
    await writeFile(config, `APT::Update::Pre-Invoke { "${hook}"; };\nAPT::Update::Post-Invoke { "${hook}"; };\n`);
    vi.stubEnv("APT_CONFIG", config);
    await refusal(await archive("README", ""));
    expect(spawnSync("ls", [directory]).stdout.toString()).not.toContain("hook-ran");
  });

  it("goes through the machine's proxy", async () => {
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      asked.push(request.url ?? "");
      response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const config = join(directory, "machine.conf");
    const { port } = proxy.address() as AddressInfo;
    await writeFile(config, `Acquire::http::Proxy "http://127.0.0.1:${port}";\n`);
    vi.stubEnv("APT_CONFIG", config);
    try {
      await refusal("http://mirror.invalid/debian");
      expect(asked).toContain("http://mirror.invalid/debian/dists/trixie/InRelease");
    } finally {
      proxy.close();
    }
  });
});
