/** Images in the shapes that tools write: what the OCI image specification allows, and what docker save wrote before it. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as zlib from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LayerEntry, LayerWriter } from "./layer-writer.js";
import { ociImage } from "./oci-import.js";
import { ImageStore } from "./store.js";

const OCI = "application/vnd.oci.image";
const DOCKER = "application/vnd.docker";
const RISCV64 = { architecture: "riscv64", os: "linux" };
const REFERENCE = "org.opencontainers.image.ref.name";

let folder: string;
let path: string;
let store: ImageStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hartvisor-oci-"));
  path = join(folder, "image");
  store = new ImageStore(join(folder, "store"));
  await put("oci-layout", '{"imageLayoutVersion":"1.0.0"}');
});

afterEach(() => rm(folder, { recursive: true }));

const hex = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const file = (name: string, content = name): LayerEntry => ({ path: name, mode: 0o100644, content });

/** Writes a file of the image. */
async function put(name: string, content: Uint8Array | string): Promise<void> {
  await mkdir(dirname(join(path, name)), { recursive: true });
  await writeFile(join(path, name), content);
}

/** Puts a blob in the layout; its descriptor. */
async function blob(mediaType: string, content: Uint8Array, more: object = {}) {
  await put(`blobs/sha256/${hex(content)}`, content);
  return { mediaType, digest: `sha256:${hex(content)}`, size: content.length, ...more };
}

async function tar(...entries: readonly LayerEntry[]): Promise<Buffer> {
  const name = join(folder, "some.tar");
  const writer = await LayerWriter.create(name);
  for (const entry of entries) await writer.add(entry);
  await writer.finish();
  const bytes = await readFile(name);
  await unlink(name);
  return bytes;
}

const configOf = (layers: readonly Uint8Array[], more: object = {}) =>
  json({
    ...RISCV64,
    config: { Env: ["A=b"] },
    rootfs: { type: "layers", diff_ids: layers.map((each) => `sha256:${hex(each)}`) },
    ...more,
  });

/** Puts an image of one file into the layout; the descriptor of its manifest. */
async function imageOf(name: string, more: object = {}, configMore: object = {}) {
  const layer = await tar(file(name));
  const manifest = {
    schemaVersion: 2,
    config: await blob(`${OCI}.config.v1+json`, configOf([layer], configMore)),
    layers: [await blob(`${OCI}.layer.v1.tar`, layer)],
  };
  return blob(`${OCI}.manifest.v1+json`, json(manifest), more);
}

const indexOf = (...manifests: readonly object[]) => json({ schemaVersion: 2, manifests });
const setIndex = (...manifests: readonly object[]) => put("index.json", indexOf(...manifests));

/** Takes the image; the names in it. */
async function names(reference?: string): Promise<string[]> {
  const image = await ociImage(path, { name: "taken", store, ...(reference !== undefined && { reference }) });
  const { root } = await image.root();
  return (await (await root.openDirectory()).read(0, 100)).map(({ name }) => name);
}

describe("an index", () => {
  it("of indexes leads to the first image that suits", async () => {
    const others = [
      await imageOf("arm", { platform: { architecture: "arm64", os: "linux", variant: "v8" } }),
      await imageOf("bsd", { platform: { architecture: "riscv64", os: "freebsd" } }, { os: "freebsd" }),
    ];
    const variants = [
      await imageOf("first", { platform: { ...RISCV64, variant: "rva20u64" } }),
      await imageOf("second", { platform: { ...RISCV64, variant: "rva23u64" } }),
    ];
    const inner = await blob(`${OCI}.index.v1+json`, indexOf(...others, ...variants));
    const outer = await blob(`${DOCKER}.distribution.manifest.list.v2+json`, indexOf(inner));
    await setIndex({ ...outer, annotations: { [REFERENCE]: "latest" } });
    expect(await names()).toEqual(["first"]);
  });

  it("that says nothing of platforms is asked for configurations", async () => {
    await setIndex(await imageOf("arm", {}, { architecture: "arm64" }), await imageOf("mine"));
    expect(await names()).toEqual(["mine"]);
  });

  it("with images of several names wants one of them, or its name in Docker", async () => {
    const annotations = (tag: string) => ({
      annotations: { [REFERENCE]: tag, "io.containerd.image.name": `docker.io/library/thing:${tag}` },
    });
    await setIndex(await imageOf("one", annotations("1")), await imageOf("two", annotations("2")));
    await expect(names()).rejects.toThrow("it has 2 images; say which: 1, 2");
    expect(await names("2")).toEqual(["two"]);
    expect(await names("docker.io/library/thing:1")).toEqual(["one"]);
    expect(await names("thing:2")).toEqual(["two"]);
    await expect(names("3")).rejects.toThrow('it has no image "3"');
  });

  it("may have what is no image: attestations, signatures, kinds that nobody knows", async () => {
    const attestation = await imageOf("x", { platform: { architecture: "unknown", os: "unknown" } });
    const empty = await blob("application/vnd.oci.empty.v1+json", Buffer.from("{}"));
    const artifact = { schemaVersion: 2, artifactType: "application/x", config: empty, layers: [empty] };
    const thing = await blob("application/x-thing", Buffer.from("thing"));
    await setIndex(attestation, await blob(`${OCI}.manifest.v1+json`, json(artifact)), thing, await imageOf("mine"));
    expect(await names()).toEqual(["mine"]);
  });

  it("for other machines only says for which", async () => {
    const arm = await imageOf("arm", { platform: { architecture: "arm64", os: "linux" } });
    const bsd = await imageOf("bsd", { platform: { architecture: "riscv64", os: "freebsd" } });
    await setIndex(await blob(`${OCI}.index.v1+json`, indexOf(arm, bsd)));
    await expect(names()).rejects.toThrow("it is for arm64, freebsd on riscv64, and machines here are riscv64");
  });

  it("that leads deeper and deeper is refused", async () => {
    let descriptor = await imageOf("deep");
    for (let n = 0; n < 7; n++) descriptor = await blob(`${OCI}.index.v1+json`, indexOf(descriptor));
    await setIndex(descriptor);
    await expect(names()).rejects.toThrow("too deeply");
  });
});

describe("layers", () => {
  const { zstdCompressSync } = zlib as unknown as { readonly zstdCompressSync?: (bytes: Uint8Array) => Buffer };

  it.each([
    [`${OCI}.layer.v1.tar`, "none"],
    [`${OCI}.layer.v1.tar+gzip`, "gzip"],
    [`${OCI}.layer.v1.tar+zstd`, "zstd"],
    [`${OCI}.layer.nondistributable.v1.tar`, "none"],
    [`${OCI}.layer.nondistributable.v1.tar+gzip`, "gzip"],
    [`${DOCKER}.image.rootfs.diff.tar`, "none"],
    [`${DOCKER}.image.rootfs.diff.tar.gzip`, "gzip"],
    [`${DOCKER}.image.rootfs.diff.tar.zstd`, "zstd"],
    [`${DOCKER}.image.rootfs.foreign.diff.tar.gzip`, "gzip"],
  ])("of the kind %s are read, or need a newer Node", async (mediaType, compression) => {
    const layer = await tar(file("f"));
    // A magic number alone, where this Node cannot compress.
    const zstd = (bytes: Uint8Array) => zstdCompressSync?.(bytes) ?? Buffer.of(0x28, 0xb5, 0x2f, 0xfd);
    const packed = { none: layer, gzip: zlib.gzipSync(layer), zstd: zstd(layer) }[compression] ?? layer;
    const manifest = {
      schemaVersion: 2,
      mediaType: `${DOCKER}.distribution.manifest.v2+json`,
      config: await blob(`${DOCKER}.container.image.v1+json`, configOf([layer])),
      layers: [await blob(mediaType, packed)],
    };
    await setIndex(await blob(`${DOCKER}.distribution.manifest.v2+json`, json(manifest)));
    if (compression === "zstd" && zstdCompressSync === undefined) {
      await expect(names()).rejects.toThrow("zstd, which needs Node 22.15 or newer (or skopeo copy");
    } else expect(await names()).toEqual(["f"]);
  });

  it("that are to be had elsewhere are refused with where", async () => {
    const layer = await tar(file("f"));
    const foreign = await blob(`${DOCKER}.image.rootfs.foreign.diff.tar.gzip`, zlib.gzipSync(layer));
    await unlink(join(path, "blobs/sha256", foreign.digest.slice(7)));
    const manifest = {
      schemaVersion: 2,
      config: await blob(`${OCI}.config.v1+json`, configOf([layer])),
      layers: [{ ...foreign, urls: ["https://example.org/layer"] }],
    };
    await setIndex(await blob(`${OCI}.manifest.v1+json`, json(manifest)));
    await expect(names()).rejects.toThrow("is missing, and is to be had elsewhere: https://example.org/layer");
  });

  it("are as many as the configuration has, whatever else stands in its history, and the same may come twice", async () => {
    const [base, above, empty] = [await tar(file("f"), file("g")), await tar(file(".wh.f", "")), Buffer.alloc(1024)];
    const layers = [base, empty, above, empty];
    const history = [{ empty_layer: true, created_by: "ENV A=b" }, {}, {}, {}, { empty_layer: true }, {}];
    const gzip = `${OCI}.layer.v1.tar+gzip`;
    const manifest = {
      schemaVersion: 2,
      config: await blob(`${OCI}.config.v1+json`, configOf(layers, { history })),
      layers: await Promise.all(layers.map((layer) => blob(gzip, zlib.gzipSync(layer)))),
    };
    await setIndex(await blob(`${OCI}.manifest.v1+json`, json(manifest)));
    expect(await names()).toEqual(["g"]);
  });

  it("whose tar ends without padding, as umoci's do, are read", async () => {
    const layer = (await tar(file("f", "four"))).subarray(0, 512 + 4);
    const manifest = {
      schemaVersion: 2,
      config: await blob(`${OCI}.config.v1+json`, configOf([layer])),
      layers: [await blob(`${OCI}.layer.v1.tar+gzip`, zlib.gzipSync(layer))],
    };
    await setIndex(await blob(`${OCI}.manifest.v1+json`, json(manifest)));
    expect(await names()).toEqual(["f"]);
  });
});

describe("what docker save wrote before Docker 25", () => {
  let layers: Buffer[];

  beforeEach(async () => {
    await rm(path, { recursive: true });
    layers = [await tar(file("f"), file("g")), await tar(file(".wh.f", "")), await tar(file("f", "anew"))];
    await save();
  });

  /** Two images, which share a layer by a link, in a folder for each layer. */
  async function save(): Promise<void> {
    const configs = [configOf(layers.slice(0, 2)), configOf([layers[0], layers[2]] as Buffer[])];
    for (const [n, layer] of layers.entries()) await put(`${n}/layer.tar`, layer);
    await put("0/VERSION", "1.0");
    await put("0/json", "{}");
    await mkdir(join(path, "again"));
    await symlink("../0/layer.tar", join(path, "again/layer.tar"));
    for (const config of configs) await put(`${hex(config)}.json`, config);
    await put("repositories", json({ thing: { 1: "1", 2: "2" } }));
    await put(
      "manifest.json",
      json([
        { Config: `${hex(configs[0] as Buffer)}.json`, RepoTags: ["thing:1"], Layers: ["0/layer.tar", "1/layer.tar"] },
        {
          Config: `${hex(configs[1] as Buffer)}.json`,
          RepoTags: ["thing:2"],
          Layers: ["again/layer.tar", "2/layer.tar"],
        },
      ]),
    );
  }

  /** The folder as a tar, in which what was a link is one. */
  async function pack(compress: (bytes: Buffer) => Buffer = (bytes) => bytes): Promise<void> {
    const entries: LayerEntry[] = [{ path: "again/layer.tar", mode: 0o120777, target: "../0/layer.tar" }];
    for (const name of await readdir(path, { recursive: true })) {
      if (name.startsWith("again")) continue;
      const content = await readFile(join(path, name)).catch(() => undefined);
      if (content !== undefined) entries.push({ path: name, mode: 0o100644, content });
    }
    await rm(path, { recursive: true });
    await writeFile(path, compress(await tar(...entries)));
  }

  it("is an image by its tag, in a folder, a tar, and a tar that is compressed", async () => {
    await expect(names()).rejects.toThrow("it has 2 images; say which: thing:1, thing:2");
    expect(await names("thing:1")).toEqual(["g"]);
    await pack((bytes) => zlib.gzipSync(bytes));
    expect(await names("thing:1")).toEqual(["g"]);
    await writeFile(path, zlib.gunzipSync(await readFile(path)));
    expect((await names("thing:2")).sort()).toEqual(["f", "g"]);
  });

  it("may have layers that are compressed", async () => {
    await put("1/layer.tar", zlib.gzipSync(layers[1] as Buffer));
    expect(await names("thing:1")).toEqual(["g"]);
  });

  it.each<[string, () => Promise<void>, RegExp]>([
    ["a layer is another", () => put("1/layer.tar", Buffer.alloc(1024)), /1\/layer\.tar does not unpack to sha256:/],
    ["a layer is missing", () => unlink(join(path, "1/layer.tar")), /1\/layer\.tar is missing/],
    [
      "a layer is a link out of it",
      async () => {
        await unlink(join(path, "1/layer.tar"));
        await symlink("/etc/passwd", join(path, "1/layer.tar"));
      },
      /1\/layer\.tar is missing/,
    ],
    [
      "a layer's name leads out of it",
      async () => {
        const [image] = JSON.parse(await readFile(join(path, "manifest.json"), "utf8"));
        await put("manifest.json", json([{ ...image, Layers: ["../../../../etc/passwd", "1/layer.tar"] }]));
      },
      /etc\/passwd is missing/,
    ],
    [
      "its configuration is not what its name says",
      async () => {
        const [{ Config }] = JSON.parse(await readFile(join(path, "manifest.json"), "utf8"));
        await put(Config, configOf(layers.slice(0, 2), { author: "another" }));
      },
      /is not what its digest says/,
    ],
    ["its list is none", () => put("manifest.json", "{}"), /manifest\.json: it is no list/],
    ["an image has no layers", () => put("manifest.json", '[{"Config":"x","Layers":[7]}]'), /a layer has no name/],
    ["a name has lines", () => put("manifest.json", '[{"Config":"x\\ny","Layers":[]}]'), /an image has no Config/],
  ])("is refused where %s", async (_, change, message) => {
    await change();
    await expect(names("thing:1")).rejects.toMatchObject({
      code: "invalid-image",
      message: expect.stringMatching(message),
    });
    expect(await store.list()).toEqual([]);
  });

  it("is refused as a tar with links in a circle, or a file twice", async () => {
    const manifest = json([{ Config: "c.json", RepoTags: null, Layers: ["a"] }]);
    const circle: LayerEntry[] = [
      file("c.json", configOf(layers.slice(0, 1)).toString()),
      { path: "manifest.json", mode: 0o100644, content: manifest },
      { path: "a", mode: 0o120777, target: "b" },
      { path: "b", mode: 0o120777, target: "a" },
    ];
    await rm(path, { recursive: true });
    await writeFile(path, await tar(...circle));
    await expect(names()).rejects.toThrow("a is missing");
    await writeFile(path, Buffer.concat([(await tar(file("x"))).subarray(0, 1024), await tar(file("x"))]));
    await expect(names()).rejects.toThrow("x is there twice");
  });
});
