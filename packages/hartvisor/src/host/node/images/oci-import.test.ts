import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LayerEntry, LayerWriter } from "./layer-writer.js";
import { ociImage } from "./oci-import.js";
import { ImageStore } from "./store.js";

let folder: string;
let store: ImageStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hartvisor-oci-"));
  store = new ImageStore(join(folder, "store"));
});

afterEach(() => rm(folder, { recursive: true }));

const sha256 = (bytes: Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

interface Change {
  readonly architecture?: string;
  readonly layer?: (bytes: Buffer) => Buffer;
  readonly layerType?: string;
  readonly diffId?: string;
  readonly manifest?: Readonly<Record<string, unknown>>;
}

async function layerBytes(...entries: readonly LayerEntry[]): Promise<Buffer> {
  const path = join(folder, "some-layer");
  const writer = await LayerWriter.create(path);
  for (const entry of entries) await writer.add(entry);
  await writer.finish();
  const bytes = await readFile(path);
  await unlink(path);
  return bytes;
}

const file = (path: string, content: string): LayerEntry => ({ path, mode: 0o100644, content });

/** Makes a layout of two layers, wrong where it is told to be. */
async function layout(path: string, { architecture = "riscv64", layer, layerType, diffId, manifest }: Change = {}) {
  await mkdir(join(path, "blobs/sha256"), { recursive: true });
  const blob = async (mediaType: string, bytes: Uint8Array) => {
    await writeFile(join(path, "blobs/sha256", sha256(bytes).slice(7)), bytes);
    return { mediaType, digest: sha256(bytes), size: bytes.length };
  };
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const tars = [await layerBytes(file("etc/a", "1"), file("etc/b", "2")), await layerBytes(file("etc/.wh.a", ""))];
  const changed = layer?.(tars[1] as Buffer) ?? (tars[1] as Buffer);
  const config = {
    ...{ architecture, os: "linux", config: { Env: ["A=b"], Cmd: ["/bin/sh"] } },
    rootfs: { type: "layers", diff_ids: [sha256(tars[0] as Buffer), diffId ?? sha256(changed)] },
  };
  const gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
  const document = {
    schemaVersion: 2,
    config: await blob("application/vnd.oci.image.config.v1+json", json(config)),
    layers: [await blob(gzip, gzipSync(tars[0] as Buffer)), await blob(layerType ?? gzip, gzipSync(changed))],
    ...manifest,
  };
  const descriptor = {
    ...(await blob("application/vnd.oci.image.manifest.v1+json", json(document))),
    annotations: { "org.opencontainers.image.ref.name": "latest" },
  };
  await writeFile(join(path, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(path, "index.json"), json({ schemaVersion: 2, manifests: [descriptor] }));
  return { path, document, descriptor };
}

async function namesIn(image: Awaited<ReturnType<typeof ociImage>>): Promise<string[]> {
  const { root } = await image.root();
  const etc = await root.lookup("etc");
  const reader = await etc.openDirectory();
  return (await reader.read(0, 100)).map(({ name }) => name);
}

describe("ociImage", () => {
  it("takes an image from a directory, whiteouts in force", async () => {
    const { path } = await layout(join(folder, "layout"));
    const image = await ociImage(path, { name: "small", store });
    expect(image.layers).toHaveLength(2);
    expect(image.config).toMatchObject({ Env: ["A=b"], Cmd: ["/bin/sh"] });
    expect(await namesIn(image)).toEqual(["b"]);
    expect((await store.find("small"))?.digest).toBe(image.digest);
  });

  it("takes an image from a tar of a layout", async () => {
    const { path } = await layout(join(folder, "layout"));
    const writer = await LayerWriter.create(join(folder, "image.tar"));
    for (const name of await readdir(path, { recursive: true })) {
      const bytes = await readFile(join(path, name)).catch(() => undefined);
      if (bytes !== undefined) await writer.add({ path: name, mode: 0o100644, content: bytes });
    }
    await writer.add(file("manifest.json", "[]"));
    await writer.add(file("other/thing", "x"));
    await writer.finish();
    expect(await namesIn(await ociImage(join(folder, "image.tar"), { name: "small", store }))).toEqual(["b"]);
  });

  it("finds the image for riscv64 among those of an index", async () => {
    const path = join(folder, "layout");
    const amd64 = (await layout(path, { architecture: "amd64" })).descriptor;
    const riscv64 = (await layout(path)).descriptor;
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        manifests: [
          { ...amd64, platform: { architecture: "amd64", os: "linux" } },
          { ...riscv64, platform: { architecture: "riscv64", os: "linux" } },
        ],
      }),
    );
    await writeFile(join(path, "blobs/sha256", sha256(index).slice(7)), index);
    const mediaType = "application/vnd.oci.image.index.v1+json";
    const top = { schemaVersion: 2, manifests: [{ mediaType, digest: sha256(index), size: index.length }] };
    await writeFile(join(path, "index.json"), JSON.stringify(top));
    expect(await namesIn(await ociImage(path, { name: "small", store }))).toEqual(["b"]);
  });

  it.each<[string, Change, RegExp]>([
    ["is for another machine", { architecture: "arm64" }, /it is for arm64, and machines here are riscv64/],
    ["says another digest of a layer", { diffId: sha256(Buffer.from("x")) }, /does not unpack to sha256:/],
    ["has a layer of an unknown kind", { layerType: "application/x-thing" }, /unknown kind "application\/x-thing"/],
    [
      "has a layer that is no archive",
      { layer: () => Buffer.alloc(2048, 7) },
      /it is neither a tar nor a cpio archive/,
    ],
    ["has a layer that is cut short", { layer: (bytes) => bytes.subarray(0, 700) }, /truncated/],
    ["says that nothing is compressed", { layerType: "application/vnd.oci.image.layer.v1.tar" }, /does not unpack to/],
    ["has no layers", { manifest: { layers: "none" } }, /layers is no list/],
    [
      "names a digest that is a path",
      { manifest: { config: { mediaType: "x", digest: "sha256:../../../etc/passwd", size: 1 } } },
      /in config is no SHA-256 digest/,
    ],
  ])("refuses an image that %s, and keeps nothing of it", async (_, change, message) => {
    const { path } = await layout(join(folder, "layout"), change);
    const problem = await ociImage(path, { name: "small", store }).catch((error: unknown) => error);
    expect(problem).toMatchObject({ code: "invalid-image", message: expect.stringMatching(message) });
    expect((problem as Error).message).not.toContain("\n");
    expect(await store.list()).toEqual([]);
  });

  it("refuses layers that unpack to more than they may", async () => {
    const bomb = (await layerBytes(file("zeroes", "\0".repeat(4 * 2 ** 20)))) as Buffer;
    const { path } = await layout(join(folder, "layout"), { layer: () => bomb });
    await expect(ociImage(path, { name: "small", store, maxBytes: 2 ** 20 })).rejects.toThrow(/unpacks to more than/);
  });

  it("refuses a blob that is not what its digest says, is missing, or a link to elsewhere", async () => {
    const { path, document } = await layout(join(folder, "layout"));
    const blob = join(path, "blobs/sha256", document.config.digest.slice(7));
    const bytes = await readFile(blob);
    const take = () => ociImage(path, { name: "small", store });
    bytes[5] = 0x20;
    await writeFile(blob, bytes);
    await expect(take()).rejects.toThrow(/is not what its digest says/);
    await writeFile(blob, bytes.subarray(1));
    await expect(take()).rejects.toThrow(/has \d+ bytes, not \d+/);
    await unlink(blob);
    await expect(take()).rejects.toThrow(/is missing/);
    await symlink("/etc/passwd", blob);
    await expect(take()).rejects.toThrow(/is missing/);
  });

  it("refuses what is no layout", async () => {
    await mkdir(join(folder, "empty"));
    await expect(ociImage(join(folder, "empty"), { name: "a", store })).rejects.toThrow(
      /it is neither an OCI image layout .* nor what docker save writes/,
    );
    await writeFile(join(folder, "file"), "x".repeat(2000));
    await expect(ociImage(join(folder, "file"), { name: "a", store })).rejects.toThrow(/no header/);
    await expect(ociImage(join(folder, "none"), { name: "a", store })).rejects.toMatchObject({
      code: "unreadable-file",
    });
  });
});
